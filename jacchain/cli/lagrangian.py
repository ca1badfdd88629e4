"""``jacchain run lagrangian``."""

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from jacchain.cli.command import CommandLineError, as_usage, completing, together
from jacchain.cli.output import echo, progress, styled
from jacchain.errors import CheckError, MissingExtraError

if TYPE_CHECKING:
    from jacchain.interop.solving import Solved
    from jacchain.lagrangian.lagrangian import Lagrangian
    from jacchain.report.nonlinear import NonlinearRun
    from jacchain.workloads.nonlinear.program import NonlinearProgram

PROBLEMS = ("hs071", "rosenbrock", "cartpole")


class NonlinearRequest(NamedTuple):
    """What the command line says of a nonlinear program; None where it says nothing."""

    problem: str | None
    n: int | None

    def refuse(self) -> None:
        """Raise the error of options that are for the Lagrangian only."""
        for name in self._fields:
            if getattr(self, name) is not None:
                raise CommandLineError(
                    f"--{name} without lagrangian", f"give run lagrangian --{name} …, or leave out --{name}"
                )


_OPTIONS = together(
    click.option(
        "--problem",
        metavar="|".join(PROBLEMS),
        shell_complete=completing(*PROBLEMS),
        help="Of lagrangian: which nonlinear program.",
    ),
    click.option(
        "--n",
        type=int,
        metavar="N",
        help="Variables of rosenbrock, intervals of cartpole, states of lorenz96, cells of burgers.",
    ),
)


def nonlinear(command: Callable[..., Any], /) -> Callable[..., Any]:
    """Give a command the options of nonlinear programs; it is called with a NonlinearRequest."""

    def called(**options: Any) -> Any:
        asked = NonlinearRequest(*(options.pop(name) for name in NonlinearRequest._fields))
        return command(program=asked, **options)

    called.__doc__ = command.__doc__
    called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]  # click's own
    decorated: Callable[..., Any] = _OPTIONS(called)
    return decorated


def run_lagrangian(asked: NonlinearRequest, planner: str | None, form: str | None, *, check: bool) -> None:
    """Measure, solve, print, and fail where a derivative differs from central differences or the optimum is missed."""
    from jacchain.report.nonlinear import nonlinear_text, nonlinear_to_json
    from jacchain.workloads.nonlinear.programs import nonlinear_program

    if asked.problem is None:
        raise CommandLineError("lagrangian without --problem", f"give --problem {'|'.join(PROBLEMS)}")
    with as_usage():
        program = nonlinear_program(asked.problem, asked.n)
    with progress(f"running {program.name}") as tick:
        run = _measured(program, planner, check, tick)
    echo(nonlinear_to_json(run) if form == "json" else styled(nonlinear_text(run)))
    for name, found in run.differences.items():
        if not found.agrees:
            raise CheckError(
                f"{name} differs from central differences by {found.error:.1e}",
                "this is a defect of jacchain: please report it with the command you ran",
            )
    if check and program.optima and any(not one.optimal for one in run.solutions if one.curvature == "exact"):
        raise CheckError(
            f"with exact second derivatives the solver misses the optimum, {program.optima[0]:.10g}",
            "look at its objective and iterations above: another version of the solver may find another one",
        )


def _measured(
    program: "NonlinearProgram", planner: str | None, check: bool, tick: Callable[[], None]
) -> "NonlinearRun":
    from jacchain.lagrangian.lagrangian import Lagrangian
    from jacchain.report.nonlinear import NonlinearRun
    from jacchain.workloads.nonlinear.figures import checks, figures, points

    start = perf_counter()
    with as_usage():
        lagrangian = Lagrangian(program.objective, program.constraints, program.x0, planner=planner)
    seconds = perf_counter() - start
    tick()
    at = points(program, 2)
    found = figures(lagrangian, at)
    tick()
    solutions, missing = _solved(program, lagrangian)
    tick()
    differences = checks(lagrangian, at[0]) if check else {}
    return NonlinearRun(program, lagrangian, seconds, found, solutions, missing, differences)


def _solved(program: "NonlinearProgram", lagrangian: "Lagrangian") -> "tuple[list[Solved], str]":
    """Return the solutions with exact and with estimated second derivatives, or how to install a solver."""
    from jacchain.interop.solving import by_ipopt

    try:
        exact = by_ipopt(program, lagrangian)
    except MissingExtraError as error:
        return [], error.cure
    return [exact, by_ipopt(program, lagrangian, curvature="L-BFGS")], ""
