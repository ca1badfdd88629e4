"""The bracketing of a plan as a drawn tree: links to the right, the result to the left."""

from typing import TYPE_CHECKING, Final

from jacchain.planning.node import operands
from jacchain.planning.plan import Plan
from jacchain.report.layout import shortened
from jacchain.report.outline import Branch, outline, weights
from jacchain.report.plots.style import INK, MEANINGS, MODES, figure, short, written
from jacchain.report.steps import StepRow, step_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST: Final = 48
"""Steps that are drawn at most."""

DEEPEST: Final = 9
"""Levels that are drawn at most."""


def tree_figure(plan: Plan, /) -> "Figure":
    """Draw the tree with the multiplications of every step; the area of a dot is its share of them."""
    branches = outline(plan.nodes, most=MOST, deepest=DEEPEST)
    rows = step_rows(plan)
    places = _places(plan, branches)
    ends = [branch for branch in branches if _is_end(plan, branch)]
    levels = max(len(branch.lasts) for branch in branches)
    drawn = figure(max(6.5, 2.8 + 1.35 * levels), max(2.6, 1.5 + 0.33 * len(ends)))
    axes = drawn.subplots()
    _lines(axes, plan, branches, places)
    _dots(axes, plan, branches, rows, places)
    for branch in branches:
        _label(axes, plan, branch, rows[branch.node], places)
    axes.set_xlim(-0.55, levels + 1.9)
    axes.set_ylim(-0.8, len(ends) - 0.2)
    axes.set_axis_off()
    _legend(axes, rows, branches)
    sizes = plan.chain.sizes
    left = len(plan.nodes) - len(branches)
    more = f"; {left:,} of {len(plan.nodes):,} steps stay closed" if left else ""
    axes.set_title(
        f"{plan.planner}: {written(plan.flops)} multiplications for {len(plan.chain)} links, "
        f"{written(sizes[0])} inputs to {written(sizes[-1])} outputs{more}",
        fontsize=11,
        loc="left",
        color=INK,
        wrap=True,
    )
    return drawn


def _is_end(plan: Plan, branch: Branch) -> bool:
    return not branch.is_open or not operands(plan.nodes[branch.node])


def _places(plan: Plan, branches: list[Branch]) -> dict[int, tuple[float, float]]:
    """Return x and y of every branch: ends from top to bottom, others in the middle of what they are made of."""
    ends = [branch.node for branch in branches if _is_end(plan, branch)]
    height = {node: float(len(ends) - 1 - k) for k, node in enumerate(ends)}
    for branch in reversed(branches):
        if branch.node not in height:
            below = [height[operand] for operand in operands(plan.nodes[branch.node])]
            height[branch.node] = sum(below) / len(below)
    return {branch.node: (float(len(branch.lasts)), height[branch.node]) for branch in branches}


def _lines(axes: "Axes", plan: Plan, branches: list[Branch], places: dict[int, tuple[float, float]]) -> None:
    for branch in branches:
        if _is_end(plan, branch):
            continue
        x, y = places[branch.node]
        for operand in operands(plan.nodes[branch.node]):
            below = places[operand]
            axes.plot([x, x, below[0]], [y, below[1], below[1]], color="#C4C4C4", linewidth=1.2, zorder=1)


def _dots(
    axes: "Axes", plan: Plan, branches: list[Branch], rows: list[StepRow], places: dict[int, tuple[float, float]]
) -> None:
    weight = weights(plan.nodes)
    work = weight.flops[-1]
    for branch in branches:
        flops = rows[branch.node].node.flops if branch.is_open else weight.flops[branch.node]
        x, y = places[branch.node]
        colour = MODES[rows[branch.node].mode] if branch.is_open else "white"
        edge = colour if branch.is_open else INK
        marker = "o" if branch.is_open else "s"
        area = _area(flops, work)
        axes.scatter([x], [y], s=area, color=colour, edgecolors=edge, marker=marker, zorder=2, linewidths=1.2)


def _area(flops: int, work: int) -> float:
    """Return the area of a dot in square points."""
    return 18 + 420 * (flops / max(work, 1))


def _label(axes: "Axes", plan: Plan, branch: Branch, row: StepRow, places: dict[int, tuple[float, float]]) -> None:
    x, y = places[branch.node]
    weight = weights(plan.nodes)
    if _is_end(plan, branch):
        if branch.is_open:
            cost = f", {short(row.node.flops)}" if row.node.flops else ""
            text = f"{row.name}  {shortened(str(row.node.structure), 30)}{cost}"
        else:
            text = f"{row.name}  {weight.steps[branch.node]:,} steps, {short(weight.flops[branch.node])}"
        axes.text(x + 0.18, y, text, va="center", ha="left", fontsize=9, color=INK)
        return
    text = f"{row.name}  {short(row.node.flops)}"
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.1, "alpha": 0.85}
    radius = (_area(row.node.flops, weight.flops[-1]) ** 0.5) / 2
    shift = (-radius if x else radius + 3, radius + 2.5 if x else 6)
    side = "right" if x else "left"
    axes.annotate(text, (x, y), shift, textcoords="offset points", ha=side, fontsize=9, color=INK, bbox=box)


def _legend(axes: "Axes", rows: list[StepRow], branches: list[Branch]) -> None:
    from matplotlib.lines import Line2D

    used = dict.fromkeys(rows[branch.node].mode for branch in branches if branch.is_open)
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=MEANINGS[mode])
        for mode, colour in MODES.items()
        if mode in used
    ]
    if not all(branch.is_open for branch in branches):
        several = Line2D([], [], marker="s", linestyle="", color=INK, markerfacecolor="white")
        several.set_label("several steps together")
        handles.append(several)
    handles.append(Line2D([], [], linestyle="", label="area and number: multiplications"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, fontsize=8, frameon=False)
