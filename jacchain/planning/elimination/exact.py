"""The cheapest order of vertices where links have structures: the search over connected sets, by what they make."""

from collections.abc import Sequence
from itertools import product as tuples
from typing import Final, NamedTuple, final

from jacchain.planning.elimination.bundle import joined
from jacchain.planning.elimination.greedy import forward, markowitz, reverse
from jacchain.planning.elimination.masks import order_cost
from jacchain.planning.elimination.move import Move, vertices
from jacchain.planning.elimination.outcome import outcome
from jacchain.planning.elimination.part import Edges, put
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.state import State
from jacchain.planning.elimination.structures import OPEN
from jacchain.planning.elimination.subsets import Subsets, bits, too_many

LOOKED_AT: Final = 300_000
"""Sets with their last vertices that are looked at before the search gives up: some seconds."""

DEEPEST: Final = 200
"""Interior vertices of one part up to which a search is tried."""

MOST_TRIED: Final = 9
"""Interior vertices up to which all orders are tried."""

Signature = tuple[tuple[int, ...], ...]
"""Numbers of the structures on all edges that a set makes, in the order of the edges."""


class Way(NamedTuple):
    """A way to eliminate a set: its cost, the edges that it makes, and the order."""

    cost: int
    edges: Edges
    order: tuple[int, ...]


@final
class StructuredSubsets:
    """As `Subsets`, for links with structures and for links that are applied without being formed.

    One cheapest way is kept for every combination of structures that the edges made by a set can have, since a dearer
    but sparser one may win later.
    """

    def __init__(self, problem: Problem, /, *, limit: int = LOOKED_AT // 10) -> None:
        self.problem, self.limit = problem, limit
        self.start = State(problem)
        self.sets = Subsets(problem, limit=0)
        self.known: dict[int, dict[Signature, Way]] = {}

    def order(self) -> list[int]:
        """Return the cheapest order.

        Raises
        ------
        InfeasibleError
            It cannot be found within the limit.
        """
        found: list[int] = []
        for part in self.sets.parts(self.sets.interior):
            found += min(self._ways(part).values(), key=lambda way: way.cost).order
        return found

    def _ways(self, subset: int) -> dict[Signature, Way]:
        known = self.known.get(subset)
        if known is not None:
            return known
        found: dict[Signature, Way] = {}
        for vertex in bits(subset):
            parts = [self._ways(part).values() for part in self.sets.parts(subset & ~(1 << vertex))]
            for chosen in tuples(*parts):
                self.limit -= 1
                if self.limit < 0:
                    raise too_many(self.problem)
                way = self._last(vertex, chosen)
                signature = _signature(way.edges)
                if signature not in found or way.cost < found[signature].cost:
                    found[signature] = way
        self.known[subset] = found
        return found

    def _last(self, vertex: int, chosen: Sequence[Way]) -> Way:
        """Return the way that eliminates a vertex after some sets."""
        order = tuple(done for way in chosen for done in way.order)
        onward, gone = self.start.onward, set(order)
        into = {tail: onward[tail][vertex] for tail in self.start.backward[vertex] if tail not in gone}
        out = {head: bundle for head, bundle in onward[vertex].items() if head not in gone}
        edges: Edges = {}
        for way in chosen:
            for (tail, head), bundle in way.edges.items():
                if head == vertex:
                    put(self.problem, into, tail, bundle)
                elif tail == vertex:
                    put(self.problem, out, head, bundle)
                else:
                    put(self.problem, edges, (tail, head), bundle)
        cost, pairs = joined(self.problem, into, out)
        for tail, head, bundle in pairs:
            put(self.problem, edges, (tail, head), bundle)
        return Way(cost + sum(way.cost for way in chosen), edges, (*order, vertex))


def _signature(edges: Edges) -> Signature:
    """Return the structures, and open links by their own numbers."""
    return tuple(
        (tail, head, *(part.number if part.number != OPEN else OPEN - 2 - part.link for part in bundle))
        for (tail, head), bundle in sorted(edges.items(), key=lambda item: item[0])
    )


def cheapest_order(problem: Problem, /, *, limit: int = LOOKED_AT) -> list[int]:
    """Return an order of the interior vertices that no other goes below.

    `limit` is how many sets with their last vertices are looked at; those with structures count tenfold.

    Raises
    ------
    InfeasibleError
        There are too many to look at.

    Examples
    --------
    >>> from jacchain.planning.elimination.problem import prepared
    >>> from jacchain.planning.graph import Edge, Graph
    >>> graph = Graph({"x": 9, "s": 2, "t": 9, "y": 9}, [Edge("x", "s"), Edge("s", "t"), Edge("t", "y")])
    >>> cheapest_order(prepared(graph))
    [2, 1]
    """
    if len(problem.interior) > DEEPEST:
        raise too_many(problem)
    if not problem.is_dense:
        return StructuredSubsets(problem, limit=limit // 10).order()
    greedy = min(order_cost(problem, run(problem)) for run in (forward, reverse, markowitz))
    return Subsets(problem, limit=limit).order(greedy + 1)


def exhaustive(problem: Problem, /) -> list[int]:
    """Return the cheapest of all orders of the interior vertices, by trying each; meant as a check of the others.

    Raises
    ------
    InfeasibleError
        There are more than nine of them.
    """
    if len(problem.interior) > MOST_TRIED:
        raise too_many(problem)
    best: tuple[int, list[int]] | None = None
    waiting = [State(problem)]
    while waiting:
        state = waiting.pop()
        if not state.left:
            total = outcome(problem, vertices(state.order)).flops
            best = (total, state.order) if best is None or total < best[0] else best
        for vertex in sorted(state.left, reverse=True):
            further = state.copy()
            further.apply(Move("vertex", vertex))
            if best is None or further.cost < best[0]:
                waiting.append(further)
    assert best is not None
    return best[1]
