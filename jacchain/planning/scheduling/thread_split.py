"""The order of least makespan among those that hand out workers once and for all, from the last step down."""

from collections.abc import Iterator, Sequence
from typing import final

from jacchain.planning.scheduling.timed import Timed, TimedOrder
from jacchain.planning.scheduling.ways import Entry, Way, Ways


@final
class ThreadSplit:
    """The dynamic program of the field's reference solver (arXiv 2505.06056), over whatever ways are given.

    The operands of a step are formed one after the other by all q of its workers, or at the same time by q - k and k
    of them, whichever is sooner. Workers that wait for each other are not lent out meanwhile, so that better
    schedules may exist.
    """

    def __init__(self, ways: Ways, workers: int, /) -> None:
        self.ways, self.workers = ways, workers
        self.times: list[tuple[int, ...]] = []  # of every item, for 1 … m workers
        self.chosen: list[tuple[Way, ...]] = []
        for offered in ways.of:
            best: list[tuple[int, Way]] = []
            for way in offered:
                ends = [time + way.flops for time in self._together(way.operands)[-1]]
                best = (
                    [(end, way) if end < held[0] else held for end, held in zip(ends, best, strict=True)]
                    if best
                    else [(end, way) for end in ends]
                )
            self.times.append(tuple(end for end, _ in best))
            self.chosen.append(tuple(way for _, way in best))

    def best(self, workers: int, /) -> TimedOrder:
        """Return the order of least makespan with some of the workers."""
        entry = min(self.ways.starts, key=lambda entry: self._together(entry.operands)[-1][workers - 1])
        makespan = self._together(entry.operands)[-1][workers - 1]
        return TimedOrder(makespan, tuple(self._placed(entry, workers)), entry.steps)

    def _placed(self, entry: Entry, workers: int) -> Iterator[Timed]:
        waiting = [*self._shares(entry.operands, workers, 0)]
        while waiting:
            item, share, start = waiting.pop()
            way = self.chosen[item][share - 1]
            yield Timed(way, start + self.times[item][share - 1] - way.flops)
            waiting += self._shares(way.operands, share, start)

    def _together(self, operands: Sequence[int]) -> list[tuple[int, ...]]:
        """Return for 1 … m workers when none, the first, the first two … of some operands are done."""
        found = [(0,) * self.workers]
        for k in operands:
            found.append(self.times[k] if len(found) == 1 else self._both(found[-1], self.times[k]))
        return found

    def _both(self, one: tuple[int, ...], two: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(
            min(one[q] + two[q], *[max(one[k], two[q - 1 - k]) for k in range(q)]) if q else one[0] + two[0]
            for q in range(self.workers)
        )

    def _shares(self, operands: Sequence[int], workers: int, start: int) -> Iterator[tuple[int, int, int]]:
        """Yield each operand with its workers and its start."""
        sums = self._together(operands)
        for place in range(len(operands) - 1, -1, -1):
            one, two = sums[place], self.times[operands[place]]
            if place == 0:
                yield operands[0], workers, start
                return
            wanted = sums[place + 1][workers - 1]
            share = next((k for k in range(1, workers) if max(one[workers - k - 1], two[k - 1]) == wanted), 0)
            if share:
                yield operands[place], share, start
                workers -= share
            else:
                yield operands[place], workers, start + one[workers - 1]
