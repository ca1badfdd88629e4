"""Solving a nonlinear program by several solvers, with exact second derivatives and without."""

from typing import Any, Final, Literal, NamedTuple

import numpy as np

from jacchain.interop.ipopt import QUIET, solve
from jacchain.interop.scipy import minimize_arguments
from jacchain.lagrangian.lagrangian import Lagrangian
from jacchain.workloads.nonlinear.program import NonlinearProgram

Curvature = Literal["exact", "L-BFGS", "BFGS", "SR1"]

LEAST: Final = 1e-6
"""Where trust-constr stops: the largest component of the gradient of the Lagrangian."""


class Solved(NamedTuple):
    """What a solver needed.

    Attributes
    ----------
    solver : str
    curvature : str
        Of the second derivatives: exact, or how they were estimated from gradients.
    iterations : int
    objective : float
    x : (n,) array
    success : bool
        As the solver reports.
    optimal : bool
        Whether the objective is an optimum that the program has recorded.
    """

    solver: str
    curvature: Curvature
    iterations: int
    objective: float
    x: Any
    success: bool
    optimal: bool


def by_ipopt(
    program: NonlinearProgram, lagrangian: Lagrangian, /, *, curvature: Literal["exact", "L-BFGS"] = "exact"
) -> Solved:
    """Solve a program by pounce, from its start.

    Raises
    ------
    MissingExtraError
        pounce is not installed.
    """
    estimate = {} if curvature == "exact" else {"hessian_approximation": "limited-memory"}
    found = solve(
        lagrangian,
        program.x0,
        lower=program.lower,
        upper=program.upper,
        constraint_lower=program.constraint_lower,
        constraint_upper=program.constraint_upper,
        options={**QUIET, **estimate},
    )
    optimal = found.success and program.is_optimum(found.objective)
    return Solved("pounce", curvature, found.iterations, found.objective, found.x, found.success, optimal)


def by_trust_region(
    program: NonlinearProgram,
    lagrangian: Lagrangian,
    /,
    *,
    curvature: Literal["exact", "BFGS", "SR1"] = "exact",
    iterations: int = 1000,
) -> Solved:
    """Solve a program by SciPy's trust-constr, from its start, until the Lagrangian's gradient is below 1e-6.

    Parameters
    ----------
    program : NonlinearProgram
    lagrangian : Lagrangian
    curvature : {"exact", "BFGS", "SR1"}
        The others are SciPy's estimates of each Hessian.
    iterations : int
        At most.
    """
    from scipy import optimize

    minimize: Any = optimize.minimize  # its stubs do not take arguments by a dict
    is_bounded = bool(np.isfinite(program.lower).any() or np.isfinite(program.upper).any())
    arguments = minimize_arguments(
        lagrangian,
        lower=program.lower if is_bounded else None,
        upper=program.upper if is_bounded else None,
        constraint_lower=program.constraint_lower,
        constraint_upper=program.constraint_upper,
    )
    if curvature != "exact":
        estimate = optimize.BFGS if curvature == "BFGS" else optimize.SR1
        arguments["hess"], arguments["constraints"].hess = estimate(), estimate()
    options = {"gtol": LEAST, "maxiter": iterations}
    found = minimize(x0=program.x0, method="trust-constr", options=options, **arguments)
    objective, success = float(found.fun), found.status in (1, 2)
    optimal = success and program.is_optimum(objective, relative=1e-5)
    return Solved("trust-constr", curvature, int(found.nit), objective, found.x, success, optimal)
