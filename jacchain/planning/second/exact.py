"""The cheapest of all orders of elimination."""

from collections.abc import Iterator
from itertools import permutations
from math import factorial
from typing import Final, NamedTuple

from jacchain.errors import InfeasibleError
from jacchain.planning.second.outcome import SecondOutcome, eliminated, finished
from jacchain.planning.second.problem import SecondProblem
from jacchain.planning.second.state import SymmetricState

MOST: Final = 8
"""Interior vertices up to which all orders are tried."""


class Reached(NamedTuple):
    """A state, how it was reached, and the vertices that need not be eliminated next."""

    state: SymmetricState
    order: tuple[int, ...]
    idle: frozenset[int]


def every_order(problem: SecondProblem, /) -> list[int]:
    """Return the first of the cheapest among all orders of the interior vertices.

    Raises
    ------
    InfeasibleError
        There are too many.
    """
    count = len(problem.interior)
    if count > MOST:
        raise InfeasibleError(
            f"{count} interior vertices have {factorial(count):,} orders"
            if count < 30
            else f"{count} interior vertices",
            f"take optimal, greedy or search; exhaustive is for {MOST} at most",
        )
    found = min(permutations(problem.interior), key=lambda order: eliminated(problem, order).flops)
    return list(found)


def cheapest_order(problem: SecondProblem, best: SecondOutcome, /, *, width: int) -> SecondOutcome:
    """Return the cheapest order of the interior vertices, or the cheapest that a beam of some width meets.

    Level by level: all states after k eliminations, of which equal ones are one, and of those that cost less than the
    best known the cheapest. What has been formed is needed in the end, so that costs only grow. Two eliminations that
    do not touch each other are tried in one order alone, that of the vertices' numbers: a state's `idle` vertices are
    those that could as well have gone before the last one (sleep sets: Godefroid, *Partial-order methods for the
    verification of concurrent systems*, 1996). `is_least` tells whether no state was left out.

    Parameters
    ----------
    problem : SecondProblem
    best : SecondOutcome
        What is known to be possible.
    width : int
        States that are kept after each number of eliminations.
    """
    is_least = True
    level: dict[object, Reached] = {None: Reached(SymmetricState(problem), (), frozenset())}
    for _ in problem.interior:
        following: dict[object, Reached] = {}
        for reached in level.values():
            for other in _next(problem, reached):
                if other.state.cost < best.flops:
                    key = other.state.key()
                    known = following.get(key)
                    following[key] = other if known is None else known._replace(idle=known.idle & other.idle)
        level = following
        if len(level) > width:
            is_least = False
            level = dict(sorted(level.items(), key=lambda item: item[1].state.cost)[:width])
    for reached in level.values():
        found = finished(problem, reached.state.roots())._replace(order=reached.order)
        best = found if found.flops < best.flops else best
    return best._replace(is_least=is_least)


def _next(problem: SecondProblem, reached: Reached) -> Iterator[Reached]:
    """Yield the states after one more elimination, but for the idle vertices."""
    gone, idle = set(reached.order), reached.idle
    for vertex in problem.interior:
        if vertex not in gone and vertex not in idle:
            state = reached.state.copy()
            near = state.near(vertex)
            state.eliminate(vertex)
            yield Reached(state, (*reached.order, vertex), idle - near)
            idle |= {vertex}
