"""Writing a structured matrix out as a dense one."""

from typing import assert_never

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
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
)


def expand_cost(structure: Structure, /) -> int:
    """Return the multiplications needed to write every entry: none, but for A⊗B with two factors."""
    if isinstance(structure, Kronecker) and isinstance(structure.left, Dense) and isinstance(structure.right, Dense):
        return structure.rows * structure.columns
    return 0


def expand_calls(kernels: Kernels, structure: Structure, arrays: Arrays, out: Array, /) -> Calls:
    """Return the calls that write every entry of a matrix into the contiguous 2-D array `out`."""
    zeros = (kernels.fill, (0, out))
    match structure:
        case Identity(size):
            return (zeros, (kernels.fill, (1, out.reshape(-1)[:: size + 1])))
        case Negation(size):
            return (zeros, (kernels.fill, (-1, out.reshape(-1)[:: size + 1])))
        case Diagonal(size):
            return (zeros, (kernels.copyto, (out.reshape(-1)[:: size + 1], arrays[0])))
        case Dense():
            return ((kernels.copyto, (out, arrays[0])),)
        case BlockDiagonal(count, rows, columns):
            return (zeros, (kernels.copyto, (_blocks(kernels, out, count, rows, columns), arrays[0])))
        case Kronecker(Identity(count), Dense(rows, columns)):
            return (zeros, (kernels.copyto, (_blocks(kernels, out, count, rows, columns), arrays[0])))
        case Kronecker(Dense(rows, columns), Identity(size)):
            spread = kernels.xp.einsum("icjc->cij", out.reshape(rows, size, columns, size))
            return (zeros, (kernels.copyto, (spread, arrays[0])))
        case Kronecker(left, right):
            a, b = arrays
            grid = out.reshape(left.rows, right.rows, left.columns, right.columns)
            return ((kernels.multiply, (a[:, None, :, None], b[None, :, None, :], grid)),)
        case Sparse():
            import numpy as np

            indptr, indices = csr_arrays(structure)
            row_of_entry = np.repeat(np.arange(structure.rows, dtype=np.int64), np.diff(indptr))
            places = kernels.index(row_of_entry * structure.columns + indices)
            return (zeros, (kernels.scatter, (arrays[0], places, out.reshape(-1))))
        case _:
            assert_never(structure)


def _blocks(kernels: Kernels, out: Array, count: int, rows: int, columns: int) -> Array:
    """Return a writable view of the diagonal blocks of `out`."""
    return kernels.xp.einsum("nrnc->nrc", out.reshape(count, rows, count, columns))
