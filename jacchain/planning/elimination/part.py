"""Parts of a problem that have nothing to do with each other."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TypeVar

from jacchain.planning.elimination.bundle import Bundle, added, together
from jacchain.planning.elimination.move import Move
from jacchain.planning.elimination.outcome import Outcome, cost
from jacchain.planning.elimination.partial import Partial, initial
from jacchain.planning.elimination.problem import Arc, Problem
from jacchain.planning.elimination.state import after

K = TypeVar("K", bound=Hashable)

Edges = dict[tuple[int, int], Bundle]


def parts(problem: Problem, /) -> list[Problem]:
    """Return problems that share no interior vertex and no edge between such: their plans add up to one.

    Requested vertices stay, and what is eliminated between them on one side does not change what it costs on another.
    """
    leader = list(range(len(problem.sizes)))

    def find(vertex: int) -> int:
        while leader[vertex] != vertex:
            leader[vertex] = leader[leader[vertex]]
            vertex = leader[vertex]
        return vertex

    interior = set(problem.interior)
    for tail, head, _ in problem.arcs:
        if tail in interior and head in interior:
            leader[find(head)] = find(tail)
    members: dict[int, list[int]] = {}
    for vertex in problem.interior:
        members.setdefault(find(vertex), []).append(vertex)
    arcs: dict[int, list[Arc]] = {}
    for arc in problem.arcs:
        inner = arc.tail if arc.tail in interior else arc.head
        if inner in interior:
            arcs.setdefault(find(inner), []).append(arc)
    return [replace(problem, interior=tuple(found), arcs=tuple(arcs[root])) for root, found in members.items()]


def eliminated(problem: Problem, moves: list[Move], /) -> tuple[Edges, tuple[int, ...]]:
    """Return the edges that some moves leave in the end, and the order of the vertices."""
    state = after(problem, moves)
    edges = {(tail, head): bundle for tail, near in enumerate(state.onward) for head, bundle in near.items()}
    return edges, tuple(state.order)


def solved(problem: Problem, solve: Callable[[Problem], tuple[Edges, tuple[int, ...], bool]], /) -> Outcome:
    """Return the outcome of a problem each of whose parts is solved by itself."""
    interior = set(problem.interior)
    edges: Edges = {}
    for arc in problem.arcs:
        if arc.tail not in interior and arc.head not in interior:
            put(problem, edges, (arc.tail, arc.head), (initial(problem, arc.link),))
    order: list[int] = []
    is_least = True
    for part in parts(problem):
        made, sequence, is_sure = solve(part)
        order += sequence
        is_least &= is_sure
        for pair, bundle in made.items():
            put(problem, edges, pair, bundle)
    known: dict[tuple[int, int], Partial] = {}
    for pair in {pair for pair in problem.requests if pair}:
        known[pair] = together(problem, edges[pair])
    roots = tuple(known[pair] if pair else None for pair in problem.requests)
    return Outcome(roots, tuple(order), cost(roots), is_least)


def put(problem: Problem, edges: dict[K, Bundle], key: K, bundle: Bundle, /) -> None:
    """Add partials to what is there under a key."""
    edges[key] = added(problem, edges[key], bundle) if key in edges else bundle
