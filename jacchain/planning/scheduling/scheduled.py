"""An order and a schedule of its steps, found together."""

from collections.abc import Collection
from math import isqrt
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple, final

from jacchain.errors import InfeasibleError, OptionError
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain
from jacchain.planning.link import as_size
from jacchain.planning.lower_bound import lower_bound
from jacchain.planning.optimal import is_exact, optimal
from jacchain.planning.schedule import Schedule
from jacchain.planning.scheduling.branch import Search
from jacchain.planning.scheduling.deadlines import fronts, least_makespan
from jacchain.planning.scheduling.list_schedule import list_schedule, schedule_in_order
from jacchain.planning.scheduling.segments import segmented
from jacchain.planning.scheduling.spans import rotated
from jacchain.planning.scheduling.thread_split import ThreadSplit
from jacchain.planning.scheduling.timed import ScheduledDraft, with_workers
from jacchain.planning.scheduling.ways import MOST_WAYS, Ways, ways_of_chain, ways_of_order

if TYPE_CHECKING:
    from jacchain.planning.scheduling.promising import Prospects

SHORT: Final = 14
"""Links up to which all intervals are looked at; of longer chains only those that may help."""

LONG: Final = 500
"""Links beyond which nothing else is tried than the cheapest order, and orders that begin with segments."""

MOST_AROUND: Final = 10**9
"""Ways over given intervals: however many there are."""

MOST_SEGMENTS: Final = 48
"""Segments that a long chain is cut into at most."""

STAGES: Final = (1000, 4000, 12_000)
"""Ways that are looked at together, one number after the other."""

MOST_WORKERS: Final = 1024
"""Workers beyond which a number is taken for a mistake."""

STEPS_PER_SECOND: Final = 400_000
"""Steps of the search that stand for a second of its budget, so that what is found does not depend on the clock."""


class Scheduled(NamedTuple):
    """An order, a schedule of its nodes, and a makespan that no schedule that was looked for can go below."""

    draft: Draft
    schedule: Schedule
    lower_bound: int


def as_workers(value: object, /) -> int:
    """Return a number of workers, or raise an error that names it.

    Examples
    --------
    >>> as_workers(5000)
    Traceback (most recent call last):
    jacchain.errors.OptionError: workers is 5,000, more than 1,024
    give as many as there are cores
    """
    workers = as_size(value, "workers")
    if workers > MOST_WORKERS:
        raise OptionError(f"workers is {workers:,}, more than {MOST_WORKERS:,}", "give as many as there are cores")
    return workers


def scheduled(chain: Chain, workers: int, /, *, order: Draft | None = None, seconds: float = 0.75) -> Scheduled:
    """Return the order and schedule of least makespan that are found within a budget.

    Starts from the cheapest order, taken by longest remaining path, from the thread-splitting program of the field's
    reference solver for every number of workers up to `workers`, and in long chains from orders that begin with several
    segments at once; then searches orders and schedules together (`branch.py`). That looks at all orders of short
    chains, at the most promising intervals of longer ones (`promising.py`), around the best order known where links
    have structures, and at nothing more beyond 500 links. As soon as a proven lower bound is met the search ends;
    chains of eight links come to that in a fraction of a second. Where it does not, the schedules of fewer workers are
    looked at too, since one of them may have come out better.

    Parameters
    ----------
    chain : Chain
        Under its tape limit.
    workers : int
        Identical ones, each of which does one step at a time. One gives the cheapest order.
    order : Draft, optional
        The order to schedule; without one, all orders are looked at.
    seconds : float
        The budget. It is counted in steps of the search, and the clock ends the search only on a slow machine, so
        that results are the same from run to run.

    Returns
    -------
    Scheduled
        Its lower bound holds for all orders, or for the given one.

    Raises
    ------
    SizeError, OptionError
        `workers` is not a positive number, or more than 1,024.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> found = scheduled(chain_of_sizes([40, 30, 20, 10, 20, 30, 40]), 2)
    >>> found.schedule.makespan, found.lower_bound, found.draft.flops
    (34000, 34000, 52000)
    """
    whole = as_workers(workers)
    until = perf_counter() + seconds
    cheapest = optimal(chain) if order is None else order
    least = cheapest.flops if order is not None or is_exact(chain) else lower_bound(chain)
    useful = min(whole, len(chain))
    state = _Planning(chain, cheapest, least, seconds, until, None, None)
    if useful > 1:
        state = _with_ways(state, is_fixed=order is not None)
    best, bound = _with(state, useful)
    return Scheduled(best.draft, Schedule(whole, best.schedule.tasks), min(bound, best.schedule.makespan))


@final
class _Planning(NamedTuple):
    """What does not change during a search."""

    chain: Chain
    cheapest: Draft
    least: int
    """Multiplications that no order goes below."""
    seconds: float
    until: float
    ways: Ways | None
    """All ways; None where they are too many."""
    prospects: "Prospects | None"
    """What is known of every interval, where ways are too many to be searched at once."""


def _with_ways(state: _Planning, *, is_fixed: bool) -> _Planning:
    if is_fixed:
        return state._replace(ways=ways_of_order(state.cheapest.nodes))
    if len(state.chain) > SHORT:
        from jacchain.planning.scheduling.promising import Prospects, is_judged  # NumPy, which short chains do not need

        if is_judged(state.chain):
            every = ways_of_chain(state.chain, most=MOST_AROUND) if _splits(state.chain) <= MOST_WAYS else None
            return state._replace(ways=every, prospects=Prospects(state.chain))
    if _splits(state.chain) > MOST_WAYS:  # each of them is a way
        return state
    try:
        return state._replace(ways=ways_of_chain(state.chain))
    except InfeasibleError:
        return state


def _splits(chain: Chain) -> int:
    """Return the splits of all intervals."""
    n = len(chain)
    return (n**3 - n) // 6


def _with(state: _Planning, workers: int) -> tuple[ScheduledDraft, int]:
    """Return the best schedule of so many workers or fewer, and a lower bound."""
    if workers == 1:
        found = ScheduledDraft(state.cheapest, schedule_in_order(state.cheapest.nodes, 1, {}))
        return found, state.cheapest.flops
    best, bound = _alone(state, workers)
    fewer = workers - 1
    # Of fewer workers whose own bound is no sooner, no schedule is.
    while fewer > 1 and bound < best.schedule.makespan and -(-state.least // fewer) < best.schedule.makespan:
        if perf_counter() > state.until:
            break
        rival, _ = _alone(state, fewer)
        best = min(best, rival, key=_makespan)
        fewer -= 1
    return best, bound


def _makespan(found: ScheduledDraft) -> int:
    return found.schedule.makespan


def _alone(state: _Planning, workers: int) -> tuple[ScheduledDraft, int]:
    """Return the best schedule of just so many workers, and a lower bound of the makespan."""
    best = ScheduledDraft(state.cheapest, list_schedule(state.cheapest.nodes, workers))
    bound = -(-state.least // workers)
    if state.ways is not None and state.prospects is None:
        return _searched(state, state.ways, workers, best, bound)
    if state.ways is not None:
        best = min([best, *_split(state, state.ways, workers, bound, best.schedule.makespan)], key=_makespan)
    best = _in_segments(state, workers, best, bound)
    if state.prospects is not None:
        return _among(state, state.prospects, workers, best, max(bound, state.prospects.least_path))
    if len(state.chain) > LONG:
        return best, bound
    return _around(state, workers, best, bound), bound


def _in_segments(state: _Planning, workers: int, best: ScheduledDraft, bound: int) -> ScheduledDraft:
    """Return the best schedule of orders that begin with several segments of the chain at once."""
    pieces = workers
    while pieces <= min(len(state.chain) // 2, MOST_SEGMENTS) and best.schedule.makespan > bound:
        draft = segmented(
            state.chain, pieces, lambda joined: scheduled(joined, workers, seconds=state.seconds / 8).draft
        )
        best = min(best, ScheduledDraft(draft, list_schedule(draft.nodes, workers)), key=_makespan)
        pieces *= 2
        if perf_counter() > state.until:
            break
    return best


def _among(
    state: _Planning, prospects: "Prospects", workers: int, best: ScheduledDraft, bound: int
) -> tuple[ScheduledDraft, int]:
    """Search among the most promising intervals, again for what is sooner still, and then among more of them."""
    stages = iter(STAGES)
    most = next(stages, 0)
    while most and bound < best.schedule.makespan and perf_counter() < state.until:
        makespan = best.schedule.makespan
        found = prospects.promising(workers, makespan, most)
        spans = found.spans if found.is_all else found.spans | rotated(state.cheapest.nodes) | rotated(best.draft.nodes)
        ways = _ways_over(state.chain, spans)
        if ways is None:  # no order keeps to what a sooner schedule must keep to
            return best, makespan
        best, least = _searched(state, ways, workers, best, bound)
        if found.is_all:
            bound = max(bound, least)
        if best.schedule.makespan == makespan:
            most = 0 if found.is_all else next(stages, 0)
    return best, min(bound, best.schedule.makespan)


def _ways_over(chain: Chain, spans: Collection[tuple[int, int]]) -> Ways | None:
    """Return the ways over certain intervals; None where these make no order."""
    if (0, len(chain) - 1) not in spans:
        return None
    try:
        return ways_of_chain(chain, most=MOST_AROUND, spans=spans)
    except InfeasibleError:
        return None


def _around(state: _Planning, workers: int, best: ScheduledDraft, bound: int) -> ScheduledDraft:
    """Search around the best order known for as long as that finds a better one."""
    improved = True
    while improved and bound < best.schedule.makespan and perf_counter() < state.until:
        spans = rotated(state.cheapest.nodes) | rotated(best.draft.nodes)
        ways = ways_of_chain(state.chain, most=MOST_AROUND, spans=spans)
        found, _ = _searched(state, ways, workers, best, bound)
        improved = found.schedule.makespan < best.schedule.makespan
        best = found
    return best


def _searched(
    state: _Planning, ways: Ways, workers: int, best: ScheduledDraft, bound: int
) -> tuple[ScheduledDraft, int]:
    """Return the best schedule over certain ways, and a lower bound over these."""
    known = fronts(ways, workers)
    bound = max(bound, least_makespan(ways, known, workers))
    for found in _split(state, ways, workers, bound, best.schedule.makespan):
        best = min(best, found, key=_makespan)
    search = Search(ways, known, workers, bound)
    search.offer(best.schedule.makespan)
    width = 8
    most = int(STEPS_PER_SECOND * state.seconds / 2)
    while search.lower_bound < search.upper and search.widen(width, most, state.until):
        width *= 8
    if search.best is not None:
        best = with_workers(state.chain, search.best, workers)
    return best, search.lower_bound


def _split(state: _Planning, ways: Ways, workers: int, bound: int, makespan: int) -> list[ScheduledDraft]:
    """Return the orders of the thread-splitting program for every number of workers, as it and a list schedule them."""
    count = sum(map(len, ways.of))
    split = ThreadSplit(ways, min(workers, max(4, isqrt(1_000_000 // max(count, 1)))))
    found: list[ScheduledDraft] = []
    for q in range(split.workers, 0, -1):
        if makespan == bound or (found and perf_counter() > state.until):  # that of all workers in any case
            break
        one = with_workers(state.chain, split.best(q), workers)
        two = ScheduledDraft(one.draft, list_schedule(one.draft.nodes, workers))
        found += one, two
        makespan = min(makespan, one.schedule.makespan, two.schedule.makespan)
    return found
