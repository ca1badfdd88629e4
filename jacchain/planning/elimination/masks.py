"""A graph of dense links in the middle of an elimination: only who is next to whom, as bits of whole numbers."""

from collections.abc import Sequence
from typing import final

from jacchain.planning.elimination.cuts import is_complete
from jacchain.planning.elimination.problem import UNIT, Problem
from jacchain.planning.elimination.subsets import allowed, bits


@final
class Masks:
    """What `State` is for any links, for dense ones: prices are products of sizes.

    Attributes
    ----------
    into, out : list of int
        For each vertex its predecessors and its successors, as bits.
    """

    def __init__(self, problem: Problem, /) -> None:
        count = len(problem.sizes)
        self.sizes = problem.sizes
        self.is_scalar = set(problem.sizes) == {1}
        self.into, self.out, self.copies = [0] * count, [0] * count, [0] * count
        for tail, head, link in problem.arcs:
            self.into[head] |= 1 << tail
            self.out[tail] |= 1 << head
            if link == UNIT:
                self.copies[tail] |= 1 << head
                self.copies[head] |= 1 << tail
        self.heads = None if is_complete(problem) else allowed(problem.sources, problem.targets)
        self.tails = None if self.heads is None else allowed(problem.targets, problem.sources)

    def price(self, vertex: int, /) -> int:
        """Return what eliminating a vertex costs now."""
        tails, heads = self.into[vertex] & ~self.copies[vertex], self.out[vertex] & ~self.copies[vertex]
        if self.heads is None:
            return self.sizes[vertex] * self._weight(tails) * self._weight(heads)
        pointed = self.heads
        return self.sizes[vertex] * sum(self.sizes[t] * self._weight(heads & pointed[t]) for t in bits(tails))

    def eliminate(self, vertex: int, /) -> int:
        """Eliminate a vertex, and return what that costs."""
        price, tails, heads, here = self.price(vertex), self.into[vertex], self.out[vertex], 1 << vertex
        for tail in bits(tails):
            self.out[tail] = self.out[tail] & ~here | (heads if self.heads is None else heads & self.heads[tail])
        for head in bits(heads):
            self.into[head] = self.into[head] & ~here | (tails if self.tails is None else tails & self.tails[head])
        self.into[vertex] = self.out[vertex] = 0
        return price

    def _weight(self, mask: int) -> int:
        return mask.bit_count() if self.is_scalar else sum(self.sizes[vertex] for vertex in bits(mask))


def order_cost(problem: Problem, order: Sequence[int], /) -> int:
    """Return what the products of an order of all interior vertices cost, where all links are dense.

    Examples
    --------
    >>> from jacchain.planning.elimination.problem import prepared
    >>> from jacchain.planning.graph import Edge, Graph
    >>> problem = prepared(Graph({"x": 9, "s": 2, "t": 9, "y": 9}, [Edge("x", "s"), Edge("s", "t"), Edge("t", "y")]))
    >>> order_cost(problem, [1, 2]), order_cost(problem, [2, 1])
    (891, 324)
    """
    masks = Masks(problem)
    return sum(masks.eliminate(vertex) for vertex in order)
