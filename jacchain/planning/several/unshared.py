"""What several products of one chain cost at the least: a bound, and an exact search on short chains."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Final, NamedTuple, final

from jacchain.planning.several.charges import charged
from jacchain.planning.several.intervals import Interval, Intervals, State, Way
from jacchain.planning.several.sharing import Sharing, lies_within, needed

EFFORT: Final = 1_500_000
"""Pairs of products that the exact search may look at before it gives up: about a second."""

MOST: Final = 2_000_000
"""Ways beyond which steps are not charged in shares: all suffixes of 80 dense links have as many."""

Need = tuple[int, int, int]
"""A state that must be made; as structure -1, an interval that may be made in any structure."""


def lower_bound(intervals: Intervals, wanted: Sequence[Interval], known: int, /) -> int:
    """Return multiplications that no plan of all wanted products goes below; `known` is what one plan costs.

    The larger of two bounds: the cheapest order of one product, and the last steps of those that do not lie within it;
    and what all products cost where every step is charged in shares.
    """
    apart = {interval: intervals.least(intervals.cheapest(interval)).flops for interval in wanted}
    last = {interval: min(way.flops for _, way in intervals.ways(interval)) for interval in wanted}
    one = max(
        flops + sum(cost for other, cost in last.items() if not lies_within(other, interval))
        for interval, flops in apart.items()
    )
    work = sum((last - first + 2) ** 3 // 6 for first, last in wanted)
    return one if one >= known or work > MOST else max(one, charged(intervals, wanted, known))


class Outcome(NamedTuple):
    """What the search found: something cheaper than was known, or nothing; and what no plan goes below."""

    sharing: Sharing | None
    least: int


@final
class Search:
    """Best-first search over sets of products that are still to be made, the longest of them next.

    Making a product asks for its operands, which are shorter; so whatever could use a product has been decided before
    the product's own turn comes, and asking for it twice is asking for it once.
    """

    def __init__(self, intervals: Intervals, wanted: Sequence[Interval], known: int, /) -> None:
        self.intervals = intervals
        self.wanted = wanted
        self.known = known
        self._last: dict[Need, int] = {}
        self._least: dict[Need, int] = {}
        self._offers: dict[Need, list[tuple[State, Way]]] = {}

    def run(self) -> Outcome:
        """Return a sharing cheaper than what is known, or that there is none; or give up with a bound."""
        start = self._asked((*interval, -1) for interval in self.wanted)
        costs: dict[frozenset[Need], int] = {start: 0}
        via: dict[frozenset[Need], tuple[frozenset[Need], State, Way]] = {}
        heap = [(self._rest(start), 0, start)]
        count = effort = 0
        while heap:
            estimate, _, needs = heappop(heap)
            spent = costs[needs]
            if estimate >= self.known:
                break
            if spent + self._rest(needs) < estimate:
                continue  # come upon more cheaply since
            if not needs:
                return Outcome(self._sharing(needs, via), spent)
            for after, made, way in self._children(needs):
                total = spent + way.flops
                if total >= costs.get(after, self.known):
                    continue
                costs[after], via[after] = total, (needs, made, way)
                reach = total + self._rest(after)
                if reach < self.known:
                    count += 1
                    heappush(heap, (reach, -count, after))  # of equals the one come upon last
                effort += len(after) ** 2
            if effort > EFFORT:
                return Outcome(None, min((entry[0] for entry in heap), default=self.known))
        return Outcome(None, self.known)

    def _children(self, needs: frozenset[Need]) -> Iterator[tuple[frozenset[Need], State, Way]]:
        need = max(needs, key=lambda need: (need[1] - need[0], need))
        for made, way in self._ways(need):
            yield self._asked((needs - {need}) | set(way.step.operands)), made, way

    def _asked(self, needs: Iterable[Need]) -> frozenset[Need]:
        """Drop links that are free, and wanted intervals that are made anyway, in whatever structure."""
        found = {need for need in needs if need[0] < need[1] or self._alone(need)}
        made = {need[:2] for need in found if need[2] >= 0}
        return frozenset(need for need in found if need[2] >= 0 or need[:2] not in made)

    def _ways(self, need: Need) -> list[tuple[State, Way]]:
        found = self._offers.get(need)
        if found is None:
            first, last, wanted = need
            offers = self.intervals.ways((first, last))
            found = [((first, last, number), way) for number, way in offers if wanted in (-1, number)]
            self._offers[need] = found
        return found

    def _rest(self, needs: frozenset[Need]) -> int:
        """Return what making these products costs at the least.

        Every one needs a last step of its own; and one of them, with all its steps, shares those only with products
        that lie within it.
        """
        lasts = {need: self._last_step(need) for need in needs}
        total = most = sum(lasts.values())
        for need in needs:
            inside = sum(cost for other, cost in lasts.items() if lies_within(other, need))
            most = max(most, total - inside + self._alone(need))
        return most

    def _last_step(self, need: Need) -> int:
        if need not in self._last:
            self._last[need] = min(way.flops for _, way in self._ways(need))
        return self._last[need]

    def _alone(self, need: Need) -> int:
        if need not in self._least:
            self._least[need] = min(self.intervals.least(state).flops for state, _ in self._ways(need))
        return self._least[need]

    def _sharing(self, end: frozenset[Need], via: dict[frozenset[Need], tuple[frozenset[Need], State, Way]]) -> Sharing:
        steps: dict[State, Way] = {}
        while end in via:
            end, state, way = via[end]
            steps[state] = way
        made = {state[:2]: state for state in sorted(steps, reverse=True)}
        for interval in self.wanted:
            if interval not in made:  # one link that is free: it was never asked for
                made[interval] = self.intervals.cheapest(interval)
        roots = tuple(made[interval] for interval in self.wanted)
        return self._completed(steps, roots)

    def _completed(self, steps: dict[State, Way], roots: Iterable[State]) -> Sharing:
        waiting = list(roots)
        for way in list(steps.values()):
            waiting += way.step.operands
        for state in waiting:
            if state not in steps:
                steps |= self.intervals.tree(state)
        kept = tuple(roots)
        return Sharing(needed(steps, kept), kept)
