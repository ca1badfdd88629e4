"""Rules with a dense operand on one side and a dense, block-diagonal or sparse one on the other."""

from typing import Any, Final

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand, Rule, full
from jacchain.algebra.structure import BlockDiagonal, Dense, Sparse, csr_arrays, stored


def _cost_dense(left: Dense, right: Dense) -> int:
    return left.rows * left.columns * right.columns


def _dense_dense(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return ((kernels.dot, (left.arrays[0], right.arrays[0], out.arrays[0])),)


def _cost_times_dense(left: BlockDiagonal | Sparse, right: Dense) -> int:
    return stored(left) * right.columns


def _cost_dense_times(left: Dense, right: BlockDiagonal | Sparse) -> int:
    return left.rows * stored(right)


def _block_dense(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    blocks: BlockDiagonal = left.structure
    columns = right.structure.columns
    stacked = right.arrays[0].reshape(blocks.count, blocks.block_columns, columns)
    return (
        (kernels.matmul, (left.arrays[0], stacked, out.arrays[0].reshape(blocks.count, blocks.block_rows, columns))),
    )


def _dense_block(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    blocks: BlockDiagonal = right.structure
    rows = left.structure.rows
    stacked = left.arrays[0].reshape(rows, blocks.count, blocks.block_rows).swapaxes(0, 1)
    target = out.arrays[0].reshape(rows, blocks.count, blocks.block_columns).swapaxes(0, 1)
    return ((kernels.matmul, (stacked, right.arrays[0], target)),)


def _csr_parts(operand: Operand) -> tuple[Any, ...]:
    indptr, indices = csr_arrays(operand.structure)
    return operand.arrays[0], indices, indptr, (operand.structure.rows, operand.structure.columns)


def _sparse_dense(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return ((kernels.csr_dot, (kernels.csr(*_csr_parts(left)), right.arrays[0], out.arrays[0])),)


def _dense_sparse(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return ((kernels.dot_csr, (left.arrays[0], kernels.csr_transposed(*_csr_parts(right)), out.arrays[0])),)


RULES: Final[dict[tuple[type, type], Rule]] = {
    (BlockDiagonal, Dense): Rule(full, _cost_times_dense, _block_dense),
    (Sparse, Dense): Rule(full, _cost_times_dense, _sparse_dense),
    (Dense, BlockDiagonal): Rule(full, _cost_dense_times, _dense_block),
    (Dense, Sparse): Rule(full, _cost_dense_times, _dense_sparse),
    (Dense, Dense): Rule(full, _cost_dense, _dense_dense),
}
