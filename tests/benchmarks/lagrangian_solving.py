"""How many iterations solvers need with exact second derivatives, and with estimates of them."""

from collections.abc import Callable
from functools import partial

from benchmarks.contender import Contender
from benchmarks.row import Row
from jacchain.interop.solving import Solved, by_ipopt, by_trust_region
from jacchain.lagrangian.lagrangian import Lagrangian
from jacchain.workloads.nonlinear.programs import nonlinear_program

PROBLEMS = (("hs071", None), ("rosenbrock", 1000), ("cartpole", 100))

SMALLER = (("rosenbrock", 100), ("cartpole", 20))
"""For trust-constr, whose estimates are dense and slow to converge."""


def row(*, peers: bool) -> Row:
    """Return the row of solving: pounce is timed, what trust-constr needs is counted once."""
    counted: list[tuple[str, Solved]] = []
    contenders = []
    for name, n in PROBLEMS:
        program = nonlinear_program(name, n)
        lagrangian = Lagrangian(program.objective, program.constraints, program.x0)
        for curvature in ("exact", "L-BFGS"):
            solve = partial(by_ipopt, program, lagrangian, curvature=curvature)
            counted.append((_named(name, program.n), solve()))
            contenders.append(Contender(f"{name}, pounce, {curvature}", "other", solve, answer=None))
    for name, n in (PROBLEMS[0], *SMALLER):
        counted += _trusted(name, n)
    return Row("lagrangian-solve", "from the start to the optimum", contenders, [], notes=lambda _: _table(counted))


def _trusted(name: str, n: int | None) -> list[tuple[str, Solved]]:
    program = nonlinear_program(name, n)
    lagrangian = Lagrangian(program.objective, program.constraints, program.x0)
    made: Callable[..., Solved] = partial(by_trust_region, program, lagrangian, iterations=600)
    return [(_named(name, program.n), made(curvature=curvature)) for curvature in ("exact", "BFGS", "SR1")]


def _named(name: str, n: int) -> str:
    return f"{name}, n = {n:,}"


def _table(counted: list[tuple[str, Solved]]) -> list[str]:
    lines = [f"{'problem':24}{'solver':14}{'Hessian':9}{'iterations':>11}{'objective':>18}"]
    for name, one in counted:
        word = "" if one.optimal else "  not the optimum" if one.success else "  not solved"
        figures = f"{one.iterations:>11,}{one.objective:>18.10g}"
        lines.append(f"{name:24}{one.solver:14}{one.curvature:9}{figures}{word}")
    return lines
