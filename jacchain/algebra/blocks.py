"""Rules for blocks that match block by block and Kronecker products that match factor by factor."""

from typing import Final

from jacchain.algebra.kernels import Array, Call, Calls, Kernels, gemm, stacked
from jacchain.algebra.nested import NESTED, NESTED_FACTORS
from jacchain.algebra.rule import Operand, Rule
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Identity,
    Kronecker,
    Structure,
    block_diagonal,
    kronecker,
    stored,
)
from jacchain.algebra.symbolic import either


def _blocks_match(left: BlockDiagonal, right: BlockDiagonal) -> bool:
    return left.count == right.count


def _matching_blocks(left: BlockDiagonal, right: BlockDiagonal) -> Structure:
    return block_diagonal(left.count, left.block_rows, right.block_columns)


def _cost_blocks(left: BlockDiagonal, right: BlockDiagonal) -> int:
    return stored(left) * right.block_columns


def _block_block(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    shape = (left.structure.count, left.structure.block_rows, right.structure.block_columns)
    return (stacked(kernels, (left.arrays[0], right.arrays[0], out.arrays[0].reshape(shape))),)


def _repeats(matrix: Kronecker, count: int) -> bool:
    """Tell whether a matrix is I⊗B with as many equal blocks."""
    return isinstance(matrix.left, Identity) and matrix.left.size == count


def _kronecker_times_blocks(left: Kronecker, right: BlockDiagonal) -> Structure:
    return block_diagonal(right.count, left.right.rows, right.block_columns)


def _cost_kronecker_block(_left: Kronecker, right: BlockDiagonal) -> int:
    return stored(_left) * right.count * right.block_columns


def _kronecker_block(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    shape = (right.structure.count, left.structure.right.rows, right.structure.block_columns)
    return (stacked(kernels, (left.arrays[0], right.arrays[0], out.arrays[0].reshape(shape))),)


def _blocks_times_kronecker(left: BlockDiagonal, right: Kronecker) -> Structure:
    return block_diagonal(left.count, left.block_rows, right.right.columns)


def _cost_block_kronecker(left: BlockDiagonal, right: Kronecker) -> int:
    return left.count * left.block_rows * stored(right)


def _block_kronecker(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    # the rows of all blocks meet the same factor: one product of a tall matrix instead of one for every block
    rows, factor = left.arrays[0].reshape(-1, left.structure.block_columns), right.arrays[0]
    return (gemm(kernels, (rows, factor, out.arrays[0].reshape(-1, factor.shape[1]))),)


def _factors_match(left: Kronecker, right: Kronecker) -> bool:
    return left.left.columns == right.left.rows


def _matching_factors(left: Kronecker, right: Kronecker) -> Structure:
    return kronecker(_factor_product(left.left, right.left), _factor_product(left.right, right.right))


def _factor_product(left: Identity | Dense, right: Identity | Dense) -> Identity | Dense:
    if isinstance(left, Identity):
        return right
    return left if isinstance(right, Identity) else Dense(left.rows, right.columns)


def _cost_factors(left: Kronecker, right: Kronecker) -> int:
    # (A⊗B)(C⊗D) = AC⊗BD
    pairs = ((left.left, right.left), (left.right, right.right))
    return sum(a.rows * a.columns * b.columns for a, b in pairs if isinstance(a, Dense) and isinstance(b, Dense))


def _kronecker_kronecker(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    lefts, rights, targets = list(left.arrays), list(right.arrays), list(out.arrays)
    calls: list[Call] = []
    for a, b in ((left.structure.left, right.structure.left), (left.structure.right, right.structure.right)):
        match a, b:
            case Dense(), Dense():
                calls.append(gemm(kernels, (lefts.pop(0), rights.pop(0), targets.pop(0))))
            case Dense(), Identity():
                calls.append((kernels.copyto, (targets.pop(0), lefts.pop(0))))
            case Identity(), Dense():
                calls.append((kernels.copyto, (targets.pop(0), rights.pop(0))))
    return tuple(calls)


RULES: Final[dict[tuple[type, type], Rule]] = {
    (Kronecker, Kronecker): either(
        Rule(_matching_factors, _cost_factors, _kronecker_kronecker, accepts=_factors_match), NESTED_FACTORS
    ),
    (Kronecker, BlockDiagonal): either(
        Rule(
            _kronecker_times_blocks,
            _cost_kronecker_block,
            _kronecker_block,
            accepts=lambda a, b: _repeats(a, b.count),
        ),
        NESTED,
    ),
    (BlockDiagonal, Kronecker): either(
        Rule(
            _blocks_times_kronecker,
            _cost_block_kronecker,
            _block_kronecker,
            accepts=lambda a, b: _repeats(b, a.count),
        ),
        NESTED,
    ),
    (BlockDiagonal, BlockDiagonal): either(
        Rule(_matching_blocks, _cost_blocks, _block_block, accepts=_blocks_match), NESTED
    ),
}
