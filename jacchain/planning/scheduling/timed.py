"""A whole order with a start for each of its steps, before workers are named."""

from typing import NamedTuple

from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain
from jacchain.planning.schedule import Schedule
from jacchain.planning.scheduling.list_schedule import schedule_in_order
from jacchain.planning.scheduling.spans import node_spans
from jacchain.planning.scheduling.ways import Steps, Way


class Timed(NamedTuple):
    """A way with the multiplication at which it starts."""

    way: Way
    start: int


class TimedOrder(NamedTuple):
    """The steps of an order that take time, each with its start, and those that take none and stand above them."""

    makespan: int
    placed: tuple[Timed, ...]
    free: Steps


class ScheduledDraft(NamedTuple):
    """An order and a schedule of its steps."""

    draft: Draft
    schedule: Schedule


def with_workers(chain: Chain, order: TimedOrder, workers: int, /) -> ScheduledDraft:
    """Return an order with its schedule on named workers, which ends no later than the order's makespan."""
    steps = {key: step for timed in order.placed for key, step in timed.way.steps} | dict(order.free)
    starts = {timed.way.steps[0][0][:2]: timed.start for timed in order.placed}
    draft = Draft(chain)
    draft.grow(next(key for key in steps if key[:2] == (0, len(chain) - 1)), steps.__getitem__)
    # The intervals of links of an order's nodes all differ.
    found = {k: starts[span] for k, span in enumerate(node_spans(draft.nodes)) if span in starts}
    return ScheduledDraft(draft, schedule_in_order(draft.nodes, workers, found))
