"""A ladder in the middle of a symmetric elimination: the first derivatives and blocks of curvature that are left."""

from collections.abc import Iterator
from itertools import combinations
from typing import final

from jacchain.planning.second.problem import SecondProblem

Entry = tuple[int, ...]
"""The terms whose sum an edge or a block stands for, sorted."""


@final
class SymmetricState:
    """What is left of a ladder after eliminations that are applied one by one.

    Eliminating v with J_p from its predecessors p and curvature h: h[p, w] += J_pᵀ h[v, w] for every other w, with the
    mirror image where p is w; h[p, p] += J_pᵀ h[v, v] J_p, h[p, q] += J_pᵀ h[v, v] J_q; J[w, p] += J[w, v] J_p for the
    successors w that are left. In reverse topological order that is edge pushing (Gower and Mello, *A new framework for
    the computation of Hessians*, 2012).

    Attributes
    ----------
    into : list of dict
        For each vertex what the edges from its predecessors carry.
    onward : list of dict
        For each vertex its successors.
    bent : list of dict
        For each vertex its blocks with others and itself; a block of v and w is stated for the earlier one first.
    cost : int
        Multiplications so far.

    Examples
    --------
    >>> from jacchain.algebra.structure import Diagonal
    >>> from jacchain.planning.graph import Edge, Graph
    >>> from jacchain.planning.second.ladder import Curve, Ladder
    >>> from jacchain.planning.second.problem import prepared
    >>> graph = Graph({"x": 3, "s": 4, "y": 1}, [Edge("x", "s"), Edge("s", "y")], [("y", "x")])
    >>> state = SymmetricState(prepared(Ladder(graph, [Curve(1, 1, Diagonal(4))]), unit_free=True))
    >>> state.eliminate(1), state.cost
    (48, 48)
    """

    __slots__ = ("bent", "cost", "into", "onward", "problem", "seen", "terms")

    def __init__(self, problem: SecondProblem, /) -> None:
        self.problem, self.terms = problem, problem.terms
        self.into: list[dict[int, Entry]] = [{} for _ in problem.sizes]
        self.onward: list[dict[int, None]] = [{} for _ in problem.sizes]
        self.bent: list[dict[int, Entry]] = [{} for _ in problem.sizes]
        self.seen: set[int] = set()
        for tail, head, term in problem.slopes:
            self._join(tail, head, term)
        for first, second, term in problem.bends:
            self._bend(first, second, term)
        self.cost = 0
        self._count([*(term for *_, term in problem.bends), *(row for row in problem.adjoints if row is not None)])

    def copy(self) -> "SymmetricState":
        """Return a state that can go on in another way."""
        other = object.__new__(SymmetricState)
        other.problem, other.terms, other.cost, other.seen = self.problem, self.terms, self.cost, set(self.seen)
        other.into = [edges.copy() for edges in self.into]
        other.onward = [edges.copy() for edges in self.onward]
        other.bent = [blocks.copy() for blocks in self.bent]
        return other

    def near(self, vertex: int, /) -> set[int]:
        """Return the vertices whose elimination costs something else once this one is gone."""
        found = {*self.into[vertex], *self.onward[vertex], *self.bent[vertex]}
        return found - {vertex}

    def products(self, vertex: int, /) -> int:
        """Return how many products eliminating a vertex takes, about."""
        count = len(self.into[vertex])
        return count * (len(self.onward[vertex]) + len(self.bent[vertex]) + count // 2)

    def price(self, vertex: int, /) -> int:
        """Return what eliminating a vertex would cost now."""
        made = [*(term for *_, term in self._bends(vertex)), *(term for *_, term in self._slopes(vertex))]
        return self.terms.cost(made, self.seen)

    def eliminate(self, vertex: int, /) -> int:
        """Eliminate a vertex, and return what that costs."""
        bends, slopes = list(self._bends(vertex)), list(self._slopes(vertex))
        for tail in self.into[vertex]:
            del self.onward[tail][vertex]
        for head in self.onward[vertex]:
            del self.into[head][vertex]
        for other in self.bent[vertex]:
            if other != vertex:
                del self.bent[other][vertex]
        self.into[vertex], self.onward[vertex], self.bent[vertex] = {}, {}, {}
        for tail, head, term in slopes:
            self._join(tail, head, term)
        for first, second, term in bends:
            self._bend(first, second, term)
        return self._count([term for *_, term in (*bends, *slopes)])

    def roots(self) -> tuple[int | None, ...]:
        """Return the blocks between the inputs, once no other vertex is left."""
        found: list[int | None] = []
        for a, b in self.problem.pairs:
            entry = self.bent[a].get(b)
            if entry is None:
                found.append(None)
                continue
            term = self.terms.total(entry)
            found.append(term if a <= b else self.terms.transpose(term))
        return tuple(found)

    def key(self) -> tuple[tuple[tuple[int, Entry], ...], ...]:
        """Return what tells this state from others; what follows depends on nothing else."""
        return tuple(tuple(sorted(edges.items())) for edges in (*self.into, *self.bent))

    def _join(self, tail: int, head: int, term: int) -> None:
        self.into[head][tail] = _with(self.into[head].get(tail), term)
        self.onward[tail][head] = None

    def _bend(self, first: int, second: int, term: int) -> None:
        self.bent[first][second] = self.bent[second][first] = _with(self.bent[first].get(second), term)

    def _slopes(self, vertex: int) -> Iterator[tuple[int, int, int]]:
        """Yield the products of the edges into a vertex with those out of it."""
        terms = self.terms
        for head in self.onward[vertex]:
            left = terms.total(self.into[head][vertex])
            for tail, entry in self.into[vertex].items():
                yield tail, head, terms.multiply(left, terms.total(entry))

    def _bends(self, vertex: int) -> Iterator[tuple[int, int, int]]:
        """Yield what the blocks of a vertex become in its predecessors."""
        terms = self.terms
        into = {tail: terms.total(entry) for tail, entry in self.into[vertex].items()}
        for other, entry in self.bent[vertex].items():
            if other == vertex:
                yield from self._between(into, terms.total(entry))
                continue
            block = terms.total(entry)
            for tail, slope in into.items():
                if other < vertex:
                    made = terms.multiply(block, slope)
                    if tail == other:
                        yield tail, tail, terms.both(made)
                    else:
                        yield (other, tail, made) if other < tail else (tail, other, terms.transpose(made))
                else:
                    yield tail, other, terms.pull(slope, block)

    def _between(self, into: dict[int, int], block: int) -> Iterator[tuple[int, int, int]]:
        """Yield J_pᵀ h J_q for all pairs of predecessors, by way of hJ_q, which the congruence J_qᵀ h J_q makes too."""
        terms = self.terms
        for p, slope in into.items():
            yield p, p, terms.congruence(block, slope)
        made = {tail: terms.multiply(block, slope) for tail, slope in into.items()}
        for p, q in combinations(sorted(into), 2):
            one, other = terms.pull(into[p], made[q]), terms.pull(into[q], made[p])
            yield p, q, one if terms.step_cost(one) <= terms.step_cost(other) else terms.transpose(other)

    def _count(self, made: list[int]) -> int:
        """Count what was made now for the first time."""
        fresh = self.terms.fresh(made, self.seen)
        flops = sum([self.terms.terms[term].flops for term in fresh])
        self.seen |= fresh
        self.cost += flops
        return flops


def _with(entry: Entry | None, term: int) -> Entry:
    return (term,) if entry is None else tuple(sorted((*entry, term)))
