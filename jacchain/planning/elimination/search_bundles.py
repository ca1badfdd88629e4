"""Eliminations of links of any structure: what products cost and make is looked up."""

from typing import final

from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.bundle import Bundle, added, joined, price
from jacchain.planning.elimination.move import Move
from jacchain.planning.elimination.partial import initial
from jacchain.planning.elimination.problem import Problem

Edges = tuple[list[dict[int, None]], list[dict[int, Bundle]]]
"""For each vertex its predecessors, and what the edges to its successors carry."""


@final
class Bundled:
    """Links of any structure, formed or not.

    A state is a pair of lists of dictionaries, none of which is changed: states share those of vertices far from what
    was eliminated between them.
    """

    is_settled = False

    def __init__(self, problem: Problem, /) -> None:
        self.problem = problem
        count = len(problem.sizes)
        before: list[dict[int, None]] = [{} for _ in range(count)]
        behind: list[dict[int, Bundle]] = [{} for _ in range(count)]
        for arc in problem.arcs:
            bundle = (initial(problem, arc.link),)
            there = behind[arc.tail].get(arc.head)
            behind[arc.tail][arc.head] = bundle if there is None else added(problem, there, bundle)
            before[arc.head][arc.tail] = None
        self.start: Edges = before, behind

    def applied(self, state: Edges, move: Move, /) -> tuple[Edges, int | float]:
        """Return the state after a move, and what it costs: infinity where links allow no product."""
        before, behind = state
        vertex, into, out = _parts(before, behind, move)
        if not into or not out:
            return state, 0
        try:
            cost, pairs = joined(self.problem, into, out)
        except InfeasibleError:
            return state, float("inf")
        is_out, is_into = len(out) == len(behind[vertex]), len(into) == len(before[vertex])
        before, behind = before.copy(), behind.copy()
        for tail in into:
            behind[tail] = behind[tail].copy()
            if is_out:
                del behind[tail][vertex]
        for head in out:
            before[head] = before[head].copy()
            if is_into:
                del before[head][vertex]
        for tail, head, bundle in pairs:
            there = behind[tail].get(head)
            behind[tail][head] = bundle if there is None else added(self.problem, there, bundle)
            before[head][tail] = None
        if is_out:
            before[vertex] = {tail: None for tail in before[vertex] if tail not in into}
        if is_into:
            behind[vertex] = {head: bundle for head, bundle in behind[vertex].items() if head not in out}
        return (before, behind), cost

    def eliminated(self, state: Edges, vertex: int, /) -> tuple[Edges, int | float, int]:
        """Return the state without a vertex, what that costs, and its neighbours as bits."""
        found = 0
        for near in (*state[0][vertex], *state[1][vertex]):
            found |= 1 << near
        return (*self.applied(state, Move("vertex", vertex)), found)

    def price(self, state: Edges, vertex: int, /) -> int | float:
        """Return what eliminating a vertex would cost now."""
        try:
            return price(self.problem, *_parts(*state, Move("vertex", vertex))[1:])
        except InfeasibleError:
            return float("inf")

    def edges(self, state: Edges, vertex: int, /) -> tuple[list[int], list[int]]:
        """Return the predecessors and the successors of a vertex."""
        return list(state[0][vertex]), list(state[1][vertex])

    def same(self, one: Edges, other: Edges, /) -> bool:
        """Whether two states go on alike: the same edges carry partials of the same structures."""
        return all(
            mine is yours or (mine.keys() == yours.keys() and all(_alike(mine[head], yours[head]) for head in mine))
            for mine, yours in zip(one[1], other[1], strict=True)
        )


def _alike(one: Bundle, other: Bundle) -> bool:
    if one is other:
        return True
    return [(partial.number, partial.link) for partial in one if partial.number < 0] == [
        (partial.number, partial.link) for partial in other if partial.number < 0
    ] and [partial.number for partial in one] == [partial.number for partial in other]


def _parts(
    before: list[dict[int, None]], behind: list[dict[int, Bundle]], move: Move
) -> tuple[int, dict[int, Bundle], dict[int, Bundle]]:
    """Return the vertex in the middle of a move's products, and the edges into it and out of it that it joins."""
    kind, tail, head = move
    vertex = head if kind == "front" else tail
    into, out = {near: behind[near][vertex] for near in before[vertex]}, behind[vertex]
    if kind == "vertex":
        return vertex, into, out
    if head not in behind[tail]:
        return vertex, {}, {}
    return (vertex, {tail: into[tail]}, out) if kind == "front" else (vertex, into, {head: out[head]})
