"""What a planner of eliminations hands back: an expression for every request."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, final

from jacchain.planning.elimination.bundle import together
from jacchain.planning.elimination.move import Move
from jacchain.planning.elimination.partial import Partial
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.state import after


@final
class Outcome(NamedTuple):
    """The partials of the requests, and the interior vertices in the order in which they were eliminated.

    `is_least` tells that no order of vertices costs less, and `how` what was done, for the plan's reason.
    """

    roots: tuple[Partial | None, ...]
    order: tuple[int, ...]
    flops: int
    is_least: bool = False
    how: str = ""


def outcome(problem: Problem, moves: Iterable[Move], /) -> Outcome:
    """Return what some moves lead to, completed by the vertices that they leave."""
    state = after(problem, moves)
    roots = []
    known: dict[tuple[int, int], Partial] = {}
    for pair in problem.requests:
        bundle = state.onward[pair[0]].get(pair[1]) if pair else None
        if pair and bundle and pair not in known:
            known[pair] = together(problem, bundle)
        roots.append(known.get(pair) if pair else None)
    return Outcome(tuple(roots), tuple(state.order), cost(roots))


def cost(roots: Sequence[Partial | None], /) -> int:
    """Return the multiplications of all that some partials are formed from, each counted once."""
    seen: set[int] = set()
    waiting, flops = [root for root in roots if root is not None], 0
    while waiting:
        partial = waiting.pop()
        if id(partial) not in seen:
            seen.add(id(partial))
            flops += partial.flops
            waiting += [one for one in (partial.left, partial.right) if one is not None]
    return flops
