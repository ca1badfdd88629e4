"""Rules with an identity, which passes the other operand through, and with a diagonal, which scales it."""

from typing import Final

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand, Rule, nothing
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Sparse,
    Structure,
    block_diagonal,
    csr_arrays,
    sparse_like,
    stored,
)


def _keep_left(left: Structure, _right: Identity) -> Structure:
    return left


def _keep_right(_left: Identity, right: Structure) -> Structure:
    return right


def _copies(kernels: Kernels, kept: Operand, out: Operand) -> Calls:
    return tuple((kernels.copyto, (b, a)) for a, b in zip(kept.arrays, out.arrays, strict=True))


def _pass_left(kernels: Kernels, left: Operand, _right: Operand, out: Operand, _scratch: Array) -> Calls:
    return _copies(kernels, left, out)


def _pass_right(kernels: Kernels, _left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return _copies(kernels, right, out)


LEFT: Final = Rule(_keep_left, nothing, _pass_left)
RIGHT: Final = Rule(_keep_right, nothing, _pass_right)


def _scaled_columns(left: Structure, _right: Diagonal) -> Structure:
    return left


def _scaled_rows(_left: Diagonal, right: Structure) -> Structure:
    return right


def _cost_left(left: Structure, _right: Diagonal) -> int:
    return stored(left)


def _cost_right(_left: Diagonal, right: Structure) -> int:
    return stored(right)


def _diagonal_diagonal(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return ((kernels.multiply, (left.arrays[0], right.arrays[0], out.arrays[0])),)


def _diagonal_dense(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return ((kernels.multiply, (left.arrays[0][:, None], right.arrays[0], out.arrays[0])),)


def _dense_diagonal(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return ((kernels.multiply, (left.arrays[0], right.arrays[0], out.arrays[0])),)


def _diagonal_block(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    blocks: BlockDiagonal = right.structure
    rows = left.arrays[0].reshape(blocks.count, blocks.block_rows, 1)
    return ((kernels.multiply, (rows, right.arrays[0], out.arrays[0])),)


def _block_diagonal(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    blocks: BlockDiagonal = left.structure
    columns = right.arrays[0].reshape(blocks.count, 1, blocks.block_columns)
    return ((kernels.multiply, (left.arrays[0], columns, out.arrays[0])),)


def _diagonal_sparse(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    import numpy as np

    indptr, _ = csr_arrays(right.structure)
    rows = kernels.index(np.repeat(np.arange(right.structure.rows), np.diff(indptr)))
    (entries,) = out.arrays
    return ((kernels.take, (left.arrays[0], rows, entries)), (kernels.multiply, (entries, right.arrays[0], entries)))


def _sparse_diagonal(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    _, indices = csr_arrays(left.structure)
    (entries,), columns = out.arrays, kernels.index(indices)
    return ((kernels.take, (right.arrays[0], columns, entries)), (kernels.multiply, (left.arrays[0], entries, entries)))


def _has_identity(matrix: Kronecker) -> bool:
    return isinstance(matrix.left, Identity) or isinstance(matrix.right, Identity)


def spread(matrix: Kronecker) -> Structure:
    """Return what a scaled Kronecker product looks like: I⊗B falls into blocks, A⊗I into a sparse pattern."""
    if isinstance(matrix.left, Identity):
        return block_diagonal(matrix.left.size, matrix.right.rows, matrix.right.columns)
    return sparse_like(matrix)


def _entries(matrix: Kronecker) -> int:
    # I⊗B has count·c·d entries, A⊗I has a·b·size
    return stored(matrix) * (matrix.left.size if isinstance(matrix.left, Identity) else matrix.right.rows)


def _diagonal_kronecker(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    match right.structure:
        case Kronecker(Identity(count), Dense(rows, columns)):
            shape, scale, factor = (count, rows, columns), (count, rows, 1), right.arrays[0]
        case Kronecker(Dense(rows, columns), Identity(size)):
            shape, scale, factor = (rows, size, columns), (rows, size, 1), right.arrays[0][:, None, :]
    return ((kernels.multiply, (left.arrays[0].reshape(scale), factor, out.arrays[0].reshape(shape))),)


def _kronecker_diagonal(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    match left.structure:
        case Kronecker(Identity(count), Dense(rows, columns)):
            shape, factor = (count, rows, columns), left.arrays[0]
            scale = right.arrays[0].reshape(count, 1, columns)
        case Kronecker(Dense(rows, columns), Identity(size)):
            # entry (i, n), (j, n) is A[i, j]·v[(j, n)]
            shape, factor = (rows, size, columns), left.arrays[0][:, None, :]
            scale = right.arrays[0].reshape(columns, size).T
    return ((kernels.multiply, (factor, scale, out.arrays[0].reshape(shape))),)


RULES: Final[dict[tuple[type, type], Rule]] = {
    (Identity, Identity): LEFT,
    (Identity, Diagonal): RIGHT,
    (Identity, Kronecker): RIGHT,
    (Identity, BlockDiagonal): RIGHT,
    (Identity, Sparse): RIGHT,
    (Identity, Dense): RIGHT,
    (Diagonal, Identity): LEFT,
    (Diagonal, Diagonal): Rule(_scaled_rows, _cost_right, _diagonal_diagonal, in_place="either"),
    (Diagonal, Kronecker): Rule(
        lambda _, b: spread(b), lambda _, b: _entries(b), _diagonal_kronecker, accepts=lambda _, b: _has_identity(b)
    ),
    (Diagonal, BlockDiagonal): Rule(_scaled_rows, _cost_right, _diagonal_block, in_place="right"),
    (Diagonal, Sparse): Rule(_scaled_rows, _cost_right, _diagonal_sparse),
    (Diagonal, Dense): Rule(_scaled_rows, _cost_right, _diagonal_dense, in_place="right"),
    (Kronecker, Identity): LEFT,
    (Kronecker, Diagonal): Rule(
        lambda a, _: spread(a), lambda a, _: _entries(a), _kronecker_diagonal, accepts=lambda a, _: _has_identity(a)
    ),
    (BlockDiagonal, Identity): LEFT,
    (BlockDiagonal, Diagonal): Rule(_scaled_columns, _cost_left, _block_diagonal, in_place="left"),
    (Sparse, Identity): LEFT,
    (Sparse, Diagonal): Rule(_scaled_columns, _cost_left, _sparse_diagonal),
    (Dense, Identity): LEFT,
    (Dense, Diagonal): Rule(_scaled_columns, _cost_left, _dense_diagonal, in_place="left"),
}
