"""``jacchain run``."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import click

from jacchain.cli.command import Command, CommandLineError, as_usage, completing, dims, formats
from jacchain.cli.group import main_group
from jacchain.cli.lagrangian import NonlinearRequest, nonlinear, run_lagrangian
from jacchain.cli.output import echo, progress, styled
from jacchain.cli.request import plan_of, read
from jacchain.cli.simulation import SIMULATIONS, SimulationRequest, run_simulation, simulated
from jacchain.cli.train import TrainingRequest, run_training, trainable
from jacchain.cli.wine_hessian import WineHessianRequest, run_wine_hessian
from jacchain.errors import CheckError, unknown_name
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.planning.names import SECOND_NAMES
from jacchain.planning.plan import Plan
from jacchain.planning.planners import PLANNERS

if TYPE_CHECKING:
    from jacchain.algebra.kernels import Array
    from jacchain.workloads.differences import Difference
    from jacchain.workloads.placement import Placement
    from jacchain.workloads.problem import Problem
    from jacchain.workloads.race import Lap

PROBLEMS: Final = ("wine", "autoencoder", "chain", "wine-hessian", "lagrangian", *SIMULATIONS)


@main_group.command(
    "run",
    cls=Command,
    short_help="Run a built-in problem, or a plan, and time its orders.",
    examples=(
        "jacchain run wine --check",
        "jacchain run wine --hidden 1024 --planner forward",
        "jacchain run autoencoder --dims 2048,512,16,512,2048",
        "jacchain run chain --seed 7 --json",
        "jacchain run --plan plan.json --check     a plan, on random links",
        "jacchain run chain --dims 9,2,9 --plan plan.json",
        "jacchain run wine --train --plot losses.png",
        "jacchain run wine-hessian --planner edge_pushing --check",
        "jacchain run wine-hessian --train",
        "jacchain run lagrangian --problem cartpole --n 50 --check",
        "jacchain run lorenz96 --steps 100 --check",
        "jacchain run burgers --n 1000 --planner reverse",
    ),
)
@click.argument(
    "workload",
    required=False,
    metavar="|".join(PROBLEMS),
    shell_complete=completing(*PROBLEMS),
)
@click.option("--plan", "plan_file", metavar="FILE", help="Run the order of a plan that jacchain plan -o has written.")
@click.option("--hidden", type=int, metavar="H", help="Hidden units of wine.  [default: 16]")
@dims("Sizes of autoencoder or chain.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights.")
@click.option(
    "--dtype",
    metavar="float32|float64",
    shell_complete=completing("float32", "float64"),
    help="Of all arrays.  [default: the workload's own]",
)
@click.option("--check", is_flag=True, help="Compare with central differences; exit code 4 if they differ.")
@click.option(
    "--planner",
    metavar="NAME",
    shell_complete=completing(*dict.fromkeys([*PLANNERS, *GRAPH_PLANNERS, *SECOND_NAMES])),
    help=f"One of {', '.join(PLANNERS)}; with --train, one of {', '.join(GRAPH_PLANNERS)}; "
    f"of wine-hessian and lagrangian, one of {', '.join(SECOND_NAMES)}; of lorenz96 and burgers as with --train.",
)
@click.option(
    "--device",
    metavar="auto|cpu|cuda",
    default="auto",
    shell_complete=completing("auto", "cpu", "cuda"),
    help="Where the arithmetic is done; cuda:1 is the second card.  [default: where it is predicted to be quicker]",
)
@nonlinear
@simulated
@trainable
@formats("text", "json")
def run_command(
    workload: str | None,
    plan_file: str | None,
    hidden: int | None,
    dims: list[int] | None,
    seed: int,
    dtype: Any,
    check: bool,
    planner: str | None,
    device: str,
    training: TrainingRequest,
    program: NonlinearRequest,
    simulation: SimulationRequest,
    form: str | None,
) -> None:
    """Run a built-in problem by a planner, or the order of a plan, beside forward and reverse mode, timed in turn.

    With --plan and no problem, the order runs on random links of the plan's own sizes, structures and costs. With
    --train, a network is trained on three quarters of the wines, and tried on the others. Of wine-hessian, the
    second derivatives by all weights are computed, or with --train used for Newton steps. Of lagrangian, the functions
    and their sparse first and second derivatives are timed, and pounce solves the problem where it is installed. Of
    lorenz96 and burgers, simulations of many steps, the Jacobian of what comes out is computed.
    """
    if workload is not None and workload not in PROBLEMS:
        with as_usage():
            unknown_name("workload", workload, PROBLEMS)
    if workload in SIMULATIONS:
        _expect_simulation(training, program, plan_file=plan_file, hidden=hidden, dims=dims)
        simulation = simulation._replace(size=program.n, seed=seed, dtype=dtype, device=device)
        run_simulation(workload, simulation, planner, form, check=check)
        return
    simulation.refuse()
    _expect_no_device(device, is_raced=workload not in ("lagrangian", "wine-hessian") and not training.train)
    if workload == "lagrangian":
        _expect_nothing_else(training, plan_file=plan_file, hidden=hidden, dims=dims, dtype=dtype, seed=seed or None)
        run_lagrangian(program, planner, form, check=check)
        return
    program.refuse()
    if workload == "wine-hessian":
        asked = WineHessianRequest(hidden, seed, dtype, planner)
        run_wine_hessian(asked, training, form, check=check, plan_file=plan_file, dims=dims)
        return
    if training.train:
        _expect_wine(workload, plan_file, dims)
        settings = training.settings(hidden=hidden, seed=seed, dtype=dtype, planner=planner)
        run_training(settings, training.plot, form, check=check)
        return
    training.refuse()
    _expect_planner(planner)
    from jacchain.workloads.workload import Settings
    from jacchain.workloads.workload import workload as load

    given = None if plan_file is None else plan_of(Plan, plan_file, read(plan_file))
    if given is not None and planner is not None:
        raise CommandLineError("--plan and --planner together", "a plan is an order already; give one of them")
    if workload is None and given is None:
        raise CommandLineError(f"Missing argument {'|'.join(PROBLEMS)}", "name a problem, or give --plan FILE")
    with as_usage():
        if workload is not None:
            problem = load(workload, Settings(hidden, dims, seed, dtype))
        elif given is not None:
            problem = _replayed(given, Settings(hidden, dims, seed, dtype))
    _show(problem, planner or "optimal", given, device, check, form)


def _expect_nothing_else(training: TrainingRequest, **given: object) -> None:
    """Refuse what a nonlinear program does not have."""
    for name, value in given.items():
        if value is not None:
            option = "--plan" if name == "plan_file" else f"--{name}"
            raise CommandLineError(f"{option} with lagrangian", f"leave out {option}; --problem and --n choose it")
    if training.train:
        raise CommandLineError("--train with lagrangian", "train on wine: run wine --train")
    training.refuse()


def _expect_planner(planner: str | None) -> None:
    """Refuse what is no planner of chains."""
    if planner is not None and planner not in PLANNERS:
        if planner in SECOND_NAMES:
            cure = f"it plans second derivatives, for wine-hessian and lagrangian; valid: {', '.join(PLANNERS)}"
            raise CommandLineError(f"unknown planner {planner!r}", cure)
        with as_usage():
            unknown_name("planner", planner, PLANNERS)


def _expect_no_device(device: str, *, is_raced: bool) -> None:
    """Refuse a device for what is no race of orders."""
    if device != "auto" and not is_raced:
        raise CommandLineError("--device with a problem of its own", "leave it out: it is for those that race orders")


def _expect_simulation(training: TrainingRequest, program: NonlinearRequest, **given: object) -> None:
    """Refuse what a simulation does not have."""
    program._replace(n=None).refuse()
    if training.train:
        raise CommandLineError("--train with a simulation", "train on wine: run wine --train")
    training.refuse()
    for name, value in given.items():
        if value is not None:
            option = "--plan" if name == "plan_file" else f"--{name}"
            raise CommandLineError(f"{option} with a simulation", f"leave out {option}; --n and --steps choose it")


def _expect_wine(workload: str | None, plan_file: str | None, dims: list[int] | None) -> None:
    """Refuse to train anything else than wine."""
    if workload != "wine":
        raise CommandLineError(
            f"--train with {workload or 'no problem'}",
            "train on wine, the problem that has real data: run wine --train",
        )
    if plan_file is not None or dims is not None:
        option = "--plan" if plan_file is not None else "--dims"
        raise CommandLineError(f"{option} and --train together", f"leave out {option}")


def _replayed(given: Plan, settings: Any) -> "Problem":
    from jacchain.workloads.replay import replay

    if settings.hidden is not None or settings.dims is not None:
        raise CommandLineError(
            "sizes without a problem", "leave out --hidden and --dims: the plan has sizes; or name a problem"
        )
    return replay(given, seed=settings.seed, dtype=settings.dtype)


def _show(problem: "Problem", planner: str, given: Plan | None, device: str, check: bool, form: str | None) -> None:
    """Run, print, and fail where the derivative differs."""
    from jacchain.execution.backend import as_device
    from jacchain.workloads.differences import compare
    from jacchain.workloads.placement import placement
    from jacchain.workloads.race import race

    with as_usage():
        as_device(device)
    planners = list(dict.fromkeys([planner, "forward", "reverse"]))
    with _room(problem, given) as out:
        with progress(f"running {problem.name}") as tick:
            laps = race(problem, planners, given=given, out=out, device=device, tick=tick)
            derivative = problem.derivative(planner, given, device=device)
            result = derivative(problem.point, out=out)
            difference = compare(problem.function, problem.point, result) if check else None
            where = placement(problem, derivative, laps[0])
        _print(problem, laps, result, difference, where, form)
    if difference is not None and not difference.agrees:
        raise CheckError(
            f"the derivative differs from central differences by {difference.error:.1e}",
            "this is a defect of jacchain: please report it with the command you ran",
        )


@contextmanager
def _room(problem: "Problem", given: Plan | None) -> "Iterator[Array | None]":
    """Give a plan in slices a file to write its Jacobian into, since it may not fit into memory."""
    if given is None or given.slicing is None:
        yield None
        return
    import numpy as np

    shape = np.shape(problem.function(problem.point)) + problem.point.shape
    with TemporaryDirectory(prefix="jacchain-", ignore_cleanup_errors=True) as folder:
        yield np.memmap(f"{folder}/jacobian", problem.point.dtype, "w+", shape=shape)


def _print(
    problem: "Problem",
    laps: "list[Lap]",
    result: "Array",
    difference: "Difference | None",
    where: "Placement | None",
    form: str | None,
) -> None:
    from jacchain.report.document import run_to_json
    from jacchain.report.text import run_text

    if form == "json":
        echo(run_to_json(problem, laps, result, difference, where))
    else:
        echo(styled(run_text(problem, laps, result.reshape(-1)[:3].tolist(), difference, where)))
