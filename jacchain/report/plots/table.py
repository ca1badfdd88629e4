"""The table of the dynamic program: the least cost of every interval of links, and where it splits."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jacchain.planning.plan import Plan
from jacchain.planning.profile import made
from jacchain.planning.scheduling.spans import node_spans
from jacchain.report.plots.style import INK, ORANGE, figure, real, short, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WRITTEN: Final = 12
"""Links up to which every cell is written out."""


def table_figure(plan: Plan, table: Mapping[tuple[int, int], tuple[int, int | None]], /) -> "Figure":
    """Draw the cost and the split of every interval of the plan's chain; marked are those of the plan's own steps."""
    n = len(made(plan))
    costs, splits = np.full((n, n), np.nan), np.full((n, n), np.nan)
    for (first, last), (flops, split) in table.items():
        costs[last, first] = real(flops)
        splits[last, first] = np.nan if split is None else split + 1
    spans = sorted({(last, first) for first, last in node_spans(plan.nodes)})
    side = max(4.2, min(6.5, 1.2 + 0.5 * n))
    drawn = figure(2 * side + 1.6, side)
    left, right = drawn.subplots(1, 2)
    with np.errstate(divide="ignore"):
        shown = np.where(costs > 0, np.log10(costs), np.nan)
    _panel(left, shown, costs, spans, "cividis", "least multiplications", is_log=True)
    _panel(right, splits, splits, spans, "viridis", "last link of the lower part", is_log=False)
    left.set_title("Cost of every interval of links (nothing: white)", fontsize=11, loc="left", color=INK)
    right.set_title("Where the interval splits last (not by a product: white)", fontsize=11, loc="left", color=INK)
    return drawn


def _panel(
    axes: "Axes", shown: Any, written: Any, spans: list[tuple[int, int]], colours: str, meaning: str, *, is_log: bool
) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    n = len(shown)
    image = axes.imshow(shown, cmap=colours, origin="lower", extent=(0.5, n + 0.5, 0.5, n + 0.5), aspect="equal")
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.85)
    bar.set_label(meaning, fontsize=10)
    bar.ax.tick_params(labelsize=9)
    if not is_log:
        bar.ax.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    else:
        bar.ax.yaxis.set_major_locator(FixedLocator(_round_numbers(shown)))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: short(10**value)))
    if n <= WRITTEN:
        _write(axes, shown, written)
        axes.set_xticks(range(1, n + 1))
        axes.set_yticks(range(1, n + 1))
    _mark(axes, spans)
    titled(axes, "", "first link", "last link")


def _round_numbers(logarithms: Any) -> list[float]:
    """Return logarithms of round numbers within a range: powers of ten, and where these are few, 2 and 5 of them."""
    found = logarithms[np.isfinite(logarithms)]
    if not found.size:
        return []
    low, high = float(found.min()), float(found.max())
    steps = (1, 2, 5) if high - low < 3 else (1,)
    ticks = [k + float(np.log10(m)) for k in range(int(low) - 1, int(high) + 1) for m in steps]
    return [tick for tick in ticks if low - 1e-9 <= tick <= high + 1e-9]


def _write(axes: "Axes", shown: Any, written: Any) -> None:
    """Write every cell's number, dark on light and light on dark."""
    low, high = np.nanmin(shown, initial=np.inf), np.nanmax(shown, initial=-np.inf)
    size = 9 if len(shown) <= 8 else 7
    for (last, first), value in np.ndenumerate(written):
        if not np.isnan(value):
            is_light = not shown[last, first] - low <= 0.55 * max(high - low, 1e-9)  # white where nothing is shown
            colour = INK if is_light else "white"
            axes.text(first + 1, last + 1, short(value), ha="center", va="center", fontsize=size, color=colour)


def _mark(axes: "Axes", spans: list[tuple[int, int]]) -> None:
    """Frame the cells of the plan's own steps."""
    from matplotlib.patches import Rectangle

    label: str | None = "a step of the plan"
    for last, first in spans:
        corner = (first + 0.5, last + 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=ORANGE, linewidth=1.6, label=label, clip_on=False))
        label = None
    axes.legend(loc="lower right", fontsize=9, frameon=False)
