"""What a planner of second order works on: a ladder pruned to what bends, with its vertices numbered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from jacchain.planning.elimination.problem import topological
from jacchain.planning.graph import Vertex
from jacchain.planning.second.ladder import Ladder
from jacchain.planning.second.terms import Terms

Pair = tuple[int, int]


class Slope(NamedTuple):
    """A first derivative between numbered vertices."""

    tail: int
    head: int
    term: int


class Bend(NamedTuple):
    """A curvature between numbered vertices, the first not after the second: a term of d_first × d_second."""

    first: int
    second: int
    term: int


@final
@dataclass(frozen=True, eq=False)
class SecondProblem:
    """A ladder as planners see it.

    Vertices are numbered topologically. An input that depends on another one has a copy before it, joined to it by an
    identity, so that inputs are never eliminated. Only what depends on an input and leads to a curvature is here: from
    every vertex a curvature can be reached, and that stays so while others are eliminated.

    Attributes
    ----------
    ladder : Ladder
    vertices : tuple of vertex
        The graph's vertex of each number.
    sizes : tuple of int
    slopes : tuple of Slope
        Parallel ones are kept apart.
    bends : tuple of Bend
        The curvatures, given their adjoints; those of one pair of vertices are kept apart.
    inputs : tuple of int
        The vertex of each of the ladder's inputs.
    interior : tuple of int
        What must be eliminated, in topological order.
    terms : Terms
        All terms that were met so far; it grows while planners run.
    adjoints : tuple of int or None
        For each input the row of the output's derivative with respect to it; None where there is none.
    """

    ladder: Ladder
    vertices: tuple[Vertex, ...]
    sizes: tuple[int, ...]
    slopes: tuple[Slope, ...]
    bends: tuple[Bend, ...]
    inputs: tuple[int, ...]
    interior: tuple[int, ...]
    terms: Terms
    adjoints: tuple[int | None, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The vertices of each block of one half of the Hessian."""
        return tuple((self.inputs[a], self.inputs[b]) for a, b in self.ladder.pairs)


COPY: Final = -1
"""Stands for the edge of a vertex from its copy."""


def prepared(ladder: Ladder, /, *, unit_free: bool, gradient: bool = False) -> SecondProblem:
    """Return the problem of a ladder.

    Examples
    --------
    >>> from jacchain.algebra.structure import Diagonal
    >>> from jacchain.planning.graph import Edge, Graph
    >>> from jacchain.planning.second.ladder import Curve
    >>> graph = Graph({"x": 3, "s": 4, "y": 1}, [Edge("x", "s"), Edge("s", "y")], [("y", "x")])
    >>> found = prepared(Ladder(graph, [Curve(1, 1, Diagonal(4))]), unit_free=True)
    >>> found.vertices, found.interior, found.slopes[0].head, found.bends[0].first
    (('x', 's'), (1,), 1, 1)
    """
    graph = ladder.graph
    links = tuple(ladder.link(k) for k in range(len(graph.edges)))
    terms = Terms(links, unit_free=unit_free, is_quotient=ladder.is_quotient)
    order = topological(graph)
    place = {vertex: k for k, vertex in enumerate(order)}
    arcs = [(place[edge.tail], place[edge.head], k) for k, edge in enumerate(graph.edges)]
    inputs = [place[vertex] for vertex in ladder.inputs]
    after = _closed(inputs, ((tail, head) for tail, head, _ in sorted(arcs)))
    output = place[ladder.output]
    before = _closed([output], sorted(((head, tail) for tail, head, _ in arcs), reverse=True))
    bends = [
        (place[a], place[b], place[graph.edges[curve.first].head], k)
        for k, curve in enumerate(ladder.curves)
        for a, b in [ladder.tails(curve)]
        if place[a] in after and place[b] in after and place[graph.edges[curve.first].head] in before
    ]
    wanted = {head for *_, head, _ in bends} | (before & set(inputs) if gradient else set())
    rows = _adjoints(ladder, terms, arcs, before, wanted, output)
    bent = _closed({v for a, b, *_ in bends for v in (a, b)}, sorted(((h, t) for t, h, _ in arcs), reverse=True))
    kept = [(tail, head, k) for tail, head, k in arcs if tail in after and head in bent]
    curved = [_bend(ladder, terms, a, b, rows[head], k) for a, b, head, k in bends]
    asked = tuple(rows[vertex] if gradient and vertex in rows else None for vertex in inputs)
    return _assembled(ladder, order, kept, curved, inputs, terms, asked)


def _closed(start: Iterable[int], pairs: Iterable[Pair]) -> set[int]:
    """Return what is reached from some vertices, given pairs of vertices in the order of their first ones."""
    found = set(start)
    for here, there in pairs:
        if here in found:
            found.add(there)
    return found


def _adjoints(
    ladder: Ladder,
    terms: Terms,
    arcs: Sequence[tuple[int, int, int]],
    before: set[int],
    wanted: set[int],
    output: int,
) -> dict[int, int]:
    """Return the rows r_v of the wanted vertices, by a reverse sweep over those that these need."""
    needed = _closed(wanted, ((tail, head) for tail, head, _ in sorted(arcs))) & before
    onward: dict[int, list[tuple[int, int]]] = {}
    for tail, head, edge in arcs:
        if tail in needed and head in needed:
            onward.setdefault(tail, []).append((head, edge))
    rows = {output: terms.identity(ladder.graph.sizes[ladder.output])}
    for vertex in sorted(needed - {output}, reverse=True):
        parts = [terms.formed(terms.multiply(rows[head], terms.local(edge))) for head, edge in onward[vertex]]
        rows[vertex] = terms.total(tuple(sorted(parts)))
    return rows


def _bend(ladder: Ladder, terms: Terms, a: int, b: int, adjoint: int, number: int) -> Bend:
    """Return a curvature as what it adds to the block of its two vertices in their order."""
    curve = ladder.curves[number]
    found = terms.curvature(number, adjoint, curve.structure, is_symmetric=curve.first == curve.second)
    if a == b:
        return Bend(a, b, found if curve.first == curve.second else terms.both(found))
    return Bend(a, b, found) if a < b else Bend(b, a, terms.transpose(found))


def _assembled(
    ladder: Ladder,
    order: Sequence[Vertex],
    kept: Sequence[tuple[int, int, int]],
    bends: Sequence[Bend],
    inputs: Sequence[int],
    terms: Terms,
    adjoints: tuple[int | None, ...],
) -> SecondProblem:
    """Return the problem of what is kept, with copies of inputs that depend on others, numbered anew."""
    heads = {head for _, head, _ in kept}
    inner = sorted({v for tail, head, _ in kept for v in (tail, head)} | {v for b in bends for v in b[:2]} | {*inputs})
    copied = sorted(set(inputs) & heads)
    place = {vertex: k + len(copied) for k, vertex in enumerate(inner)}
    start = {**place, **{vertex: k for k, vertex in enumerate(copied)}}
    vertices = tuple(order[vertex] for vertex in (*copied, *inner))
    sizes = tuple(ladder.graph.sizes[vertex] for vertex in vertices)
    slopes = [Slope(place[tail], place[head], terms.local(edge)) for tail, head, edge in kept]
    slopes += [Slope(start[v], place[v], terms.identity(ladder.graph.sizes[order[v]])) for v in copied]
    fixed = tuple(start[vertex] for vertex in inputs)
    return SecondProblem(
        ladder,
        vertices,
        sizes,
        tuple(slopes),
        tuple(Bend(place[a], place[b], term) for a, b, term in bends),
        fixed,
        tuple(v for v in range(len(vertices)) if v not in fixed),
        terms,
        adjoints,
    )
