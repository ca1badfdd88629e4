"""``jacchain run wine-hessian``."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jacchain.cli.command import CommandLineError, as_usage
from jacchain.cli.output import echo, progress, styled
from jacchain.cli.train import TrainingRequest
from jacchain.errors import CheckError, unknown_name
from jacchain.planning.names import SECOND_NAMES

if TYPE_CHECKING:
    from jacchain.workloads.wine_hessian import WineNetwork

STEPS: Final = 50


class WineHessianRequest(NamedTuple):
    """What the command line says; None where it says nothing."""

    hidden: int | None
    seed: int
    dtype: Any
    planner: str | None

    def network(self) -> "WineNetwork":
        """Return the network."""
        from jacchain.workloads.wine_hessian import wine_network

        with as_usage():
            return wine_network(
                16 if self.hidden is None else self.hidden, seed=self.seed, dtype=self.dtype or "float64"
            )


def run_wine_hessian(
    asked: WineHessianRequest, training: TrainingRequest, form: str | None, *, check: bool, **others: object
) -> None:
    """Compute the Hessian by a planner and time it beside the textbook's modes, or train by Newton steps.

    Parameters
    ----------
    asked : WineHessianRequest
    training : TrainingRequest
        With --train, of which only --epochs is for Newton steps.
    form : {"text", "json"}, optional
    check : bool
    **others
        Options of other problems, by name, which must not have been given.
    """
    for name, value in others.items():
        if value is not None:
            option = "--plan" if name == "plan_file" else f"--{name}"
            raise CommandLineError(f"{option} with wine-hessian", f"leave out {option}; --hidden chooses the sizes")
    if training.train:
        _train(asked, training, form)
        return
    training.refuse()
    from jacchain.report.wine_hessian import hessian_text, hessian_to_json
    from jacchain.workloads.wine_hessian import wine_hessian

    planner = asked.planner or "optimal"
    if planner not in SECOND_NAMES:
        with as_usage():
            unknown_name("planner", planner, SECOND_NAMES)
    network = asked.network()
    with progress("running wine-hessian") as tick:
        found = wine_hessian(network, planner, check=check, tick=tick)
    echo(hessian_to_json(found) if form == "json" else styled(hessian_text(found)))
    if found.difference is not None and not (found.difference.agrees and found.is_symmetric):
        raise CheckError(
            f"the Hessian differs from central differences by {found.difference.error:.1e}, or is not symmetric",
            "this is a defect of jacchain: please report it with the command you ran",
        )


def _train(asked: WineHessianRequest, training: TrainingRequest, form: str | None) -> None:
    """Train by Newton steps, and by gradient descent for as long."""
    from jacchain.report.wine_hessian import newton_text, newton_to_json
    from jacchain.workloads.newton import best_descent, by_newton

    training.refuse_for("wine-hessian")
    if asked.planner is not None:
        raise CommandLineError("--planner with wine-hessian --train", "leave it out: products of the Hessian need none")
    network = asked.network()
    steps = STEPS if training.epochs is None else training.epochs
    with progress("training", total=steps) as tick, as_usage():
        newton = by_newton(network.loss, network.point, steps=steps, tick=tick)
    descent = best_descent(network.loss, network.point, seconds=newton.seconds[-1])
    echo(newton_to_json(network, newton, descent) if form == "json" else styled(newton_text(network, newton, descent)))
