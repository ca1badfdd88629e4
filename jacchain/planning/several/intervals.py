"""Every product of consecutive links: the structures it can have, and all ways to form it from smaller products."""

from collections.abc import Iterator
from typing import NamedTuple, final

from jacchain.algebra.product import price
from jacchain.algebra.structure import Dense, Structure
from jacchain.planning.draft import MODES, Step, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Mode, Multiply, Tangent
from jacchain.planning.numbered import Numbered

Interval = tuple[int, int]
"""First link and last link."""

State = tuple[int, int, int]
"""First link, last link, number of the structure of their product."""


class Way(NamedTuple):
    """One way to form a state: the multiplications of its last step alone, and that step."""

    flops: int
    step: Step[State]


class Least(NamedTuple):
    """The cheapest way to a state: the multiplications of all its steps, and the last of them."""

    flops: int
    way: Way


@final
class Intervals:
    """The states of all intervals of a chain, with the cheapest way to each.

    Two states have no step in common unless one is an operand, near or far, of the other; so what a state costs at the
    least is the least that any plan with this state in it costs, whatever else the plan makes. States that cost more
    than `bound` are therefore left out, where a plan of that cost is known.

    Parameters
    ----------
    chain : Chain
    bound : int, optional
        The multiplications of a known plan.
    longest : int, optional
        Links of the longest interval that is looked at; all of them where it is not given.
    """

    def __init__(self, chain: Chain, /, *, bound: int | None = None, longest: int | None = None) -> None:
        self.chain = chain
        self.bound = bound
        self.known = Numbered()
        self.cells: dict[Interval, dict[int, Least]] = {}
        self._listed: dict[Interval, list[tuple[int, Way]]] = {}
        for length in range(1, (longest or len(chain)) + 1):
            for first in range(len(chain) - length + 1):
                self._fill(first, first + length - 1)

    def cheapest(self, interval: Interval, /) -> State:
        """Return the state of an interval that is formed most cheaply."""
        cell = self.cells[interval]
        return (*interval, min(cell, key=lambda number: cell[number].flops))

    def least(self, state: State, /) -> Least:
        """Return the cheapest way to a state."""
        return self.cells[state[:2]][state[2]]

    def structure(self, state: State, /) -> Structure:
        """Return the structure of a state."""
        return self.known.structures[state[2]]

    def ways(self, interval: Interval, /) -> list[tuple[int, Way]]:
        """Return every way to every state of an interval, each with the number of the structure that it gives."""
        found = self._listed.get(interval)
        if found is None:
            cell = self.cells[interval]
            found = self._listed[interval] = [(number, way) for number, way in self._ways(*interval) if number in cell]
        return found

    def tree(self, state: State, /) -> dict[State, Way]:
        """Return all steps of the cheapest way to a state."""
        found: dict[State, Way] = {}
        waiting = [state]
        while waiting:
            key = waiting.pop()
            found[key] = self.least(key).way
            waiting += found[key].step.operands
        return found

    def local(self, link: int, mode: Mode, /) -> tuple[State, Way]:
        """Return the local Jacobian of a link, and its accumulation in a mode that the link offers."""
        found, cost = self.chain.links[link], mode_cost(self.chain, link, mode)
        assert cost is not None
        structure = found.local if mode == "given" else Dense(found.outputs, found.inputs)
        return (link, link, self.known.number(structure)), Way(cost, Step(Local, link, mode, ()))

    def multiplied(self, left: State, right: State, /) -> tuple[State, Way]:
        """Return the product of two states, and the way to it."""
        cost, number = self.known.product(left[2], right[2])
        return (right[0], left[1], number), Way(cost, Step(Multiply, -1, "given", (left, right)))

    def swept(self, state: State, link: int, /) -> tuple[State, Way] | None:
        """Return the link above a state as tangents, or the link below it as adjoints; None where it has none."""
        found = self.chain.links[link]
        is_above = link > state[1]
        cost = found.tangent_cost if is_above else found.adjoint_cost
        if cost is None:
            return None
        structure = self.structure(state)
        rows, columns = (found.outputs, structure.columns) if is_above else (structure.rows, found.inputs)
        made = (min(link, state[0]), max(link, state[1]), self.known.number(Dense(rows, columns)))
        if is_above:
            return made, Way(columns * cost, Step(Tangent, link, "tangent", (state,)))
        return made, Way(rows * cost, Step(Adjoint, link, "adjoint", (state,)))

    def _fill(self, first: int, last: int) -> None:
        cell: dict[int, Least] = {}
        for number, way in self._ways(first, last):
            flops = way.flops + sum(self.cells[a, b][k].flops for a, b, k in way.step.operands)
            held = cell.get(number)
            fits = self.bound is None or flops <= self.bound or first == last
            if fits and (held is None or flops < held.flops):
                cell[number] = Least(flops, way)
        self.cells[first, last] = cell

    def _ways(self, first: int, last: int) -> Iterator[tuple[int, Way]]:
        """Yield all ways: the lowest split first, then tangents, then adjoints."""
        if first == last:
            yield from self._locals(first)
            return
        for split in range(first, last):
            for left, above in self.cells[split + 1, last].items():
                for right, below in self.cells[first, split].items():
                    known = self.known.products.get((left, right))
                    if known is None and self.bound is not None:  # patterns of sparse products are dear to form
                        cost = price(self.known.structures[left], self.known.structures[right]).cost
                        if above.flops + below.flops + cost > self.bound:
                            continue
                    cost, number = known or self.known.product(left, right)
                    yield (
                        number,
                        Way(cost, Step(Multiply, -1, "given", ((split + 1, last, left), (first, split, right)))),
                    )
        for operand, link in (((first, last - 1), last), ((first + 1, last), first)):
            for number in self.cells[operand]:
                made = self.swept((*operand, number), link)
                if made is not None:
                    yield made[0][2], made[1]

    def _locals(self, link: int) -> Iterator[tuple[int, Way]]:
        for mode in MODES:
            if mode_cost(self.chain, link, mode) is not None:
                (_, _, number), way = self.local(link, mode)
                yield number, way
