"""Who does which step of a plan, and when, as text."""

from textwrap import wrap

from jacchain.planning.plan import Plan, names
from jacchain.planning.schedule import Schedule, Task
from jacchain.report.layout import WIDTH, share_text, table

BAR = 24
"""Characters of the time axis."""

MOST = 40
"""Tasks that are shown at most."""


def gantt_text(plan: Plan, schedule: Schedule, /) -> list[str]:
    r"""Return the schedule of a plan as lines: every task by worker and time, with a bar; time is in multiplications.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> tasks = (Task(2, 0, 0, 162), Task(4, 0, 162, 324))
    >>> print(*gantt_text(plan([9, 2, 9, 9]), Schedule(1, tasks)), sep="\n")
    worker    step   start   end
    1         P3:2       0   162   ████████████············
    1         P3:1     162   324   ············████████████
    (busy: 100 % of the makespan)
    """
    called, span = names(plan.nodes), schedule.makespan
    tasks = sorted(schedule.tasks, key=lambda task: (task.worker, task.start, task.end))
    rows = [("worker", "step", "start", "end", "")]
    shown = tasks if len(tasks) <= MOST else sorted(tasks, key=lambda task: task.start - task.end)[:MOST]
    for task in (task for task in tasks if task in set(shown)):
        cells = (f"{task.start:,}", f"{task.end:,}", _bar(task, span))
        rows.append((str(task.worker + 1), called[task.node], *cells))
    lines = table(rows, left=(0, 1, 4))
    if len(shown) < len(tasks):
        lines.append(f"({len(tasks) - len(shown):,} shorter tasks left out; --json has all)")
    return [*lines, *_busy(schedule)]


def _bar(task: Task, span: int) -> str:
    start = task.start * BAR // span
    end = max(start + 1, -(-task.end * BAR // span))
    return "·" * start + "█" * (end - start) + "·" * (BAR - end)


def _busy(schedule: Schedule) -> list[str]:
    """Return how much of the time each worker is at work."""
    span = schedule.makespan
    work = [0] * schedule.workers
    for task in schedule.tasks:
        work[task.worker] += task.end - task.start
    busy = ", ".join(share_text(found, span) for found in work[:8]) + (", …" if schedule.workers > 8 else "")
    return wrap(f"(busy: {busy} of the makespan)", WIDTH)
