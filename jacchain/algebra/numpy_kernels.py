"""The kernels on NumPy arrays; SciPy is loaded with the first sparse matrix or logistic function."""

from typing import Any, Final, final

import numpy as np

from jacchain.algebra.kernels import Array, Kernels


def _csr(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    found = csr_array((data, indices, indptr), shape=shape)
    found.data = data  # the constructor copies what is a view of a much larger array
    return found


def _csr_transposed(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
    found = _csr(data, indices, indptr, shape).T
    found.data = data
    return found


def _csr_dot(csr: Any, x: Array, out: Array) -> None:
    out[...] = csr @ x


def _dot_csr(x: Array, transposed: Any, out: Array) -> None:
    out.T[...] = transposed @ x.T


def _take(a: Array, index: Array, out: Array) -> None:
    np.take(a, index, out=out, mode="clip")  # the default mode would buffer the result


def _segment_sum(a: Array, starts: Array, out: Array) -> None:
    np.add.reduceat(a, starts, out=out)


def _fill(value: float, out: Array) -> None:
    out[...] = value


def _scatter(a: Array, index: Array, out: Array) -> None:
    out[index] = a


def _expit(a: Array, out: Array) -> None:
    from scipy.special import expit

    expit(a, out)


def _xlogy(a: Array, b: Array, out: Array) -> None:
    from scipy.special import xlogy

    xlogy(a, b, out)


@final
class NumpyKernels:
    """The operations on NumPy arrays."""

    xp = np
    dot = staticmethod(np.dot)
    matmul = staticmethod(np.matmul)
    multiply = staticmethod(np.multiply)
    csr = staticmethod(_csr)
    csr_transposed = staticmethod(_csr_transposed)
    csr_dot = staticmethod(_csr_dot)
    dot_csr = staticmethod(_dot_csr)
    take = staticmethod(_take)
    segment_sum = staticmethod(_segment_sum)
    copyto = staticmethod(np.copyto)
    fill = staticmethod(_fill)
    scatter = staticmethod(_scatter)
    xlogy = staticmethod(_xlogy)
    expit = staticmethod(_expit)


NUMPY: Final[Kernels] = NumpyKernels()
