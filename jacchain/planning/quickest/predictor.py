"""How long the steps of a plan are predicted to take: what planning by seconds asks of a profile."""

from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol, final

from jacchain.algebra.structure import Structure, stored
from jacchain.planning.cost import ProfileLike
from jacchain.planning.link import Link
from jacchain.planning.node import Mode
from jacchain.planning.pricing.prices import (
    addition_seconds,
    fetch_seconds,
    gemm_seconds_many,
    product_seconds,
    sweep_seconds,
)
from jacchain.planning.pricing.profile import Rates
from jacchain.planning.pricing.store import as_profile

Array = Any

SHIPPED: Final = " (shipped)"
"""What the name of a profile ends in that came with the package and was measured elsewhere."""


HUGE: Final = 10**90
"""Sizes above which seconds may be beyond the largest floating-point number."""


def is_predictable(links: Sequence[Link], /) -> bool:
    """Whether the seconds of all orders of links are floating-point numbers.

    Examples
    --------
    >>> is_predictable([Link(10**9, 3)]), is_predictable([Link(10**200, 3)])
    (True, False)
    """
    return all(
        max(link.inputs, link.outputs) <= HUGE
        and max(link.accumulate_cost or 0, link.tangent_cost or 0, link.adjoint_cost or 0) <= HUGE**2
        for link in links
    )


class Predictor(Protocol):
    """The seconds of single steps; those of a plan are their sum. Never negative."""

    @property
    def name(self) -> str:
        """Of the profile."""

    def product(self, left: Structure, right: Structure, /) -> float:
        """Return the seconds of a product."""

    def addition(self, left: Structure, right: Structure, /) -> float:
        """Return the seconds of a sum."""

    def sweep(self, link: Link, count: int, mode: Literal["tangent", "adjoint"], /) -> float:
        """Return the seconds of so many tangents or adjoints of a link."""

    def local(self, link: Link, mode: Mode, /) -> float:
        """Return the seconds of accumulating a link's local Jacobian."""

    def dense_products(self, rows: Array, middles: Array, columns: Array, /) -> Array:
        """Return the seconds of dense products of rows × middles by middles × columns, element by element."""


@final
class ProfilePredictor:
    """A predictor by the rates of a profile for numbers of one size.

    Parameters
    ----------
    name : str
    rates : Rates
    links : sequence of Link
        Of the whole problem: the local Jacobians that they give do not all stay in the cache from one run to the next.
    """

    __slots__ = ("name", "nbytes", "rates")

    def __init__(self, name: str, rates: Rates, links: Sequence[Link], /) -> None:
        self.name = name
        self.rates = rates
        self.nbytes = sum(stored(link.local) for link in links) * rates.itemsize

    def product(self, left: Structure, right: Structure, /) -> float:
        """Return the seconds of a product."""
        return product_seconds(self.rates, left, right)

    def addition(self, left: Structure, right: Structure, /) -> float:
        """Return the seconds of a sum."""
        return addition_seconds(self.rates, left, right)

    def sweep(self, link: Link, count: int, mode: Literal["tangent", "adjoint"], /) -> float:
        """Return the seconds of so many tangents or adjoints of a link."""
        return sweep_seconds(self.rates, link, count, mode)

    def local(self, link: Link, mode: Mode, /) -> float:
        """Return the seconds of accumulating a link's local Jacobian, and of fetching one that is given."""
        match mode:
            case "given":
                flops, fetched = link.accumulate_cost or 0, stored(link.local) * self.rates.itemsize
                made = self.rates.call + self.rates["stated"].at(flops) if flops else 0.0
                return made + fetch_seconds(self.rates, fetched, self.nbytes)
            case "tangent":
                return self.sweep(link, link.inputs, mode)
            case "adjoint":
                return self.sweep(link, link.outputs, mode)

    def dense_products(self, rows: Array, middles: Array, columns: Array, /) -> Array:
        """Return the seconds of dense products, element by element."""
        return gemm_seconds_many(self.rates, rows, middles, columns)


def predictor_of(profile: ProfileLike, itemsize: int, links: Sequence[Link], /) -> Predictor:
    """Return the predictor of plans of some links, for numbers of so many bytes.

    Raises
    ------
    OptionError, FileError
        No such profile, or none for numbers of that size.
    """
    found = as_profile(profile)
    name = f"{found.name}{SHIPPED}" if found.is_shipped else found.name
    return ProfilePredictor(name, found.rates_of(itemsize), links)
