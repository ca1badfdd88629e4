"""How time and memory of a Lagrangian grow with the number of variables."""

import gc
import tracemalloc
from collections.abc import Sequence
from functools import cache, partial
from itertools import cycle
from time import perf_counter
from typing import NamedTuple

import numpy as np

from benchmarks.contender import Contender
from benchmarks.growth import exponent
from benchmarks.race import Times
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.lagrangian.lagrangian import Lagrangian
from jacchain.workloads.nonlinear.figures import points
from jacchain.workloads.nonlinear.rosenbrock import rosenbrock

SIZES = (10**3, 10**4, 10**5, 10**6)

LONGEST = 20.0
"""Seconds that the structure of the largest may take."""

SERIES, MAKING = "Hessian", "recording, planning and structure"


class Grown(NamedTuple):
    """What a Lagrangian took to make, and what it holds."""

    n: int
    lagrangian: Lagrangian
    seconds: float
    held: int
    peak: int


def row(*, peers: bool) -> Row:
    """Return the row of the chained Rosenbrock problem from a thousand variables to a million."""
    grown = [_grown(n) for n in SIZES]
    contenders = []
    for found in grown:
        at = points(rosenbrock(found.n), 2)
        out, turns = np.empty(found.lagrangian.structure.nonzeros), cycle(at)
        call = partial(_hessian, found.lagrangian, turns, at[0].multipliers, out)
        contenders.append(Contender(f"{SERIES} n={found.n}", "other", call, answer=None))
    making = f"{MAKING}, n={SIZES[-1]}"
    contenders.append(Contender(making, "other", partial(_made, SIZES[-1]), answer=None))
    title = "chained Rosenbrock, Hessian of the Lagrangian"
    return Row("lagrangian-growth", title, contenders, [Target(making, (), LONGEST)], notes=partial(_notes, grown))


def _hessian(lagrangian, turns, multipliers, out):  # type: ignore[no-untyped-def]  # as the row makes them
    return lagrangian.hessian_values(next(turns).x, multipliers, out=out)


def _made(n: int) -> Lagrangian:
    program = rosenbrock(n)
    return Lagrangian(program.objective, program.constraints, program.x0)


@cache
def _grown(n: int) -> Grown:
    """Make one twice, for its time and for its memory, which is slow to follow; however often the row is made."""
    gc.collect()
    start = perf_counter()
    lagrangian = _made(n)
    seconds = perf_counter() - start
    at = points(rosenbrock(n), 1)[0]
    tracemalloc.start()
    again = _made(n)
    again.hessian_values(at.x, at.multipliers)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Grown(n, lagrangian, seconds, held, peak)


def _notes(grown: Sequence[Grown], times: Sequence[Times]) -> list[str]:
    by_name = {found.contender.name: found.median for found in times}
    calls = [(one.n, by_name[f"{SERIES} n={one.n}"]) for one in grown]
    lines = [f"{'n':>12}{'made in':>12}{'a call':>12}{'held':>12}{'at the peak':>14}"]
    lines += [
        f"{one.n:>12,}{one.seconds:>10.2f} s{1e6 * seconds:>9,.0f} us"
        f"{one.held / 1e6:>9,.1f} MB{one.peak / 1e6:>11,.1f} MB"
        for one, (_, seconds) in zip(grown, calls, strict=True)
    ]
    from_10k = [pair for pair in calls if pair[0] >= 10**4]
    held = [(one.n, float(one.held)) for one in grown]
    lines.append(
        f"exponents: a call n^{exponent(calls):.2f} (from 10^4 on n^{exponent(from_10k):.2f}), "
        f"memory n^{exponent(held):.2f}, making n^{exponent([(one.n, one.seconds) for one in grown[1:]]):.2f} (10^4 on)"
    )
    return lines
