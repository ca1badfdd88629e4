"""What a planner of eliminations works on: a graph pruned to what its requests need, with its vertices numbered."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, final

from jacchain.algebra.structure import Dense, Diagonal, Sparse, is_unit
from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.structures import Structures
from jacchain.planning.graph import Chain, Graph, Vertex
from jacchain.planning.limits import under_tape_limit
from jacchain.planning.link import Link

UNIT: Final = -1
"""Stands for the link of an edge that is the identity: it joins a vertex with its copy, and costs nothing."""


class Arc(NamedTuple):
    """An edge between numbered vertices, and the number of its link among the graph's edges, or `UNIT`."""

    tail: int
    head: int
    link: int


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """A graph as planners see it.

    Vertices are numbered topologically. A requested output that is used further has a copy at the end of an edge
    `UNIT`, and a requested input that depends on something one at the beginning, so that requested vertices are never
    eliminated: `interior` lists the others, all of which are. Only what lies on the way of a request is here.

    Attributes
    ----------
    graph : Graph
    vertices : tuple of vertex
        The graph's vertex of each number.
    sizes : tuple of int
    arcs : tuple of Arc
        In the order of the graph's edges; parallel ones are kept apart.
    links : tuple of Link
        Of the graph's edges, as they are counted: without adjoints whose tape is too large, and with a diagonal in the
        place of an identity or a negation where products by these are counted.
    interior : tuple of int
        What must be eliminated, in topological order.
    sources, targets : tuple of int
        For each vertex the requests whose input it depends on, and whose output depends on it, as bits.
    requests : tuple of (tail, head) or None
        For each of the graph's requests the vertices of its edge in the end; None where there is no path, or where a
        vertex is asked for with respect to itself.
    unit_free : bool
        Products by an identity or a negation are not counted.
    structures : Structures
        What is known of structures so far; it grows while planners run.
    greedy : tuple of int
        The interior vertices in the order in which each is the cheapest to eliminate, once that is known; parts of the
        problem have theirs in the same order.
    """

    graph: Graph
    vertices: tuple[Vertex, ...]
    sizes: tuple[int, ...]
    arcs: tuple[Arc, ...]
    links: tuple[Link, ...]
    interior: tuple[int, ...]
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    requests: tuple[tuple[int, int] | None, ...]
    unit_free: bool = False
    structures: Structures = field(default_factory=Structures, repr=False)
    greedy: tuple[int, ...] = field(default=(), repr=False)

    @property
    def entries(self) -> int:
        """The entries of all patterns that products have to be worked out from, entry by entry."""
        found = (self.links[arc.link].local for arc in self.arcs if arc.link != UNIT)
        return sum(structure.nonzeros for structure in found if isinstance(structure, Sparse))

    @property
    def is_dense(self) -> bool:
        """Whether all links are explicit dense matrices and nothing else, so that costs are products of sizes."""
        return all(arc.link == UNIT or _is_dense(self.links[arc.link]) for arc in self.arcs)


def _is_dense(link: Link) -> bool:
    is_dense = isinstance(link.local, Dense) or (link.inputs == 1 == link.outputs and isinstance(link.local, Diagonal))
    return is_dense and link.tangent_cost is None is link.adjoint_cost


def prepared(graph: Graph, /, *, unit_free: bool = False, tape_limit: int | None = None) -> Problem:
    """Return the problem of a graph.

    Parameters
    ----------
    graph : Graph
    unit_free : bool
        Do not count products by an identity or a negation. The literature counts all products alike.
    tape_limit : int, optional
        No adjoint of a link whose tape is larger.

    Raises
    ------
    InfeasibleError
        A link has nothing but an adjoint, whose tape is too large.

    Examples
    --------
    >>> from jacchain.planning.graph import Edge
    >>> graph = Graph({"x": 3, "s": 2, "y": 1}, [Edge("x", "s"), Edge("s", "y")], [("y", "x"), ("s", "x")])
    >>> found = prepared(graph)
    >>> found.vertices, found.interior, found.arcs[-1]
    (('x', 's', 'y', 's'), (1,), Arc(tail=1, head=3, link=-1))
    """
    links = _links(graph, tape_limit)
    links = links if unit_free else tuple(_counted(link) for link in links)
    order = topological(graph)
    place = {vertex: k for k, vertex in enumerate(order)}
    arcs = [Arc(place[edge.tail], place[edge.head], k) for k, edge in enumerate(graph.edges)]
    asked = [(place[source], place[output]) for output, source in graph.requests]
    sources, targets = _masks(len(order), arcs, asked)
    kept = [arc for arc in arcs if sources[arc.tail] & targets[arc.head]]
    # a vertex with respect to itself is no path either
    joined = [pair if sources[pair[1]] >> k & 1 else None for k, pair in enumerate(asked)]
    return _assembled(graph, order, kept, joined, links, unit_free)


def _assembled(
    graph: Graph,
    order: Sequence[Vertex],
    kept: Sequence[Arc],
    asked: Sequence[tuple[int, int] | None],
    links: tuple[Link, ...],
    unit_free: bool,
) -> Problem:
    """Return the problem of what is kept, with copies of requested vertices, numbered anew."""
    heads, tails = {arc.head for arc in kept}, {arc.tail for arc in kept}
    first = sorted({pair[0] for pair in asked if pair} & heads)
    last = sorted({pair[1] for pair in asked if pair} & tails)
    inner = sorted(heads | tails)
    place = {vertex: k + len(first) for k, vertex in enumerate(inner)}
    start = {**place, **{vertex: k for k, vertex in enumerate(first)}}
    end = {**place, **{vertex: k + len(first) + len(inner) for k, vertex in enumerate(last)}}
    arcs = [Arc(place[arc.tail], place[arc.head], arc.link) for arc in kept]
    arcs += [Arc(start[vertex], place[vertex], UNIT) for vertex in first]
    arcs += [Arc(place[vertex], end[vertex], UNIT) for vertex in last]
    vertices = tuple(order[vertex] for vertex in (*first, *inner, *last))
    requests = tuple((start[pair[0]], end[pair[1]]) if pair else None for pair in asked)
    sources, targets = _masks(len(vertices), arcs, requests)
    fixed = {vertex for pair in requests if pair for vertex in pair}
    return Problem(
        graph,
        vertices,
        tuple(graph.sizes[vertex] for vertex in vertices),
        tuple(arcs),
        links,
        tuple(vertex for vertex in range(len(vertices)) if vertex not in fixed),
        tuple(sources),
        tuple(targets),
        requests,
        unit_free,
    )


def _links(graph: Graph, tape_limit: int | None) -> tuple[Link, ...]:
    """Return the graph's links, without adjoints whose tape is too large."""
    found = []
    for edge in graph.edges:
        link = edge.link or Link(graph.sizes[edge.tail], graph.sizes[edge.head])
        try:
            found.append(under_tape_limit(Chain([link]), tape_limit).links[0])
        except InfeasibleError as error:
            what = error.what.replace("link 1", f"the link from {edge.tail!r} to {edge.head!r}")
            raise InfeasibleError(what, error.cure) from None
    return tuple(found)


def _counted(link: Link) -> Link:
    return replace(link, structure=Diagonal(link.inputs)) if is_unit(link.local) else link


def topological(graph: Graph, /) -> list[Vertex]:
    """Return the vertices in an order in which edges point forward: the given one, as far as that is possible."""
    from heapq import heapify, heappop, heappush

    names = list(graph.sizes)
    place = {vertex: k for k, vertex in enumerate(names)}
    waiting, onward = [0] * len(names), [[] for _ in names]  # type: tuple[list[int], list[list[int]]]
    for edge in graph.edges:
        waiting[place[edge.head]] += 1
        onward[place[edge.tail]].append(place[edge.head])
    ready = [k for k, count in enumerate(waiting) if count == 0]
    heapify(ready)
    order = []
    while ready:
        vertex = heappop(ready)
        order.append(names[vertex])
        for head in onward[vertex]:
            waiting[head] -= 1
            if waiting[head] == 0:
                heappush(ready, head)
    return order


def _masks(count: int, arcs: Sequence[Arc], asked: Sequence[tuple[int, int] | None]) -> tuple[list[int], list[int]]:
    """Return for each vertex which requests start at or before it, and which end at or after it."""
    sources, targets = [0] * count, [0] * count
    for k, pair in enumerate(asked):
        if pair and pair[0] != pair[1]:
            sources[pair[0]] |= 1 << k
            targets[pair[1]] |= 1 << k
    for arc in sorted(arcs):
        sources[arc.head] |= sources[arc.tail]
    for arc in sorted(arcs, key=lambda arc: -arc.head):
        targets[arc.tail] |= targets[arc.head]
    return sources, targets
