"""The dynamic program by seconds: for every interval of links, the quickest way to each structure of its product."""

from collections.abc import Iterator
from math import inf
from typing import Any, NamedTuple, final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense
from jacchain.planning.draft import MODES, Step, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Tangent
from jacchain.planning.quickest.predictor import Predictor
from jacchain.planning.states import FULL, Key, Structures, least, multiplied

Array = Any


class Way(NamedTuple):
    """A way to a state: its seconds and its last step."""

    seconds: float
    step: Step[Key]


@final
class Cells:
    """All intervals, by length. T(i,j) is the least predicted time of the links i…j; sizes are d_0 … d_n.

    T(i,j) = min over splits k of T(i,k) + T(k+1,j) + t(left, right), over tangents of link j and adjoints of link i,
    for every structure that the product can have. Products of two dense parts are looked at for all intervals of a
    length and all their splits at once; parts that are not dense one by one. Of equals, the dense product with the
    lowest split is taken, then what is met first.

    Parameters
    ----------
    chain : Chain
    predictor : Predictor
    bound : float
        Seconds of a known order: pairs of parts that are not dense and take longer are not looked at.
    """

    def __init__(self, chain: Chain, predictor: Predictor, bound: float = inf, /) -> None:
        self.chain, self.predictor, self.bound = chain, predictor, bound * (1 + 1e-9)
        n = len(chain)
        self.vertices = chain.sizes
        self.sizes = np.array(chain.sizes, np.float64)
        self.starting = np.full((n + 1, n + 1), inf)  # [length, first link]
        self.ending = np.full((n + 1, n + 1), inf)  # [length, last link + 1]
        self.splits = np.zeros((n + 1, n + 1), np.intp)  # links of the lower part
        self.others: dict[tuple[int, int], Step[Key]] = {}  # dense states that are no product of two dense parts
        self.known = Structures()
        self.structures = self.known.listed
        self.pairs: dict[tuple[int, int, int], tuple[float, int]] = {}
        self.cells: dict[tuple[int, int], dict[int, Way]] = {}  # only what is not dense
        self.below: list[list[int]] = [[] for _ in range(n)]  # by first link: last links of parts that are not dense
        self.above: list[list[int]] = [[] for _ in range(n)]  # by last link: first links
        self._locals()
        for length in range(2, n + 1):
            self._row(length)

    def best(self) -> Key:
        """Return the quickest state of the whole chain.

        Raises
        ------
        InfeasibleError
            There is none.
        """
        last = len(self.chain) - 1
        found = {number: way.seconds for number, way in self.cells.get((0, last), {}).items()}
        full = float(self.starting[last + 1, 0])
        if full < inf:
            found = {FULL: full, **found}
        return least(found, last)

    def step(self, key: Key, /) -> Step[Key]:
        """Return the step that forms a state."""
        first, last, number = key
        if number != FULL:
            return self.cells[first, last][number].step
        if (first, last) in self.others:
            return self.others[first, last]
        return multiplied(first, first + int(self.splits[last - first + 1, first]) - 1, last, FULL, FULL)

    def _locals(self) -> None:
        for k, link in enumerate(self.chain.links):
            for mode in MODES:
                if mode_cost(self.chain, k, mode) is None:
                    continue
                way = Way(self.predictor.local(link, mode), Step(Local, k, mode, ()))
                if mode != "given" or isinstance(link.local, Dense):
                    self._offer_full(k, k, way)
                else:
                    self._keep(k, k, {self.known.number(link.local): way})

    def _row(self, length: int) -> None:
        """Work out all intervals of a length."""
        count = len(self.chain) - length + 1
        sizes = self.sizes
        middles = sliding_window_view(sizes[1 : length + count - 1], count)
        rows = np.broadcast_to(sizes[length : length + count], middles.shape)
        columns = np.broadcast_to(sizes[:count], middles.shape)
        pairs = self.starting[1:length, :count] + self.ending[length - 1 : 0 : -1, length:]
        pairs += self.predictor.dense_products(rows, middles, columns)
        lowest = pairs.argmin(0)
        self.splits[length, :count] = lowest + 1
        self.starting[length, :count] = self.ending[length, length:] = pairs[lowest, np.arange(count)]
        for first in range(count) if self.cells or not self.chain.is_dense else ():
            self._others(first, first + length - 1)

    def _others(self, first: int, last: int) -> None:
        """Offer products in which a part is not dense, and sweeps."""
        ways = {
            number: Way(seconds, multiplied(first, split, last, left, right))
            for number, (seconds, split, left, right) in self._mixed(first, last).items()
        }
        if FULL in ways:
            self._offer_full(first, last, ways.pop(FULL))
        upper, lower = self.chain.links[last], self.chain.links[first]
        if upper.tangent_cost is not None:
            seconds = self.predictor.sweep(upper, lower.inputs, "tangent")
            for number, spent in self._states(first, last - 1):
                step = Step(Tangent, last, "tangent", ((first, last - 1, number),))
                self._offer_full(first, last, Way(spent + seconds, step))
        if lower.adjoint_cost is not None:
            seconds = self.predictor.sweep(lower, upper.outputs, "adjoint")
            for number, spent in self._states(first + 1, last):
                step = Step(Adjoint, first, "adjoint", ((first + 1, last, number),))
                self._offer_full(first, last, Way(spent + seconds, step))
        if ways:
            self._keep(first, last, ways)

    def _mixed(self, first: int, last: int) -> dict[int, tuple[float, int, int, int]]:
        """Return the quickest products of an interval in which a part is not dense, by the numbers of their structures.

        Of each its seconds, its split, and the numbers of its parts. The innermost loop.
        """
        best: dict[int, tuple[float, int, int, int]] = {}
        bound, known, sizes = self.bound, self.pairs, self.vertices
        for split, left, right, spent in self._joints(first, last):
            if spent > bound:
                continue
            free = sizes[last + 1] if left == FULL else sizes[first] if right == FULL else 0
            seconds, number = known.get((left, right, free)) or self._paired(first, split, last, left, right)
            seconds += spent
            if seconds <= bound and (number not in best or seconds < best[number][0]):
                best[number] = seconds, split, left, right
        return best

    def _joints(self, first: int, last: int) -> Iterator[tuple[int, int, int, float]]:
        """Yield the splits of an interval with the numbers of two parts, not both dense, and their seconds."""
        for split in self.below[first]:
            if split < last:
                uppers = list(self._states(split + 1, last))
                for right, way in self.cells[first, split].items():
                    for left, above in uppers:
                        yield split, left, right, above + way.seconds
        for start in self.above[last]:
            if start > first:
                full = float(self.starting[start - first, first])
                for left, way in self.cells[start, last].items() if full < inf else ():
                    yield start - 1, left, FULL, full + way.seconds

    def _paired(self, first: int, split: int, last: int, left: int, right: int) -> tuple[float, int]:
        """Return the seconds of a product that was not met yet, and the number of what it makes."""
        sizes = self.vertices
        free = sizes[last + 1] if left == FULL else sizes[first] if right == FULL else 0
        one = self.structures[left] or Dense(sizes[last + 1], sizes[split + 1])
        other = self.structures[right] or Dense(sizes[split + 1], sizes[first])
        number = self.known.number(product(one, other).structure)
        found = self.pairs[left, right, free] = self.predictor.product(one, other), number
        return found

    def _states(self, first: int, last: int) -> Iterator[tuple[int, float]]:
        """Yield the structures of an interval with their seconds."""
        full = float(self.starting[last - first + 1, first])
        if full < inf:
            yield FULL, full
        for number, way in self.cells.get((first, last), {}).items():
            yield number, way.seconds

    def _offer_full(self, first: int, last: int, way: Way) -> None:
        if way.seconds < self.starting[last - first + 1, first]:
            self.starting[last - first + 1, first] = self.ending[last - first + 1, last + 1] = way.seconds
            self.others[first, last] = way.step

    def _keep(self, first: int, last: int, ways: dict[int, Way]) -> None:
        self.cells[first, last] = ways
        self.below[first].append(last)
        self.above[last].append(first)
