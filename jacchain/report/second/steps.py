"""The steps of a plan for the Hessian of a chain, one a row: as a table in text, and as comma-separated values."""

import csv
from io import StringIO
from typing import Final, NamedTuple, final

from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.chain_plan import ChainHessianPlan, hessian_names
from jacchain.planning.second.chains.document import operation
from jacchain.planning.second.chains.node import ChainNode, Elemental, chain_operands
from jacchain.planning.second.chains.storage import held_numbers, numbers
from jacchain.report.layout import WIDTH, bytes_text, shortened, table

MOST: Final = 40
"""Steps that a table shows at most; half of them from each end."""


@final
class HessianStepRow(NamedTuple):
    """A step of a plan as reports show it; `held` are the bytes of everything that is held during the step."""

    name: str
    how: str
    operands: tuple[str, ...]
    node: ChainNode
    held: int


def hessian_step_rows(plan: ChainHessianPlan, /) -> list[HessianStepRow]:
    """Return the steps of a plan in their order.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> [(row.name, row.how, row.operands) for row in hessian_step_rows(plan([3, 4, 1], order=2))][-1]
    ('T4', 'sum', ('T1', 'T3'))
    """
    called = hessian_names(plan.nodes)
    return [
        HessianStepRow(
            name, operation(node), tuple(called[k] for k in chain_operands(node)), node, held * plan.itemsize
        )
        for name, node, held in zip(called, plan.nodes, held_numbers(plan.nodes), strict=True)
    ]


def hessian_steps_text(plan: ChainHessianPlan, /) -> list[str]:
    """Return the steps as lines of a table; of a long plan those at its ends."""
    found = hessian_step_rows(plan)
    left_out = max(0, len(found) - MOST)
    shown = found if not left_out else [*found[: MOST // 2], *found[-MOST // 2 :]]
    rows = [("step", "how", "from", "result", "multiplications", "held")]
    for row in shown:
        given = f"F{row.node.link + 1}" if isinstance(row.node, Local | Elemental) else " ".join(row.operands)
        flops = f"{row.node.flops:,}" if row.node.flops else "-"
        rows.append((row.name, row.how, given, str(row.node.structure), flops, bytes_text(row.held)))
    wide = max(len(line) for line in table(rows, left=(0, 1, 2, 3), gap=2)) - WIDTH
    if wide > 0:  # the structures give way
        most = max(len(row[3]) for row in rows) - wide
        rows = [(*row[:3], shortened(row[3], max(most, 8)), *row[4:]) for row in rows]
    lines = table(rows, left=(0, 1, 2, 3), gap=2)
    if left_out:
        lines.insert(
            1 + MOST // 2, f"({left_out:,} of {len(found):,} steps left out; --format csv and --json have all)"
        )
    return lines


def hessian_steps_csv(plan: ChainHessianPlan, /) -> str:
    """Return the steps as comma-separated values: sizes, multiplications and bytes, all in full."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = ("step", "how", "from", "rows", "first", "second", "structure", "multiplications", "bytes", "held_bytes")
    writer.writerow(columns)
    for row in hessian_step_rows(plan):
        costs = row.node.flops, numbers(row.node) * plan.itemsize, row.held
        writer.writerow([row.name, row.how, " ".join(row.operands), *_sizes(row.node), row.node.structure, *costs])
    return stream.getvalue().rstrip("\n")


def _sizes(node: ChainNode) -> tuple[int, int, int | str]:
    """Return the sizes of a result; a Jacobian has one arm."""
    if isinstance(node, Local | Multiply):
        return node.structure.rows, node.structure.columns, ""
    return node.structure[:3]
