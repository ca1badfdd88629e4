"""The cheapest order of a slice, with what is made once for all slices counted once."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, final

from jacchain.algebra.product import price
from jacchain.algebra.structure import Dense
from jacchain.planning.draft import Draft, Step
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Multiply, Tangent
from jacchain.planning.slicing import Axis
from jacchain.planning.within import Fronts
from jacchain.planning.within import Key as Inner

Key = tuple[int, int] | Inner
"""A way of the spine: how many links it has, and its place; or a way of the rest."""


class Way(NamedTuple):
    """A way to a spine: the multiplications of all slices, the numbers that are kept, and those needed besides."""

    flops: int
    kept: int
    need: int
    step: Step[Key]

    @property
    def peak(self) -> int:
        """The numbers held at the fullest moment."""
        return self.kept + self.need


class _Goal(NamedTuple):
    """What is looked for: orders of the chain of one slice, of all that make up the length of the axis."""

    chain: Chain
    length: int
    size: int
    room: int | None

    def all(self, cost: int) -> int:
        """Return what all slices cost, given what one does: in proportion to their sizes."""
        return cost * self.length // self.size


@final
class SliceOrders:
    """The orders of the slices of one chain along one axis.

    A spine grows from the sliced link, and is dense: by tangents of the next link or adjoints of the one before, or by
    a product with a part of the rest, which is made once and kept if it costs anything (see `spine.settled`). Exact
    over all orders: for every length of the spine all ways are kept that no other beats in cost and in both needs.

    Parameters
    ----------
    rest : Chain or None
        The links beyond the sliced one; None where there are none.
    axis : {"columns", "rows"}
    room : int, optional
        Numbers that may be held; without it, only cost counts.
    bound : int, optional
        Cost of a known order; dearer ones are not looked for.
    is_leanest : bool
        Look for the least need instead.
    """

    def __init__(
        self, rest: Chain | None, axis: Axis, room: int | None, bound: int | None, /, *, is_leanest: bool = False
    ) -> None:
        self.columns, self.bound, self.is_leanest = axis == "columns", bound, is_leanest
        self.shift = 1 if self.columns else 0
        self.is_cheapest = room is None and not is_leanest
        self.fronts = None if rest is None else Fronts(rest, room, bound, is_cheapest=self.is_cheapest, is_part=True)

    def best(self, chain: Chain, length: int, room: int | None, /) -> Draft | None:
        """Return the cheapest order of the chain of a slice within some room; None where none fits."""
        goal = _Goal(chain, length, chain.sizes[0] if self.columns else chain.sizes[-1], room)
        link = 0 if self.columns else len(chain) - 1
        found = chain.links[link]
        start = Way(found.accumulate_cost or 0, 0, found.inputs * found.outputs, Step(Local, link, "given", ()))
        spines = [[], self._pruned([start], goal)]
        for links in range(2, len(chain) + 1):
            ways = [*self._swept(goal, spines, links)]
            for shorter in range(1, links):
                ways += self._products(goal, spines, shorter, links)
            spines.append(self._pruned(ways, goal))
        return self._drafted(chain, spines)

    def _drafted(self, chain: Chain, spines: list[list[Way]]) -> Draft | None:
        ways = spines[-1]
        if not ways:
            return None
        costs = [(way.peak, way.flops) if self.is_leanest else (way.flops, way.peak) for way in ways]
        root: Key = (len(chain), min(range(len(ways)), key=costs.__getitem__))

        def expand(key: Key) -> Step[Key]:
            return spines[key[0]][key[1]].step if len(key) == 2 else self._inner(key)

        draft = Draft(chain)
        draft.grow(root, expand)
        return draft

    def _inner(self, key: Inner) -> Step[Key]:
        """Return the step of a way of the rest, by the links of the slice's chain."""
        assert self.fronts is not None
        shift = self.shift
        step = self.fronts.step((key[0] - shift, key[1] - shift, key[2], key[3]))
        moved = tuple((a + shift, b + shift, number, place) for a, b, number, place in step.operands)
        return Step(step.operation, step.link + shift if step.link >= 0 else -1, step.mode, moved)

    def _spine(self, chain: Chain, links: int) -> int:
        """Return the numbers of a spine of so many links."""
        sizes = chain.sizes
        return sizes[0] * sizes[links] if self.columns else sizes[-1] * sizes[-1 - links]

    def _swept(self, goal: _Goal, spines: list[list[Way]], links: int) -> Iterator[Way]:
        """Yield the ways by tangents of the last link, or adjoints of the first one."""
        chain = goal.chain
        link = links - 1 if self.columns else len(chain) - links
        found = chain.links[link]
        cost, tape = (found.tangent_cost, 0) if self.columns else (found.adjoint_cost, found.tape)
        if cost is None:
            return
        room = self._spine(chain, links) if links == len(chain) else 0  # for the result, from the beginning
        held = self._spine(chain, links - 1) + self._spine(chain, links) - room + tape
        for place, way in enumerate(spines[links - 1]):
            keys: tuple[Key] = ((links - 1, place),)
            mode = (
                Step[Key](Tangent, link, "tangent", keys) if self.columns else Step[Key](Adjoint, link, "adjoint", keys)
            )
            yield Way(way.flops + goal.length * cost, way.kept, max(way.need, held) + room, mode)

    def _products(self, goal: _Goal, spines: list[list[Way]], shorter: int, links: int) -> Iterator[Way]:
        """Yield the products of a shorter spine and a part of the rest."""
        assert self.fronts is not None
        chain, n, columns = goal.chain, len(goal.chain), self.columns
        first, last = (shorter, links - 1) if columns else (n - links, n - shorter - 1)
        own, out = self._spine(chain, shorter), self._spine(chain, links)
        room = out if links == n else 0  # for the result, from the beginning
        out -= room
        size = goal.size
        for number, front in self.fronts.cells[first - self.shift, last - self.shift].items():
            part = self.fronts.known.structures[number]
            spine = Dense(part.columns, size) if columns else Dense(size, part.rows)
            cost = goal.all(price(part, spine).cost if columns else price(spine, part).cost)
            held = self.fronts.held(first - self.shift, last - self.shift, number)
            for k, choice in enumerate(front):
                kept = held if choice.flops else 0  # what is free is formed again for every slice
                least = max(own + out, choice.need - held) if choice.flops else own + max(choice.need, held + out)
                for place, way in enumerate(spines[shorter]):
                    keys: tuple[Key, Key] = (first, last, number, k), (shorter, place)
                    step = Step(Multiply, -1, "given", keys if columns else keys[::-1])
                    yield Way(way.flops + choice.flops + cost, way.kept + kept, max(way.need, least) + room, step)

    def _pruned(self, ways: Iterable[Way], goal: _Goal) -> list[Way]:
        """Return the ways within room that no other beats."""
        found: list[Way] = []
        for way in sorted(ways, key=lambda way: way[:3]):
            if goal.room is not None and way.peak > goal.room:
                continue
            if self.bound is not None and way.flops > self.bound:
                continue
            if not (found if self.is_cheapest else any(o.kept <= way.kept and o.need <= way.need for o in found)):
                found.append(way)
        return found
