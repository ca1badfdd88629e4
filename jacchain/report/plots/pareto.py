"""What a chain costs under every memory limit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jacchain.planning.plan import Plan
from jacchain.report.layout import bytes_text
from jacchain.report.plots.style import BLUE, INK, ORANGE, counted, figure, real, short, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 8
"""Ratio of the largest to the smallest from which an axis is logarithmic."""


def pareto_figure(plans: Sequence[Plan], /) -> "Figure":
    """Draw cost against memory limit, of plans under ever smaller limits, the unlimited one first."""
    found = sorted(plans, key=lambda plan: plan.peak)
    drawn = figure(8.0, 4.6)
    axes = drawn.subplots()
    peaks, costs = [real(plan.peak) for plan in found], [real(plan.flops) for plan in found]
    end = peaks[-1] * (peaks[-1] / peaks[0]) ** 0.15 if peaks[-1] > peaks[0] else peaks[-1] * 1.2
    axes.step([*peaks, end], [*costs, costs[-1]], where="post", color="#B0B0B0", linewidth=1.4, zorder=1)
    for is_sliced, colour, marker, text in ((False, BLUE, "o", "at once"), (True, ORANGE, "s", "in slices")):
        chosen = [plan for plan in found if (plan.slicing is not None) == is_sliced]
        if chosen:
            x, y = [real(plan.peak) for plan in chosen], [real(plan.flops) for plan in chosen]
            axes.scatter(x, y, color=colour, marker=marker, s=36, zorder=2, label=text)
    _scale(axes, peaks, costs)
    for plan, shift, side in ((found[0], (6, 6), "left"), (found[-1], (2, -15), "right")):
        where = f"{bytes_text(plan.peak)}: {short(plan.flops)}"
        axes.annotate(
            where,
            (real(plan.peak), real(plan.flops)),
            xytext=shift,
            textcoords="offset points",
            ha=side,
            fontsize=9,
            color=INK,
        )
        if len(found) == 1:
            break
    counted(axes, "x", "B")
    counted(axes, "y")
    chain = found[0].chain
    titled(
        axes,
        f"Cost of {len(chain)} links under a memory limit; below the first point nothing fits",
        "memory limit",
        "multiplications",
    )
    drawn.legend(loc="outside right upper", fontsize=9, frameon=False, title="the Jacobian is made")
    return drawn


def _scale(axes: "Axes", peaks: list[float], costs: list[float]) -> None:
    """Make wide axes logarithmic, and let others of costs begin at nothing."""
    if peaks[-1] > WIDE * peaks[0]:
        axes.set_xscale("log")
    if costs[-1] and costs[0] > WIDE * costs[-1]:
        axes.set_yscale("log")
        axes.set_ylim(costs[-1] / 1.5, costs[0] * 1.5)
    else:
        axes.set_ylim(0, max(costs[0], 1) * 1.15)
