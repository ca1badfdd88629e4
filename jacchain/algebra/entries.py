"""Adding the entries of one matrix to another in their places, without writing them out as a dense matrix.

Every structure but A⊗B keeps its numbers row by row, so that places are views wherever they are evenly spaced.
"""

from math import prod
from typing import assert_never

from jacchain.algebra.expand import expand_calls
from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    Structure,
    csr_arrays,
    stored,
)


def sign(unit: Identity | Negation, /) -> int:
    """Return 1 for I and -1 for -I."""
    return 1 if isinstance(unit, Identity) else -1


def has_entries(structure: Structure, /) -> bool:
    """Tell whether every entry is a stored number, 1 or -1: not so for A⊗B with two dense factors."""
    match structure:
        case Kronecker(left, right):
            return isinstance(left, Identity) or isinstance(right, Identity)
        case _:
            return True


def add_scratch(structure: Structure, /) -> int:
    """Return how many numbers of workspace it takes to add a matrix to a dense one."""
    match structure:
        case Sparse():
            return structure.nonzeros if structure.of is None else 0
        case Kronecker():
            return 0 if has_entries(structure) else structure.rows * structure.columns
        case _:
            return 0


def write_calls(kernels: Kernels, operand: Operand, out: Operand, /) -> Calls:
    """Return the calls that write a matrix into one of its own structure, a dense one, or one of as many entries."""
    if operand.structure == out.structure:
        pairs = zip(out.arrays, operand.arrays, strict=True)
        return tuple((kernels.copyto, pair) for pair in pairs if not kernels.xp.may_share_memory(*pair))
    if isinstance(out.structure, Dense):
        return expand_calls(kernels, operand.structure, operand.arrays, out.arrays[0])
    return ((kernels.copyto, (_places(kernels, operand.structure, out), _values(operand))),)


def add_entries(kernels: Kernels, operand: Operand, out: Operand, scratch: Array, /) -> Calls:
    """Return the calls that add a matrix to one which is dense, or has places for all its entries, evenly spaced."""
    structure = operand.structure
    if isinstance(structure, Sparse) and structure.of is None:
        return _add_scattered(kernels, operand, out, scratch)
    if not has_entries(structure):
        target = out.arrays[0]
        written = scratch[: target.size].reshape(target.shape)
        calls = expand_calls(kernels, structure, operand.arrays, written)
        return (*calls, (kernels.add, (target, written, target)))
    view = _places(kernels, structure, out)
    return ((kernels.add, (view, _values(operand, view.shape), view)),)


def _add_scattered(kernels: Kernels, operand: Operand, out: Operand, scratch: Array) -> Calls:
    import numpy as np

    structure: Sparse = operand.structure
    indptr, indices = csr_arrays(structure)
    if indices.size == 0:
        return ()
    rows = np.repeat(np.arange(structure.rows, dtype=np.int64), np.diff(indptr))
    return add_at(kernels, operand.arrays[0], rows * structure.columns + indices, out.arrays[0].reshape(-1), scratch)


def add_at(kernels: Kernels, values: Array, index: Array, target: Array, scratch: Array, /) -> Calls:
    """Return the calls that add values at distinct places of a 1-D array."""
    held, index = scratch[: index.size], kernels.index(index)
    return (
        (kernels.take, (target, index, held)),
        (kernels.add, (held, values, held)),
        (kernels.scatter, (held, index, target)),
    )


def _values(operand: Operand, shape: tuple[int, ...] | None = None) -> Array:
    """Return the numbers of a matrix as they stand in its places."""
    structure, arrays = operand
    match structure:
        case Identity() | Negation():
            return sign(structure)
        case Diagonal():
            return arrays[0] if shape is None else arrays[0].reshape(shape)
        case Kronecker(_, Identity()):
            return arrays[0][:, None, :]
        case Sparse(of=Kronecker(left, right)):
            return arrays[0].reshape(left.rows, right.rows, left.columns)
        case _:
            return arrays[0]


def _places(kernels: Kernels, structure: Structure, out: Operand) -> Array:
    """Return the view of the places of `out` at which a matrix has its entries."""
    match structure:
        case Identity() | Negation() | Diagonal():
            return _diagonal(kernels, out)
        case Dense():
            return out.arrays[0]
        case BlockDiagonal(count, rows, columns) | Kronecker(Identity(count), Dense(rows, columns)):
            if stored(out.structure) == count * rows * columns:
                return out.arrays[0].reshape(count, rows, columns)
            return kernels.xp.einsum("nrnc->nrc", out.arrays[0].reshape(count, rows, count, columns))
        case (
            Kronecker(Dense(rows, columns), Identity(size)) | Sparse(of=Kronecker(Dense(rows, columns), Identity(size)))
        ):
            if stored(out.structure) == prod((rows, size, columns)):
                return out.arrays[0].reshape(rows, size, columns)
            return kernels.xp.einsum("icjc->icj", out.arrays[0].reshape(rows, size, columns, size))
        case Kronecker() | Sparse():
            raise AssertionError(f"the entries of {structure} are not evenly spaced in {out.structure}")
        case _:
            assert_never(structure)


def _diagonal(kernels: Kernels, out: Operand) -> Array:
    """Return a view of the numbers that hold the diagonal of a square matrix, in its order."""
    (array,) = out.arrays
    match out.structure:
        case Diagonal():
            return array
        case Dense(rows, _):
            return array.reshape(-1)[:: rows + 1]
        case BlockDiagonal():
            return kernels.xp.einsum("nii->ni", array)
        case Kronecker():
            return kernels.xp.einsum("ii->i", array)  # of the one dense factor
        case Sparse(of=Kronecker(left, right)):  # row (i, n) holds its diagonal entry i-th
            return kernels.xp.einsum("ini->in", array.reshape(left.rows, right.rows, left.columns))
    raise AssertionError(f"the diagonal of {out.structure} is not evenly spaced")
