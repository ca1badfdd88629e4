"""Branch and bound over orders and schedules at once, from the last step back to the first."""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Final, NamedTuple, final

from jacchain.planning.scheduling.deadlines import Front
from jacchain.planning.scheduling.timed import Timed, TimedOrder
from jacchain.planning.scheduling.ways import Steps, Way, Ways

CANDIDATES: Final = 6
"""Items that may be taken next at most; of more, those that can start first, the longest first."""


class Label(NamedTuple):
    """A part of a schedule, told backwards from its end: what has been placed is done after all that has not.

    Times run from the end of the schedule towards its beginning.
    """

    items: tuple[int, ...]
    """What remains to be placed, in rising order."""
    times: tuple[int, ...]
    """When each of these may start at the soonest, then when each worker becomes free, in rising order."""
    bound: int
    """A makespan, times workers, that no schedule with this part goes below."""
    area: int
    """Multiplications of all workers together that no such schedule has fewer of, idle ones included."""
    before: "Label | None"
    item: int
    way: Way | None
    start: int


@final
class Search:
    """Schedules of all orders of a set of ways, built from the last step back to the first.

    The step that is done last comes first, and frees its operands to be placed. Each label places one more item, and
    chooses its way: so order and schedule are found together, and two different beginnings that leave the same items
    to be placed are compared: the one that is nowhere sooner is dropped. Items are placed in order of their start,
    each as soon as a worker is free, which loses nothing on identical workers. Labels are done in order of what they
    have left to place, since no step leaves more than it found.

    A label is dropped as well where the work that remains, at the least that meets the deadline of the best makespan
    known, does not fit under that deadline (`deadlines.py`).

    With a width, only so many labels are kept of those with equally much left: a beam. A lower bound is proven all
    the same: the least bound of a dropped label.
    """

    def __init__(self, ways: Ways, fronts: Sequence[Front], workers: int, lower_bound: int, /) -> None:
        self.ways, self.workers = ways, workers
        self.deadlines = [front.deadlines for front in fronts]
        self.works = [(-1, *front.works) for front in fronts]  # before the first deadline nothing is done
        self.least = [front.deadlines[0] for front in fronts]
        self.left = [2 * (last - first) + 1 for first, last in ways.spans]
        self.lower_bound = lower_bound
        self.best: TimedOrder | None = None
        self.upper = 0
        self.steps = 0
        self.passed = 0  # the least bound of what was not followed

    def offer(self, makespan: int, /) -> None:
        """Look only for what is sooner than a makespan that is known."""
        self.upper = makespan if self.upper == 0 else min(self.upper, makespan)

    def widen(self, width: int, most: int, until: float, /) -> bool:
        """Search with a width; return whether that came to an end within `most` steps and before the time `until`."""
        layers: list[dict[tuple[int, ...], list[Label]]] = [{} for _ in range(2 * max(self.left, default=0) + 2)]
        self.passed = self.upper
        for entry in self.ways.starts:
            times = (0,) * (len(entry.operands) + self.workers)
            area = sum(self.works[k][-1] for k in entry.operands)
            label = Label(entry.operands, times, area, area, None, -1, Way(0, entry.operands, entry.steps), 0)
            self._keep(layers, label)
        for layer in reversed(layers):
            kept = [label for labels in layer.values() for label in _undominated(labels)]
            kept.sort(key=_rank)
            if len(kept) > width:
                self.passed = min([self.passed, *(-(-label.bound // self.workers) for label in kept[width:])])
                del kept[width:]
            for label in kept:
                if self.steps > most or perf_counter() > until:
                    return False
                for found in self._expanded(label):
                    self._keep(layers, found)
            layer.clear()
        self.lower_bound = max(self.lower_bound, min(self.passed, self.upper))
        return True

    def _keep(self, layers: list[dict[tuple[int, ...], list[Label]]], label: Label) -> None:
        if label.items:
            layers[sum([self.left[k] for k in label.items])].setdefault(label.items, []).append(label)
        elif label.times[-1] < self.upper or self.upper == 0:
            self.upper = label.times[-1]
            self.best = _told(label)

    def _expanded(self, label: Label) -> Iterable[Label]:
        """Yield the labels that place one more item, each in every way that may still be sooner than the best."""
        items, times, workers = label.items, label.times, self.workers
        deadlines, works, limit = self.deadlines, self.works, self.upper - 1
        room = limit * workers
        count = len(items)
        for place in self._candidates(label):
            item, start = items[place], times[place]
            others, releases, area = [], [], start
            for k in range(count):
                if k != place:
                    release = times[k] if times[k] > start else start
                    work = works[items[k]][bisect_right(deadlines[items[k]], limit - release)]
                    if work < 0:
                        break
                    area += work
                    others.append(items[k])
                    releases.append(release)
            else:
                self.steps += len(self.ways.of[item]) + count
                frees = [free if free > start else start for free in times[count + 1 :]]
                area += sum(frees)
                for way in self.ways.of[item]:
                    end = start + way.flops
                    total = area + way.flops
                    for k in way.operands:
                        work = works[k][bisect_right(deadlines[k], limit - end)]
                        if work < 0:
                            break
                        total += work
                    else:
                        if total <= room and end <= limit:
                            found = self._label(label, others, releases, frees, item, way, start, total)
                            if found.bound <= room:
                                yield found

    def _candidates(self, label: Label) -> Iterable[int]:
        """Return the places of the items that may be taken next."""
        count = len(label.items)
        if count <= CANDIDATES:
            return range(count)
        self.passed = min(self.passed, -(-label.bound // self.workers))
        longest = [(label.times[k], -self.least[label.items[k]], k) for k in range(count)]
        return [k for _, _, k in sorted(longest)[:CANDIDATES]]

    def _label(
        self,
        label: Label,
        others: list[int],
        releases: list[int],
        frees: list[int],
        item: int,
        way: Way,
        start: int,
        area: int,
    ) -> Label:
        end = start + way.flops
        busy = frees.copy()
        insort(busy, end)
        if not others and not way.operands:
            return Label((), tuple(busy), area, area, label, item, way, start)
        pending = sorted([*zip(others, releases, strict=True), *((k, end) for k in way.operands)])
        first = min([release for _, release in pending])
        if busy[0] < first:  # until then no worker has anything to do
            for k, free in enumerate(busy):
                if free >= first:
                    break
                area += first - free
                busy[k] = first
        first = busy[0]
        soonest = [release if release > first else first for _, release in pending]
        path = max([self.least[k] + at for (k, _), at in zip(pending, soonest, strict=True)])
        bound = max(area, path * self.workers)
        return Label(tuple([k for k, _ in pending]), (*soonest, *busy), bound, area, label, item, way, start)


def _rank(label: Label) -> tuple[int, int, tuple[int, ...], tuple[int, ...]]:
    return label.bound, label.area, label.times, label.items


def _undominated(labels: list[Label]) -> list[Label]:
    """Return the labels of one set of items that no other is nowhere later than."""
    if len(labels) == 1:
        return labels
    kept: list[Label] = []
    for label in sorted(labels, key=lambda label: (sum(label.times), label.times)):
        times = label.times
        for other in kept:
            for one, two in zip(other.times, times, strict=True):
                if one > two:
                    break
            else:
                break
        else:
            kept.append(label)
    return kept


def _told(label: Label) -> TimedOrder:
    """Return the order of a finished label, told forwards."""
    makespan = label.times[-1]
    placed: list[Timed] = []
    free: Steps = ()
    found: Label | None = label
    while found is not None:
        assert found.way is not None
        if found.before is None:
            free = found.way.steps
        else:
            placed.append(Timed(found.way, makespan - found.start - found.way.flops))
        found = found.before
    return TimedOrder(makespan, tuple(placed), free)
