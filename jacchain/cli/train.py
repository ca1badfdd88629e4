"""``jacchain run wine --train``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from jacchain.cli.command import CommandLineError, as_usage, completing, together
from jacchain.cli.output import echo, progress, styled
from jacchain.errors import CheckError
from jacchain.planning.whole_file import write_whole

if TYPE_CHECKING:
    from jacchain.workloads.wine_training import Trained, TrainingSettings


class TrainingRequest(NamedTuple):
    """What the command line says of training; None where it says nothing."""

    train: bool
    epochs: int | None
    optimizer: str | None
    rate: float | None
    loss: str | None
    layout: str | None
    plot: str | None

    def settings(self, **others: object) -> "TrainingSettings":
        """Return the settings, with others that are not for training only; None leaves them as they are."""
        from jacchain.workloads.wine_training import TrainingSettings

        chosen = {name: getattr(self, name) for name in ("epochs", "optimizer", "rate", "loss", "layout")}
        return TrainingSettings()._replace(**{k: v for k, v in {**chosen, **others}.items() if v is not None})

    def refuse_for(self, problem: str, /) -> None:
        """Raise the error of options that the training of another problem does not have."""
        for name in ("optimizer", "rate", "loss", "layout", "plot"):
            if getattr(self, name) is not None:
                option = "--lr" if name == "rate" else f"--{name}"
                raise CommandLineError(f"{option} with {problem}", f"leave out {option}, or train on wine")

    def refuse(self) -> None:
        """Raise the error of options that are for training only."""
        for name in ("epochs", "optimizer", "rate", "loss", "layout", "plot"):
            if getattr(self, name) is not None:
                option = "--lr" if name == "rate" else f"--{name}"
                raise CommandLineError(f"{option} without --train", f"give --train too, or leave out {option}")


_OPTIONS = together(
    click.option("--train", is_flag=True, help="Train a network on wine with all its weights and biases."),
    click.option("--epochs", type=int, metavar="N", help="Steps of training.  [default: 200]"),
    click.option("--lr", "rate", type=float, metavar="RATE", help="Learning rate.  [default: the optimizer's own]"),
    click.option(
        "--optimizer",
        metavar="adam|descent",
        shell_complete=completing("adam", "descent"),
        help="Adam, or gradient descent.  [default: adam]",
    ),
    click.option(
        "--loss",
        metavar="cross-entropy|squared",
        shell_complete=completing("cross-entropy", "squared"),
        help="Of three outputs, or of one.  [default: cross-entropy]",
    ),
    click.option(
        "--layout",
        metavar="columns|rows",
        shell_complete=completing("columns", "rows"),
        help="What wines are in the arrays.  [default: columns]",
    ),
    click.option("--plot", metavar="FILE", help="Draw the losses: a name that ends in .png or .svg."),
)


def trainable(command: Callable[..., Any], /) -> Callable[..., Any]:
    """Give a command the options of training; it is called with a TrainingRequest."""

    def called(**options: Any) -> Any:
        asked = TrainingRequest(*(options.pop(name) for name in TrainingRequest._fields))
        return command(training=asked, **options)

    called.__doc__ = command.__doc__
    called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]  # click's own
    decorated: Callable[..., Any] = _OPTIONS(called)
    return decorated


def run_training(settings: "TrainingSettings", plot: str | None, form: str | None, *, check: bool) -> None:
    """Train, print, draw, and fail where the gradient differs from central differences."""
    from jacchain.report.training import training_text, training_to_json
    from jacchain.workloads.wine_training import train_wine

    kind = None if plot is None else _picture(plot)
    with progress("training", total=settings.epochs) as tick, as_usage():
        found = train_wine(settings, check=check, tick=tick)
    echo(training_to_json(found) if form == "json" else styled(training_text(found)))
    if plot is not None and kind is not None:
        _draw(found, plot, kind)
    if found.difference is not None and not found.difference.agrees:
        raise CheckError(
            f"the gradient differs from central differences by {found.difference.error:.1e}",
            "this is a defect of jacchain: please report it with the command you ran",
        )


def _picture(path: str) -> str:
    """Return the kind of a picture, and see that it can be drawn before anything is trained."""
    from jacchain.report.plots.style import figure

    kind = path.lower().rpartition(".")[2]
    if kind not in ("png", "svg"):
        raise CommandLineError(f"--plot {path} is neither PNG nor SVG", "give a name that ends in .png or .svg")
    figure(1, 1)
    return kind


def _draw(found: "Trained", path: str, kind: str) -> None:
    from jacchain.report.plots.loss import loss_figure
    from jacchain.report.plots.style import saved

    write_whole(path, saved(loss_figure(found), "png" if kind == "png" else "svg"))
