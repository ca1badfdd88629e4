"""What is held over the steps of a plan."""

from typing import TYPE_CHECKING

from jacchain.errors import OptionError
from jacchain.planning.elimination.eliminations import held_bytes
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.plan import Plan, names
from jacchain.planning.profile import profile
from jacchain.report.graphs.steps import graph_step_rows
from jacchain.report.layout import bytes_text
from jacchain.report.plots.style import BLUE, INK, ORANGE, counted, figure, real, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED = 30
"""Steps up to which each is named on the axis."""


def memory_figure(plan: Plan | GraphPlan, /) -> "Figure":
    """Draw the bytes held during every step, with the peak, and the limit where there is one.

    Raises
    ------
    OptionError
        The plan has no steps.
    """
    exact, called = _held(plan)
    held = [real(nbytes) for nbytes in exact]
    count = len(held)
    drawn = figure(max(6.5, min(11.0, 2.5 + 0.33 * count)), 4.2)
    axes = drawn.subplots()
    axes.stairs(held, [k + 0.5 for k in range(count + 1)], fill=True, color=BLUE, alpha=0.75, label="held")
    fullest = max(range(count), key=held.__getitem__)
    right = fullest > count / 2
    axes.annotate(
        f"peak {bytes_text(max(exact))} in {called[fullest]}",
        (fullest + 1, held[fullest]),
        xytext=(-6 if right else 6, 5),
        textcoords="offset points",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},  # readable on the line of the limit
        ha="right" if right else "left",
        fontsize=9,
        color=INK,
    )
    top = max(held)
    limit = None if isinstance(plan, GraphPlan) else plan.memory
    if limit is not None:
        top = max(top, real(limit))
        axes.axhline(real(limit), color=ORANGE, linestyle="--", linewidth=1.6, label=f"limit {bytes_text(limit)}")
    axes.set_ylim(0, top * 1.14)
    axes.set_xlim(0.5, count + 0.5)
    if count <= NAMED:
        axes.set_xticks(range(1, count + 1), called, rotation=60, ha="right", rotation_mode="anchor")
    counted(axes, "y", "B")
    slicing = None if isinstance(plan, GraphPlan) else plan.slicing
    parts = "" if slicing is None else f", in slices of {slicing.size:,} {slicing.axis}"
    titled(
        axes,
        f"Memory of the {plan.planner} order{parts}",
        "step" if count <= NAMED else "number of the step",
        "bytes held",
    )
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9, frameon=False)
    return drawn


def _held(plan: Plan | GraphPlan) -> tuple[tuple[int, ...], list[str]]:
    """Return the bytes held during every step, and what the steps are called."""
    if not isinstance(plan, GraphPlan):
        return profile(plan), names(plan.nodes)
    if not plan.nodes:
        raise OptionError("a picture of a plan without steps", "request something that a path leads to")
    return held_bytes(plan), [row.name for row in graph_step_rows(plan)]
