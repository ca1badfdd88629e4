"""Eliminations of faces, which are pairs of edges that follow one another: the finest orders there are."""

from random import Random
from typing import Final, NamedTuple, final

from jacchain.planning.elimination.bundle import Bundle
from jacchain.planning.elimination.part import Edges
from jacchain.planning.elimination.partial import Partial, initial, plus, times
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.structures import OPEN

SPREAD: Final = 1.5
"""How far a face may come before or after the others at its vertex, in places of the order."""

Face = tuple[int, int]


@final
class _Edge(NamedTuple):
    """A vertex of the line graph: what an edge carries, and the edges before and behind it that it has faces with."""

    tail: int
    head: int
    partial: Partial
    before: frozenset[int]
    behind: frozenset[int]


@final
class Faces:
    """The line graph of a problem: edges with what they carry, and the faces that are left (Naumann, 2004).

    Eliminating a face multiplies its two edges. The product is a new edge with the faces of the first one in front and
    those of the second behind; it is added to an edge that has the very same. An edge without faces on a side on which
    it had some is gone.
    """

    def __init__(self, problem: Problem, /) -> None:
        self.problem = problem
        self.flops = 0
        into: dict[int, list[int]] = {}
        out: dict[int, list[int]] = {}
        for k, arc in enumerate(problem.arcs):
            into.setdefault(arc.head, []).append(k)
            out.setdefault(arc.tail, []).append(k)
        interior = set(problem.interior)
        self.edges: dict[int, _Edge] = {}
        for k, (tail, head, link) in enumerate(problem.arcs):
            before = frozenset(into[tail]) if tail in interior else frozenset[int]()
            behind = frozenset(out[head]) if head in interior else frozenset[int]()
            partial = initial(problem, link)
            self.flops += partial.flops
            self.edges[k] = _Edge(tail, head, partial, before, behind)
        self.number = len(problem.arcs)
        for k in list(self.edges):
            self._merge(k)

    def faces(self) -> list[Face]:
        """Return the faces that are left."""
        return [(k, other) for k, edge in self.edges.items() for other in edge.behind]

    def eliminate(self, face: Face, /) -> int:
        """Eliminate a face, and return the number of the edge that it makes, -1 where no request needs one."""
        first, second = face
        one, other = self.edges[first], self.edges[second]
        self.edges[first] = one._replace(behind=one.behind - {second})
        self.edges[second] = other._replace(before=other.before - {first})
        made = -1
        if self.problem.sources[one.tail] & self.problem.targets[other.head]:
            made, self.number = self.number, self.number + 1
            found = times(self.problem, other.partial, one.partial)
            assert found is not None
            if found is not other.partial and found is not one.partial:
                self.flops += found.flops
            self.edges[made] = _Edge(one.tail, other.head, found, one.before, other.behind)
            self._join(made, made)
        if not self.edges[first].behind:
            self._remove(first)
        if not self.edges[second].before:
            self._remove(second)
        return self._merge(made) if made in self.edges else made

    def _join(self, k: int, other: int) -> None:
        """Give the neighbours of an edge a face with it."""
        for near in self.edges[k].before:
            self.edges[near] = self.edges[near]._replace(behind=self.edges[near].behind | {other})
        for near in self.edges[k].behind:
            self.edges[near] = self.edges[near]._replace(before=self.edges[near].before | {other})

    def _remove(self, k: int) -> None:
        """Take an edge away, and what has no faces left on a side without it."""
        edge = self.edges.pop(k)
        for near in edge.before:
            left = self.edges[near].behind - {k}
            self.edges[near] = self.edges[near]._replace(behind=left)
            if not left:
                self._remove(near)
        for near in edge.behind:
            left = self.edges[near].before - {k}
            self.edges[near] = self.edges[near]._replace(before=left)
            if not left:
                self._remove(near)

    def _merge(self, k: int) -> int:
        """Add an edge to another with the same faces, and return the number that is left."""
        edge = self.edges[k]
        for other, there in self.edges.items():
            ends = (edge.before or edge.tail) == (there.before or there.tail)
            if other != k and ends and (edge.behind or edge.head) == (there.behind or there.head):
                found = plus(self.problem, there.partial, edge.partial)
                self.flops += found.flops
                self.edges[other] = there._replace(partial=found)
                for near in edge.before:
                    self.edges[near] = self.edges[near]._replace(behind=self.edges[near].behind - {k})
                for near in edge.behind:
                    self.edges[near] = self.edges[near]._replace(before=self.edges[near].before - {k})
                del self.edges[k]
                return other
        return k


class Eliminated(NamedTuple):
    """The edges that are left between requested vertices, and what they cost."""

    edges: Edges
    flops: int


def by_faces(problem: Problem, order: list[int], /, *, trials: int, seed: int) -> Eliminated | None:
    """Return the cheapest of some eliminations of faces near an order of vertices; None with matrix-free links.

    The first trial eliminates the faces vertex by vertex, which is the order itself; the others take them out of it.
    """
    if any(initial(problem, arc.link).number == OPEN for arc in problem.arcs):
        return None
    place = {vertex: k for k, vertex in enumerate(order)}
    rng = Random(seed)
    best: Eliminated | None = None
    for trial in range(trials):
        found = _run(problem, place, rng, SPREAD if trial else 0.0)
        best = found if best is None or found.flops < best.flops else best
    return best


def _run(problem: Problem, place: dict[int, int], rng: Random, spread: float) -> Eliminated:
    state = Faces(problem)
    waiting: dict[Face, float] = {}
    while faces := state.faces():
        for face in faces:
            if face not in waiting:
                waiting[face] = place[state.edges[face[0]].head] + spread * rng.random() * rng.choice((0, 1))
        state.eliminate(min(faces, key=lambda face: (waiting[face], face)))
    edges: dict[tuple[int, int], Bundle] = {}
    for edge in state.edges.values():
        edges[edge.tail, edge.head] = (edge.partial,)
    return Eliminated(edges, state.flops)
