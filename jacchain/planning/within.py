"""The cheapest order that stays within a memory limit: exact, by fronts of cost against need."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, final

from jacchain.algebra.structure import Dense, stored
from jacchain.planning.draft import MODES, Draft, Step, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.node import Adjoint, Local, Multiply, Tangent
from jacchain.planning.numbered import Numbered

if TYPE_CHECKING:  # planning by multiplications predicts nothing
    from jacchain.planning.quickest.predictor import Predictor

Key = tuple[int, int, int, int]
"""First link, last link, number of the structure, place in its front."""

TICK: Final = 1e-15
"""Seconds of a unit of cost where fronts are of time: whole numbers add up to the same in any order."""


class Choice(NamedTuple):
    """A way to one state: its multiplications, the numbers it needs at its fullest, and its last step."""

    flops: int
    need: int
    step: Step[Key]


def cheapest_within(
    chain: Chain, room: int, /, *, bound: int | None = None, predictor: "Predictor | None" = None
) -> Draft | None:
    """Return the cheapest order whose need is at most `room` numbers; None where there is none below the bound.

    With a predictor the quickest one, and the bound is in units of ``TICK``.
    """
    return _drafted(chain, Fronts(chain, room, bound, predictor=predictor))


def leanest(chain: Chain, /) -> Draft:
    """Return the order of the least need; the cheapest of these that its parts allow."""
    found = _drafted(chain, Fronts(chain, None, None, least=True))
    assert found is not None
    return found


def _drafted(chain: Chain, fronts: "Fronts") -> Draft | None:
    key = fronts.best()
    if key is None:
        return None
    draft = Draft(chain)
    draft.grow(key, fronts.step)
    return draft


@final
class Fronts:
    """For every interval and structure of its product, the ways that no other way beats in both cost and need.

    The need of a product is that of Sethi and Ullman: of its two operands the one that needs more beyond what it
    leaves behind comes first. What needs more than `room` numbers, or costs more than `bound`, is dropped, which loses
    nothing, since needs and costs only grow. With `least`, only the least need of each state is kept, with
    `is_cheapest` only the cheapest way. With a predictor, costs are predicted times. For the product of the whole chain
    there is room from the beginning, unless the chain `is_part` of another.
    """

    def __init__(
        self,
        chain: Chain,
        room: int | None,
        bound: int | None,
        /,
        *,
        least: bool = False,
        is_cheapest: bool = False,
        is_part: bool = False,
        predictor: "Predictor | None" = None,
    ) -> None:
        self.predictor = predictor
        self.chain, self.room, self.bound, self.least, self.is_cheapest = chain, room, bound, least, is_cheapest
        self.whole = (0, -1 if is_part else len(chain) - 1)
        self.known = Numbered()
        self.cells: dict[tuple[int, int], dict[int, list[Choice]]] = {}
        for length in range(1, len(chain) + 1):
            for first in range(len(chain) - length + 1):
                self._fill(first, first + length - 1)

    def best(self) -> Key | None:
        """Return the cheapest state of the whole chain, or the one of the least need."""
        last = len(self.chain) - 1
        found = [
            (choice.need if self.least else choice.flops, choice.need, number, place)
            for number, front in self.cells[0, last].items()
            for place, choice in enumerate(front)
        ]
        return (0, last, *min(found)[2:]) if found else None

    def step(self, key: Key, /) -> Step[Key]:
        """Return the last step of a way."""
        first, last, number, place = key
        return self.cells[first, last][number][place].step

    def held(self, first: int, last: int, number: int, /) -> int:
        """Return the numbers that a state takes."""
        link = self.chain.links[first]
        exists = first == last and link.borrowed and self.known.structures[number] == link.local
        return 0 if exists else stored(self.known.structures[number])

    def _fill(self, first: int, last: int) -> None:
        ways: dict[int, list[Choice]] = {}
        if first == last:
            self._locals(ways, first)
        else:
            for split in range(first, last):
                self._joined(ways, first, split, last)
            self._sweeps(ways, first, last)
        self.cells[first, last] = {number: self._front(found) for number, found in ways.items()}

    def _locals(self, ways: dict[int, list[Choice]], link: int) -> None:
        found = self.chain.links[link]
        for mode in MODES:
            cost = mode_cost(self.chain, link, mode)
            if cost is not None:
                cost = cost if self.predictor is None else round(self.predictor.local(found, mode) / TICK)
                structure = found.local if mode == "given" else Dense(found.outputs, found.inputs)
                number = self.known.number(structure)
                held = 0 if mode == "given" and found.borrowed else stored(self.known.structures[number])
                tape = found.tape if mode == "adjoint" else 0
                self._offer(ways, number, Choice(cost, held + tape, Step(Local, link, mode, ())))

    def _joined(self, ways: dict[int, list[Choice]], first: int, split: int, last: int) -> None:
        for left, uppers in self.cells[split + 1, last].items():
            up = self.held(split + 1, last, left)
            for right, lowers in self.cells[first, split].items():
                low = self.held(first, split, right)
                cost, number = self._product(left, right)
                made, room = stored(self.known.structures[number]), self._room(first, last, number)
                for i, upper in enumerate(uppers):
                    for k, lower in enumerate(lowers):
                        order = min(max(upper.need, up + lower.need), max(lower.need, low + upper.need))
                        keys = (split + 1, last, left, i), (first, split, right, k)
                        step = Step(Multiply, -1, "given", keys)
                        need = max(order, up + low + made - room) + room
                        self._offer(ways, number, Choice(upper.flops + lower.flops + cost, need, step))

    def _sweeps(self, ways: dict[int, list[Choice]], first: int, last: int) -> None:
        upper, lower = self.chain.links[last], self.chain.links[first]
        number = self.known.number(Dense(upper.outputs, lower.inputs))
        made, room = stored(self.known.structures[number]), self._room(first, last, number)
        if upper.tangent_cost is not None:
            for right, front in self.cells[first, last - 1].items():
                least = self.held(first, last - 1, right) + made - room
                for k, way in enumerate(front):
                    step = Step(Tangent, last, "tangent", ((first, last - 1, right, k),))
                    flops = way.flops + self._sweep(upper, lower.inputs, "tangent")
                    self._offer(ways, number, Choice(flops, max(way.need, least) + room, step))
        if lower.adjoint_cost is not None:
            for left, front in self.cells[first + 1, last].items():
                least = self.held(first + 1, last, left) + made - room + lower.tape
                for k, way in enumerate(front):
                    step = Step(Adjoint, first, "adjoint", ((first + 1, last, left, k),))
                    flops = way.flops + self._sweep(lower, upper.outputs, "adjoint")
                    self._offer(ways, number, Choice(flops, max(way.need, least) + room, step))

    def _product(self, left: int, right: int) -> tuple[int, int]:
        """Return the cost of a product, and the number of what it makes."""
        cost, number = self.known.product(left, right)
        if self.predictor is not None:
            pair = self.known.structures[left], self.known.structures[right]
            cost = round(self.predictor.product(*pair) / TICK)
        return cost, number

    def _sweep(self, link: Link, count: int, mode: Literal["tangent", "adjoint"]) -> int:
        """Return the cost of so many tangents or adjoints of a link."""
        if self.predictor is not None:
            return round(self.predictor.sweep(link, count, mode) / TICK)
        return count * ((link.tangent_cost if mode == "tangent" else link.adjoint_cost) or 0)

    def _room(self, first: int, last: int, number: int) -> int:
        """Return the numbers of a product that there is room for from the beginning."""
        return stored(self.known.structures[number]) if (first, last) == self.whole else 0

    def _offer(self, ways: dict[int, list[Choice]], number: int, choice: Choice) -> None:
        if (self.room is None or choice.need <= self.room) and (self.bound is None or choice.flops <= self.bound):
            ways.setdefault(number, []).append(choice)

    def _front(self, ways: Iterable[Choice]) -> list[Choice]:
        """Return the ways that none beats, the cheapest first; with `least` only the last of them."""
        front: list[Choice] = []
        for way in sorted(ways, key=lambda way: way[:2]):
            if not front or way.need < front[-1].need:
                front.append(way)
        return front[-1:] if self.least else front[:1] if self.is_cheapest else front
