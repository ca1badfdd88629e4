"""Who does which step of a plan, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, final

from jacchain.planning.node import Node, operands


class Task(NamedTuple):
    """A step of a plan on one worker, from the multiplication at which it starts to that at which it ends."""

    node: int
    worker: int
    start: int
    end: int


@final
@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a plan on identical workers, one step at a time on each; time is counted in multiplications.

    Every step that costs something has one task, which starts after the tasks of its operands have ended.

    Examples
    --------
    >>> Schedule(2, (Task(0, 0, 0, 30), Task(1, 1, 0, 20), Task(2, 0, 30, 36))).makespan
    36
    """

    workers: int
    tasks: tuple[Task, ...]

    @property
    def makespan(self) -> int:
        """Multiplications after which the last worker is done."""
        return max((task.end for task in self.tasks), default=0)


def broken(schedule: Schedule, nodes: Sequence[Node], /) -> str:
    """Return what is wrong with a schedule of the steps of a plan, or nothing.

    Every step that costs something has one task of its length, no worker does two things at once, and no step starts
    before its operands are done.
    """
    tasks = {task.node: task for task in schedule.tasks}
    costly = {k for k, node in enumerate(nodes) if node.flops}
    if len(tasks) < len(schedule.tasks) or set(tasks) != costly:
        return "it does not hold every costly step once"
    ready = [0] * len(nodes)
    for k, node in enumerate(nodes):
        begin = max((ready[operand] for operand in operands(node)), default=0)
        ready[k] = begin
        if node.flops:
            task = tasks[k]
            if task.start < begin or task.end - task.start != node.flops or not 0 <= task.worker < schedule.workers:
                return f"step {k} runs from {task.start} to {task.end} on worker {task.worker}"
            ready[k] = task.end
    busy = sorted(schedule.tasks, key=lambda task: (task.worker, task.start))
    for one, two in pairwise(busy):
        if one.worker == two.worker and two.start < one.end:
            return f"worker {one.worker} does steps {one.node} and {two.node} at once"
    return ""
