"""Every way to make every cell of a chain: the options that a dynamic program chooses from."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Final, Literal, NamedTuple, final

from jacchain.planning.second.chains.elementals import Cell, Elementals

Move = Literal["elemental", "lift", "first", "second", "split", "peel", "congruence"]

NONE: Final = 0
"""Stands for a cell or a product that an option does not have: both cost nothing."""


@final
class Option(NamedTuple):
    """One way to make a cell.

    Attributes
    ----------
    flops : int
        Its own multiplications.
    left, right : int
        The cells that it reads.
    product, other : int
        The products of Jacobians that it reads; local Jacobians are given.
    move : str
        With v = `vertex`, "elemental": F″ of link v; "lift": J(j,v) on the output; "first" and "second": J(v,·) on that
        arm; "split": the terms up to v and those above; "peel": the same, J(j,v) on those up to v; "congruence": as
        peel, and J(v,i) on both arms of those above.
    vertex : int
    """

    flops: int
    left: int
    right: int
    product: int
    other: int
    move: Move
    vertex: int


@final
class Table:
    """The cells of a chain by number, each after those that it reads, with their options.

    Where output and arms are at `stops`, some of the vertices, or at those of the lowest term's own link, sums of
    neighbouring terms are made in many orders. At any vertices, intervals are made by symmetric bracketings, the
    field's Hessian chain bracketing, H(j,i) = J(j,k) H(k,i) + H(j,k)[J(k,i), J(k,i)].

    Parameters
    ----------
    given : Elementals
    stops : sequence of int
        In order, from 0 to n; none for symmetric bracketings alone.
    has_intervals : bool
        Whether there are symmetric bracketings: of n links about n³/6.
    every : bool
        Whether a sum of several terms may be lifted once more, and be split at any term. That is every order of sums of
        neighbouring terms; all vertices must be stops.

    Attributes
    ----------
    cells : list of Cell
    options : list of tuple of Option
    products : list of tuple of int
        The Jacobians (upper, lower) of two links or more that options read, by number.
    root : int
        The number of the whole tensor; `NONE` if it is zero.
    """

    def __init__(self, given: Elementals, stops: Sequence[int], /, *, every: bool, has_intervals: bool = True) -> None:
        self.given, self.stops, self.every, self.has_intervals = given, tuple(stops), every, has_intervals
        self.cells: list[Cell] = [Cell(0, 0, 0, 0, 0)]
        self.options: list[tuple[Option, ...]] = [()]
        self.products: list[tuple[int, int]] = [(0, 0)]
        self._numbers: dict[tuple[int, int, int, int, int], int] = {}
        self._products: dict[tuple[int, int], int] = {}
        self._is_stop = {*self.stops}
        stopped = set(self._between_stops())
        intervals = set(self._intervals() if has_intervals else ())
        for cell in sorted(stopped | intervals, key=_rank):
            found = list(self._elemental(cell))
            if cell in stopped:
                found += [*self._lifts(cell), *self._pulls(cell), *self._splits(cell)]
            if cell in intervals:
                found += self._congruences(cell)
            self._numbers[cell] = len(self.cells)
            self.cells.append(cell)
            self.options.append(tuple(found))
        n = len(given)
        self.root = self._number(n, 0, 0, 0, n)

    @property
    def count(self) -> int:
        """All options together."""
        return sum(map(len, self.options))

    @cached_property
    def dearest(self) -> int:
        """The most multiplications of one option."""
        return max((option.flops for options in self.options for option in options), default=0)

    def _intervals(self) -> Iterator[Cell]:
        n = len(self.given)
        for low in range(n):
            for high in range(low + 1, n + 1):
                cell = self.given.trimmed(Cell(high, low, low, low, high))
                if cell is not None:
                    yield cell

    def _between_stops(self) -> Iterator[Cell]:
        given, stops = self.given, self.stops
        for start in range(len(given) if stops else 0):
            own = start + 1
            if given.last_bent(start, own) == start:
                continue
            heads = sorted({own, *self._stops_from(own)})
            sums = {(j, own) for j in heads} | {(j, given.last_bent(start, j)) for j in heads}
            if self.every:
                sums |= {(j, given.last_bent(start, stop)) for j in heads for stop in range(own, j)}
            ends = sorted({*stops[: bisect_left(stops, own)], start})
            for i, m in combinations_with_replacement(ends, 2):
                for j, stop in sums:
                    yield Cell(j, i, m, start, stop)

    def _elemental(self, cell: Cell) -> Iterator[Option]:
        j, i, m, start, stop = cell
        if j == stop == start + 1 and i == m == start:
            yield Option(0, NONE, NONE, NONE, NONE, "elemental", j)

    def _lifts(self, cell: Cell) -> Iterator[Option]:
        j, i, m, start, stop = cell
        entries = self.given.computed(cell)
        for v in sorted({*self._stops_from(stop), *((stop,) if stop == start + 1 else ())}):
            if v >= j:
                break
            cost = entries * self.given.lift_factor(cell, v)
            yield Option(cost, self._number(v, i, m, start, stop), NONE, self._product(j, v), NONE, "lift", v)

    def _pulls(self, cell: Cell) -> Iterator[Option]:
        j, i, m, start, stop = cell
        entries = self.given.computed(cell)
        for v in sorted({*self._stops_from(i + 1), start}):
            if not i < v <= start:
                continue
            above = self._number(j, v, m, start, stop) if v < m else self._number(j, m, v, start, stop)
            cost = entries * self.given.pull_factor(cell, v, 0)
            yield Option(cost, above, NONE, self._product(v, i), NONE, "first", v)
            if i < m < v:
                cost = entries * self.given.pull_factor(cell, v, 1)
                above = self._number(j, i, v, start, stop)
                yield Option(cost, above, NONE, self._product(v, m), NONE, "second", v)

    def _splits(self, cell: Cell) -> Iterator[Option]:
        """Yield sums of two; without `every`, of the lowest term and the rest, or of terms lifted and the rest."""
        j, i, m, start, stop = cell
        if not {i, m} <= self._is_stop:
            return
        inner = [v for v in self._stops_from(start + 1) if v < stop]
        for v in inner if self.every else range(start + 1, min(start + 2, stop)):
            below, above = self._number(j, i, m, start, v), self._number(j, i, m, v, stop)
            yield Option(0, below, above, NONE, NONE, "split", v)
        for v in () if self.every else inner:
            below, above = self._number(v, i, m, start, v), self._number(j, i, m, v, stop)
            cost = self.given.lift_cost(Cell(j, i, m, start, v), v)
            yield Option(cost, below, above, self._product(j, v), NONE, "peel", v)

    def _congruences(self, cell: Cell) -> Iterator[Option]:
        j, i, _, start, stop = cell
        given = self.given
        if given.is_dense and given.is_bent:
            yield from self._dense_congruences(j, i)
            return
        for k in range(i + 1, j):
            below = self._number(k, i, i, start, min(k, stop)) if k > start else NONE
            above = self._number(j, k, k, max(k, start), stop) if k < stop else NONE
            cost = 0
            if below:
                cost = given.lift_cost(Cell(j, i, i, start, min(k, stop)), k)
            if above:
                terms = Cell(j, i, k, max(k, start), stop)
                cost += given.pull_cost(terms, k, 0) + given.pull_cost(terms._replace(second=i), k, 1)
            lifted, pulled = self._product(j, k) if below else NONE, self._product(k, i) if above else NONE
            yield Option(cost, below, above, lifted, pulled, "congruence", k)

    def _dense_congruences(self, j: int, i: int) -> Iterator[Option]:
        """Yield the same of a chain of dense links that all bend, of which there are many."""
        sizes, numbers = self.given.sizes, self._numbers
        entries, both = self.given.computed(Cell(j, i, i, i, j)), sizes[j] * sizes[i]
        for k in range(i + 1, j):
            size = sizes[k]
            cost = size * (2 * entries + both * size)
            below, above = numbers[k, i, i, i, k], numbers[j, k, k, k, j]
            yield Option(cost, below, above, self._product(j, k), self._product(k, i), "congruence", k)

    def _stops_from(self, vertex: int) -> Sequence[int]:
        return self.stops[bisect_left(self.stops, vertex) :]

    def _number(self, j: int, i: int, m: int, start: int, stop: int) -> int:
        if self.given.is_bent:
            return self._numbers[j, i, m, start, stop]
        found = self.given.trimmed(Cell(j, i, m, start, stop))
        return NONE if found is None else self._numbers[found]

    def _product(self, upper: int, lower: int) -> int:
        if upper - lower == 1:
            return NONE
        span = upper, lower
        if span not in self._products:
            self._products[span] = len(self.products)
            self.products.append(span)
        return self._products[span]


def _rank(cell: Cell) -> tuple[int, int, Cell]:
    """Return a key that puts a cell after all that it can be made of: fewer terms, then shorter arms and outputs."""
    return cell.stop - cell.start, cell.output - cell.stop + 2 * cell.start - cell.first - cell.second, cell
