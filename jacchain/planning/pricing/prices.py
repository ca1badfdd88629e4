"""What products, sums, sweeps and copies take in seconds, by the rates of a profile."""

from functools import lru_cache
from math import expm1
from typing import TYPE_CHECKING, Any, Final

from jacchain.algebra.addition import addition
from jacchain.algebra.gemm_ways import GemmWay
from jacchain.algebra.product import price
from jacchain.algebra.rule import Price
from jacchain.algebra.spread import is_even
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Kronecker,
    Sparse,
    Structure,
    array_shapes,
    stored,
)
from jacchain.planning.link import Link
from jacchain.planning.node import Mode
from jacchain.planning.pricing.grid import tables
from jacchain.planning.pricing.phantom import phantom, phantom_operand
from jacchain.planning.pricing.priced_kernels import PricedKernels, total
from jacchain.planning.pricing.profile import Rates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


PATTERNED: Final = (Kronecker, BlockDiagonal, Sparse)
"""Structures whose products may have to be gathered."""


def gemm_seconds_many(
    rates: Rates, m: "ArrayLike", k: "ArrayLike", n: "ArrayLike", /, *, plain: bool = False
) -> "NDArray[np.float64]":
    """Return the seconds of many products m×k by k×n, whose sizes are arrays of shapes that broadcast.

    They are those of `Grid.at`: in the best way that was measured, or `plain`, as NumPy makes them on its own.
    """
    import numpy as np

    logarithms, table = tables(rates.grid, plain)
    places, parts, beyond = [], [], np.float64(0.0)
    for size in (m, k, n):
        value = np.log(np.asarray(size, np.float64))
        place = np.clip(np.searchsorted(logarithms, value, side="right") - 1, 0, len(logarithms) - 2)
        part = (value - logarithms[place]) / (logarithms[place + 1] - logarithms[place])
        beyond = beyond + np.maximum(value - logarithms[-1], 0)
        places.append(place)
        parts.append(np.minimum(part, 1))
    found: Any = beyond
    for corner in np.ndindex(2, 2, 2):
        weight: Any = 1.0
        for up, part in zip(corner, parts, strict=True):
            weight = weight * (part if up else 1 - part)
        found = found + weight * table[tuple(place + up for up, place in zip(corner, places, strict=True))]
    return np.asarray(np.exp(found))


def way(rates: Rates, m: int, k: int, n: int, /) -> GemmWay | None:
    """Return the best way that was measured for products of about these sizes; None for NumPy's own."""
    return rates.ways.way(m, k, n)


def product_seconds(rates: Rates, left: Structure, right: Structure, /, *, plain: bool = False) -> float:
    """Return the seconds of left · right, by the rule of the product table that makes it.

    Raises
    ------
    SizeError
        The inner sizes do not meet.
    """
    if type(left) is Dense and type(right) is Dense and left.columns == right.rows:
        return rates.grid.at(left.rows, left.columns, right.columns, plain=plain)
    return _product_seconds(rates, left, right, plain)


@lru_cache(maxsize=1 << 15)
def _product_seconds(rates: Rates, left: Structure, right: Structure, plain: bool) -> float:
    made = price(left, right)
    match left, right:
        case Sparse(), Dense(_, columns):
            return rates["csr_dot" if columns > 1 else "csr_dot_one"].at(made.cost)
        case Dense(), Sparse():
            return rates["dot_csr"].at(made.cost)
        case (Diagonal(), Sparse()) | (Sparse(), Diagonal()):
            return rates["take"].at(made.cost) + rates["multiply"].at(made.cost)
        case _ if _is_gathered(left, right, made):
            gathered = 2 * rates["take"].at(made.cost) + rates["multiply"].at(made.cost)
            return gathered + rates["segment_sum"].at(made.cost) + rates.segment * _segments(left, right, made.cost)
    kernels = PricedKernels(rates, plain=plain)
    out = phantom_operand(made.rule.result(left, right))
    scratch: Any = phantom(made.rule.scratch(left, right))
    calls = made.rule.apply(kernels, phantom_operand(left), phantom_operand(right), out, scratch)
    return total(calls)


def _is_gathered(left: Structure, right: Structure, made: Price) -> bool:
    """Whether the numbers are gathered, multiplied and summed by segments, as told by the workspace that it takes."""
    is_patterned = isinstance(left, PATTERNED) and isinstance(right, PATTERNED)
    return is_patterned and not is_even(left, right) and made.rule.scratch(left, right) == 2 * made.cost > 0


def _segments(left: Structure, right: Structure, terms: int) -> float:
    """Return about how many entries a product has whose terms fall anywhere: its structure is not formed for this."""
    entries = left.rows * right.columns
    return -entries * expm1(-terms / entries)


def addition_seconds(rates: Rates, left: Structure, right: Structure, /) -> float:
    """Return the seconds of left + right: a pass over the sum, and what is written out before."""
    made = addition(left, right)
    extra = rates["fill"].at(made.scratch) if made.scratch else 0.0
    return rates["multiply"].at(max(stored(made.structure), 1)) + extra


def sweep_seconds(rates: Rates, link: Link, columns: int, mode: Mode, /) -> float:
    """Return the seconds of a link applied to so many tangents (or adjoints) without forming its local Jacobian.

    Its multiplications are those that the link states of itself.
    """
    cost = link.tangent_cost if mode == "tangent" else link.adjoint_cost
    return rates.call + rates["stated"].at(columns * (cost or 0))


def fetch_seconds(rates: Rates, nbytes: int, among: int, /) -> float:
    """Return the seconds that so many bytes take that were last read a run ago, among so many that a run touches."""
    curve = rates["fetch"]
    return nbytes * curve.at(min(among, curve.sizes[-1]))


def expansion_seconds(rates: Rates, structure: Structure, /) -> float:
    """Return the seconds of writing a matrix out as a dense one."""
    entries = sum(_size(shape) for shape in array_shapes(structure))
    return rates["fill"].at(structure.rows * structure.columns) + rates["copy"].at(entries)


def _size(shape: tuple[int, ...]) -> int:
    found = 1
    for size in shape:
        found *= size
    return found
