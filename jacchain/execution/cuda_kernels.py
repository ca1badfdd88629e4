"""The kernels on arrays of a CUDA device, made of the modules of the library whose arrays they are.

They name no library: the backend gives them its array namespace, its sparse matrices and its special functions. What
its functions do differently from NumPy's is settled here: `matmul` takes `out` by name only, gathering takes no mode,
an Einstein sum of two writes into no given array, and there is no segmented sum that keeps all digits.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls
from jacchain.errors import OptionError

EVERYTHING: Final = 1 << 62
"""Numbers of a sparse product that are made at once: all, as every panel is launched by itself."""


class Segments(NamedTuple):
    """Where segments begin, and where they end, on the device."""

    first: Array
    last: Array


class Turned(NamedTuple):
    """The transpose of a sparse matrix: its numbers are gathered before each product.

    cuSPARSE multiplies by a transpose too, but by atomic additions, whose order is another one each time.
    """

    data: Array
    order: Array
    csr: Any

    @property
    def nnz(self) -> int:
        """Stored numbers."""
        return int(self.data.size)


@final
class CudaKernels:
    """The operations on arrays of a CUDA device.

    A stack times one matrix is one product with a taller matrix. One matrix times a stack is made by arrays of
    pointers, which takes three launches more for every leading axis: the strided-batched product, which would do
    without, copies a factor that does not have all leading axes.

    Parameters
    ----------
    xp : module
        The array namespace.
    sparse : module
        Its sparse matrices, with SciPy's names.
    special : module
        Its special functions, with SciPy's names.
    """

    panel: Final = EVERYTHING

    def __init__(self, xp: Any, sparse: Any, special: Any, /) -> None:
        self.xp = xp
        self.sparse = sparse
        self.functions = special
        self._compiled: dict[str, Callable[..., object]] = {}
        self.multiply: Callable[[Array, Array, Array], object] = xp.multiply
        self.add: Callable[[Array, Array, Array], object] = xp.add
        self.negative: Callable[[Array, Array], object] = xp.negative
        self.copyto: Callable[[Array, Array], object] = xp.copyto
        self.xlogy: Callable[[Array, Array, Array], object] = special.xlogy
        self.expit: Callable[[Array, Array], object] = special.expit

    def gemm(self, _a: Array, _b: Array, _out: Array) -> Callable[..., object]:
        """Return the product by cuBLAS."""
        return self.matmul

    def joins(self, _a: Array, _b: Array) -> bool:
        """Return True: one product is launched, where one for each would be made by an array of pointers."""
        return True

    def stack(self, _a: Array, _b: Array, _out: Array) -> Callable[..., object]:
        """Return the strided-batched product by cuBLAS."""
        return self.matmul

    def matmul(self, a: Array, b: Array, out: Array) -> object:
        """Write the product of two stacks into `out`, by one strided-batched product where both are stacks."""
        return self.xp.matmul(a, b, out=out)

    def gram(self, a: Array, out: Array) -> object:
        """Write the whole product: a device computes the other half sooner than it mirrors this one."""
        return self.xp.matmul(a.T, a, out=out)

    def half(self, a: Array, b: Array, out: Array) -> Calls:
        """Return one call for the whole product: panels of it would be copied, and launched one by one."""
        return ((self.matmul, (a.T, b, out)),)

    def outer(self, subscripts: str, a: Array, b: Array, out: Array) -> object:
        """Write products of entries into `out`, by one broadcast product."""
        inputs, _, result = subscripts.partition("->")
        first, _, second = inputs.partition(",")
        return self.xp.multiply(_aligned(a, first, result), _aligned(b, second, result), out)

    def csr(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
        """Return a compressed sparse matrix that shares `data`; the pattern is of the host."""
        found = self.sparse.csr_matrix((data, self.xp.asarray(indices), self.xp.asarray(indptr)), shape=shape)
        found.data = data
        found.has_canonical_format = True  # else it would be looked up, and waited for
        return found

    def csr_dot(self, csr: Any, x: Array, out: Array) -> None:
        """Write csr @ x into `out`; cuSPARSE makes an array of its own, column by column."""
        self.xp.copyto(out, csr @ x)

    def csr_transposed(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Turned:
        """Return the transpose, with the order in which to gather the numbers of `data`; the pattern is of the host."""
        rows = np.repeat(np.arange(shape[0]), np.diff(indptr))
        order = np.argsort(indices, kind="stable")
        pointers = np.concatenate([[0], np.cumsum(np.bincount(indices, minlength=shape[1]))])
        held = self.xp.empty(data.shape, data.dtype)
        csr = self.csr(held, rows[order].astype(indices.dtype), pointers.astype(indptr.dtype), shape[::-1])
        return Turned(data, self.xp.asarray(order), csr)

    def dot_csr(self, x: Array, transposed: Turned, out: Array) -> None:
        """Write x times a sparse matrix into `out`, as the transpose of the transposed product."""
        self.xp.take(transposed.data, transposed.order, None, transposed.csr.data)
        self.xp.copyto(out.T, transposed.csr @ x.T)

    def index(self, places: Array) -> Array:
        """Return the places on the device."""
        return self.xp.asarray(places)

    def take(self, a: Array, index: Array, out: Array) -> object:
        """Gather a[index] into `out`."""
        return self.xp.take(a, index, None, out)

    def segments(self, starts: Array, count: int) -> Segments:
        """Return where the segments of so many numbers begin and end, on the device."""
        return Segments(self.xp.asarray(starts), self.xp.asarray(np.append(starts[1:], count)))

    def segment_sum(self, a: Array, segments: Segments, out: Array) -> object:
        """Sum each segment by one thread, in order; differences of running sums would lose digits."""
        return self._summing(a, segments.first, segments.last, out)

    @cached_property
    def _summing(self) -> Callable[..., object]:
        return self.xp.ElementwiseKernel(  # type: ignore[no-any-return]  # the namespace is of any type
            "raw T a, I first, I last",
            "T out",
            "T total = 0; for (I k = first; k < last; ++k) total += a[k]; out = total;",
            "jacchain_segment_sum",
        )

    def elementwise(self, given: str, made: str, source: str) -> Callable[..., object]:
        """Return the kernel of some lines of C++ on numbers of arrays of one shape; it is compiled once."""
        text = f"{given}; {made}; {source}"
        if text not in self._compiled:
            self._compiled[text] = self.xp.ElementwiseKernel(given, made, source, "jacchain_fused")
        return self._compiled[text]

    def fill(self, value: float, out: Array) -> None:
        """Write one value everywhere in `out`."""
        out.fill(value)

    def scatter(self, a: Array, index: Array, out: Array) -> None:
        """Write `a` to the places `index` of the 1-D array `out`."""
        out[index] = a

    def special(self, name: str) -> Callable[..., object]:
        """Return a special function.

        Raises
        ------
        OptionError
            CUDA has no such function.
        """
        found: Callable[..., object] | None = getattr(self.functions, name, None)
        if found is None:
            raise OptionError(
                f"scipy.special.{name} has no counterpart on a CUDA device", 'compute it with device="cpu"'
            )
        return found


def _aligned(array: Array, letters: str, result: str) -> Array:
    """Return a view with an axis for every letter of the result, of length one where the array has none."""
    ordered = array.transpose(tuple(letters.index(letter) for letter in result if letter in letters))
    return ordered[tuple(slice(None) if letter in letters else None for letter in result)]
