"""Who does which step, and when."""

from typing import TYPE_CHECKING

from jacchain.planning.plan import Plan
from jacchain.planning.schedule import Schedule, Task
from jacchain.report.plots.style import MEANINGS, MODES, counted, figure, real, titled, written
from jacchain.report.steps import step_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL = 0.0105
"""Part of the time axis that one letter takes."""

FEW = 40
"""Tasks of a worker that are told apart by white lines, and workers that are numbered one by one."""

HIGHEST = 12.0
"""Inches that the workers take at most."""


def gantt_figure(plan: Plan, /) -> "Figure":
    """Draw a bar for every step on its worker; a plan without a schedule is one worker's."""
    from matplotlib.patches import Patch

    schedule = plan.schedule or _alone(plan)
    rows, span = step_rows(plan), real(max(schedule.makespan, 1))
    crew = {worker: k for k, worker in enumerate(sorted({task.worker for task in schedule.tasks} or {0}))}
    drawn = figure(9.5, 1.7 + min(0.55 * len(crew), HIGHEST))
    axes = drawn.subplots()
    line = 1.0 if len(schedule.tasks) <= FEW * len(crew) else 0.15  # else the gaps hide the bars
    bars: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for task in schedule.tasks:
        row, start, width = rows[task.node], real(task.start), real(task.end - task.start)
        bars.setdefault((task.worker, row.mode), []).append((start, width))
        if width / span > LABEL * (len(row.name) + 1):
            place = (start + width / 2, crew[task.worker])
            axes.text(*place, row.name, ha="center", va="center", fontsize=8, color="white")
    for (worker, mode), found in bars.items():
        axes.broken_barh(found, (crew[worker] - 0.35, 0.7), facecolor=MODES[mode], edgecolor="white", linewidth=line)
    if len(crew) <= FEW:
        axes.set_yticks(range(len(crew)), [str(worker + 1) for worker in crew])
    axes.set_ylim(len(crew) - 0.4, -0.6)
    axes.set_xlim(0, span)
    counted(axes, "x")
    bound = f", of at least {written(plan.lower_bound)}" if plan.schedule and plan.lower_bound < plan.makespan else ""
    where = "" if plan.slicing is None else " of one slice"
    idle = f"; {schedule.workers - len(crew):,} workers stay idle" if len(crew) < schedule.workers else ""
    title = f"Makespan {written(schedule.makespan)}{where}{bound}{idle}"
    titled(axes, title, "time in multiplications", "worker")
    used = dict.fromkeys(rows[task.node].mode for task in schedule.tasks)
    handles = [Patch(color=colour, label=MEANINGS[mode]) for mode, colour in MODES.items() if mode in used]
    drawn.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return drawn


def _alone(plan: Plan) -> Schedule:
    """Return the steps one after the other."""
    tasks, now = [], 0
    for k, node in enumerate(plan.nodes):
        if node.flops:
            tasks.append(Task(k, 0, now, now + node.flops))
            now += node.flops
    return Schedule(1, tuple(tasks))
