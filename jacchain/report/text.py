"""Plans and runs as plain text of at most 80 columns, where single numbers allow it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.graph import Chain
from jacchain.planning.plan import Plan
from jacchain.report.gantt import gantt_text
from jacchain.report.graphs.text import graph_plan_text, rival_rows
from jacchain.report.layout import bytes_text, count_text, field, ratio_text, share_text, table
from jacchain.report.outline import short_bracketing
from jacchain.report.placement import device_lines
from jacchain.report.predicted import predicted_lines

if TYPE_CHECKING:  # so that printing a plan loads no workload
    from jacchain.workloads.differences import Difference
    from jacchain.workloads.placement import Placement
    from jacchain.workloads.problem import Problem
    from jacchain.workloads.race import Lap

SIZES = 24
"""Sizes of a chain that are shown at each end of a long one."""


def plan_text(plan: Plan | GraphPlan, /) -> str:
    """Return a plan with its costs, its limits, its rivals and its reason.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> print(plan_text(plan([13, 16, 1])))
    chain     13 → 16 → 1 (2 links)
    order     (J2 J1)
    because   two links make one product, so there is only one order
    peak      2.1 kB
    <BLANKLINE>
    planner   multiplications   ratio
    optimal               208    1.00
    forward               208    1.00
    reverse               208    1.00
    meet                  208    1.00
    inward                208    1.00
    waist                 208    1.00
    """
    if isinstance(plan, GraphPlan):
        return graph_plan_text(plan)
    lines = [*head(plan), *facts(plan), "", *table(rival_rows(plan))]
    if plan.memory is not None or plan.slicing is not None:
        lines.append(f"(all but {plan.planner} at once and without the memory limit)")
    if plan.schedule is not None:
        lines += ["", *gantt_text(plan, plan.schedule)]
    return "\n".join(lines)


def head(plan: Plan, /) -> list[str]:
    """Return the chain, the order and the reason."""
    order, is_whole = short_bracketing(plan)
    note = "" if is_whole else "; P9:4 is the product of links 9 to 4, --json has all"
    return [field("chain", chain_text(plan.chain)), field("order", order + note), field("because", plan.reason)]


def chain_text(chain: Chain, /) -> str:
    """Return the sizes of a chain; of a long one those at its ends.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> chain_text(chain_of_sizes([3, 2]))
    '3 → 2 (1 link)'
    """
    sizes, links = [str(size) for size in chain.sizes], len(chain)
    if len(sizes) > 2 * SIZES:
        sizes = [*sizes[: SIZES // 2], f"… {len(sizes) - SIZES:,} more …", *sizes[-SIZES // 2 :]]
    return f"{' → '.join(sizes)} ({links:,} link{'s' if links > 1 else ''})"


def facts(plan: Plan, /) -> list[str]:
    """Return what a plan holds, the limits and slices it keeps to, and how far it can be from the best."""
    limits = [f"of {bytes_text(plan.memory)} allowed"] if plan.memory is not None else []
    lines = [*predicted_lines(plan), field("peak", " ".join([bytes_text(plan.peak), *limits]))]
    if plan.tape_limit is not None:
        lines.append(field("tapes", f"of at most {plan.tape_limit:,} numbers"))
    if plan.slicing is not None:
        axis, size, count = plan.slicing.axis, plan.slicing.size, plan.slicing.count(plan.chain)
        each = axis if size > 1 else axis[:-1]
        lines.append(field("slices", f"{count:,} of {size:,} {each} each; the order above is that of one slice"))
    if plan.schedule is not None:
        lines.append(field("makespan", _makespan(plan)))
    if plan.lower_bound and plan.lower_bound < plan.makespan:
        gap = share_text(plan.makespan - plan.lower_bound, plan.lower_bound)
        what = "order" if plan.schedule is None else "schedule"
        below = "can go below" if plan.cost == "multiplications" else "multiplies less than"
        lines.append(field("bound", f"no {what} {below} {plan.lower_bound:,}: the gap is at most {gap}"))
    return lines


def _makespan(plan: Plan) -> str:
    assert plan.schedule is not None
    workers = plan.schedule.workers
    if not plan.makespan:
        return f"nothing to do for {workers} workers"
    faster = ratio_text(plan.flops, plan.makespan)
    proof = ", which none can beat" if plan.lower_bound == plan.makespan else ""
    return f"{plan.makespan:,} with {workers} workers{proof}: {faster} times sooner than one worker in this order"


def run_text(
    problem: "Problem",
    laps: "Sequence[Lap]",
    result: Sequence[float],
    difference: "Difference | None",
    where: "Placement | None" = None,
    /,
) -> str:
    """Return what a run found: its plan, the rivals in multiplications and milliseconds, values, and the check."""
    first = laps[0]
    assert isinstance(first.plan, Plan)
    rows = [("order", "multiplications", "ratio", "peak", "milliseconds", "ratio")]
    for lap in laps:
        flops, slower = ratio_text(lap.predicted_flops, first.predicted_flops), lap.milliseconds / first.milliseconds
        peak, time = bytes_text(lap.predicted_peak), f"{lap.milliseconds:.3g}"
        rows.append((lap.planner, count_text(lap.predicted_flops), flops, peak, time, f"{slower:.2f}"))
    values = ", ".join(f"{value:.6g}" for value in result)
    lines = [
        f"{problem.name}: {problem.title}",
        *(f"  {note}" for note in problem.notes),
        "",
        *head(first.plan),
        *facts(first.plan)[1:],  # the peak stands in the table
        "",
        *table(rows),
        "",
        field(
            "counted",
            f"{count_text(first.counted_flops)} multiplications, {bytes_text(first.counted_peak)} at the peak",
        ),
        field("values", f"{values}, ..."),
        *([] if where is None else device_lines(where)),
    ]
    return "\n".join([*lines, *([check_text(difference)] if difference else [])])


def check_text(difference: "Difference", /) -> str:
    """Return how a derivative compares with central differences."""
    verdict = "agrees with" if difference.agrees else "DIFFERS FROM"
    columns = f"all {difference.inputs}" if difference.columns == difference.inputs else f"{difference.columns} random"
    sizes = f"largest difference {difference.error:.1e} at a scale of {difference.scale:.1e}"
    return field("check", f"{verdict} central differences: {sizes} ({columns} columns)")
