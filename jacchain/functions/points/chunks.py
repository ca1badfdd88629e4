"""Many points, some at a time: a program of arrays that stay in the cache, run again and again."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, Final, Generic, Protocol, TypeVar, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import InfeasibleError
from jacchain.execution.backend import CPU, Backend
from jacchain.execution.operation import Shape
from jacchain.execution.program import Program
from jacchain.execution.remembered import remembered
from jacchain.execution.run import is_copied
from jacchain.functions.points.many_seconds import is_scattered, is_slower, is_spread
from jacchain.functions.points.one_by_one import Single
from jacchain.planning.pricing.profile import Profile
from jacchain.planning.pricing.store import shipped

CACHE: Final = 1 << 20
"""Bytes of workspace, without results, that a program for some points may take: a part of the second-level cache."""

TRIED: Final = 8
"""Points of the first program, which tells how many bytes a point takes."""

SHARE: Final = 4
"""The part of a device's free memory that workspace may take."""

LARGE: Final = 1 << 17
"""Bytes of results from which on their memory is used again: a fresh array costs a page fault for every 4 KiB."""

LEFT: Final = 1 << 20
"""Bytes of results up to which they may be what a program leaves in arrays of its own."""

HELD: Final = 2
"""Results held for that: a caller that rebinds one name holds the last ones while the next are made."""

KEPT: Final = 4
"""Numbers of points that a program is kept ready for."""

ANY: Final = 1 << 62
"""A limit of bytes that nothing reaches: with a limit, programs are such as tell their bytes."""

WASTE: Final = 8
"""One point in so many may be taken twice, where the last part is not full."""


class Chunk(Protocol):
    """What is done for a fixed number of points at once."""

    @property
    def count(self) -> int:
        """Points."""

    @property
    def program(self) -> Program:
        """What is run."""

    def views(self, points: Sequence[Array], shapes: Sequence[Shape], /) -> list[Array] | None:
        """Return all results in arrays that are the caller's own, or None where they have to be written."""

    def write(self, points: Sequence[Array], targets: Sequence[Array], /) -> None:
        """Write the results at some points into contiguous arrays whose first axis counts them."""


C = TypeVar("C", bound=Chunk)
S = TypeVar("S", bound=Single)


@final
class _Results:
    """Arrays of results, and how many references there are to each while nobody else holds it."""

    __slots__ = ("arrays", "count", "idle")

    def __init__(self, count: int, arrays: list[Array], home: Backend) -> None:
        self.count = count
        self.arrays = arrays
        self.idle = self._references(home)

    def is_free(self, home: Backend) -> bool:
        """Whether nobody but this refers to the arrays or views of them."""
        return -1 not in self.idle and self._references(home) == self.idle

    def _references(self, home: Backend) -> list[int]:
        return [home.references(array) for array in self.arrays]


@final
class Chunks(Generic[C, S]):
    """Derivatives at any number of points, some at a time, or one after the other.

    Parameters
    ----------
    several : callable
        Returns what is done for a number of points at once; None where that does not fall apart into points.
    single : callable
        Returns what is done for one point, in so many bytes.
    shapes : sequence of tuple of int
        Of the results at one point.
    dtype : dtype
        Of arguments and results.
    memory : int, optional
        Bytes that the results and the workspace may take together.
    home : Backend
        Where the arguments lie, and so the results.
    backend : Backend
        Where the arithmetic is done.
    profile : Profile, optional
        By which seconds are predicted, instead of the one that is shipped.
    """

    def __init__(
        self,
        several: Callable[[int], C | None],
        single: Callable[[int | None], S],
        shapes: Sequence[Shape],
        dtype: "np.dtype[Any]",
        memory: int | None,
        /,
        *,
        home: Backend = CPU,
        backend: Backend = CPU,
        profile: Profile | None = None,
    ) -> None:
        self.shapes = tuple(shapes)
        self.dtype = dtype
        self.memory = memory
        self.home = home
        self.backend = backend
        self.profile = profile
        kept = KEPT if memory is None else 1
        self.chunk = lru_cache(maxsize=kept)(several)
        self.single = lru_cache(maxsize=2)(single)
        self._lengths: dict[int, int] = {}
        self._results: list[_Results] = []

    def __call__(self, points: Sequence[Array], /) -> list[Array]:
        """Return the results at many points.

        Parameters
        ----------
        points : sequence of arrays
            The first axis counts the points.

        Raises
        ------
        InfeasibleError
            One point at a time takes more memory than there may be.
        """
        count = points[0].shape[0]
        shapes = [(count, *shape) for shape in self.shapes]
        if not count:
            return self._empty(shapes)
        run, length = self.run_for(count), self.length(count)
        length = count if length == 1 else length  # one after the other
        is_left = self.memory is None and self._result_bytes(count) <= LEFT
        if length == count and is_left and (views := run.views(points, shapes)) is not None:
            return views
        found = self._taken(shapes)
        with self.home.active():
            for first in range(0, count, length):
                start = min(first, count - length)  # the last part takes some points a second time
                at = slice(start, start + length)
                run.write([point[at] for point in points], [target[at] for target in found])
        return found

    def peak(self, count: int, /) -> int:
        """Return the bytes of the results at so many points, and of everything beside them."""
        return self._result_bytes(count) + self._needed(self.run_for(max(count, 1)).program)

    def run_for(self, count: int, /) -> C | S:
        """Return what is run for so many points, again and again."""
        length = self.length(count)
        found = self.chunk(length) if length > 1 else None
        return self._one(self._beside(count)) if found is None else found

    def release(self) -> None:
        """Drop the programs and the buffers; the next call makes them anew."""
        self.chunk.cache_clear()
        self.single.cache_clear()
        self._results.clear()

    def _empty(self, shapes: Sequence[Shape]) -> list[Array]:
        with self.home.active():
            return [self.home.kernels.xp.empty(shape, self.dtype) for shape in shapes]

    def _taken(self, shapes: Sequence[Shape]) -> list[Array]:
        """Return arrays for results, of large ones those that nobody holds any more."""
        count = shapes[0][0]
        if self._result_bytes(count) < LARGE:
            return self._empty(shapes)
        for _ in range(len(self._results)):
            kept = self._popped()  # out of the list, so that no other thread finds it free
            if kept is None or kept.count != count:
                continue
            free = kept.is_free(self.home)
            views = [array.view() for array in kept.arrays]
            self._results.append(kept)
            if free:
                return views
        fresh = _Results(count, self._empty(shapes), self.home)
        views = [array.view() for array in fresh.arrays]
        self._results = [*self._results, fresh][-self._held(count) :]
        return views

    def _popped(self) -> _Results | None:
        try:
            return self._results.pop(0)
        except IndexError:
            return None

    def _held(self, count: int) -> int:
        """Return how many results may be held."""
        if self.memory is None:
            return HELD
        return max(1, min(HELD, self.memory // self.peak(count)))

    def length(self, count: int, /) -> int:
        """Return how many of so many points are taken at a time."""
        if count not in self._lengths:
            remembered(self._lengths, count, self._length(count), 1 << 10)
        return self._lengths[count]

    def _length(self, count: int) -> int:
        room = self._beside(count)
        length = count if count <= TRIED and room is None else _part(count, self._most(room))
        while length > 1 and (smaller := self._smaller(length, room)) < length:
            length = smaller
        if room is not None and length == 1:
            self._expect_room(count, room)
        return length

    def _smaller(self, length: int, room: int | None) -> int:
        """Return so many points if they are worth to be taken together, and fewer if they are not."""
        run = self.chunk(length)
        if run is None:
            return 1
        if room is not None and self._needed(run.program) > room:
            return length // 2
        if self.backend.device.kind != "cpu":
            return length
        rates = (self.profile or shipped()).rates_of(self.dtype.itemsize)
        if not is_slower(run.program, length, self._one(room), rates):
            return length
        return max(1, length // 4) if is_spread(run.program, length) else 1

    def _most(self, room: int | None) -> int:
        """Return how many points the cache, or a part of a device's memory, has room for, or what may be beside."""
        tried = self.chunk(TRIED if room is None else 2)
        if tried is None or (room is not None and is_scattered(tried.program)):  # whose index arrays are not counted
            return 1
        free = self.backend.free_bytes()
        most = CACHE if free is None else free // SHARE
        most = most * tried.count // max(tried.program.workspace, 1)
        return max(1, most if room is None else min(most, room * tried.count // max(tried.program.peak, 1)))

    def _one(self, room: int | None) -> S:
        """Return what is done for one point, in so many bytes if that can be."""
        found = self.single(None if room is None else ANY)
        if room is None or self._needed(found.program) <= room:
            return found
        try:
            return self.single(room)
        except InfeasibleError:
            return found

    def _expect_room(self, count: int, room: int) -> None:
        needed = self._needed(self._one(room).program)
        if needed > room:
            least = needed + self._result_bytes(count)
            raise InfeasibleError(
                f"{count} points take {least:,} bytes even one by one, more than memory={self.memory}",
                f"give memory={least} or more, or fewer points at a time",
            )

    def _needed(self, program: Program | None) -> int:
        """Return the bytes of a program's run, of which small results are copied once more."""
        return 0 if program is None else program.peak + program.result_bytes * is_copied(program, self.backend)

    def _beside(self, count: int) -> int | None:
        """Return how many bytes there may be beside the results."""
        return None if self.memory is None else self.memory - self._result_bytes(count)

    def _result_bytes(self, count: int) -> int:
        return sum(map(prod, self.shapes)) * count * self.dtype.itemsize


def _part(count: int, most: int) -> int:
    """Return the points of each part, at most so many: few different numbers, so that programs serve again.

    Examples
    --------
    >>> _part(20, 30), _part(100, 30), _part(61, 30)
    (20, 15, 7)
    """
    length = most = min(most, count)
    while length > 1 and -count % length > count // WASTE and length > most // WASTE:
        length //= 2
    return length
