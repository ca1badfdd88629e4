"""Running several orders of one problem in turn, so that a drifting machine treats them alike."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import NamedTuple

from jacchain.algebra.kernels import Array
from jacchain.compositions import Jacobian
from jacchain.errors import InfeasibleError
from jacchain.execution.program import Program
from jacchain.functions.derivative import FunctionDerivative
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.plan import Plan
from jacchain.workloads.problem import Problem
from jacchain.workloads.simulation import Simulation

Call = Callable[[], Array]

BATCH_SECONDS = 0.001
"""Calls that are shorter are timed several at once."""


class Lap(NamedTuple):
    """One order of a problem: what was predicted, what was counted, and the median time of a call."""

    planner: str
    plan: Plan | GraphPlan
    predicted_flops: int
    predicted_peak: int
    counted_flops: int
    counted_peak: int
    milliseconds: float
    calls: int


def race(
    problem: Problem | Simulation,
    planners: Sequence[str],
    /,
    *,
    given: Plan | None = None,
    out: Array | None = None,
    device: str = "auto",
    seconds: float = 1.0,
    tick: Callable[[], None] = lambda: None,
) -> list[Lap]:
    """Time the derivative by every planner, in turn, for about so many seconds in all.

    The first planner, or the plan that is given in its stead, must have an order; others without one are left out, and
    so are those that the plan's limits forbid.

    Parameters
    ----------
    problem : Problem or Simulation
    planners : sequence of str
    given : Plan, optional
        Stands for the first planner.
    out : array, optional
        Where the first one writes its Jacobian, which a plan in slices needs.
    device : str
        Where the arithmetic is done.
    seconds : float
        At least three rounds are run, however long they take.
    tick : callable
        Called after every round.

    Returns
    -------
    list of Lap
        In the order of the planners.
    """
    first = planners[0] if given is None else given.planner
    runners = {first: problem.derivative(first, given, device=device)}
    for planner in planners[1:]:
        runner = problem.derivative(planner, device=device)
        if planner not in runners and _may_run(planner, runner, problem.point, given):
            runners[planner] = runner
    calls: list[Call] = [partial(runner, problem.point) for runner in runners.values()]
    if out is not None:
        calls[0] = partial(runners[first], problem.point, out=out)
    batches = [_batch(call) for call in calls]
    times: list[list[float]] = [[] for _ in calls]
    for _ in _rounds(seconds):
        for call, batch, kept in zip(calls, batches, times, strict=True):
            call()  # so that none finds the caches as another left them
            kept.append(_timed(call, batch) / batch)
            tick()
    return [_lap(name, problem.point, d, t) for (name, d), t in zip(runners.items(), times, strict=True)]


def _may_run(planner: str, derivative: Jacobian | FunctionDerivative, point: Array, given: Plan | None) -> bool:
    """Whether an order exists, and keeps to the limits of the plan that it is compared with."""
    try:
        peak = derivative.plan(point).peak
    except InfeasibleError:
        return False
    if given is None:
        return True
    baseline = given.baselines.get(planner)
    is_forbidden = baseline is not None and baseline.flops is None
    return not is_forbidden and (given.memory is None or peak <= given.memory)


def _rounds(seconds: float) -> Iterator[None]:
    start, count = perf_counter(), 0
    while count < 3 or (perf_counter() - start < seconds and count < 1000):
        yield
        count += 1


def _batch(call: Call) -> int:
    """Return how many calls make a time long enough to measure."""
    call()
    return max(1, int(BATCH_SECONDS / max(_timed(call, 3) / 3, 1e-9)))


def _timed(call: Call, count: int) -> float:
    start = perf_counter()
    for _ in range(count):
        call()
    return perf_counter() - start


def _lap(planner: str, point: Array, derivative: Jacobian | FunctionDerivative, times: list[float]) -> Lap:
    program, counted = derivative.program(point), derivative.count(point)
    assert isinstance(program, Program), "a program of numbers is raced with nobody"
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
