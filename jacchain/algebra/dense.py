"""Rules with a dense operand on one side and a dense, block-diagonal or sparse one on the other."""

from collections.abc import Iterator
from typing import Final

from jacchain.algebra.kernels import Array, Call, Calls, Kernels, gemm, stacked
from jacchain.algebra.rule import Operand, Rule, full
from jacchain.algebra.structure import BlockDiagonal, Dense, Sparse, csr_arrays, stored


def _cost_dense(left: Dense, right: Dense) -> int:
    return left.rows * left.columns * right.columns


def _dense_dense(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return (gemm(kernels, (left.arrays[0], right.arrays[0], out.arrays[0])),)


def _cost_times_dense(left: BlockDiagonal | Sparse, right: Dense) -> int:
    return stored(left) * right.columns


def _cost_dense_times(left: Dense, right: BlockDiagonal | Sparse) -> int:
    return left.rows * stored(right)


def _block_dense(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    blocks: BlockDiagonal = left.structure
    columns = right.structure.columns
    stack = right.arrays[0].reshape(blocks.count, blocks.block_columns, columns)
    target = out.arrays[0].reshape(blocks.count, blocks.block_rows, columns)
    return (stacked(kernels, (left.arrays[0], stack, target)),)


def _dense_block(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    blocks: BlockDiagonal = right.structure
    rows = left.structure.rows
    stack = left.arrays[0].reshape(rows, blocks.count, blocks.block_rows).swapaxes(0, 1)
    target = out.arrays[0].reshape(rows, blocks.count, blocks.block_columns).swapaxes(0, 1)
    return (stacked(kernels, (stack, right.arrays[0], target)),)


def _panels(kernels: Kernels, rows: int, columns: int) -> Iterator[tuple[int, int]]:
    step = max(1, kernels.panel // columns)
    return ((first, min(first + step, rows)) for first in range(0, rows, step))


def _sparse_dense(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    structure: Sparse = left.structure
    indptr, indices = csr_arrays(structure)
    calls: list[Call] = []
    for first, last in _panels(kernels, structure.rows, right.structure.columns):
        entries = slice(int(indptr[first]), int(indptr[last]))
        parts = left.arrays[0][entries], indices[entries], indptr[first : last + 1] - indptr[first]
        panel = kernels.csr(*parts, (last - first, structure.columns))
        calls.append((kernels.csr_dot, (panel, right.arrays[0], out.arrays[0][first:last])))
    return tuple(calls)


def _dense_sparse(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    structure: Sparse = right.structure
    indptr, indices = csr_arrays(structure)
    turned = kernels.csr_transposed(right.arrays[0], indices, indptr, (structure.rows, structure.columns))
    panels = _panels(kernels, left.structure.rows, structure.columns)
    return tuple((kernels.dot_csr, (left.arrays[0][a:b], turned, out.arrays[0][a:b])) for a, b in panels)


RULES: Final[dict[tuple[type, type], Rule]] = {
    (BlockDiagonal, Dense): Rule(full, _cost_times_dense, _block_dense),
    (Sparse, Dense): Rule(full, _cost_times_dense, _sparse_dense),
    (Dense, BlockDiagonal): Rule(full, _cost_dense_times, _dense_block),
    (Dense, Sparse): Rule(full, _cost_dense_times, _dense_sparse),
    (Dense, Dense): Rule(full, _cost_dense, _dense_dense),
}
