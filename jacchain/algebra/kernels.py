"""The few array operations that products are made of; each writes into a given array.

A *call* is a function with its arguments: what a product or a layer becomes once its buffers are known.
"""

from collections.abc import Callable
from typing import Any, Protocol, final

import numpy as np

Array = Any
"""An array of the backend's namespace; its shape and dtype are stated where it is used."""

Arrays = tuple[Array, ...]
Call = tuple[Callable[..., object], tuple[Any, ...]]
Calls = tuple[Call, ...]


class Kernels(Protocol):
    """What a backend offers. `xp` is a NumPy-like namespace whose functions take `out`.

    The operations that multiply are methods of their own, so that they can be counted.
    """

    @property
    def xp(self) -> Any:
        """The array namespace."""

    def dot(self, a: Array, b: Array, out: Array) -> object:
        """Write the product of two 2-D arrays into the contiguous array `out`."""

    def matmul(self, a: Array, b: Array, out: Array) -> object:
        """Write the product of two stacks of 2-D arrays into `out`."""

    def multiply(self, a: Array, b: Array, out: Array) -> object:
        """Write the elementwise product into `out`."""

    def csr(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
        """Return a compressed sparse matrix that shares `data`."""

    def csr_dot(self, csr: Any, x: Array, out: Array) -> object:
        """Write csr @ x into `out`."""

    def csr_transposed(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
        """Return the transpose of a compressed sparse matrix of `shape`, sharing `data`."""

    def dot_csr(self, x: Array, transposed: Any, out: Array) -> object:
        """Write x times a sparse matrix, given as its transpose, into `out`."""

    def take(self, a: Array, index: Array, out: Array) -> object:
        """Gather a[index] into `out`."""

    def segment_sum(self, a: Array, starts: Array, out: Array) -> object:
        """Sum the non-empty segments of `a` that begin at `starts` into `out`."""

    def copy(self, a: Array, out: Array) -> object:
        """Write `a` into `out`."""

    def fill(self, value: float, out: Array) -> object:
        """Write one value everywhere in `out`."""

    def scatter(self, a: Array, index: Array, out: Array) -> object:
        """Write `a` to the places `index` of the 1-D array `out`."""

    def expit(self, a: Array, out: Array) -> object:
        """Write the logistic function of `a` into `out`."""


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


def _copy(a: Array, out: Array) -> None:
    np.copyto(out, a, casting="same_kind")


def _fill(value: float, out: Array) -> None:
    out[...] = value


def _scatter(a: Array, index: Array, out: Array) -> None:
    out[index] = a


def _expit(a: Array, out: Array) -> None:
    from scipy.special import expit

    expit(a, out)


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
    copy = staticmethod(_copy)
    fill = staticmethod(_fill)
    scatter = staticmethod(_scatter)
    expit = staticmethod(_expit)


NUMPY: Kernels = NumpyKernels()


def run(calls: Calls, /) -> None:
    """Run calls in order."""
    for function, arguments in calls:
        function(*arguments)
