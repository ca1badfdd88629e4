"""The cheapest order of vertices in a graph of dense links: the last vertex parts what is eliminated before it."""

from collections.abc import Iterator, Sequence
from typing import final

from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.cuts import is_complete, least_prices
from jacchain.planning.elimination.problem import UNIT, Problem


@final
class Subsets:
    """Exact search over connected sets of interior vertices; vertices are bits of whole numbers.

    Of a set that is eliminated while all others stay, some vertex v goes last, when its neighbours are all that can be
    reached through the set; and what falls apart without it costs the sum of the parts. On a path, sets are intervals
    and this is the dynamic program of chains.
    """

    def __init__(self, problem: Problem, /, *, limit: int) -> None:
        count = len(problem.sizes)
        self.problem, self.limit = problem, limit
        self.into, self.out = [0] * count, [0] * count
        for tail, head, _ in problem.arcs:
            self.into[head] |= 1 << tail
            self.out[tail] |= 1 << head
        self.copies = [0] * count
        for tail, head, link in problem.arcs:
            if link == UNIT:
                self.copies[tail] |= 1 << head
                self.copies[head] |= 1 << tail
        interior = sum(1 << vertex for vertex in problem.interior)
        self.interior = interior
        self.near = [(a | b) & interior for a, b in zip(self.into, self.out, strict=True)]
        self.heads = None if is_complete(problem) else allowed(problem.sources, problem.targets)
        self.prices = least_prices(problem)
        self.best: dict[int, tuple[int, int]] = {0: (0, -1)}  # cost and last vertex of a set
        self.bounds: dict[int, int] = {}
        self.ways: dict[int, list[tuple[int, int, int]]] = {}
        self.weights: dict[int, int] = {}

    def order(self, most: int) -> list[int]:
        """Return the cheapest order, given a cost that it is below.

        Raises
        ------
        InfeasibleError
            It cannot be found within the limit.
        """
        whole = list(self.parts(self.interior))
        found: list[int] = []
        for part in whole:
            self._solve(part, most)
        waiting = whole
        while waiting:  # last vertices first
            here = waiting.pop()
            vertex = self.best[here][1]
            found.append(vertex)
            waiting += self.parts(here & ~(1 << vertex))
        return found[::-1]

    def _solve(self, subset: int, most: int) -> int:
        """Return the least cost of a connected set if that is below `most`, else a number that it does not go below."""
        known = self.best.get(subset)
        if known is not None:
            return known[0]
        bound = self._bound(subset)
        if bound >= most:
            return bound
        best, last = most, -1
        lowest = most
        for start, price, vertex in self._ways(subset):
            if start >= best:
                lowest = min(lowest, start)
                break
            found = self._rest(subset & ~(1 << vertex), price, best)
            lowest = min(lowest, found)
            if found < best:
                best, last = found, vertex
        if last < 0:
            self.bounds[subset] = lowest
            return lowest
        self.best[subset] = best, last
        return best

    def _ways(self, subset: int) -> list[tuple[int, int, int]]:
        """Return for each vertex of a set, if it goes last, a lower bound of the whole and its own price."""
        found = self.ways.get(subset)
        if found is None:
            self.limit -= subset.bit_count()
            if self.limit < 0:
                raise too_many(self.problem)
            least = sum(self.prices[vertex] for vertex in bits(subset))
            priced = [(self.price(vertex, subset & ~(1 << vertex)), vertex) for vertex in bits(subset)]
            found = sorted((price + least - self.prices[vertex], price, vertex) for price, vertex in priced)
            self.ways[subset] = found
        return found

    def _rest(self, rest: int, price: int, most: int) -> int:
        """Return a price with the least costs of the parts of what goes before if below `most`, else a lower bound."""
        parts = list(self.parts(rest))
        bounds = [self._bound(part) for part in parts]
        found = price + sum(bounds)
        for part, bound in zip(parts, bounds, strict=True):
            if found >= most:
                break
            found += self._solve(part, most - (found - bound)) - bound
        return found

    def _bound(self, subset: int) -> int:
        """Return what a set costs at the least, as far as is known."""
        found = self.bounds.get(subset)
        if found is None:
            found = self.bounds[subset] = sum(self.prices[vertex] for vertex in bits(subset))
        return found

    def price(self, vertex: int, gone: int, /) -> int:
        """Return what a vertex costs after a set of others."""
        tails = self._reached(self.into, vertex, gone) & ~self.copies[vertex]
        heads = self._reached(self.out, vertex, gone) & ~self.copies[vertex]
        size = self.problem.sizes[vertex]
        if self.heads is None:
            return size * self._weight(tails) * self._weight(heads)
        sizes = self.problem.sizes
        return size * sum(sizes[tail] * self._weight(heads & self.heads[tail]) for tail in bits(tails))

    def _reached(self, neighbours: list[int], vertex: int, gone: int) -> int:
        """Return what is next to a vertex when others are gone."""
        seen = neighbours[vertex]
        waiting = seen & gone
        done = 0
        while waiting:
            lowest = waiting & -waiting
            done |= lowest
            seen |= neighbours[lowest.bit_length() - 1]
            waiting = seen & gone & ~done
        return seen & ~gone

    def parts(self, subset: int) -> Iterator[int]:
        """Yield the connected parts of a set of interior vertices."""
        while subset:
            part = waiting = subset & -subset
            while waiting:
                lowest = waiting & -waiting
                fresh = self.near[lowest.bit_length() - 1] & subset & ~part
                part |= fresh
                waiting = (waiting ^ lowest) | fresh
            yield part
            subset &= ~part

    def _weight(self, subset: int) -> int:
        found = self.weights.get(subset)
        if found is None:
            found = self.weights[subset] = sum(self.problem.sizes[vertex] for vertex in bits(subset))
        return found


def too_many(problem: Problem, /, what: str = "orders to compare") -> InfeasibleError:
    """Return the error of a problem whose orders cannot all be compared, or of what else there is too much of."""
    return InfeasibleError(
        f"the graph has {len(problem.interior)} interior vertices in one part: too many {what}",
        "take planner='auto' or planner='search'",
    )


def bits(mask: int, /) -> Iterator[int]:
    """Yield the places of the bits that are set.

    Examples
    --------
    >>> list(bits(0b1101))
    [0, 2, 3]
    """
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def allowed(ours: Sequence[int], theirs: Sequence[int], /) -> list[int]:
    """Return for each vertex those that share a request with it, as bits.

    Parameters
    ----------
    ours, theirs : sequence of int
        A problem's `sources` and `targets` for the heads that edges from a vertex may have; the other way round for
        the tails of edges to it.

    Examples
    --------
    >>> allowed([0b11, 0b10, 0], [0, 0b01, 0b10])
    [6, 4, 0]
    """
    sharing: dict[int, int] = {}  # for each request its vertices among theirs
    for vertex, mask in enumerate(theirs):
        for k in bits(mask):
            sharing[k] = sharing.get(k, 0) | 1 << vertex
    known: dict[int, int] = {}
    for mask in set(ours):
        known[mask] = 0
        for k in bits(mask):
            known[mask] |= sharing.get(k, 0)
    return [known[mask] for mask in ours]
