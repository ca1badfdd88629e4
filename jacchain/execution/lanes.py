"""Lanes: which worker runs which instructions of a program, and in what order."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from jacchain.planning.schedule import Schedule

FIRST: Final = ("point", "seed", "value")
"""Operations that the calling thread does before the lanes begin: inputs and states."""


class Step(NamedTuple):
    """What lanes need to know of an instruction."""

    op: str
    result: int
    operands: tuple[int, ...]


class _Place(NamedTuple):
    start: int
    worker: int


def lanes(schedule: Schedule, registers: Mapping[int, int], steps: Sequence[Step], /) -> tuple[tuple[int, ...], ...]:
    """Return for each worker the instructions that it runs, in order.

    An instruction runs where and when the schedule has its node. One that the schedule does not know, such as the
    writing of a local Jacobian that is given, runs where its first reader does, just before it. All lanes together are
    in the order of the schedule's starts, in which every instruction follows those it reads: nobody waits for ever.

    Parameters
    ----------
    schedule : Schedule
    registers : mapping of int to int
        The register of every node.
    steps : sequence of Step
        The instructions of the program.
    """
    tasks: dict[int, _Place] = {}
    for task in schedule.tasks:
        place = _Place(task.start, task.worker)
        register = registers[task.node]
        tasks[register] = min(place, tasks.get(register, place))  # equal sub-plans are formed once
    places = dict(tasks)
    for step in reversed(steps):
        if step.result not in places:  # nothing reads it: the last instruction only writes its operand out
            below = [tasks[k].worker for k in step.operands if k in tasks]
            places[step.result] = _Place(schedule.makespan, below[0] if below else 0)
        for k in step.operands:
            if k not in tasks:
                places[k] = min(places[step.result], places.get(k, places[step.result]))
    ordered = sorted((places[step.result].start, p) for p, step in enumerate(steps) if step.op not in FIRST)
    return tuple(
        tuple(p for _, p in ordered if places[steps[p].result].worker == worker) for worker in range(schedule.workers)
    )
