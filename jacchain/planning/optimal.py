"""The cheapest order of a chain: exact dynamic programming over (interval, structure)."""

from typing import NamedTuple, final

from jacchain.algebra.product import price, product
from jacchain.algebra.structure import Dense, Structure
from jacchain.errors import InfeasibleError
from jacchain.planning import sweep
from jacchain.planning.draft import MODES, Draft, Step, cheapest_cost, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.hu_shing import triangulate
from jacchain.planning.node import Adjoint, Local, Multiply, Tangent

Key = tuple[int, int, int]
"""First link, last link, number of the structure."""


Costs = tuple[tuple[int, int], ...]
"""The numbers of an interval's structures with their costs."""


class Choice(NamedTuple):
    """The cheapest way to one state, and the step that takes it there."""

    flops: int
    step: Step[Key]


def optimal(chain: Chain, /) -> Draft:
    """Return the cheapest order.

    Dense chains go to Hu and Shing's algorithm, all others to the dynamic program with the recurrence of the field
    (Naumann, *Optimal Jacobian accumulation is NP-complete*, 2008; arXiv 2003.05755), extended by structure: one
    cheapest way is kept per interval and structure of its product, since a dearer but sparser factor may win later.
    Ties: in a dense chain the fan from the first lightest vertex; else the lowest split, then tangent, then adjoint.
    """
    draft = Draft(chain)
    if chain.is_dense:
        _dense(draft)
    else:
        table = Table(chain)
        draft.grow(table.best(), table.step)
    return draft


def _dense(draft: Draft) -> None:
    splits = {(i, j - 1): k for i, k, j in triangulate(draft.chain.sizes)}  # links i…j-1 split before link k

    def expand(key: tuple[int, int]) -> Step[tuple[int, int]]:
        first, last = key
        if first == last:
            return Step(Local, first, "given", ())
        k = splits[first, last]
        return Step(Multiply, -1, "given", ((k, last), (first, k - 1)))

    draft.grow((0, len(draft.chain) - 1), expand)


@final
class Table:
    """The dynamic program's table: for every interval, the cheapest way to each structure its product can have.

    Products are looked up by small numbers that stand for structures. What already costs more than the best
    textbook order is dropped, which cannot lose the optimum because costs only add up.
    """

    def __init__(self, chain: Chain, /) -> None:
        self.chain = chain
        self.structures: list[Structure] = []
        self.numbers: dict[Structure, int] = {}
        self.products: dict[tuple[int, int], tuple[int, int]] = {}
        self.bound = _bound(chain)
        self.cells: dict[tuple[int, int], dict[int, Choice]] = {}
        self.after: list[list[Costs]] = [[] for _ in chain.links]  # of first…first, first…first+1, …
        self.before: list[list[Costs]] = [[] for _ in chain.links]  # of last…last, last-1…last, …
        for length in range(1, len(chain) + 1):
            for first in range(len(chain) - length + 1):
                self._fill(first, first + length - 1)

    def best(self) -> Key:
        """Return the cheapest state of the whole chain."""
        cell = self.cells[0, len(self.chain) - 1]
        if not cell:
            raise InfeasibleError(
                "no order of the chain is possible", "give every link a structure, a tangent_cost or an adjoint_cost"
            )
        return 0, len(self.chain) - 1, min(cell, key=lambda number: cell[number].flops)

    def step(self, key: Key, /) -> Step[Key]:
        """Return the step that forms a state."""
        first, last, number = key
        return self.cells[first, last][number].step

    def _number(self, structure: Structure) -> int:
        number = self.numbers.setdefault(structure, len(self.structures))
        if number == len(self.structures):
            self.structures.append(structure)
        return number

    def _price(self, left: int, right: int) -> tuple[int, int]:
        """Return the cost of a product of two structures; the number of its result is -1 until it is needed."""
        found = self.products[left, right] = price(self.structures[left], self.structures[right]).cost, -1
        return found

    def _result(self, left: int, right: int) -> int:
        """Return the number of the structure of a product, forming it."""
        made = product(self.structures[left], self.structures[right])
        self.products[left, right] = made.cost, self._number(made.structure)
        return self.products[left, right][1]

    def _fill(self, first: int, last: int) -> None:
        cell = self._locals(first) if first == last else self._products(first, last)
        if first < last:
            self._sweeps(cell, first, last)
        self.cells[first, last] = cell
        costs = tuple((number, choice.flops) for number, choice in cell.items())
        self.after[first].append(costs)
        self.before[last].append(costs)

    def _products(self, first: int, last: int) -> dict[int, Choice]:
        """Return the cheapest products over all splits. Nearly all of the time is spent here."""
        bound, known = self.bound, self.products
        best: dict[int, tuple[int, int, int, int]] = {}
        halves = zip(self.after[first], reversed(self.before[last]), strict=True)
        for split, (lowers, uppers) in enumerate(halves, first):
            for left, above in uppers:
                for right, below in lowers:
                    spent = above + below
                    if spent > bound:
                        continue
                    cost, number = known.get((left, right)) or self._price(left, right)
                    spent += cost
                    if spent > bound:
                        continue
                    if number < 0:
                        number = self._result(left, right)
                    if number not in best or spent < best[number][0]:
                        best[number] = spent, split, left, right
        return {
            number: Choice(flops, Step(Multiply, -1, "given", ((split + 1, last, left), (first, split, right))))
            for number, (flops, split, left, right) in best.items()
        }

    def _locals(self, link: int) -> dict[int, Choice]:
        cell: dict[int, Choice] = {}
        found = self.chain.links[link]
        for mode in MODES:
            cost = mode_cost(self.chain, link, mode)
            if cost is not None:
                structure = found.local if mode == "given" else Dense(found.outputs, found.inputs)
                self._offer(cell, self._number(structure), cost, Step(Local, link, mode, ()))
        return cell

    def _sweeps(self, cell: dict[int, Choice], first: int, last: int) -> None:
        """Offer the last link as tangents over the rest, and the first link as adjoints under it."""
        upper, lower = self.chain.links[last], self.chain.links[first]
        rows, columns = upper.outputs, lower.inputs
        number = self._number(Dense(rows, columns))
        if upper.tangent_cost is not None:
            for right, choice in self.cells[first, last - 1].items():
                step = Step(Tangent, last, "tangent", ((first, last - 1, right),))
                self._offer(cell, number, choice.flops + columns * upper.tangent_cost, step)
        if lower.adjoint_cost is not None:
            for left, choice in self.cells[first + 1, last].items():
                step = Step(Adjoint, first, "adjoint", ((first + 1, last, left),))
                self._offer(cell, number, choice.flops + rows * lower.adjoint_cost, step)

    def _offer(self, cell: dict[int, Choice], number: int, flops: int, step: Step[Key]) -> None:
        held = cell.get(number)
        if flops <= self.bound and (held is None or flops < held.flops):
            cell[number] = Choice(flops, step)


def _bound(chain: Chain) -> int:
    """Return the cost of the cheapest textbook order that the chain allows."""
    costs = []
    for planner in (sweep.forward, sweep.reverse, sweep.waist):
        try:
            costs.append(planner(chain).flops)
        except InfeasibleError:
            continue
    return min(costs, default=sum(_dearest(chain)))


def _dearest(chain: Chain) -> list[int]:
    """Return terms that add up to at least the cost of any order: accumulate all, multiply as dense in any order."""
    sizes = chain.sizes
    widest = max(sizes)
    accumulated = [cheapest_cost(chain, k) for k in range(len(chain))]
    return accumulated + [2 * widest**3] * len(chain)
