"""``jacchain run lorenz96`` and ``jacchain run burgers``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from jacchain.cli.command import CommandLineError, as_usage, together
from jacchain.cli.output import echo, progress, styled
from jacchain.errors import CheckError, unknown_name
from jacchain.planning.elimination.planners import GRAPH_PLANNERS

if TYPE_CHECKING:
    from jacchain.workloads.simulation import Simulation

SIMULATIONS: Final = ("lorenz96", "burgers")


class SimulationRequest(NamedTuple):
    """What the command line says of a simulation; None where it says nothing."""

    steps: int | None
    size: int | None = None
    seed: int = 0
    dtype: Any = None
    device: str = "auto"

    def refuse(self) -> None:
        """Raise the error of options that are for simulations only."""
        if self.steps is not None:
            cure = "run lorenz96 or burgers, or leave out --steps"
            raise CommandLineError("--steps without a simulation", cure)


_OPTIONS = together(click.option("--steps", type=int, metavar="N", help="Of lorenz96 and burgers: how many steps."))


def simulated(command: Callable[..., Any], /) -> Callable[..., Any]:
    """Give a command the options of simulations; it is called with a SimulationRequest."""

    def called(**options: Any) -> Any:
        asked = SimulationRequest(options.pop("steps"))
        return command(simulation=asked, **options)

    called.__doc__ = command.__doc__
    called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]  # click's own
    decorated: Callable[..., Any] = _OPTIONS(called)
    return decorated


def run_simulation(name: str, asked: SimulationRequest, planner: str | None, form: str | None, *, check: bool) -> None:
    """Compute the Jacobian by a planner and time it beside forward and reverse mode; fail where it is wrong.

    Parameters
    ----------
    name : {"lorenz96", "burgers"}
    asked : SimulationRequest
    planner : str, optional
    form : {"text", "json"}, optional
    check : bool
        Compare with central differences.
    """
    from jacchain.execution.backend import as_device
    from jacchain.report.simulation import simulation_text, simulation_to_json
    from jacchain.workloads.differences import compare
    from jacchain.workloads.problem import DTYPES
    from jacchain.workloads.race import race

    with as_usage():
        if planner is not None and planner not in GRAPH_PLANNERS:
            unknown_name("planner", planner, GRAPH_PLANNERS)
        if asked.dtype not in (None, *DTYPES):
            unknown_name("dtype", asked.dtype, DTYPES)
        as_device(asked.device)
        found = _simulation(name, asked)
    planners = list(dict.fromkeys([planner or "auto", "forward", "reverse"]))
    with progress(f"running {name}") as tick:
        laps = race(found, planners, device=asked.device, tick=tick)
        result = found.derivative(planners[0], device=asked.device)(found.point)
        difference = compare(found.function, found.point, result, step=found.step) if check else None
    text = simulation_to_json if form == "json" else lambda *run: styled(simulation_text(*run))
    echo(text(found, laps, result, difference))
    if difference is not None and not difference.agrees:
        raise CheckError(
            f"the derivative differs from central differences by {difference.error:.1e}",
            "with many more steps the function bends too strongly for these; else please report this command",
        )


def _simulation(name: str, asked: SimulationRequest) -> "Simulation":
    dtype: Any = asked.dtype or "float64"
    if name == "burgers":
        if asked.seed:
            raise CommandLineError("--seed with burgers", "leave out --seed: nothing in it is random")
        from jacchain.workloads.burgers import burgers

        return burgers(asked.size, asked.steps, dtype=dtype)
    if asked.seed < 0:
        raise CommandLineError(f"seed {asked.seed} is negative", "give a whole number of at least 0")
    from jacchain.workloads.lorenz96 import lorenz96

    return lorenz96(asked.size, asked.steps, seed=asked.seed, dtype=dtype)
