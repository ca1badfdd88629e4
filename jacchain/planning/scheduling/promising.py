"""Intervals that a schedule of little makespan may use: what a long chain is searched over."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jacchain.algebra.structure import Dense
from jacchain.planning.draft import cheapest_cost
from jacchain.planning.graph import Chain

LONGEST: Final = 200
"""Links up to which intervals are judged; the time for it grows as the cube of the links."""

NEVER: Final = 1 << 58
"""A cost beyond all others."""

Array = Any


class Promising(NamedTuple):
    """Intervals of links, and whether a schedule below the makespan looked for can use no others."""

    spans: frozenset[tuple[int, int]]
    is_all: bool


class Bounds(NamedTuple):
    """For the interval of links i … j, at [i, j]: work or path up to its product, and from there on to the end."""

    below: Array
    above: Array


@final
class Prospects:
    """What any order with a certain interval takes at the least: in work, and along its longest path.

    Parameters
    ----------
    chain : Chain
        Of dense local Jacobians, given or matrix-free; see `is_judged`.
    """

    def __init__(self, chain: Chain, /) -> None:
        self.work, self.path = bounds(chain, is_path=False), bounds(chain, is_path=True)

    @property
    def least_path(self) -> int:
        """The least longest path of any order: no number of workers finishes sooner."""
        return int(self.path.below[0, -1])

    def promising(self, workers: int, makespan: int, most: int, /) -> Promising:
        """Return the intervals that orders of less than a makespan use; if these have too many ways, the best of them.

        An order takes no less than its work, shared among all workers, and no less than its longest path.

        Parameters
        ----------
        workers : int
        makespan : int
            That of a known schedule.
        most : int
            Ways that the intervals may have.
        """
        work, path = self.work, self.path
        share, longest = -(-(work.below + work.above) // workers), path.below + path.above
        kept = np.maximum(share, longest) < makespan
        is_all = _ways(kept) <= most
        if not is_all:  # those that leave the most of both
            score = np.where(kept, share + longest, NEVER)
            low, high = 0, 2 * makespan
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if _ways(score <= middle) <= most else (low, middle - 1)
            kept = score <= low
        return Promising(frozenset((int(i), int(j)) for i, j in np.argwhere(kept)), is_all)


def is_judged(chain: Chain, /) -> bool:
    """Whether the intervals of a chain can be judged: each has one structure only, and numbers of 64 bits suffice."""
    links, widest = chain.links, max(chain.sizes)
    sweeps = [cost for link in links for cost in (link.tangent_cost, link.adjoint_cost) if cost is not None]
    return (
        len(chain) <= LONGEST
        and all(isinstance(link.local, Dense) for link in links)
        and sum(cheapest_cost(chain, k) for k in range(len(chain))) + widest * sum(sweeps) + widest**3 * len(chain)
        < NEVER // 8
    )


def _ways(kept: Array) -> int:
    """Return how many ways there are over certain intervals."""
    n = len(kept)
    numbers = kept.astype(np.float64)
    splits = int((numbers[:, :-1] @ numbers[1:, :])[kept].sum())  # [i, k] and [k + 1, j]
    return splits + 2 * int(kept.sum()) + n


def bounds(chain: Chain, /, *, is_path: bool) -> Bounds:
    """Work out all intervals: from short ones to long ones, then back."""
    tables = _Tables(chain, is_path)
    n = len(chain)
    for length in range(2, n + 1):
        tables.put(tables.below, length, tables.shorter(length))
    tables.put(tables.above, n, np.zeros(1, np.int64))
    for length in range(n - 1, 0, -1):
        tables.put(tables.above, length, tables.longer(length))
    return Bounds(*(_by_ends(table.starting) for table in (tables.below, tables.above)))


def _by_ends(starting: Array) -> Array:
    """Return what is known at [length, first link] at [first link, last link]."""
    n = starting.shape[1] - 1
    first, last = np.triu_indices(n)
    found = np.full((n, n), NEVER, np.int64)
    found[first, last] = starting[last - first + 1, first]
    return found


class _Table(NamedTuple):
    """Numbers of intervals at [length, first link], and the same at [length, last link + 1]."""

    starting: Array
    ending: Array


@final
class _Tables:
    """Work or path below and above all intervals, one length at a time."""

    def __init__(self, chain: Chain, is_path: bool, /) -> None:
        self.n, self.is_path = len(chain), is_path
        self.sizes = np.array(chain.sizes, np.int64)
        self.tangents = _costs([link.tangent_cost for link in chain.links])
        self.adjoints = _costs([link.adjoint_cost for link in chain.links])
        shape = (self.n + 1, self.n + 1)
        self.below, self.above = (_Table(np.full(shape, NEVER), np.full(shape, NEVER)) for _ in range(2))
        self.put(self.below, 1, np.array([cheapest_cost(chain, k) for k in range(self.n)], np.int64))

    def put(self, table: _Table, length: int, found: Array, /) -> None:
        """Note the numbers of all intervals of a length."""
        count = self.n - length + 1
        table.starting[length, :count] = table.ending[length, length:] = np.minimum(found, NEVER)

    def shorter(self, length: int, /) -> Array:
        """Return what is below the intervals of a length: their best split, or sweep of one more link."""
        n, sizes, below = self.n, self.sizes, self.below
        count = n - length + 1
        join = np.maximum if self.is_path else np.add
        outer = sizes[:count] * sizes[length:]
        ways = sliding_window_view(sizes[1:n], count) * outer
        ways += join(below.starting[1:length, :count], below.ending[length - 1 : 0 : -1, length:])
        swept = _swept(below.starting[length - 1, :count], sizes[:count], self.tangents[length - 1 :])
        back = _swept(below.ending[length - 1, length:], sizes[length:], self.adjoints[:count])
        return np.minimum(np.minimum(ways.min(0), swept), back)

    def longer(self, length: int, /) -> Array:
        """Return what is above the intervals of a length: the best product or sweep that they are an operand of."""
        n, sizes, above = self.n, self.sizes, self.above
        count, rest = n - length + 1, n - length
        edge = sizes[:count] * sizes[length:]
        none = np.zeros(rest, np.int64)
        after = sliding_window_view(np.concatenate([sizes[length + 1 :], none]), count)[:rest]
        before = sliding_window_view(np.concatenate([none, sizes[:rest]]), count)[rest - 1 :: -1]
        right = after * edge + above.starting[length + 1 :, :count]
        left = before * edge + above.ending[length + 1 :, length:]
        if not self.is_path:
            right += self.below.starting[1 : rest + 1, length:]
            left += self.below.ending[1 : rest + 1, :count]
        found: Array = np.minimum(right.min(0), left.min(0))
        swept = _swept(above.starting[length + 1, : count - 1], sizes[: count - 1], self.tangents[length:])
        back = _swept(above.ending[length + 1, length + 1 :], sizes[length + 1 :], self.adjoints[: count - 1])
        found[:-1] = np.minimum(found[:-1], swept)
        found[1:] = np.minimum(found[1:], back)
        return found


def _costs(costs: Sequence[int | None]) -> Array:
    """Return the costs, NEVER where there is none."""
    return np.array([NEVER if cost is None else cost for cost in costs], np.int64)


def _swept(before: Array, counts: Array, costs: Array) -> Array:
    """Return what a sweep of so many columns or rows comes to."""
    offered = costs < NEVER
    return np.where(offered, before + counts * np.where(offered, costs, 0), NEVER)
