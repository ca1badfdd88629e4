"""A plan's steps shared among workers, as many as memory allows."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain
from jacchain.planning.memory import arrange, held, states, taped
from jacchain.planning.node import Node
from jacchain.planning.schedule import Schedule
from jacchain.planning.scheduling.list_schedule import schedule_in_order
from jacchain.planning.scheduling.scheduled import Scheduled, scheduled
from jacchain.planning.scheduling.spans import node_spans

KEPT = 32
"""Schedules that are remembered: the search for a memory limit's plan asks for the same ones again and again."""

FEW = 8
"""Workers up to which every number is tried."""


class Team(NamedTuple):
    """Nodes in an order that one worker could follow too, their schedule, and the numbers that are held."""

    nodes: tuple[Node, ...]
    schedule: Schedule
    need: int
    lower_bound: int
    """Of the makespan of as many workers as were asked for."""


def team(chain: Chain, serial: Draft, workers: int, /, *, is_fixed: bool, room: int | None) -> Team:
    """Return the schedule of the most workers that hold at most `room` numbers; of one worker at the least.

    Parameters
    ----------
    chain : Chain
        Under its tape limit.
    serial : Draft
        The order that one worker follows; it fits.
    workers : int
        Workers that there are at most.
    is_fixed : bool
        Keep to that order, whatever the workers.
    room : int, optional
        Numbers that may be held.
    """
    fixed = tuple(serial.nodes) if is_fixed else None
    bound = _scheduled(chain, fixed, workers).lower_bound
    useful = workers if room is None else min(workers, len(chain))
    for count in _fewer(useful):
        found = _scheduled(chain, fixed, count)
        needed = unshared_need(chain, found.draft.nodes, count)
        if room is None or needed <= room:
            return Team(*_arranged(chain, found), needed, bound)
    nodes, need = arrange(chain, serial.nodes, len(serial.nodes) - 1)
    return Team(nodes, schedule_in_order(nodes, 1, {}), states(chain) + need, bound)


def _fewer(workers: int) -> Iterator[int]:
    """Yield numbers of workers to try: halves of a large number, then one less each time, down to two."""
    while workers > 1:
        yield workers
        workers = workers // 2 if workers > FEW else workers - 1


def _arranged(chain: Chain, found: Scheduled) -> tuple[tuple[Node, ...], Schedule]:
    """Return the nodes in the order in which all plans have them, and the schedule with their new places."""
    nodes, _ = arrange(chain, found.draft.nodes, len(found.draft.nodes) - 1)
    place = {span: k for k, span in enumerate(node_spans(nodes))}  # the intervals of a plan's nodes all differ
    spans = node_spans(found.draft.nodes)
    tasks = tuple(task._replace(node=place[spans[task.node]]) for task in found.schedule.tasks)
    return nodes, Schedule(found.schedule.workers, tasks)


def unshared_need(chain: Chain, nodes: Sequence[Node], workers: int, /) -> int:
    """Return the numbers held where no two results share storage, since workers may run ahead of each other.

    That is all states and results, and the largest tapes, of which each worker holds one at a time.
    """
    tapes = sorted((taped(chain, node) for node in nodes), reverse=True)
    return states(chain) + sum(held(chain, node) for node in nodes) + sum(tapes[:workers])


@lru_cache(KEPT)
def _scheduled(chain: Chain, fixed: tuple[Node, ...] | None, workers: int) -> Scheduled:
    if fixed is None:
        return scheduled(chain, workers)
    order = Draft(chain)
    order.nodes += fixed
    return scheduled(chain, workers, order=order)


def team_reason(found: Team, serial: int, reason: str, /) -> str:
    """Return why a plan was chosen, with what its workers make of it.

    Examples
    --------
    >>> team_reason(Team((), Schedule(1, ()), 0, 0), 10, "two links make one product")
    'two links make one product'
    """
    makespan, workers = found.schedule.makespan, found.schedule.workers
    if workers == 1 or makespan == 0:
        return reason
    flops = sum(node.flops for node in found.nodes)
    times = "no" if serial == makespan else f"{serial / makespan:.3g} times"
    sooner = f"{workers} workers finish after {makespan:,} multiplications, {times} sooner than one"
    if flops == serial:
        return f"{reason}; {sooner}"
    return f"{sooner}, with {flops / serial:.3g} times the multiplications of the order that is best for one"
