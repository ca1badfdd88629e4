"""Routes: which number of an array each lane of a row is taken from, or put to."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]
"""Places in an array, one for each lane."""


@final
@dataclass(frozen=True, slots=True)
class Route:
    """A map from the lanes of a row to places of an array: evenly spaced ones, or any.

    Attributes
    ----------
    size : int
        Places that the array has.
    count : int
        Lanes.
    start, step : int
        Lane k goes to place ``start + step * k``; a step of 0 takes all lanes to one place.
    index : array of int, optional
        The places themselves, where these are not evenly spaced.
    digest : bytes
        Of the index; equal routes have equal ones.

    Examples
    --------
    >>> first = routed(9, np.array([2, 4, 6]))
    >>> first.step, first.then(route(3, 2, 1, 1)).places
    (2, array([4, 6]))
    """

    size: int
    count: int
    start: int = 0
    step: int = 1
    index: Places | None = field(default=None, compare=False)
    digest: bytes = b""

    @property
    def is_even(self) -> bool:
        """Whether the places are evenly spaced."""
        return self.index is None

    @property
    def is_identity(self) -> bool:
        """Whether every place has its lane, in order."""
        return self.index is None and self.step == 1 and self.start == 0 and self.count == self.size

    @property
    def is_one_place(self) -> bool:
        """Whether all lanes go to one place."""
        return self.index is None and (self.step == 0 or self.count == 1)

    @property
    def is_injective(self) -> bool:
        """Whether no two lanes share a place."""
        if self.index is None:
            return self.step != 0 or self.count == 1
        return bool(np.bincount(self.index, minlength=1).max() == 1)

    @property
    def places(self) -> Places:
        """The place of each lane."""
        return self.start + self.step * np.arange(self.count, dtype=np.intp) if self.index is None else self.index

    @property
    def as_slice(self) -> slice:
        """The places as a slice, where they are evenly spaced and apart."""
        stop = self.start + self.step * self.count
        return slice(self.start, stop if stop >= 0 else None, self.step)

    def then(self, inner: "Route", /) -> "Route":
        """Return the route of lanes that are themselves lanes of this one: ``self.places[inner.places]``."""
        if inner.is_identity:
            return self
        if self.is_identity:
            return inner
        if self.index is None and inner.index is None:
            return route(self.size, inner.count, self.start + self.step * inner.start, self.step * inner.step)
        return routed(self.size, self.places[inner.places])

    def __str__(self) -> str:
        if self.index is not None:
            return f"[{self.count} of {self.size}]"
        if self.is_one_place:
            return f"[{self.start}]"
        spaced = "" if self.step == 1 else f":{self.step}"
        return f"[{self.as_slice.start}:{'' if self.as_slice.stop is None else self.as_slice.stop}{spaced}]"


def route(size: int, count: int, start: int, step: int, /) -> Route:
    """Return the route of evenly spaced places; a single lane has step 1."""
    return Route(size, count, start, 1 if count == 1 else step)


def identity(size: int, /) -> Route:
    """Return the route of every place in order."""
    return Route(size, size)


def constant_route(size: int, count: int, place: int, /) -> Route:
    """Return the route that takes all lanes to one place."""
    return route(size, count, place, 0)


def routed(size: int, index: Places, /) -> Route:
    """Return the route of given places; evenly spaced ones are found."""
    found = np.ascontiguousarray(index, np.intp)
    count = len(found)
    start = int(found[0])
    step = int(found[1]) - start if count > 1 else 1
    if count <= 2 or bool((np.diff(found) == step).all()):
        return route(size, count, start, step)
    return Route(size, count, start, 0, found, blake2b(found.data, digest_size=16).digest())


class Pieces(NamedTuple):
    """Lanes in runs that go to evenly spaced places.

    Attributes
    ----------
    lanes, routes : tuple of Route
        For each run the lanes it consists of, and where these go.
    """

    lanes: tuple[Route, ...]
    routes: tuple[Route, ...]


def pieces(whole: Route, most: int, /) -> Pieces | None:
    """Return a route in at most so many evenly spaced runs, or None where it takes more.

    Examples
    --------
    >>> found = pieces(routed(20, np.array([0, 2, 5, 8, 11])), 2)
    >>> [str(run) for run in found.routes]
    ['[0]', '[2:14:3]']
    """
    if whole.index is None:
        return Pieces((identity(whole.count),), (whole,))
    places, first = whole.index, 0
    bends = np.flatnonzero(np.diff(places, 2)) + 1  # the lanes where the spacing changes
    if len(bends) > 2 * most:
        return None
    lanes: list[Route] = []
    routes: list[Route] = []
    while first < len(places):
        if len(lanes) == most:
            return None
        last = _run_end(places, bends, first)
        lanes.append(route(whole.count, last - first, first, 1))
        routes.append(routed(whole.size, places[first:last]))
        first = last
    return Pieces(tuple(lanes), tuple(routes))


def _run_end(places: Places, bends: Places, first: int) -> int:
    """Return the end of the run that begins at a lane; a lone lane before a longer run stands for itself."""
    if first + 1 == len(places):
        return first + 1
    later = bends[bends > first]
    if len(later) and later[0] == first + 1:
        return first + 1
    return int(later[0]) + 1 if len(later) else len(places)


def joined(left: Route, right: Route, most: int, /) -> tuple[Route, Route] | None:
    """Return the pairs of lanes, one of each route, that go to the same place; None for more than `most`.

    Examples
    --------
    >>> a, b = joined(routed(4, np.array([0, 1, 3])), routed(4, np.array([3, 1, 1])), 9)
    >>> a.places, b.places
    (array([1, 1, 2]), array([1, 2, 0]))
    """
    places = right.places
    order = np.argsort(places, kind="stable")
    ordered, wanted = places[order], left.places
    first = np.searchsorted(ordered, wanted, "left")
    counts = np.searchsorted(ordered, wanted, "right") - first
    total = int(counts.sum())
    if total > most:
        return None
    lanes = np.repeat(np.arange(left.count), counts)
    offsets = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    others = order[np.repeat(first, counts) + offsets]
    return (_lanes(left.count, lanes), _lanes(right.count, others))


def _lanes(count: int, index: Places) -> Route:
    return routed(count, index) if len(index) else Route(count, 0)
