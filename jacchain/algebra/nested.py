"""Rules for blocks of two sizes: each of the larger ones meets a whole number of the smaller.

So it is where many points are taken at once: what is full at one point is a block for each, and what falls into blocks
at one point, as rows that are multiplied by one matrix do, falls into as many more of them.
"""

from typing import Final

from jacchain.algebra.kernels import Array, Call, Calls, Kernels, gemm, stacked
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


def _count(structure: BlockDiagonal | Kronecker) -> int:
    """Return the number of blocks; 0 where A⊗B does not fall into any."""
    if isinstance(structure, BlockDiagonal):
        return structure.count
    return structure.left.size if isinstance(structure.left, Identity) else 0


def _is_coarser(a: BlockDiagonal | Kronecker, b: BlockDiagonal | Kronecker) -> bool:
    """Tell whether each block of a meets several blocks of b."""
    few, many = _count(a), _count(b)
    return 0 < few < many and many % few == 0


def _either_way(a: BlockDiagonal | Kronecker, b: BlockDiagonal | Kronecker) -> bool:
    return _is_coarser(a, b) or _is_coarser(b, a)


def _joined(a: BlockDiagonal | Kronecker, b: BlockDiagonal | Kronecker) -> Structure:
    count = min(_count(a), _count(b))
    return block_diagonal(count, a.rows // count, b.columns // count)


def _cost(a: BlockDiagonal | Kronecker, b: BlockDiagonal | Kronecker) -> int:
    fine = b if _is_coarser(a, b) else a
    count, once = _count(fine), stored(fine)
    each = once if isinstance(fine, Kronecker) else once // count
    # every smaller block is multiplied by its part of a larger one
    return count * each * (a.rows // _count(a) if fine is b else b.columns // _count(b))


def _apply(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    a, b = left.structure, right.structure
    if _is_coarser(b, a):  # the rows of a right block that a left one meets lie together
        few, each = _count(b), _count(a) // _count(b)
        rows, inner = a.rows // _count(a), a.columns // _count(a)
        blocks = left.arrays[0].reshape(-1, each, rows, inner) if isinstance(a, BlockDiagonal) else left.arrays[0]
        parts = right.arrays[0].reshape(-1, each, inner, b.columns // few)
        return (stacked(kernels, (blocks, parts, out.arrays[0].reshape(few, each, rows, -1))),)
    few, each = _count(a), _count(b) // _count(a)
    if isinstance(b, Kronecker):  # every row of parts meets the same factor
        factor = right.arrays[0]
        tall = left.arrays[0].reshape(-1, factor.shape[0])
        return (gemm(kernels, (tall, factor, out.arrays[0].reshape(-1, factor.shape[1]))),)
    rows, width = a.rows // few, b.columns // _count(b)
    parts = left.arrays[0].reshape(-1, rows, each, b.rows // _count(b)).swapaxes(1, 2)  # of one for all, or of each
    blocks = right.arrays[0].reshape(few, each, -1, width)
    target = out.arrays[0].reshape(few, rows, each, width)
    if rows == 1:  # the parts of a row lie together as they are
        return (stacked(kernels, (parts, blocks, target.reshape(few, each, 1, width))),)
    return (stacked(kernels, (parts, blocks, target.swapaxes(1, 2))),)


def _joined_factors(a: Kronecker, b: Kronecker) -> Structure:
    count = min(_count(a), _count(b))
    return kronecker(Identity(count), Dense(a.rows // count, b.columns // count))


def _cost_factors(a: Kronecker, b: Kronecker) -> int:
    return _cost(a, b) // min(_count(a), _count(b))


def _apply_factors(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    first, second, target = left.arrays[0], right.arrays[0], out.arrays[0]
    if _is_coarser(left.structure, right.structure):
        tall, wide = first.reshape(-1, second.shape[0]), target.reshape(-1, second.shape[1])
        return (gemm(kernels, (tall, second, wide)),)
    parts = second.reshape(-1, first.shape[1], second.shape[1])
    call: Call = stacked(kernels, (first, parts, target.reshape(len(parts), first.shape[0], -1)))
    return (call,)


NESTED: Final = Rule(_joined, _cost, _apply, accepts=_either_way)
"""For two that fall into blocks, of which at least one has numbers of its own in each."""

NESTED_FACTORS: Final = Rule(_joined_factors, _cost_factors, _apply_factors, accepts=_either_way)
"""For two of equal blocks: the product has equal blocks too, and one of them is formed."""
