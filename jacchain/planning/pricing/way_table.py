"""In which way a machine makes thin products of dense matrices best."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

from jacchain.algebra.gemm_ways import MATMUL, GemmWay
from jacchain.errors import OptionError

SHORT: Final = (3, 6, 12, 24, 48, 96)
"""The smallest of the three sizes of a product, for which ways are measured."""

LONG: Final = (75, 150, 300, 600, 1200, 2400)
"""The other two. None is a power of two, whose rows lie so that they displace each other from the cache: what is best
for them is not for their neighbours, while what is best for these is good for them too."""

LEAST: Final = 1 << 18
"""Multiplications below which a product is made whole."""

Cell = tuple[int, int, int, int]


@final
@dataclass(frozen=True)
class WayTable:
    """The best way for thin products of many shapes.

    Attributes
    ----------
    ways : tuple of GemmWay
        All that are best somewhere; the first one stands for NumPy's own product.
    numbers : tuple of int
        Which way it is for each cell: by which of m, k and n is the smallest, by that one (`SHORT`), and by the two
        others in their order (`LONG`), of which the last varies fastest.
    """

    ways: tuple[GemmWay, ...]
    numbers: tuple[int, ...]

    def __hash__(self) -> int:
        return hash((self.ways, len(self.numbers), sum(self.numbers)))

    def __repr__(self) -> str:
        return f"<WayTable of {len(self.ways)} ways>"

    def way(self, m: int, k: int, n: int, /) -> GemmWay | None:
        """Return the best way at the nearest sizes; None where NumPy's own product is, or nothing is known."""
        if m * k * n < LEAST:
            return None
        place, short, *long = cell_of(m, k, n)
        if short < 0 or min(long) < 0:
            return None
        count = len(LONG)
        number = self.numbers[((place * len(SHORT) + short) * count + long[0]) * count + long[1]]
        return self.ways[number] if number else None


def cell_of(m: int, k: int, n: int, /) -> Cell:
    """Return which of the sizes is the smallest, and the numbers of the nearest ones; -1 where none is near.

    Examples
    --------
    >>> cell_of(300, 6, 420)
    (1, 1, 2, 2)
    """
    place = min((0, 1, 2), key=(m, k, n).__getitem__)
    short, *long = ((m, k, n), (k, m, n), (n, m, k))[place]
    return place, _nearest(short, SHORT), _nearest(long[0], LONG), _nearest(long[1], LONG)


def shape_of(cell: Cell, /) -> tuple[int, int, int]:
    """Return m, k and n of a cell.

    Examples
    --------
    >>> shape_of((1, 1, 2, 3))
    (300, 6, 600)
    """
    place, short, first, second = cell
    sizes = [LONG[first], LONG[second]]
    sizes.insert(place, SHORT[short])
    m, k, n = sizes
    return m, k, n


@lru_cache(maxsize=4096)
def _nearest(size: int, sizes: tuple[int, ...]) -> int:
    """Return the number of the size whose ratio to this one is nearest to 1; -1 where it is 1.5 or more."""
    ratios = [max(size / other, other / size) for other in sizes]
    best = min(ratios)
    return ratios.index(best) if best < 1.5 else -1


def no_ways() -> WayTable:
    """Return the table in which every product is made whole."""
    return WayTable((MATMUL,), (0,) * (3 * len(SHORT) * len(LONG) ** 2))


def as_way_table(ways: tuple[GemmWay, ...], numbers: tuple[int, ...], /) -> WayTable:
    """Return the table of what a file says.

    Raises
    ------
    OptionError
        Not a number of a way for each cell.
    """
    count = 3 * len(SHORT) * len(LONG) ** 2
    if len(numbers) != count or not all(0 <= number < len(ways) for number in numbers):
        what = f"{len(numbers)} numbers from {min(numbers, default=0)} to {max(numbers, default=0)}"
        raise OptionError(
            f"a table of ways has {what} for {count} shapes and {len(ways)} ways", "give one for each shape"
        )
    return WayTable(ways, numbers)
