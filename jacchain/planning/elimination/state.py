"""A graph in the middle of an elimination: which edges there are, what they carry, and what that has cost."""

from collections.abc import Iterable, Mapping
from typing import assert_never, final

from jacchain.errors import OptionError
from jacchain.planning.elimination.bundle import Bundle, added, joined, price
from jacchain.planning.elimination.move import Move
from jacchain.planning.elimination.partial import initial
from jacchain.planning.elimination.problem import Problem


@final
class State:
    """The edges that are left, after moves that are applied one by one.

    Attributes
    ----------
    cost : int
        Multiplications so far, with those for local Jacobians that cannot be done without.
    onward : list of dict
        For each vertex what the edges to its successors carry.
    backward : list of dict
        For each vertex its predecessors, in the order in which they were joined to it.
    left : set of int
        The interior vertices that are left.
    order : list of int
        Those that are gone, in that order.

    Examples
    --------
    >>> from jacchain.planning.elimination.problem import prepared
    >>> from jacchain.planning.graph import Edge, Graph
    >>> graph = Graph({"x": 3, "s": 2, "y": 4}, [Edge("x", "s"), Edge("s", "y"), Edge("x", "y")])
    >>> state = State(prepared(graph))
    >>> state.apply(Move("vertex", 1)), state.cost, state.order
    (24, 24, [1])
    """

    __slots__ = ("backward", "cost", "left", "onward", "order", "problem")

    def __init__(self, problem: Problem, /) -> None:
        self.problem = problem
        self.cost = 0
        self.onward: list[dict[int, Bundle]] = [{} for _ in problem.sizes]
        self.backward: list[dict[int, None]] = [{} for _ in problem.sizes]
        self.left = set(problem.interior)
        self.order: list[int] = []
        for arc in problem.arcs:
            partial = initial(problem, arc.link)
            self.cost += partial.flops
            self._add(arc.tail, arc.head, (partial,))

    def copy(self) -> "State":
        """Return a state that can go on in another way."""
        other = object.__new__(State)
        other.problem, other.cost, other.order = self.problem, self.cost, self.order.copy()
        other.left = self.left.copy()
        other.onward = [edges.copy() for edges in self.onward]
        other.backward = [edges.copy() for edges in self.backward]
        return other

    def price(self, vertex: int, /) -> int:
        """Return what eliminating a vertex would cost now."""
        return price(self.problem, *self._around(vertex))

    def apply(self, move: Move, /) -> int:
        """Apply a move, and return what it costs.

        Raises
        ------
        OptionError
            The vertex or the edge is not there, or may not be eliminated.
        """
        match move.kind:
            case "vertex":
                return self._vertex(move.tail)
            case "front":
                self._expect(move, move.head)
                return self._edge(move, {move.tail: self.onward[move.tail][move.head]}, self.onward[move.head])
            case "back":
                self._expect(move, move.tail)
                into = {tail: self.onward[tail][move.tail] for tail in self.backward[move.tail]}
                return self._edge(move, into, {move.head: self.onward[move.tail][move.head]})
            case _:
                assert_never(move.kind)

    def _vertex(self, vertex: int) -> int:
        if vertex not in self.left:
            raise OptionError(f"vertex {vertex} is gone, or stays", "eliminate every interior vertex once")
        cost, pairs = self._joined(vertex)
        for tail, head, bundle in pairs:
            self._add(tail, head, bundle)
        self._remove(vertex)
        self.cost += cost
        return cost

    def _joined(self, vertex: int) -> tuple[int, list[tuple[int, int, Bundle]]]:
        return joined(self.problem, *self._around(vertex))

    def _around(self, vertex: int) -> tuple[dict[int, Bundle], dict[int, Bundle]]:
        """Return what the edges into a vertex and out of it carry."""
        return {tail: self.onward[tail][vertex] for tail in self.backward[vertex]}, self.onward[vertex]

    def _edge(self, move: Move, into: Mapping[int, Bundle], out: Mapping[int, Bundle]) -> int:
        cost, pairs = joined(self.problem, into, out)
        for tail, head, bundle in pairs:
            self._add(tail, head, bundle)
        del self.onward[move.tail][move.head], self.backward[move.head][move.tail]
        if move.kind == "front" and not self.backward[move.head]:
            self._remove(move.head)
        if move.kind == "back" and not self.onward[move.tail]:
            self._remove(move.tail)
        self.cost += cost
        return cost

    def _expect(self, move: Move, vertex: int) -> None:
        if move.head not in self.onward[move.tail] or vertex not in self.left:
            raise OptionError(f"the edge {move.tail} → {move.head} is gone, or stays", "eliminate edges that are there")

    def _add(self, tail: int, head: int, bundle: Bundle) -> None:
        there = self.onward[tail].get(head)
        self.onward[tail][head] = bundle if there is None else added(self.problem, there, bundle)
        self.backward[head][tail] = None

    def _remove(self, vertex: int) -> None:
        for tail in self.backward[vertex]:
            del self.onward[tail][vertex]
        for head in self.onward[vertex]:
            del self.backward[head][vertex]
        self.onward[vertex], self.backward[vertex] = {}, {}
        self.left.discard(vertex)
        self.order.append(vertex)


def after(problem: Problem, moves: Iterable[Move], /) -> State:
    """Return the state after some moves, and after the interior vertices that they leave, in topological order."""
    state = State(problem)
    for move in moves:
        state.apply(move)
    for vertex in sorted(state.left):
        state.apply(Move("vertex", vertex))
    return state
