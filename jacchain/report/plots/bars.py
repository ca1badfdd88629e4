"""What every planner costs, as bars."""

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING

from jacchain.planning.comparison import Rival
from jacchain.planning.elimination.graph_comparison import GraphRival
from jacchain.planning.graph import Chain, Graph
from jacchain.report.layout import ratio_text
from jacchain.report.plots.style import BLUE, GREEN, GREY, INK, counted, figure, real, titled, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE = 30
"""Ratio of the dearest to the cheapest from which the axis is logarithmic."""


def bars_figure(problem: Chain | Graph, rivals: Sequence[Rival | GraphRival], /) -> "Figure":
    """Draw a bar for every planner; one without an order is named and says so."""
    drawn = figure(8.5, 1.6 + 0.42 * len(rivals))
    axes = drawn.subplots()
    exact = [rival.plan.flops for rival in rivals if rival.plan is not None]
    cheapest, least, most = min(exact, default=0), real(min(exact, default=0)), real(max(exact, default=1))
    logarithmic = least > 0 and most > WIDE * least
    start = 10.0 ** int(log10(least)) / 2 if logarithmic else 0.0
    for k, rival in enumerate(rivals):
        if rival.plan is None:
            word = "skipped: too many orders" if rival.is_skipped else "infeasible"
            axes.text(start, k, f"  {word}", va="center", fontsize=9, color=GREY)
            continue
        flops = real(rival.plan.flops)
        axes.barh(
            k, max(flops - start, 0), left=start, height=0.66, color=GREEN if rival.plan.flops == cheapest else BLUE
        )
        text = f"  {written(rival.plan.flops)}  (×{ratio_text(rival.plan.flops, cheapest)})"
        axes.text(max(flops, start), k, text, va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(rivals)), [rival.planner for rival in rivals])
    axes.set_ylim(len(rivals) - 0.4, -0.6)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(start, min(most * min(most / start, 1e100) ** 0.55, 1e305))
    else:
        axes.set_xlim(0, max(most, 1) * 1.5)
    counted(axes, "x")
    scale = " (logarithmic)" if logarithmic else ""
    titled(
        axes,
        f"{_sizes(problem)}; green: the cheapest planners",
        f"multiplications{scale}",
        "",
    )
    return drawn


def _sizes(problem: Chain | Graph) -> str:
    if isinstance(problem, Graph):
        return f"{len(problem.sizes):,} vertices, {len(problem.edges):,} edges"
    return f"{len(problem)} links, {written(problem.sizes[0])} inputs to {written(problem.sizes[-1])} outputs"
