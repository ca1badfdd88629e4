"""Running several orders of one problem in turn, so that a drifting machine treats them alike."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import perf_counter
from typing import NamedTuple

from jacchain.algebra.kernels import Array
from jacchain.derivatives import Jacobian
from jacchain.planning.plan import Plan
from jacchain.workloads.problem import Problem

BATCH_SECONDS = 0.001
"""Calls that are shorter are timed several at once."""


class Lap(NamedTuple):
    """One order of a problem: what was predicted, what was counted, and the median time of a call."""

    planner: str
    plan: Plan
    predicted_flops: int
    predicted_peak: int
    counted_flops: int
    counted_peak: int
    milliseconds: float
    calls: int


def race(
    problem: Problem, planners: Sequence[str], /, *, seconds: float = 1.0, tick: Callable[[], None] = lambda: None
) -> list[Lap]:
    """Time the derivative by every planner, in turn, for about so many seconds in all.

    Parameters
    ----------
    problem : Problem
    planners : sequence of str
    seconds : float
        At least three rounds are run, however long they take.
    tick : callable
        Called after every round.

    Returns
    -------
    list of Lap
        In the order of the planners.
    """
    found = [problem.derivative(planner) for planner in planners]
    batches = [_batch(derivative, problem.point) for derivative in found]
    times: list[list[float]] = [[] for _ in found]
    for _ in _rounds(seconds):
        for derivative, batch, kept in zip(found, batches, times, strict=True):
            derivative(problem.point)  # so that none finds the caches as another left them
            kept.append(_timed(derivative, problem.point, batch) / batch)
            tick()
    return [_lap(name, problem.point, d, t) for name, d, t in zip(planners, found, times, strict=True)]


def _rounds(seconds: float) -> Iterator[None]:
    start, count = perf_counter(), 0
    while count < 3 or (perf_counter() - start < seconds and count < 1000):
        yield
        count += 1


def _batch(derivative: Jacobian, point: Array) -> int:
    """Return how many calls make a time long enough to measure."""
    derivative(point)
    return max(1, int(BATCH_SECONDS / max(_timed(derivative, point, 3) / 3, 1e-9)))


def _timed(derivative: Jacobian, point: Array, calls: int) -> float:
    start = perf_counter()
    for _ in range(calls):
        derivative(point)
    return perf_counter() - start


def _lap(planner: str, point: Array, derivative: Jacobian, times: list[float]) -> Lap:
    program, counted = derivative.program(point), derivative.count(point)
    return Lap(
        planner,
        derivative.plan(point),
        program.flops,
        program.peak,
        counted.multiplications,
        counted.nbytes,
        1000 * median(times),
        len(times),
    )
