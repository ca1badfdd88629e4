"""The steps of a plan, one a row: as a table in text, and as comma-separated values with everything in full."""

import csv
from io import StringIO
from typing import Final, NamedTuple, final

from jacchain.algebra.structure import stored
from jacchain.planning.duration import duration
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.plan import Plan, names
from jacchain.planning.profile import profile
from jacchain.report.graphs.steps import graph_steps_csv
from jacchain.report.layout import WIDTH, bytes_text, shortened, table
from jacchain.report.predicted import NOTHING

MOST: Final = 40
"""Steps that a table shows at most; half of them from each end."""


@final
class StepRow(NamedTuple):
    """A step of a plan as reports show it; `held` are the bytes of everything that is held during the step."""

    name: str
    mode: str
    operands: tuple[str, ...]
    node: Node
    held: int
    seconds: float | None = None
    """Predicted, where a profile was at hand."""


def step_rows(plan: Plan, /) -> list[StepRow]:
    """Return the steps of a plan in their order.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> [(row.name, row.mode, row.operands) for row in step_rows(plan([13, 16, 1]))]
    [('J2', 'local', ('F2',)), ('J1', 'local', ('F1',)), ('P2:1', 'multiply', ('J2', 'J1'))]
    """
    called, found = names(plan.nodes), []  # type: tuple[list[str], list[StepRow]]
    for name, node, held in zip(called, plan.nodes, profile(plan), strict=True):
        seconds = plan.step_seconds[len(found)] if plan.step_seconds else None
        match node:
            case Local(link, mode):
                how = "local" if mode == "given" else f"by {mode}s"
                found.append(StepRow(name, how, (f"F{link + 1}",), node, held, seconds))
            case Multiply(left, right):
                found.append(StepRow(name, "multiply", (called[left], called[right]), node, held, seconds))
            case Tangent(link, right):
                found.append(StepRow(name, "tangent", (f"F{link + 1}", called[right]), node, held, seconds))
            case Adjoint(left, link):
                found.append(StepRow(name, "adjoint", (called[left], f"F{link + 1}"), node, held, seconds))
    return found


def steps_text(plan: Plan, /) -> list[str]:
    """Return the steps as lines of a table; of a long plan those at its ends."""
    found = step_rows(plan)
    left_out = max(0, len(found) - MOST)
    shown = found if not left_out else [*found[: MOST // 2], *found[-MOST // 2 :]]
    predicted = ("predicted",) if plan.step_seconds else ()
    rows: list[tuple[str, ...]] = [("step", "how", "from", "result", "multiplications", *predicted, "held")]
    rows += [_cells(row) for row in shown]
    wide = max(len(line) for line in table(rows, left=(0, 1, 2, 3), gap=2)) - WIDTH
    if wide > 0:  # the structures give way
        most = max(len(row[3]) for row in rows) - wide
        rows = [(*row[:3], shortened(row[3], max(most, 8)), *row[4:]) for row in rows]
    lines = table(rows, left=(0, 1, 2, 3), gap=2)
    if left_out:
        note = f"({left_out:,} of {len(found):,} steps left out; --format csv and --json have all)"
        lines.insert(1 + MOST // 2, note)
    return lines


def _cells(row: StepRow) -> tuple[str, ...]:
    flops = f"{row.node.flops:,}" if row.node.flops else "-"
    seconds = () if row.seconds is None else (duration(row.seconds) if row.seconds >= NOTHING else "-",)
    return row.name, row.mode, " ".join(row.operands), str(row.node.structure), flops, *seconds, bytes_text(row.held)


def steps_csv(plan: Plan | GraphPlan, /) -> str:
    """Return the steps as comma-separated values: sizes, multiplications, bytes, and where and when, all in full.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> print(steps_csv(plan([13, 16, 1])).splitlines()[-1])
    P2:1,multiply,J2 J1,1,13,dense 1x13,208,104,2128,,,
    """
    if isinstance(plan, GraphPlan):
        return graph_steps_csv(plan)
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = ("step", "how", "from", "rows", "columns", "structure", "multiplications", "bytes", "held_bytes")
    writer.writerow([*columns, "worker", "start", "end", *(("predicted_seconds",) if plan.step_seconds else ())])
    tasks = {} if plan.schedule is None else {task.node: task for task in plan.schedule.tasks}
    for k, row in enumerate(step_rows(plan)):
        made, task = row.node.structure, tasks.get(k)
        when = ("", "", "") if task is None else (task.worker + 1, task.start, task.end)
        sizes = (made.rows, made.columns, str(made), row.node.flops, stored(made) * plan.itemsize, row.held)
        seconds = () if row.seconds is None else (row.seconds,)
        writer.writerow([row.name, row.mode, " ".join(row.operands), *sizes, *when, *seconds])
    return stream.getvalue().rstrip("\n")
