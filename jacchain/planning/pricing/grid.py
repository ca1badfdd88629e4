"""Seconds of matrix products over a grid of their three sizes."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import exp, log
from typing import TYPE_CHECKING, NamedTuple, final

from jacchain.errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class Grid:
    """Seconds of (m × k)(k × n) for all m, k, n out of some sizes.

    Attributes
    ----------
    sizes : tuple of int
        Ascending.
    seconds : tuple of float
        In the way that the profile chooses; m varies slowest, n fastest. No size takes less than a smaller one.
    plain : tuple of float
        The same by NumPy's own products, as programs make them that know of no profile.
    """

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    plain: tuple[float, ...]

    def __hash__(self) -> int:
        return hash((self.sizes, self.seconds[-1]))

    def __repr__(self) -> str:
        return f"<Grid of {len(self.seconds)} products up to {self.sizes[-1]}>"

    def at(self, m: int, k: int, n: int, /, *, plain: bool = False) -> float:
        """Return the seconds of a product: between the sizes by powers of each, beyond them in proportion."""
        table, count = self.plain_logarithms if plain else self.logarithms, len(self.sizes)
        beyond = 1.0
        corners = [(0, 1.0)]
        for size in (m, k, n):
            place, part = self._place(size)
            if size > self.sizes[-1]:
                beyond *= size / self.sizes[-1]
            corners = [
                (corner * count + place + up, weight * (part if up else 1 - part))
                for corner, weight in corners
                for up in ((0, 1) if part else (0,))
            ]
        return beyond * exp(sum(table[corner] * weight for corner, weight in corners))

    def _place(self, size: int) -> tuple[int, float]:
        """Return the number of the last size that is no larger, and how far it is to the next, in logarithms."""
        sizes = self.sizes
        if size >= sizes[-1]:
            return len(sizes) - 1, 0.0
        k = max(bisect_right(sizes, size) - 1, 0)
        return k, max(log(size / sizes[k]) / log(sizes[k + 1] / sizes[k]), 0.0)

    @cached_property
    def logarithms(self) -> tuple[float, ...]:
        """The logarithms of the seconds."""
        return tuple(map(log, self.seconds))

    @cached_property
    def plain_logarithms(self) -> tuple[float, ...]:
        """The logarithms of the seconds by NumPy's own products."""
        return tuple(map(log, self.plain))


class Tables(NamedTuple):
    """A grid as arrays: logarithms of its sizes, and of its seconds."""

    sizes: "NDArray[np.float64]"
    seconds: "NDArray[np.float64]"


@lru_cache(maxsize=16)
def tables(grid: Grid, plain: bool, /) -> Tables:
    """Return a grid as arrays."""
    import numpy as np

    shape = (len(grid.sizes),) * 3
    found = grid.plain_logarithms if plain else grid.logarithms
    return Tables(np.log(grid.sizes), np.array(found).reshape(shape))


def as_grid(
    sizes: tuple[int, ...],
    seconds: tuple[float, ...],
    plain: tuple[float, ...],
    /,
) -> Grid:
    """Return the grid of what a file says.

    Raises
    ------
    OptionError
        Sizes that do not ascend, not a time for all of them, or times that are not positive.
    """
    count = len(sizes) ** 3
    if len(sizes) < 2 or sizes[0] != 1 or list(sizes) != sorted(set(sizes)):
        raise OptionError(f"the sizes of a grid are {sizes}", "give at least two that ascend from 1")
    if {len(seconds), len(plain)} != {count}:
        what = f"{len(seconds)} and {len(plain)} times for {count} products"
        raise OptionError(what, "give one for each")
    if not all(0 < time < float("inf") for time in (*seconds, *plain)):
        raise OptionError("times of a grid are not positive and finite", "calibrate anew")
    return Grid(sizes, seconds, plain)
