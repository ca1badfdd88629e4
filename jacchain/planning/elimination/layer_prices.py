"""What it costs to join two intervals of a chain of layers."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol, final

from jacchain.algebra.product import price
from jacchain.planning.elimination.cuts import is_complete
from jacchain.planning.elimination.layers import Cutting
from jacchain.planning.elimination.partial import PASSING, Partial, plus, times
from jacchain.planning.elimination.problem import UNIT, Problem
from jacchain.planning.elimination.structures import PASSED, SPREAD
from jacchain.planning.elimination.subsets import allowed, bits, too_many

BLOCKS: Final = "blocks between layers to bracket them as a chain"
"""What there is too much of, for messages."""

PATTERN: Final = 200
"""What working out the pattern of a product counts, in products that are looked up."""

ENTRIES: Final = 10
"""Multiplications of such a product that count one more."""


class Prices(Protocol):
    """What the product of two intervals of layers costs."""

    def price(self, low: int, middle: int, high: int, /) -> int:
        """Return what joining the interval from `low` to `middle` with that from there to `high` costs."""
        ...

    def settle(self, low: int, middle: int, high: int, /) -> None:
        """Take note of where an interval is split."""
        ...


@final
class DensePrices:
    """Prices where all links are dense: products of sizes, by what is reached from where."""

    def __init__(self, problem: Problem, cutting: Cutting, /) -> None:
        self.sizes = problem.sizes
        count = len(cutting.steps)
        self.same = [1 << vertex for vertex in range(len(problem.sizes))]  # what is no product: itself and its copy
        for tail, head, link in problem.arcs:
            if link == UNIT:
                self.same[tail] |= 1 << head
                self.same[head] |= 1 << tail
        ahead = [[(tail, head) for tail, head, _ in step] for step in cutting.steps]
        back = [[(head, tail) for tail, head in step] for step in ahead]
        self.allowed = None if is_complete(problem) else allowed(problem.sources, problem.targets)
        self.weights: dict[int, int] = {}
        self.pairs: dict[tuple[int, int], int] = {}
        self.into: dict[tuple[int, int], dict[int, int]] = {}
        self.out: dict[tuple[int, int], dict[int, int]] = {}
        for low in range(count):
            layers = cutting.layers[low:]
            for k, found in enumerate(self._reached(layers, ahead[low:]), low + 1):
                self.into[low, k] = found
            layers = cutting.layers[low + 1 :: -1]
            for k, found in enumerate(self._reached(layers, back[low::-1])):
                self.out[low - k, low + 1] = found

    def _reached(
        self, layers: Iterable[tuple[int, ...]], steps: Iterable[list[tuple[int, int]]]
    ) -> Iterable[dict[int, int]]:
        """Yield for every further layer which vertices of the first one reach each by a product, or their weights."""
        first, *others = layers
        masks = {vertex: 1 << vertex for vertex in first}
        found: dict[int, int] = {}
        for layer, step in zip(others, steps, strict=True):
            before = masks
            masks = {vertex: before.get(vertex, 0) for vertex in layer}
            found = {vertex: number for vertex, number in found.items() if vertex in masks}
            for one, other in step:
                masks[other] |= before[one]
            for other in {other for _, other in step}:
                mask = masks[other] & ~self.same[other]
                if mask:
                    found[other] = mask if self.allowed is not None else self._weight(mask)
            yield found

    def price(self, low: int, middle: int, high: int, /) -> int:
        """Return the sum of the products at all vertices of the layer in the middle."""
        into, out, sizes = self.into[low, middle], self.out[middle, high], self.sizes
        both = into.keys() & out.keys()
        if self.allowed is None:
            return sum(sizes[vertex] * into[vertex] * out[vertex] for vertex in both)
        return sum(sizes[vertex] * self._pairs(into[vertex], out[vertex]) for vertex in both)

    def _pairs(self, tails: int, heads: int) -> int:
        found = self.pairs.get((tails, heads))
        if found is None:
            assert self.allowed is not None
            found = sum(self.sizes[tail] * self._weight(heads & self.allowed[tail]) for tail in bits(tails))
            self.pairs[tails, heads] = found
        return found

    def _weight(self, mask: int) -> int:
        found = self.weights.get(mask)
        if found is None:
            found = self.weights[mask] = sum(self.sizes[vertex] for vertex in bits(mask))
        return found

    def settle(self, low: int, middle: int, high: int, /) -> None:
        """All splits of an interval leave the same."""


class Blocks(NamedTuple):
    """The Jacobian of one layer with respect to an earlier one, by heads and by tails; zero blocks are left out."""

    into: dict[int, dict[int, Partial]]
    out: dict[int, dict[int, Partial]]

    def joins(self, vertex: int, onward: "Blocks", /) -> bool:
        """Whether a product with what comes after is formed at a vertex."""
        into, out = self.into[vertex].values(), onward.out[vertex].values()
        return any(one.number != PASSED for one in into) and any(one.number != PASSED for one in out)

    def put(self, problem: Problem, tail: int, head: int, partial: Partial, /) -> None:
        """Add a partial to a block."""
        row = self.into.setdefault(head, {})
        found = plus(problem, row[tail], partial) if tail in row else partial
        row[tail] = self.out.setdefault(tail, {})[head] = found


@final
class BlockPrices:
    """Prices where links have structures: those of the blocks that the cheapest split of each interval makes.

    `limit` is how many products of blocks may be looked at; one whose pattern must be worked out counts as many.
    """

    def __init__(self, problem: Problem, cutting: Cutting, edges: Mapping[int, Partial], /, *, limit: int) -> None:
        self.problem, self.limit = problem, limit
        self.known: dict[tuple[int, int], int] = {}
        self.blocks: dict[tuple[int, int], Blocks] = {}
        for k, step in enumerate(cutting.steps):
            found = self.blocks[k, k + 1] = Blocks({}, {})
            for vertex in sorted(set(cutting.layers[k]) & set(cutting.layers[k + 1])):
                found.put(problem, vertex, vertex, PASSING)
            for arc in step:
                found.put(problem, arc.tail, arc.head, edges[arc.link])

    def price(self, low: int, middle: int, high: int, /) -> int:
        """Return the cost of all products of two blocks that a request needs.

        Raises
        ------
        InfeasibleError
            Too many have been looked at.
        """
        sources, targets, known = self.problem.sources, self.problem.targets, self.known
        total = looked = 0
        out = self.blocks[middle, high].out
        for vertex, row in self.blocks[low, middle].into.items():
            heads = [(head, left.number) for head, left in out[vertex].items() if left.number != PASSED]
            for tail, right in row.items() if heads else ():
                for head, left in heads if right.number != PASSED else ():
                    if sources[tail] & targets[head]:
                        found = known.get((left, right.number))
                        total += self._cost(left, right.number) if found is None else found
                        looked += 1
        self.limit -= looked
        if self.limit < 0:
            raise too_many(self.problem, BLOCKS)
        return total

    def _cost(self, left: int, right: int) -> int:
        structures = self.problem.structures
        one, other = structures.structure(left), structures.structure(right)
        if isinstance(one, SPREAD) and isinstance(other, SPREAD):
            self.limit -= PATTERN + price(one, other).cost // ENTRIES
        if self.limit < 0:
            raise too_many(self.problem, BLOCKS)
        found = self.known[left, right] = structures.product(left, right)[0]
        return found

    def settle(self, low: int, middle: int, high: int, /) -> None:
        """Form the blocks of an interval."""
        found = self.blocks[low, high] = Blocks({}, {})
        sources, targets = self.problem.sources, self.problem.targets
        out = self.blocks[middle, high].out
        for vertex, row in self.blocks[low, middle].into.items():
            for tail, right in row.items():
                for head, left in out[vertex].items():
                    if sources[tail] & targets[head]:
                        made = times(self.problem, left, right)
                        assert made is not None  # no link is open here
                        found.put(self.problem, tail, head, made)
