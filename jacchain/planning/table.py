"""The dynamic program's table: for every interval of links, the cheapest way to each structure its product can have."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jacchain.algebra.product import price, product
from jacchain.algebra.structure import Dense, Structure
from jacchain.planning.draft import MODES, Step, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Tangent
from jacchain.planning.states import FULL, Key, Structures, least, multiplied

Array = Any
MOST: Final = 1 << 61
"""Costs up to this are kept in 64 bits; the sum of two of them and a product still fits."""


class Choice(NamedTuple):
    """The cheapest way to a state that is not dense: its cost, and the split and the two structures it is made of."""

    flops: int
    split: int
    left: int
    right: int


@final
class Table:
    """All intervals, by length. C(i,j) is the cost of the links i…j; sizes are d_0 … d_n, link k maps d_k to d_{k+1}.

    Dense products are kept as rows of numbers, one row for each length, so that all intervals of a length are worked
    out at once: products of two dense parts over all splits, sweeps of one more link by tangents or adjoints (longer
    sweeps are sums of these), and products of a dense part with another, whose cost is proportional to the dense
    part's free side. What is not dense is seldom long; pairs of such parts are gone through one by one. How a state is
    reached is found again when it is asked for. Exact: whole numbers of 64 bits where all costs fit, else Python's.

    Parameters
    ----------
    chain : Chain
    bound : int
        Cost of a known order: ways that cost more are dropped, which loses nothing.
    middles : sequence of int, optional
        What counts in place of d_k when a product of two dense parts eliminates vertex k, at most d_k.
    """

    def __init__(self, chain: Chain, bound: int, /, *, middles: Sequence[int] | None = None) -> None:
        self.chain, self.bound = chain, bound
        self.known = Structures()
        self.structures = self.known.listed
        self.products: dict[tuple[int, int], tuple[int, int]] = {}  # cost and number of a pair
        self.cells: dict[tuple[int, int], dict[int, Choice]] = {}  # only what is not dense
        n = len(chain)
        self.below: list[list[tuple[int, int, int]]] = [[] for _ in range(n)]  # by first link: last, number, cost
        self.above: list[dict[int, list[tuple[int, int]]]] = [{} for _ in range(n)]  # by last and first: number, cost
        self.dtype: Any = np.int64 if _fits(chain, bound) else object
        self.never = bound + 1
        never = np.full((n + 1, n + 1), self.never, self.dtype)
        self.starting, self.ending = never, never.copy()  # [length, first link], [length, last link + 1]
        self.sizes = np.array(chain.sizes, self.dtype)
        self.middles = self.sizes if middles is None else np.array(middles, self.dtype)
        self.lower, self.upper = _Parts(self.dtype), _Parts(self.dtype)
        self.tangents = _costs([link.tangent_cost for link in chain.links], self.dtype)
        self.adjoints = _costs([link.adjoint_cost for link in chain.links], self.dtype)
        self._first_row()
        for length in range(2, n + 1):
            self._row(length)

    def best(self) -> Key:
        """Return the cheapest state of the whole chain.

        Raises
        ------
        InfeasibleError
            There is none.
        """
        last = len(self.chain) - 1
        return least(self.states(0, last), last)

    def states(self, first: int, last: int, /) -> dict[int, int]:
        """Return the costs of an interval's structures by their numbers."""
        found = {number: choice.flops for number, choice in self.cells.get((first, last), {}).items()}
        full = int(self.starting[last - first + 1, first])
        return found if full > self.bound else {FULL: full, **found}

    def step(self, key: Key, /) -> Step[Key]:
        """Return the step that forms a state.

        Among equals: a product of two dense parts, another product, tangents, adjoints; the lowest split of each.
        """
        first, last, number = key
        if number != FULL:
            choice = self.cells[first, last][number]
            if first == last:
                return Step(Local, first, "given", ())
            return multiplied(first, choice.split, last, choice.left, choice.right)
        wanted = int(self.starting[last - first + 1, first])
        for flops, step in self._local_ways(first) if first == last else self._ways(first, last):
            if flops == wanted:
                return step
        raise AssertionError(key)

    def _local_ways(self, link: int) -> Iterator[tuple[int, Step[Key]]]:
        for mode in MODES:
            cost = mode_cost(self.chain, link, mode)
            if cost is not None and (mode != "given" or isinstance(self.chain.links[link].local, Dense)):
                yield cost, Step(Local, link, mode, ())

    def _ways(self, first: int, last: int) -> Iterator[tuple[int, Step[Key]]]:
        """Yield all ways to the dense product of an interval."""
        pairs = self._dense_splits(first, last)
        split = int(pairs.argmin())
        yield int(pairs[split]), multiplied(first, first + split, last, FULL, FULL)
        splits = {*(end for end, _, _ in self.below[first]), *(start - 1 for start in self.above[last])}
        for split in sorted(split for split in splits if first <= split < last):
            for left, above in self.states(split + 1, last).items():
                for right, below in self.states(first, split).items():
                    if FULL in (left, right) or self.products.get((left, right), (0, -1))[1] == FULL:
                        flops = above + below + self._price(left, right, first, split, last)
                        yield flops, multiplied(first, split, last, left, right)
        upper, lower = self.chain.links[last], self.chain.links[first]
        if upper.tangent_cost is not None:
            for right, flops in self.states(first, last - 1).items():
                step = Step(Tangent, last, "tangent", ((first, last - 1, right),))
                yield flops + lower.inputs * upper.tangent_cost, step
        if lower.adjoint_cost is not None:
            for left, flops in self.states(first + 1, last).items():
                step = Step(Adjoint, first, "adjoint", ((first + 1, last, left),))
                yield flops + upper.outputs * lower.adjoint_cost, step

    def _dense_splits(self, first: int, last: int) -> Array:
        """Return what the product of two dense parts costs for every split of one interval."""
        length, sizes = last - first + 1, self.sizes
        pairs: Array = self.middles[first + 1 : last + 1] * (sizes[first] * sizes[last + 1])
        return pairs + self.starting[1:length, first] + self.ending[length - 1 : 0 : -1, last + 1]

    def _price(self, left: int, right: int, first: int, split: int, last: int) -> int:
        sizes = self.chain.sizes
        if left != FULL != right:
            return self.products[left, right][0]
        one = self.structures[left] or Dense(sizes[last + 1], sizes[split + 1])
        other = self.structures[right] or Dense(sizes[split + 1], sizes[first])
        return price(one, other).cost

    def _first_row(self) -> None:
        for k, link in enumerate(self.chain.links):
            costs = [flops for flops, _ in self._local_ways(k)]
            if costs:
                self._set(1, k, min(costs))
            given = mode_cost(self.chain, k, "given")
            if given is not None and not isinstance(link.local, Dense) and given <= self.bound:
                self._keep(k, k, {self.known.number(link.local): Choice(given, -1, -1, -1)})

    def _row(self, length: int) -> None:
        """Work out all intervals of a length."""
        count = len(self.chain) - length + 1
        found = self._dense_pairs(length, count)
        inputs, outputs = self.sizes[:count], self.sizes[length : length + count]
        shorter, later = self.starting[length - 1], self.ending[length - 1]
        allowed, tangents = self.tangents[0][length - 1 :], self.tangents[1][length - 1 :]
        np.minimum(found, np.where(allowed, shorter[:count] + inputs * tangents, self.never), out=found)
        allowed, adjoints = self.adjoints[0][:count], self.adjoints[1][:count]
        np.minimum(found, np.where(allowed, later[length:] + outputs * adjoints, self.never), out=found)
        if self.cells:
            self._mixed_pairs(found, length, count)
        np.minimum(found, self.never, out=found)
        self.starting[length, :count] = found
        self.ending[length, length:] = found

    def _dense_pairs(self, length: int, count: int) -> Array:
        """Return the cheapest products of two dense parts: min over k of C(i,k) + C(k+1,j) + d_i d_{k+1} d_{j+1}."""
        middles = sliding_window_view(self.middles[1 : length + count - 1], count)
        pairs = middles * (self.sizes[:count] * self.sizes[length : length + count])
        pairs += self.starting[1:length, :count]
        pairs += self.ending[length - 1 : 0 : -1, length:]
        found: Array = pairs.min(0)
        return found

    def _mixed_pairs(self, found: Array, length: int, count: int) -> None:
        """Offer products and sweeps in which a part is not dense."""
        place, size, flops, cost = self.lower.shorter_than(length, count)
        np.minimum.at(
            found, place, self.starting[length - size, place + size] + flops + cost * self.sizes[place + length]
        )
        place, size, flops, cost = self.upper.shorter_than(length, len(self.chain) + 1)
        place, size, flops, cost = (part[place >= length] for part in (place, size, flops, cost))
        start = place - length
        np.minimum.at(found, start, self.starting[length - size, start] + flops + cost * self.sizes[start])
        for first in range(count):
            ways = self._sparse_pairs(first, first + length - 1)
            self._sweeps(ways, first, first + length - 1)
            if FULL in ways:
                found[first] = min(found[first], ways.pop(FULL).flops)
            if ways:
                self._keep(first, first + length - 1, ways)

    def _sparse_pairs(self, first: int, last: int) -> dict[int, Choice]:
        """Return the cheapest products of two parts that are not dense, over all splits. The innermost loop."""
        bound, known, uppers = self.bound, self.products, self.above[last]
        best: dict[int, tuple[int, int, int, int]] = {}
        for split, right, below in self.below[first]:
            for left, above in uppers.get(split + 1, ()):
                spent = above + below
                if spent > bound:
                    continue
                cost, number = known.get((left, right)) or self._priced(left, right)
                spent += cost
                if spent > bound:
                    continue
                if number < 0:
                    number = self._formed(left, right)
                if number not in best or spent < best[number][0]:
                    best[number] = spent, split, left, right
        return {number: Choice(*found) for number, found in best.items()}

    def _sweeps(self, ways: dict[int, Choice], first: int, last: int) -> None:
        """Offer tangents and adjoints over a part that is not dense; the product is."""
        upper, lower = self.chain.links[last], self.chain.links[first]
        costs = [ways[FULL].flops] if FULL in ways else []
        if upper.tangent_cost is not None:
            spent = lower.inputs * upper.tangent_cost
            costs += [choice.flops + spent for choice in self.cells.get((first, last - 1), {}).values()]
        if lower.adjoint_cost is not None:
            spent = upper.outputs * lower.adjoint_cost
            costs += [choice.flops + spent for choice in self.cells.get((first + 1, last), {}).values()]
        if costs and min(costs) <= self.bound:
            ways[FULL] = Choice(min(costs), -1, -1, -1)

    def _priced(self, left: int, right: int) -> tuple[int, int]:
        """Return the cost of a product of two parts that are not dense; the number of its result is -1 until needed."""
        found = self.products[left, right] = price(*self._pair(left, right)).cost, -1
        return found

    def _formed(self, left: int, right: int) -> int:
        """Return the number of such a product, forming its structure."""
        made = product(*self._pair(left, right))
        self.products[left, right] = made.cost, self.known.number(made.structure)
        return self.products[left, right][1]

    def _pair(self, left: int, right: int) -> tuple[Structure, Structure]:
        one, other = self.structures[left], self.structures[right]
        assert one is not None
        assert other is not None
        return one, other

    def _set(self, length: int, first: int, flops: int) -> None:
        if flops <= self.bound:
            self.starting[length, first] = self.ending[length, first + length] = flops

    def _keep(self, first: int, last: int, ways: dict[int, Choice]) -> None:
        """Keep what is not dense, with what one row or column of a dense part costs when it meets it."""
        self.cells[first, last] = ways
        self.below[first] += [(last, number, choice.flops) for number, choice in ways.items()]
        self.above[last][first] = [(number, choice.flops) for number, choice in ways.items()]
        for number, choice in ways.items():
            structure = self.structures[number]
            assert structure is not None
            row = price(Dense(1, structure.rows), structure).cost
            column = price(structure, Dense(structure.columns, 1)).cost
            self.lower.add(first, last - first + 1, choice.flops, row)
            self.upper.add(last + 1, last - first + 1, choice.flops, column)


def _costs(costs: list[int | None], dtype: Any) -> tuple[Array, Array]:
    """Return which costs there are, and the costs, 0 where there is none."""
    there = np.array([cost is not None for cost in costs])
    return there, np.array([cost or 0 for cost in costs], dtype)


def _fits(chain: Chain, bound: int) -> bool:
    """Whether every sum that the table can meet fits into 64 bits: two costs up to the bound, and one more step."""
    widest = max(chain.sizes)
    sweeps = [cost for link in chain.links for cost in (link.tangent_cost, link.adjoint_cost) if cost is not None]
    locals_ = [cost for k in range(len(chain)) for mode in MODES if (cost := mode_cost(chain, k, mode)) is not None]
    return 2 * bound + widest**3 + widest * max(sweeps, default=0) + max(locals_, default=0) < MOST


@final
class _Parts:
    """Parts that are not dense, as columns of numbers: an end, length, cost, and cost of meeting one vector."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.rows: list[tuple[int, int, int, int]] = []
        self.arrays: tuple[Array, Array, Array, Array] = self._as_arrays([])

    def add(self, place: int, size: int, flops: int, cost: int, /) -> None:
        """Add a part."""
        self.rows.append((place, size, flops, cost))

    def shorter_than(self, length: int, places: int, /) -> tuple[Array, Array, Array, Array]:
        """Return the columns of the parts of less than a length whose end is below `places`."""
        if self.rows:
            fresh = self._as_arrays(self.rows)
            joined = [np.concatenate(pair) for pair in zip(self.arrays, fresh, strict=True)]
            self.arrays = joined[0], joined[1], joined[2], joined[3]
            self.rows.clear()
        place, size, flops, cost = self.arrays
        chosen = (place < places) & (size < length)
        return place[chosen], size[chosen], flops[chosen], cost[chosen]

    def _as_arrays(self, rows: list[tuple[int, int, int, int]]) -> tuple[Array, Array, Array, Array]:
        place, size, flops, cost = zip(*rows, strict=True) if rows else ((), (), (), ())
        return (
            np.array(place, np.intp),
            np.array(size, np.intp),
            np.array(flops, self.dtype),
            np.array(cost, self.dtype),
        )
