"""The kernels on NumPy arrays; SciPy is loaded with the first sparse matrix or logistic function."""

from collections.abc import Callable
from typing import Any, Final, final

import numpy as np

from jacchain.algebra.kernels import Array, Kernels

SMALL: Final = 1 << 15
"""Bytes of a result up to which the call costs more than the memory."""

CACHE: Final = 1 << 21
"""Bytes of a result that fit in a second-level cache."""


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


def _gram(a: Array, out: Array) -> None:
    np.matmul(a.T, a, out=out)  # NumPy sees that it is one array twice: BLAS updates one half, NumPy mirrors it


def _outer(subscripts: str, a: Array, b: Array, out: Array) -> None:
    np.einsum(subscripts, a, b, out=out)  # its loops take half the time of a broadcast product with short rows


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


def _special(name: str) -> Callable[..., object]:
    import scipy.special

    found: Callable[..., object] = getattr(scipy.special, name)
    return found


@final
class NumpyKernels:
    """The operations on NumPy arrays.

    Parameters
    ----------
    is_cold : bool
        The arrays written to are not in the processor's cache, as a result is that has just been handed out.
    """

    def __init__(self, *, is_cold: bool) -> None:
        self.is_cold = is_cold

    def gemm(self, a: Array, b: Array, out: Array) -> Callable[..., object]:
        """Return np.dot or np.matmul, whichever measured faster for such shapes.

        np.dot starts faster and is better with vectors, but writes zeros over the whole result before BLAS does. That
        is a pass over memory which matmul saves, except for a cold result: there it serves as a prefetch, as long as
        the result fits in the cache.
        """
        if out.nbytes <= SMALL or 1 in (*a.shape, *b.shape):
            return np.dot
        return np.dot if self.is_cold and out.nbytes <= CACHE else np.matmul

    xp = np
    matmul = staticmethod(np.matmul)
    gram = staticmethod(_gram)
    multiply = staticmethod(np.multiply)
    outer = staticmethod(_outer)
    add = staticmethod(np.add)
    negative = staticmethod(np.negative)
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
    special = staticmethod(_special)


NUMPY: Final[Kernels] = NumpyKernels(is_cold=False)
NUMPY_COLD: Final[Kernels] = NumpyKernels(is_cold=True)
