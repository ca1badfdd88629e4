"""The least work that finishes a partial product by a deadline: what no schedule can undercut."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from jacchain.planning.scheduling.ways import Ways

MOST_POINTS: Final = 16
"""Deadlines that are kept for one item; two neighbours become one, at the sooner deadline and for the lesser work."""


class Front(NamedTuple):
    """Deadlines in rising order, and for each the least work, on all workers together, of any way that meets it."""

    deadlines: tuple[int, ...]
    works: tuple[int, ...]

    def work(self, deadline: int, /) -> int:
        """Return the least work that meets a deadline; -1 where nothing does.

        Examples
        --------
        >>> [Front((3, 5), (8, 6)).work(deadline) for deadline in (2, 3, 4, 9)]
        [-1, 8, 8, 6]
        """
        place = bisect_right(self.deadlines, deadline)
        return self.works[place - 1] if place else -1


def fronts(ways: Ways, workers: int, /) -> list[Front]:
    """Return the front of every item.

    Work and longest path trade off against each other, and this keeps all of the trade: a way of p multiplications
    meets the deadline D if its operands meet D - p, together in at most m(D - p) multiplications.
    """
    found: list[Front] = []
    for offered in ways.of:
        points: list[tuple[int, int]] = []
        for way in offered:
            points += _before(way.flops, [found[k] for k in way.operands], workers)
        found.append(_front(points))
    return found


def least_makespan(ways: Ways, found: Sequence[Front], workers: int, /) -> int:
    """Return a makespan that no schedule of any order goes below."""
    return min(
        min((deadline for deadline, _ in _before(0, [found[k] for k in entry.operands], workers)), default=0)
        for entry in ways.starts
    )


def _before(flops: int, operands: Sequence[Front], workers: int) -> list[tuple[int, int]]:
    """Return the deadlines that a step meets, and the least work for each."""
    if not operands:
        return [(flops, flops)]
    soonest = max(front.deadlines[0] for front in operands)
    found = []
    for deadline in {at for front in operands for at in front.deadlines if at >= soonest}:
        work = sum(front.work(deadline) for front in operands)
        found.append((max(deadline, -(-work // workers)) + flops, work + flops))
    return found


def _front(points: Iterable[tuple[int, int]]) -> Front:
    kept: list[tuple[int, int]] = []
    for point in sorted(points):
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    while len(kept) > MOST_POINTS:
        half = [(kept[k][0], kept[min(k + 1, len(kept) - 1)][1]) for k in range(0, len(kept), 2)]
        kept = half
    return Front(tuple(at for at, _ in kept), tuple(work for _, work in kept))
