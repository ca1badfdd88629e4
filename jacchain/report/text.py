"""Plans and runs as plain text of at most 80 columns, where single numbers allow it."""

from collections.abc import Sequence
from decimal import Decimal
from textwrap import fill
from typing import TYPE_CHECKING

from jacchain.planning.plan import Plan

if TYPE_CHECKING:  # so that printing a plan loads no workload
    from jacchain.workloads.differences import Difference
    from jacchain.workloads.problem import Problem
    from jacchain.workloads.race import Lap

WIDTH = 80
INDENT = 10


def plan_text(plan: Plan, /) -> str:
    """Return a plan with its costs, its rivals and its reason.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> print(plan_text(plan([13, 16, 1])))
    chain     13 → 16 → 1 (2 links)
    order     (J2 J1)
    because   two links make one product, so there is only one order
    peak      1.9 kB
    <BLANKLINE>
    planner   multiplications   ratio
    optimal               208    1.00
    forward               208    1.00
    reverse               208    1.00
    meet                  208    1.00
    inward                208    1.00
    waist                 208    1.00
    """
    costs: dict[str, int | None] = {plan.planner: plan.flops}
    costs |= {name: baseline.flops for name, baseline in plan.baselines.items()}
    rows = [("planner", "multiplications", "ratio")]
    rows += [(name, _count(flops), _ratio(flops, plan.flops)) for name, flops in costs.items()]
    return "\n".join([*_head(plan), field("peak", bytes_text(plan.peak)), "", *table(rows)])


def run_text(
    problem: "Problem", laps: "Sequence[Lap]", result: Sequence[float], difference: "Difference | None", /
) -> str:
    """Return what a run found: its plan, the rivals in multiplications and milliseconds, values, and the check."""
    first = laps[0]
    rows = [("order", "multiplications", "ratio", "peak", "milliseconds", "ratio")]
    for lap in laps:
        flops, slower = _ratio(lap.predicted_flops, first.predicted_flops), lap.milliseconds / first.milliseconds
        peak, time = bytes_text(lap.predicted_peak), f"{lap.milliseconds:.3g}"
        rows.append((lap.planner, _count(lap.predicted_flops), flops, peak, time, f"{slower:.2f}"))
    values = ", ".join(f"{value:.6g}" for value in result)
    lines = [
        f"{problem.name}: {problem.title}",
        *(f"  {note}" for note in problem.notes),
        "",
        *_head(first.plan),
        "",
        *table(rows),
        "",
        field(
            "counted", f"{_count(first.counted_flops)} multiplications, {bytes_text(first.counted_peak)} at the peak"
        ),
        field("values", f"{values}, ..."),
    ]
    return "\n".join([*lines, *([check_text(difference)] if difference else [])])


def check_text(difference: "Difference", /) -> str:
    """Return how a derivative compares with central differences."""
    verdict = "agrees with" if difference.agrees else "DIFFERS FROM"
    columns = f"all {difference.inputs}" if difference.columns == difference.inputs else f"{difference.columns} random"
    sizes = f"largest difference {difference.error:.1e} at a scale of {difference.scale:.1e}"
    return field("check", f"{verdict} central differences: {sizes} ({columns} columns)")


def table(rows: Sequence[Sequence[str]], /) -> list[str]:
    """Return rows as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    widths[0] = max(widths[0], INDENT - 3)
    return [
        "   ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def field(name: str, text: str, /) -> str:
    """Return a named line, wrapped under itself."""
    return fill(text, WIDTH, initial_indent=name.ljust(INDENT), subsequent_indent=" " * INDENT, break_on_hyphens=False)


def bytes_text(count: int, /) -> str:
    """Return a number of bytes in decimal units.

    Examples
    --------
    >>> bytes_text(999), bytes_text(24384)
    ('999 B', '24.4 kB')
    """
    size, units = Decimal(count), ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    unit = 0
    while size >= Decimal("999.95") and unit < len(units) - 1:
        size, unit = size / 1000, unit + 1
    if unit == 0:
        return f"{count} B"
    return f"{size:,.1f} {units[unit]}" if size < 10**6 else f"{size:.1e} {units[unit]}"


def _head(plan: Plan) -> list[str]:
    links = len(plan.chain)
    return [
        field("chain", f"{plan.chain} ({links} link{'s' if links > 1 else ''})"),
        field("order", plan.bracketing),
        field("because", plan.reason),
    ]


def _count(flops: int | None) -> str:
    return "infeasible" if flops is None else f"{flops:,}"


def _ratio(flops: int | None, least: int) -> str:
    if flops is None:
        return "-"
    if flops == least:
        return "1.00"
    return f"{Decimal(flops) / Decimal(least):,.2f}" if least else "inf"
