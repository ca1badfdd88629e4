"""How the loss fell while a network was trained."""

from typing import TYPE_CHECKING

from jacchain.report.plots.style import BLUE, INK, ORANGE, figure, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jacchain.workloads.wine_training import Trained

WIDE = 30
"""Ratio of the largest to the smallest loss from which the axis is logarithmic."""


def loss_figure(found: "Trained", /) -> "Figure":
    """Draw the loss on the training set and on the samples held out, over the steps."""
    drawn = figure(7.5, 4.2)
    axes = drawn.subplots()
    curves = (
        ("training", BLUE, "-", (*found.training.losses, found.end.training.loss), found.end.training.accuracy),
        ("held out", ORANGE, "--", found.held_out, found.end.held_out.accuracy),
    )
    for name, colour, line, losses, accuracy in curves:
        label = f"{name}: {losses[-1]:.3g} at the end, {100 * accuracy:.1f} % right"
        axes.plot(range(len(losses)), losses, color=colour, linestyle=line, linewidth=1.8, label=label)
    known = [loss for curve in curves for loss in curve[3]]
    if min(known) > 0 and max(known) > WIDE * min(known):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=min(0.0, *known))
    axes.set_xlim(0, len(found.training.losses))
    settings = found.settings
    title = f"Wine, {settings.hidden} hidden units, {settings.optimizer} at rate {found.rate:g}"
    titled(axes, title, "step", "cross-entropy" if settings.loss == "cross-entropy" else "mean squared error")
    axes.legend(fontsize=9, frameon=False, labelcolor=INK)
    return drawn
