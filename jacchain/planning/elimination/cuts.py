"""What eliminating a vertex costs at the least, whatever went before."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from jacchain.planning.elimination.problem import UNIT, Problem

END: Final = -1
"""Where all ways end."""

MANY: Final = 64
"""Interior vertices up to which narrowest cuts are looked for; beyond, only the smallest sizes count."""


def least_prices(problem: Problem, /) -> dict[int, int]:
    """Return for each interior vertex a cost that no order of vertices goes below.

    Whenever a vertex is eliminated, all paths from the inputs to it run through its predecessors of that moment, and
    all paths to the outputs through its successors. So in a graph of dense links it costs at least its size times the
    narrowest cut before it times the narrowest behind it. With other structures nothing is known.
    """
    if not problem.is_dense:
        return dict.fromkeys(problem.interior, 0)
    before, behind = _neighbours(problem)
    if len(problem.interior) > MANY:
        order = range(len(problem.sizes))
        into, out = _smallest(problem, before, order), _smallest(problem, behind, order[::-1])
        return {v: problem.sizes[v] * into[v] * out[v] for v in problem.interior}
    found = {}
    for vertex in problem.interior:
        prices = [0]
        for mask in _groups(problem, vertex):
            narrow = [_narrowest(problem, _within(near, problem, mask), vertex) for near in (before, behind)]
            prices.append(problem.sizes[vertex] * narrow[0] * narrow[1])
        found[vertex] = max(prices)
    return found


def lower_bound(problem: Problem, /) -> int:
    """Return multiplications that no order of the vertices goes below: all least prices, and the links' own costs.

    Eliminations of single edges may.
    """
    own = [problem.links[arc.link] for arc in problem.arcs if arc.link != UNIT]
    given = [link.accumulate_cost or 0 for link in own if link.tangent_cost is None is link.adjoint_cost]
    return sum(given) + sum(least_prices(problem).values())


def is_complete(problem: Problem, /) -> bool:
    """Whether every edge that an elimination can make is on the way of a request."""
    starts = {pair[0] for pair in problem.requests if pair}
    ends = {pair[1] for pair in problem.requests if pair}
    asked = {pair for pair in problem.requests if pair}
    before, _ = _neighbours(problem)
    reached: list[set[int]] = []
    for vertex in range(len(problem.sizes)):
        found = {vertex} & starts
        for tail in before.get(vertex, ()):
            found |= reached[tail]
        reached.append(found)
    vertices = problem.vertices  # a vertex and its own copy are no pair of a request
    return all((start, end) in asked or vertices[start] == vertices[end] for end in ends for start in reached[end])


def _neighbours(problem: Problem) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    before: dict[int, list[int]] = {}
    behind: dict[int, list[int]] = {}
    for arc in problem.arcs:
        before.setdefault(arc.head, []).append(arc.tail)
        behind.setdefault(arc.tail, []).append(arc.head)
    return before, behind


def _groups(problem: Problem, vertex: int) -> list[int]:
    """Return sets of requests that pass a vertex, each all of what its inputs and outputs can be joined by."""
    passing = problem.sources[vertex] & problem.targets[vertex]
    groups: dict[int, int] = {}
    for k, pair in enumerate(problem.requests):
        if pair and passing >> k & 1:
            groups[pair[1]] = groups.get(pair[1], 0) | 1 << k
    inputs = {
        frozenset(pair[0] for k, pair in enumerate(problem.requests) if pair and mask >> k & 1)
        for mask in groups.values()
    }
    return [passing] if len(inputs) == 1 else [1 << k for k in range(passing.bit_length()) if passing >> k & 1]


def _within(neighbours: Mapping[int, Sequence[int]], problem: Problem, mask: int) -> dict[int, list[int]]:
    """Return the neighbours on the way of some requests."""
    on_way = [bool(a & b & mask) for a, b in zip(problem.sources, problem.targets, strict=True)]
    return {v: [w for w in near if on_way[w]] for v, near in neighbours.items() if on_way[v]}


def _smallest(problem: Problem, neighbours: Mapping[int, Sequence[int]], order: Sequence[int]) -> dict[int, int]:
    """Return for each vertex the smallest size on any way from it to an end; 0 behind a vertex with a copy."""
    found: dict[int, int] = {}
    copied = {vertex for arc in problem.arcs if arc.link == UNIT for vertex in (arc.tail, arc.head)}
    for vertex in order:
        near = neighbours.get(vertex, ())
        least = min((min(found[other], problem.sizes[other]) for other in near), default=problem.sizes[vertex])
        found[vertex] = 0 if vertex in copied else least
    return found


def _narrowest(problem: Problem, neighbours: Mapping[int, Sequence[int]], vertex: int) -> int:
    """Return the least sum of sizes of vertices that part a vertex from all ends: the greatest flow to them.

    Every vertex lets through as much as its size, but a copy of this one nothing. Shortest ways are filled first
    (Edmonds and Karp, *Theoretical improvements in algorithmic efficiency for network flow problems*, 1972).
    """
    residual = _capacities(problem, neighbours, vertex)
    start, total = 2 * vertex + 1, 0
    while True:
        came = {start: start}
        waiting = [start]
        for place in waiting:
            for onward, room in residual.get(place, {}).items():
                if room and onward not in came:
                    came[onward] = place
                    waiting.append(onward)
        if END not in came:
            return total
        total += _filled(residual, came, start)


def _capacities(problem: Problem, neighbours: Mapping[int, Sequence[int]], start: int) -> dict[int, dict[int, int]]:
    """Return what each vertex lets through, from its even to its odd place, and edges without limit between them."""
    endless = sum(problem.sizes) + 1
    found: dict[int, dict[int, int]] = {}
    waiting, seen = [start], {start}
    while waiting:
        vertex = waiting.pop()
        is_copy = problem.vertices[vertex] == problem.vertices[start]
        found[2 * vertex] = {2 * vertex + 1: 0 if is_copy else problem.sizes[vertex]}
        near = neighbours.get(vertex, ())
        found[2 * vertex + 1] = {2 * other: endless for other in near} if near else {END: endless}
        for other in near:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return found


def _filled(residual: dict[int, dict[int, int]], came: Mapping[int, int], start: int) -> int:
    """Send as much along a way as it takes, and return that."""
    way = [END]
    while way[-1] != start:
        way.append(came[way[-1]])
    steps = list(pairwise(reversed(way)))
    amount = min(residual[one][two] for one, two in steps)
    for one, two in steps:
        residual[one][two] -= amount
        back = residual.setdefault(two, {})
        back[one] = back.get(one, 0) + amount
    return amount
