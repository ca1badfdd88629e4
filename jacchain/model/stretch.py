"""Jacobians whose entries lie along a few diagonals, as those of stencils do: stretches, and what stands on them."""

from collections.abc import Iterator
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray


@final
class Stretch(NamedTuple):
    """Entries (row + i, column + i) for i below length, or (row + i, column) where all stand in one column.

    Attributes
    ----------
    row, column : int
        Of the first entry.
    length : int
        How many entries.
    size : int
        Columns that there are; a stretch that leaves them goes on at column 0.
    is_column : bool
        All entries stand in one column.

    Examples
    --------
    >>> Stretch(0, 3, 3, 4).part(1, 3)
    Stretch(row=1, column=0, length=2, size=4, is_column=False)
    """

    row: int
    column: int
    length: int
    size: int
    is_column: bool = False

    def part(self, first: int, last: int, /) -> "Stretch":
        """Return the entries from one number up to another."""
        column = self.column if self.is_column else (self.column + first) % self.size
        return self._replace(row=self.row + first, column=column, length=last - first)

    def pieces(self) -> Iterator[tuple[int, "Stretch"]]:
        """Yield the parts that do not go round, each with the number of its first entry."""
        turn = self.length if self.is_column else min(self.length, self.size - self.column)
        yield 0, self.part(0, turn)
        if turn < self.length:
            yield turn, self.part(turn, self.length)


@final
class Coefficient(NamedTuple):
    """What stands on a stretch: a number, or one times an array of as many numbers as there are entries, or of one.

    Examples
    --------
    >>> Coefficient(2.0, np.array([1.0, 3.0])).value().tolist()
    [2.0, 6.0]
    """

    number: float
    factor: Any = None

    def value(self) -> Any:
        """Return the number or the array."""
        if self.factor is None:
            return self.number
        return self.factor if self.number == 1 else self.number * self.factor

    def part(self, first: int, last: int, /) -> "Coefficient":
        """Return what stands on a part."""
        is_whole = self.factor is None or not np.ndim(self.factor) or (first == 0 and last == len(self.factor))
        return self if is_whole else Coefficient(self.number, self.factor[first:last])

    def times(self, other: "Coefficient", /) -> "Coefficient":
        """Return the product with one of the same entries."""
        if self.factor is None or other.factor is None:
            return Coefficient(self.number * other.number, other.factor if self.factor is None else self.factor)
        return Coefficient(self.number * other.number, self.factor * other.factor)

    def plus(self, other: "Coefficient", /) -> "Coefficient":
        """Return the sum with one of the same entries."""
        if self.factor is other.factor:
            return Coefficient(self.number + other.number, self.factor)
        return Coefficient(1.0, self.value() + other.value())


class Site(NamedTuple):
    """A stretch of the Jacobian with respect to one of several inputs."""

    source: int
    stretch: Stretch


Band = dict[Site, Coefficient]
"""The Jacobian of a value: what stands on its stretches, each only once."""


def add_to(band: Band, site: Site, coefficient: Coefficient, /) -> None:
    """Add what stands on a stretch to a Jacobian."""
    band[site] = band[site].plus(coefficient) if site in band else coefficient


def scaled(band: Band, slope: Coefficient, /) -> Band:
    """Return diag(slope) times a Jacobian."""
    return {
        site: coefficient.times(slope.part(site.stretch.row, site.stretch.row + site.stretch.length))
        for site, coefficient in band.items()
    }


def selected(band: Band, places: NDArray[Any], size: int, /) -> Band:
    """Return the rows of a Jacobian of `size` rows that stand at some places, in their order."""
    found: Band = {}
    for row, start, count in runs(places, size):
        turn = min(count, size - start)
        for site, coefficient in band.items():
            stretch = site.stretch
            if turn < count == size == stretch.length == stretch.size and not stretch.is_column:
                turned = stretch._replace(row=row, column=(stretch.column + start) % size)
                add_to(found, Site(site.source, turned), _rolled(coefficient, start))
                continue
            _cut(found, site, coefficient, (start, start + turn, row))
            _cut(found, site, coefficient, (0, count - turn, row + turn))
    return found


def put(band: Band, places: NDArray[Any], size: int, found: Band, /) -> None:
    """Add the rows of a Jacobian to another one, of `size` rows, at some places."""
    for start, row, count in runs(places, size):
        turn = min(count, size - row)
        for site, coefficient in band.items():
            _cut(found, site, coefficient, (start, start + turn, row))
            _cut(found, site, coefficient, (start + turn, start + count, 0))


def _cut(found: Band, site: Site, coefficient: Coefficient, rows: tuple[int, int, int]) -> None:
    """Add those entries whose rows are from a first up to a last one; the first becomes a given row."""
    (source, stretch), (first, last, row) = site, rows
    low, high = max(first, stretch.row), min(last, stretch.row + stretch.length)
    if low < high:
        start, end = low - stretch.row, high - stretch.row
        part = stretch.part(start, end)._replace(row=row + low - first)
        add_to(found, Site(source, part), coefficient.part(start, end))


def _rolled(coefficient: Coefficient, start: int) -> Coefficient:
    factor = coefficient.factor
    if factor is None or not np.ndim(factor):
        return coefficient
    return Coefficient(coefficient.number, np.concatenate([factor[start:], factor[:start]]))


def runs(places: NDArray[Any], size: int, /) -> Iterator[tuple[int, int, int]]:
    """Yield where each run of neighbouring places begins, its first place and its length; after the last comes 0.

    Examples
    --------
    >>> list(runs(np.array([3, 4, 0, 1, 7]), 5))
    [(0, 3, 4), (4, 7, 1)]
    """
    steps = np.diff(places)
    ends = np.flatnonzero((steps != 1) & ~((steps == 1 - size) & (places[1:] == 0))) + 1
    for first, last in zip([0, *ends.tolist()], [*ends.tolist(), len(places)], strict=True):
        yield first, int(places[first]), last - first
