"""All planners of branching graphs by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, final

from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.bundle import together
from jacchain.planning.elimination.chained import chained, path_of
from jacchain.planning.elimination.cuts import lower_bound
from jacchain.planning.elimination.exact import cheapest_order, exhaustive
from jacchain.planning.elimination.faces import by_faces
from jacchain.planning.elimination.greedy import ORDERS, forward, markowitz, reverse
from jacchain.planning.elimination.layered import layered
from jacchain.planning.elimination.masks import order_cost
from jacchain.planning.elimination.move import vertices
from jacchain.planning.elimination.outcome import Outcome, cost, outcome
from jacchain.planning.elimination.part import Edges, eliminated, parts, solved
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.state import State, after


@final
class Effort(NamedTuple):
    """What a search may take: seconds, and the seed of what it tries."""

    seconds: float = 1.0
    seed: int = 0


GraphPlanner = Callable[[Problem, Effort], Outcome]
Solved = tuple[Edges, tuple[int, ...], bool]

FEW: Final = 14
"""Interior vertices of a part up to which `auto` looks for the cheapest order of all."""

AUTO_SETS: Final = 30_000
"""How many sets `auto` looks at for that before it searches instead."""

HEAVY: Final = 200_000
"""Entries of patterns beyond which `auto` takes the best textbook order, and chains of layers are not tried: every
product that is looked at then takes milliseconds, the more the longer."""

LONG: Final = 200
"""Interior vertices of a path of structured links beyond which `auto` takes the best textbook order."""

SMALL: Final = 12
"""Interior vertices of a part up to which a search tries eliminations of faces too."""

TRIALS: Final = 60
"""How many of them it tries for each second, in about a tenth of a second."""

AUTO_SHARE: Final = 5
"""`auto` searches for one part in so many of the seconds."""

CHAINS: Final = 200_000
"""Blocks between layers that `auto` and `search` look at for each second that they are given: about a tenth of it."""

LEAST_CHAINS: Final = 5_000
"""Those for one part at the least."""


def _forward(problem: Problem, _effort: Effort, /) -> Outcome:
    return outcome(problem, vertices(forward(problem)))


def _reverse(problem: Problem, _effort: Effort, /) -> Outcome:
    return outcome(problem, vertices(reverse(problem)))


def _markowitz(problem: Problem, _effort: Effort, /) -> Outcome:
    return outcome(problem, vertices(markowitz(problem)))


def _exhaustive(problem: Problem, _effort: Effort, /) -> Outcome:
    return outcome(problem, vertices(exhaustive(problem)))._replace(is_least=True)


def _optimal(problem: Problem, _effort: Effort, /) -> Outcome:
    def solve(part: Problem) -> Solved:
        return _surely(part) or (*eliminated(part, vertices(cheapest_order(part))), True)

    return solved(problem, solve)


def _search(problem: Problem, effort: Effort, /) -> Outcome:
    return _with_chains(problem, effort, _searcher(problem, effort))


def _layered(problem: Problem, _effort: Effort, /) -> Outcome:
    def solve(part: Problem) -> Solved:
        path = path_of(part)
        if path is not None:
            return chained(part, path)
        found = layered(part)
        return found.edges, found.order, False

    return solved(problem, solve)


def _auto(problem: Problem, effort: Effort, /) -> Outcome:
    search = _searcher(problem, effort._replace(seconds=effort.seconds / AUTO_SHARE))

    def solve(part: Problem) -> Solved:
        if part.entries > HEAVY or _is_long(part):
            return (*eliminated(part, vertices(_best(part))), False)
        sure = _surely(part)
        if sure is not None:
            return sure
        if len(part.interior) <= FEW:
            try:
                return (*eliminated(part, vertices(cheapest_order(part, limit=AUTO_SETS))), True)
            except InfeasibleError:
                pass
        return search(part)

    return _with_chains(problem, effort, solve)


def _with_chains(problem: Problem, effort: Effort, solve: Callable[[Problem], Solved]) -> Outcome:
    """Return the outcome of parts, as chains of layers where these are cheaper than what was found for them."""
    whole = max(1, len(problem.interior))
    chains: list[int] = []

    def chosen(part: Problem) -> Solved:
        edges, order, is_sure = solve(part)
        limit = max(LEAST_CHAINS, int(CHAINS * effort.seconds * len(part.interior) / whole))
        try:
            rival = layered(part, limit=limit) if _is_open(part) and part.entries <= HEAVY else None
        except InfeasibleError:
            rival = None
        if rival is None or rival.flops >= _formed(part, edges):
            return edges, order, is_sure
        chains.append(rival.layers)
        return rival.edges, rival.order, is_sure

    found = solved(problem, chosen)
    if not chains:
        return found
    how = f"as a chain of {chains[0]} layers" if len(chains) == 1 else f"with {len(chains)} parts as chains of layers"
    return found._replace(how=how)


def _searcher(problem: Problem, effort: Effort) -> Callable[[Problem], Solved]:
    """Return the search of one part, in its share of the seconds by the number of its vertices."""
    branching = [len(part.interior) for part in parts(problem) if _is_open(part)]

    def solve(part: Problem) -> Solved:
        if not _is_open(part):
            return _surely(part) or (*eliminated(part, vertices(list(part.interior))), True)
        from jacchain.planning.elimination.search import search  # not before there is something to search for

        seconds = effort.seconds * len(part.interior) / sum(branching)
        edges, order = eliminated(part, list(search(part, seconds=seconds, seed=effort.seed)))
        if len(part.interior) > SMALL or len(order) < len(part.interior):
            return edges, order, False
        rival = by_faces(part, list(order), trials=1 + int(TRIALS * effort.seconds), seed=effort.seed)
        is_cheaper = rival is not None and rival.flops < _formed(part, edges)
        return (rival.edges if rival is not None and is_cheaper else edges), order, False

    return solve


def _formed(part: Problem, edges: Edges) -> int:
    """Return what the edges that are left cost."""
    return cost([together(part, bundle) for bundle in edges.values()])


def _is_open(part: Problem) -> bool:
    """Whether there is anything to search for."""
    return len(part.interior) > 1 and path_of(part) is None


def _is_long(part: Problem) -> bool:
    """Whether a part is a path of which finding the cheapest order takes longer than `auto` should."""
    return len(part.interior) > LONG and not part.is_dense and path_of(part) is not None


def _best(part: Problem) -> list[int]:
    """Return the cheapest textbook order."""
    return min((textbook(part) for textbook in ORDERS.values()), key=lambda order: _total(part, order))


def _total(part: Problem, order: list[int]) -> int:
    if part.is_dense:
        return State(part).cost + order_cost(part, order)
    return after(part, vertices(order)).cost


def _surely(part: Problem) -> Solved | None:
    """Return the solution of a part that is a path, or for which a textbook order meets the lower bound."""
    path = path_of(part)
    if path is not None:
        return chained(part, path)
    if len(part.interior) == 1:
        return (*eliminated(part, vertices(part.interior)), True)
    bound = lower_bound(part)
    for textbook in ORDERS.values():
        order = textbook(part)
        if _total(part, order) == bound:
            return (*eliminated(part, vertices(order)), True)
    return None


GRAPH_PLANNERS: Final[Mapping[str, GraphPlanner]] = MappingProxyType(
    {
        "forward": _forward,
        "reverse": _reverse,
        "markowitz": _markowitz,
        "search": _search,
        "layered": _layered,
        "optimal": _optimal,
        "exhaustive": _exhaustive,
        "auto": _auto,
    }
)
"""Every planner of branching graphs by its name; all share one signature."""

GRAPH_BASELINES: Final = ("forward", "reverse", "markowitz")
"""The planners that every plan of a graph is compared with."""
