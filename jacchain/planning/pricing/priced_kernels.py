"""Kernels that do nothing and return what their work would take: the rules of the product table price themselves."""

from collections.abc import Callable
from math import prod
from typing import Any, Final, NamedTuple, final

from jacchain.algebra.kernels import Calls, joins_on_host
from jacchain.planning.pricing.phantom import Phantom, viewed
from jacchain.planning.pricing.profile import Rates

SLOW: Final = frozenset(
    ("tanh", "exp", "log", "sin", "cos", "tan", "arctan", "sinh", "cosh", "power", "expm1", "log1p", "arctan2")
)
"""Functions that take as long as an exponential or a hyperbolic tangent; all others are taken for a product."""


class PricedCsr(NamedTuple):
    """A sparse matrix without numbers."""

    nonzeros: int
    shape: tuple[int, int]


@final
class PricedNamespace:
    """Elementwise functions that return what they would take; ``einsum`` makes views."""

    def __init__(self, kernels: "PricedKernels") -> None:
        self._kernels = kernels

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arrays: self._kernels.elementwise(name, *arrays)

    einsum = staticmethod(viewed)


@final
class PricedKernels:
    """The protocol `Kernels` on phantoms; what would write an array returns seconds.

    Parameters
    ----------
    rates : Rates
    plain : bool
        Products as NumPy makes them, not in the best way that was measured.
    """

    def __init__(self, rates: Rates, /, *, plain: bool = False) -> None:
        self.rates = rates
        self.plain = plain

    @property
    def xp(self) -> PricedNamespace:
        """The namespace."""
        return PricedNamespace(self)

    @property
    def panel(self) -> int:
        """A product with a sparse matrix is priced at once."""
        return 1 << 62

    def index(self, places: Any) -> Any:
        """Return the places."""
        return places

    def segments(self, starts: Any, _count: int) -> Any:
        """Return the starts."""
        return starts

    def gemm(self, _a: Phantom, _b: Phantom, _out: Phantom) -> Callable[..., float]:
        """Return the function that prices a product."""
        return self._gemm

    def _gemm(self, a: Phantom, b: Phantom, out: Phantom) -> float:
        (m, k), n = a.shape, b.shape[1]
        turned = not (a.is_contiguous and b.is_contiguous and out.is_contiguous)
        return self.rates.grid.at(m, k, n, plain=self.plain) * (self.rates.turned if turned else 1.0)

    def joins(self, a: Phantom, b: Phantom) -> bool:
        """Tell whether NumPy makes one product of a stack."""
        return joins_on_host(a, b)

    def stack(self, _a: Phantom, _b: Phantom, _out: Phantom) -> Callable[..., float]:
        """Return the function that prices a stack of products, each in its way."""
        return lambda a, b, out: self._stack(a, b, out, plain=self.plain)

    def matmul(self, a: Phantom, b: Phantom, out: Phantom) -> float:
        """Price a stack of products: each starts BLAS anew, or, where rows and columns are apart, plain loops."""
        return self._stack(a, b, out, plain=True)

    def _stack(self, a: Phantom, b: Phantom, out: Phantom, *, plain: bool) -> float:
        (m, n), k, count = out.shape[-2:], a.shape[-1], prod(out.shape[:-2])
        grid = self.rates.grid
        if not all(_is_for_blas(array) for array in (a, b, out)):
            return self.rates.call + self.rates["stated"].at(count * m * k * n)
        each = max(grid.at(m, k, n, plain=plain) - grid.at(1, 1, 1, plain=plain), 0.0) + self.rates.item
        return self.rates.call + count * each

    def gram(self, a: Phantom, out: Phantom) -> float:
        """Price one half of a product, and mirroring it."""
        m, k = out.shape[0], a.shape[0]
        return self.rates.grid.at(m, k, m, plain=True) / 2 + self.rates["copy"].at(out.size)

    def half(self, a: Phantom, b: Phantom, out: Phantom) -> Calls:
        """Return the whole product as one call."""
        return ((self.matmul, (a.T, b, out)),)

    def multiply(self, a: Phantom, b: Phantom, out: Phantom) -> float:
        """Price an elementwise product, or the scaling of rows or columns."""
        return self.elementwise("multiply", a, b, out)

    def elementwise(self, name: str, *arguments: Phantom | float) -> float:
        """Price an elementwise function of all arguments but the last, an array, which it writes."""
        arrays = [argument for argument in arguments if isinstance(argument, Phantom)]
        out = arrays[-1]
        if name in SLOW:
            return self.rates["tanh" if name == "tanh" else "exp"].at(out.size)
        inner = out.shape[-1] if out.shape else 1
        is_even = all(array.size == out.size and array.is_contiguous for array in arrays)
        if is_even or not out.size:
            return self.rates["multiply"].at(out.size)
        rows = any(array.shape[-1:] == (1,) and inner > 1 for array in arrays[:-1])
        curve = self.rates["scale_rows" if rows else "scale_columns"]
        return curve.at(out.size) + self.rates.loop * (out.size // inner)

    def outer(self, _subscripts: str, _a: Phantom, _b: Phantom, out: Phantom) -> float:
        """Price products of entries."""
        return self.rates["outer"].at(out.size)

    def add(self, a: Phantom, b: Phantom, out: Phantom) -> float:
        """Price a sum."""
        return self.elementwise("add", a, b, out)

    def negative(self, a: Phantom, out: Phantom) -> float:
        """Price a change of sign."""
        return self.copyto(out, a)

    def csr(self, data: Phantom, _indices: object, _indptr: object, shape: tuple[int, int]) -> PricedCsr:
        """Return a sparse matrix."""
        return PricedCsr(data.size, shape)

    def csr_dot(self, csr: PricedCsr, x: Phantom, _out: Phantom) -> float:
        """Price csr @ x."""
        columns = x.shape[1] if x.ndim > 1 else 1
        return self.rates["csr_dot" if columns > 1 else "csr_dot_one"].at(csr.nonzeros * columns)

    def csr_transposed(self, data: Phantom, _indices: object, _indptr: object, shape: tuple[int, int]) -> PricedCsr:
        """Return the transpose."""
        return PricedCsr(data.size, shape[::-1])

    def dot_csr(self, x: Phantom, transposed: PricedCsr, _out: Phantom) -> float:
        """Price x times a sparse matrix."""
        return self.rates["dot_csr"].at(transposed.nonzeros * x.shape[0])

    def take(self, _a: Phantom, _index: object, out: Phantom) -> float:
        """Price gathering."""
        return self.rates["take"].at(out.size)

    def segment_sum(self, a: Phantom, _starts: object, _out: Phantom) -> float:
        """Price sums of segments."""
        return self.rates["segment_sum"].at(a.size)

    def copyto(self, out: Phantom, a: object) -> float:
        """Price a copy."""
        if isinstance(a, Phantom) and a.is_contiguous and out.is_contiguous:
            return self.rates["copy"].at(out.size)
        return self.rates["copy"].at(out.size) + self.rates.loop * (out.size // max(out.shape[-1:] or (1,)))

    def fill(self, _value: float, out: Phantom) -> float:
        """Price writing one value."""
        return self.rates["fill"].at(out.size)

    def scatter(self, a: Phantom, _index: object, _out: Phantom) -> float:
        """Price writing to places."""
        return self.rates["scatter"].at(a.size)

    def xlogy(self, _a: Phantom, _b: Phantom, out: Phantom) -> float:
        """Price a·log b."""
        return self.rates["exp"].at(out.size)

    def expit(self, _a: Phantom, out: Phantom) -> float:
        """Price the logistic function."""
        return self.rates["exp"].at(out.size)

    def special(self, _name: str) -> Callable[..., float]:
        """Return the function that prices a special function."""
        return lambda *arrays: self.rates["exp"].at(arrays[-1].size)


def _is_for_blas(array: Phantom) -> bool:
    """Whether the matrices of a stack have rows or columns whose numbers lie one after the other."""
    return array.ndim < 2 or 1 in array.strides[-2:] or 1 in array.shape[-2:]


def total(calls: Calls, /) -> float:
    """Return the seconds of calls of priced kernels."""
    return sum(function(*arguments) for function, arguments in calls)  # type: ignore[misc]  # they return seconds
