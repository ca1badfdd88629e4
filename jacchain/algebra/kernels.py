"""The few array operations that products are made of; each writes into a given array.

A *call* is a function with its arguments: what a product or a layer becomes once its buffers are known.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

Array = Any
"""An array of the backend's namespace; its shape and dtype are stated where it is used."""

Arrays = tuple[Array, ...]
Call = tuple[Callable[..., object], tuple[Any, ...]]
Calls = tuple[Call, ...]


SMALL_PRODUCT: Final = 1 << 12
"""Multiplications of a product up to which starting it takes longer."""

LARGE_FACTOR: Final = 1 << 17
"""Numbers of a matrix that stay in no second-level cache from one product to the next."""


class Kernels(Protocol):
    """What a backend offers. `xp` is a NumPy-like namespace whose functions take `out`.

    The operations that multiply are methods of their own, so that they can be counted.
    """

    @property
    def xp(self) -> Any:
        """The array namespace."""

    @property
    def panel(self) -> int:
        """Numbers of a product with a sparse matrix that are made at once, in an array of the library's own."""

    def gemm(self, a: Array, b: Array, out: Array) -> Callable[..., object]:
        """Return the function that best writes the product of 2-D arrays like these into the contiguous array `out`."""

    def joins(self, a: Array, b: Array) -> bool:
        """Tell whether a stack times one matrix is best made as one product with the rows of the whole stack."""

    def stack(self, a: Array, b: Array, out: Array) -> Callable[..., object]:
        """Return the function that best writes products of two stacks like these, one perhaps a matrix, into `out`."""

    def matmul(self, a: Array, b: Array, out: Array) -> object:
        """Write the product of two stacks of 2-D arrays into `out`."""

    def gram(self, a: Array, out: Array) -> object:
        """Write the product of the transpose of a 2-D array with the array into `out`; one half is computed."""

    def half(self, a: Array, b: Array, out: Array) -> Calls:
        """Return the calls that write at least the upper half of aᵀb, which is known to be symmetric, into `out`."""

    def multiply(self, a: Array, b: Array, out: Array) -> object:
        """Write the elementwise product into `out`."""

    def outer(self, subscripts: str, a: Array, b: Array, out: Array) -> object:
        """Write products of entries into `out`, none of them summed, by the subscripts of ``einsum``."""

    def add(self, a: Array, b: Array, out: Array) -> object:
        """Write the elementwise sum into `out`."""

    def negative(self, a: Array, out: Array) -> object:
        """Write -a into `out`."""

    def csr(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
        """Return a compressed sparse matrix that shares `data`; the pattern is of the host."""

    def csr_dot(self, csr: Any, x: Array, out: Array) -> object:
        """Write csr @ x into `out`."""

    def csr_transposed(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
        """Return the transpose of a compressed sparse matrix of `shape`, sharing `data`."""

    def dot_csr(self, x: Array, transposed: Any, out: Array) -> object:
        """Write x times a sparse matrix, given as its transpose, into `out`."""

    def index(self, places: Array) -> Array:
        """Return integers of the host where `take` and `scatter` read them."""

    def take(self, a: Array, index: Array, out: Array) -> object:
        """Gather a[index] into `out`."""

    def segments(self, starts: Array, count: int) -> Any:
        """Return what `segment_sum` takes for the non-empty segments of `count` numbers that begin at `starts`."""

    def segment_sum(self, a: Array, segments: Any, out: Array) -> object:
        """Sum segments of `a` into `out`."""

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


def joins_on_host(a: Array, b: Array, /) -> bool:
    """Tell whether NumPy makes a stack times one matrix sooner as one product.

    In between, the kernels that BLAS has for small matrices win: a taller matrix took up to 1.5 times as long.
    """
    return bool(a.shape[-2] * b.size <= SMALL_PRODUCT or b.size > LARGE_FACTOR)


def gemm(kernels: Kernels, operands: tuple[Array, Array, Array], /) -> Call:
    """Return the call that writes the product of two 2-D arrays into the third."""
    return kernels.gemm(*operands), operands


def stacked(kernels: Kernels, operands: tuple[Array, Array, Array], /) -> Call:
    """Return the call that writes the products of two stacks of 2-D arrays into the third.

    A column times a row sums over nothing, which an elementwise product does without starting BLAS for each. A stack
    times one matrix is one product with a taller matrix, where the kernels say that it is sooner made so.
    """
    a, b, out = operands
    if a.shape[-1] == 1:
        return kernels.multiply, operands
    if b.ndim == 2 and a.flags.c_contiguous and out.flags.c_contiguous and kernels.joins(a, b):
        return gemm(kernels, (a.reshape(-1, a.shape[-1]), b, out.reshape(-1, out.shape[-1])))
    return kernels.stack(*operands), operands


PANELS: Final = 8
"""Panels of rows into which half of a congruence is cut; the diagonal block of each is computed in full."""

NARROW: Final = 16
"""Rows that a panel has at least: narrower ones take longer to start than to compute."""


def panels(size: int, /) -> Iterator[tuple[int, int]]:
    """Yield the first row, and the one after the last, of the panels that half of a square matrix is made in.

    Examples
    --------
    >>> list(panels(40))
    [(0, 16), (16, 32), (32, 40)]
    """
    width = max(NARROW, -(-size // PANELS))
    return ((start, min(start + width, size)) for start in range(0, size, width))


def run(calls: Calls, /) -> None:
    """Run calls in order."""
    for function, arguments in calls:
        function(*arguments)
