"""Measuring matrix products over a grid of shapes, as NumPy makes them and in the way that is best."""

from collections.abc import Hashable, Iterator, Mapping
from itertools import product as combinations
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.gemm_ways import gemm_call
from jacchain.algebra.kernels import Array, gemm
from jacchain.execution.backend import Backend
from jacchain.execution.calibration.timing import Task
from jacchain.planning.pricing.grid import Grid
from jacchain.planning.pricing.way_table import WayTable

SIZES: Final = (1, 2, 4, 7, 13, 27, 55, 110, 220, 450, 900, 2000)
"""Near the powers of two, but not on them: those suit BLAS better than their neighbours do, or, where rows of them
displace each other from the cache, worse."""

LITTLE: Final = 1 << 12
"""Multiplications of a product that is measured even where the time has run out."""

FAR: Final = 1 << 24
"""Bytes of operands that are not all in a second-level cache."""

MOST: Final = 16
"""Operands that take turns."""

GUESS: Final = 5e-11
"""Seconds of a multiplication, about."""


def product_tasks(
    backend: Backend, dtype: "np.dtype[Any]", sizes: tuple[int, ...], ways: WayTable, limit: int, /
) -> Iterator[Task]:
    """Yield products of up to so many multiplications, of all shapes out of some sizes, the small ones first.

    Each as NumPy makes it; where it has a way of its own, both with operands that displace each other from the cache:
    there panels win most, and so they are met by a program.
    """
    numbers = np.random.default_rng(0).standard_normal(sizes[-1] ** 2).astype(dtype)
    left, right = placed(backend, numbers), placed(backend, numbers)
    out = backend.workspace(numbers.nbytes, dtype)
    for shape in sorted(combinations(sizes, repeat=3), key=prod):
        m, k, n = shape
        if m * k * n > limit:
            return
        operands = cut(left, m, k), cut(right, k, n), cut(out, m, n)
        expected, is_needed = 1e-6 + prod(shape) * GUESS, prod(shape) <= LITTLE
        yield Task(("plain", *shape), (gemm(backend.kernels, operands),), expected, is_needed)
        way = ways.way(m, k, n)
        if way is not None:
            copies = _copies(left, right, out, (m, k, n))
            plain, best = (
                tuple(gemm(backend.kernels, each) for each in copies),
                tuple(gemm_call(way, *each) for each in copies),
            )
            yield Task(("far", *shape), plain, len(copies) * expected, is_needed)
            yield Task(("best", *shape), best, len(copies) * expected, is_needed)


def _copies(left: Array, right: Array, out: Array, shape: tuple[int, int, int]) -> list[tuple[Array, Array, Array]]:
    """Return operands and results of a shape that together are larger than a cache, as many as there is room for."""
    (m, k, n), room = shape, left.size
    largest = max(m * k, k * n, m * n)
    count = max(min(room // largest, FAR // ((m * k + k * n) * left.itemsize), MOST), 1)
    starts = [number * largest for number in range(count)]
    return [(cut(left[start:], m, k), cut(right[start:], k, n), cut(out[start:], m, n)) for start in starts]


def placed(backend: Backend, numbers: NDArray[Any], /) -> Array:
    """Return numbers on a device, in an aligned array."""
    out = backend.workspace(numbers.nbytes, numbers.dtype)
    return backend.place(numbers, out)


def cut(memory: Array, rows: int, columns: int, /) -> Array:
    """Return a matrix at the start of a 1-D array."""
    return memory[: rows * columns].reshape(rows, columns)


def grid_of(sizes: tuple[int, ...], times: Mapping[Hashable, float], /) -> Grid:
    """Return the grid of the times of tasks; a product that was not timed takes its share more than a smaller one."""
    shape = (len(sizes),) * 3
    best, plain = np.full(shape, np.nan), np.full(shape, np.nan)
    for place in np.ndindex(shape):
        sides = tuple(sizes[k] for k in place)
        known = times.get(("plain", *sides))
        if known is not None:
            plain[place] = known
            far, chosen = times.get(("far", *sides)), times.get(("best", *sides))
            best[place] = known * min(1.0, chosen / far) if far and chosen else known
            continue
        below = _below(place)
        share = sizes[max(place)] / sizes[max(place) - 1]
        best[place], plain[place] = best[below] * share, plain[below] * share
    return Grid(sizes, _rising(best), _rising(plain))


def _below(place: tuple[int, ...]) -> tuple[int, ...]:
    """Return the place with the largest size one step smaller."""
    axis = place.index(max(place))
    return tuple(k - (a == axis) for a, k in enumerate(place))


def _rising(times: NDArray[Any]) -> tuple[float, ...]:
    """Return times of which none is longer than that of a larger product: that is noise, or a way not thought of."""
    found = times
    for axis in range(3):
        found = np.flip(np.minimum.accumulate(np.flip(found, axis), axis=axis), axis)
    return tuple(found.ravel().tolist())
