"""The few array operations that products are made of; each writes into a given array.

A *call* is a function with its arguments: what a product or a layer becomes once its buffers are known.
"""

from collections.abc import Callable
from typing import Any, Protocol

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

    def gemm(self, a: Array, b: Array, out: Array) -> Callable[..., object]:
        """Return the function that best writes the product of 2-D arrays like these into the contiguous array `out`."""

    def matmul(self, a: Array, b: Array, out: Array) -> object:
        """Write the product of two stacks of 2-D arrays into `out`."""

    def gram(self, a: Array, out: Array) -> object:
        """Write the product of the transpose of a 2-D array with the array into `out`; one half is computed."""

    def multiply(self, a: Array, b: Array, out: Array) -> object:
        """Write the elementwise product into `out`."""

    def outer(self, subscripts: str, a: Array, b: Array, out: Array) -> object:
        """Write products of entries into `out`, none of them summed, by the subscripts of ``einsum``."""

    def add(self, a: Array, b: Array, out: Array) -> object:
        """Write the elementwise sum into `out`."""

    def negative(self, a: Array, out: Array) -> object:
        """Write -a into `out`."""

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

    def copyto(self, out: Array, a: Array) -> object:
        """Write `a` into `out`."""

    def fill(self, value: float, out: Array) -> object:
        """Write one value everywhere in `out`."""

    def scatter(self, a: Array, index: Array, out: Array) -> object:
        """Write `a` to the places `index` of the 1-D array `out`."""

    def xlogy(self, a: Array, b: Array, out: Array) -> object:
        """Write a·log b into `out`, and 0 where a is 0."""

    def expit(self, a: Array, out: Array) -> object:
        """Write the logistic function of `a` into `out`."""

    def special(self, name: str) -> Callable[..., object]:
        """Return a special function by SciPy's name for it; it takes `out` after its arguments."""


def gemm(kernels: Kernels, operands: tuple[Array, Array, Array], /) -> Call:
    """Return the call that writes the product of two 2-D arrays into the third."""
    return kernels.gemm(*operands), operands


def stacked(kernels: Kernels, operands: tuple[Array, Array, Array], /) -> Call:
    """Return the call that writes the products of two stacks of 2-D arrays into the third.

    A column times a row sums over nothing, which an elementwise product does without starting BLAS for each.
    """
    return kernels.multiply if operands[0].shape[-1] == 1 else kernels.matmul, operands


def run(calls: Calls, /) -> None:
    """Run calls in order."""
    for function, arguments in calls:
        function(*arguments)
