"""Measuring in which way products of two dense matrices are made fastest on this machine."""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from itertools import product as combinations
from math import prod
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from jacchain.algebra.gemm_ways import DOT, MATMUL, GemmWay, candidates, gemm_call
from jacchain.algebra.kernels import Array
from jacchain.planning.pricing.way_table import LEAST, LONG, SHORT, Cell, WayTable, shape_of

MARGIN: Final = 0.95
"""The part of the plain time that a way may take at most to be worth choosing."""

HOPELESS: Final = 1.4
"""A way that takes so many times as long as the best one so far is not measured again."""

SAMPLE: Final = 5e-5
"""Seconds that a sample takes at least."""

CACHED: Final = 1 << 18
"""Bytes of operands from which they are taken not to be in the second-level cache when a program comes to them."""

ROTATED: Final = 1 << 23
"""Bytes of operands that displace each other from a second-level cache."""

TURNS: Final = 3
"""Turns that are taken; the first one warms up what is new to the processor."""

LARGEST: Final = 1 << 24
"""Multiplications above which a shape is not measured, but takes the way of the next smaller one."""

WIDEST: Final = 1 << 21
"""The same for the numbers of its largest matrix."""

WORST: Final = 1.03
"""The part of the plain time that the way of a cell may take at most at any of its shapes."""

AROUND: Final = ((0.8, 0.85, 0.8), (1.3, 1.25, 1.3))
"""By what the sizes of a cell are multiplied for its other shapes: their panels are smaller and larger."""

Times = dict[GemmWay, list[float]]


def measured_ways(dtype: Any, deadline: float, /, *, tick: Callable[[], object]) -> WayTable:
    """Measure the ways of products of many thin shapes.

    Each cell is measured at several shapes around it, and takes the way that is best for all of them together: where a
    little more or less lets BLAS choose another kernel, what is best in the middle may be bad beside it, and noise
    seldom strikes all of them. All ways of a shape take turns, so that other work on the machine disturbs them alike,
    and of each the fastest turn counts. Operands that are too large for the second-level cache alternate with others,
    as they do in a program.

    Parameters
    ----------
    dtype : dtype
    deadline : float
        By ``perf_counter``: what is not reached takes the way of the nearest cell that is; nothing, the plain one.
    tick : callable
        Called after each of ``len(cells())``.
    """
    numbers = _Numbers.of(dtype)
    chosen: dict[Cell, GemmWay] = {}
    for cell in cells():
        if perf_counter() < deadline:
            middle = _ratios(numbers, shape_of(cell))
            promising = min(middle.values()) <= MARGIN
            chosen[cell] = (
                _best([middle, *(_ratios(numbers, shape) for shape in _around(cell))]) if promising else MATMUL
            )
        tick()
    found = [_nearest(chosen, _measured(cell)) for cell in _all_cells()]
    ways = (MATMUL, *sorted(set(found) - {MATMUL}))
    places = {way: number for number, way in enumerate(ways)}
    return WayTable(ways, tuple(places[way] for way in found))


def _nearest(chosen: dict[Cell, GemmWay], cell: Cell) -> GemmWay:
    """Return the way of a cell, or of one that was measured as near as possible; small products are made whole."""
    if cell in chosen:
        return chosen[cell]
    steps = {near: sum(map(abs, map(int.__sub__, near, cell))) for near in chosen if near[0] == cell[0]}
    if not steps or prod(shape_of(cell)) < LEAST // 2:
        return MATMUL
    return chosen[min(steps, key=steps.__getitem__)]


def cells() -> list[Cell]:
    """Return the cells of a table that are measured, in an order that reaches all kinds of shapes soon."""
    known = [cell for cell in _all_cells() if _measured(cell) == cell and prod(shape_of(cell)) >= LEAST // 2]
    return [cell for start in range(7) for cell in known[start::7]]


def _all_cells() -> Iterator[Cell]:
    return combinations(range(3), range(len(SHORT)), range(len(LONG)), range(len(LONG)))


def _measured(cell: Cell) -> Cell:
    """Return the cell that is measured for one: itself, or smaller ones for what takes long."""
    place, short, first, second = cell
    while prod(shape_of((place, short, first, second))) > LARGEST or LONG[first] * LONG[second] > WIDEST:
        first, second = (first - 1, second) if first >= second else (first, second - 1)
    return place, short, first, second


def _around(cell: Cell) -> list[tuple[int, int, int]]:
    """Return some other shapes that a cell is the nearest to."""
    found = []
    for factors in AROUND:
        m, k, n = (round(size * factor) for size, factor in zip(shape_of(cell), factors, strict=True))
        found.append((m, k, n))
    return found


def _ratios(numbers: "_Numbers", shape: tuple[int, int, int]) -> dict[GemmWay, float]:
    """Return which part of the time of NumPy's own product each way takes."""
    best = {way: min(found) for way, found in _times(numbers, shape).items()}
    plain = min(best[DOT], best[MATMUL])
    return {way: time / plain for way, time in best.items()}


def _best(ratios: Sequence[dict[GemmWay, float]]) -> GemmWay:
    """Return the way that takes the least part of the plain time over all shapes, and nowhere much more than it."""
    ways = [way for way in ratios[0] if all(found.get(way, HOPELESS) <= WORST for found in ratios)]
    means = {way: prod(found[way] for found in ratios) ** (1 / len(ratios)) for way in ways}
    best = min(means, key=means.__getitem__, default=MATMUL)
    return best if means.get(best, 1.0) <= MARGIN and best != DOT else MATMUL


class _Numbers(NamedTuple):
    """Numbers that operands are cut from, and memory for results."""

    operands: Array
    results: Array

    @staticmethod
    def of(dtype: Any, /) -> "_Numbers":
        """Return numbers of a dtype: more than what a second-level cache holds."""
        dtype = np.dtype(dtype)
        numbers = np.random.default_rng(0).standard_normal(3 << 20, np.float32).astype(dtype)
        return _Numbers(numbers, np.zeros(3 << 20, dtype))

    def cut(self, shape: tuple[int, int, int], /) -> list[tuple[Array, Array, Array]]:
        """Return operands and results of a shape: several where they are too large for the cache."""
        m, k, n = shape
        size = max(m * k + k * n, m * n)
        nbytes = (m * k + k * n + m * n) * self.operands.itemsize
        times = 1 if nbytes <= CACHED else max(1, min(ROTATED // nbytes + 1, 16))
        found = []
        for start in range(0, times * size, size):
            operands, results = self._from(self.operands, start, size), self._from(self.results, start, m * n)
            left, right = operands[: m * k], operands[m * k : m * k + k * n]
            found.append((left.reshape(m, k), right.reshape(k, n), results[: m * n].reshape(m, n)))
        return found

    @staticmethod
    def _from(memory: Array, start: int, size: int) -> Array:
        """Return so many numbers, from the beginning again where the end is reached, or new ones for a large shape."""
        if size > memory.size:
            return np.resize(memory, size)
        start %= memory.size - size + 1
        return memory[start : start + size]


def _times(numbers: _Numbers, shape: tuple[int, int, int]) -> Times:
    """Return the seconds of each way, turn by turn; those without a chance drop out.

    Each call takes the next operands, whichever way it goes.
    """
    operands = cycle(numbers.cut(shape))
    ways = candidates(*shape)
    times: Times = {way: [] for way in ways}
    once = min(_timed(MATMUL, operands, 1) for _ in range(2))
    repeats = max(1, round(SAMPLE / once))
    for _ in range(TURNS):
        for way in ways:
            times[way].append(_timed(way, operands, repeats))
        fastest = min(min(times[way]) for way in ways)
        ways = [way for way in ways if way in (DOT, MATMUL) or min(times[way]) <= HOPELESS * fastest]
    return times


def _timed(way: GemmWay, operands: Iterator[tuple[Array, Array, Array]], repeats: int) -> float:
    """Return the seconds of a call in a way, from so many, each with the next operands."""
    calls = [gemm_call(way, *next(operands)) for _ in range(repeats)]
    start = perf_counter()
    for function, arguments in calls:
        function(*arguments)
    return (perf_counter() - start) / repeats
