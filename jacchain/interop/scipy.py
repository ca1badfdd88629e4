"""The arguments of SciPy's solvers."""

from collections.abc import Callable
from typing import Any, Final, Literal, assert_never

import numpy as np
from numpy.typing import ArrayLike

from jacchain.errors import OptionError, unknown_name
from jacchain.interop.bounds import as_interval
from jacchain.lagrangian.lagrangian import Lagrangian

Matrices = Literal["sparse", "dense", "operators"]

MATRICES: Final[tuple[Matrices, ...]] = ("sparse", "dense", "operators")


def minimize_arguments(
    lagrangian: Lagrangian,
    /,
    *,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    constraint_lower: ArrayLike | None = None,
    constraint_upper: ArrayLike | None = None,
    matrices: Matrices = "sparse",
) -> dict[str, Any]:
    """Return fun, jac, hess, and bounds and constraints where there are some, for `scipy.optimize.minimize`.

    They suit ``method="trust-constr"``: derivatives of the constraints and both Hessians are sparse. For
    ``method="trust-exact"``, "trust-ncg", "trust-krylov", "dogleg" and "Newton-CG" choose ``matrices="dense"``. SciPy
    adds Σ v_i ∇²g_i to ∇²f, jacchain subtracts; the signs are turned here.

    Parameters
    ----------
    lagrangian : Lagrangian
    lower, upper : (n,) arrays, optional
        Infinite where there is no bound; a variable whose bounds are equal is fixed.
    constraint_lower, constraint_upper : (m,) arrays
        Equal for an equation. Both must be given where there are constraints.
    matrices : {"sparse", "dense", "operators"}
        What derivatives are given as: SciPy's sparse arrays; NumPy's arrays; or, for trust-constr with Hessians that
        would be too large, both Hessians as `Lagrangian.hessian_operator` and a sparse ∇g.

    Raises
    ------
    OptionError
        There are constraints without bounds, or bounds without constraints; bounds that are NaN or cross.
    SizeError
        Bounds of another length than that of x or of g(x).

    Examples
    --------
    >>> from scipy.optimize import minimize
    >>> problem = Lagrangian(lambda x: np.sum((x - 2.0) ** 4), lambda x: np.sum(x**2), np.ones(2))
    >>> arguments = minimize_arguments(problem, constraint_lower=-np.inf, constraint_upper=1.0)
    >>> sorted(arguments)
    ['constraints', 'fun', 'hess', 'jac']
    >>> found = minimize(x0=[1.0, 0.0], method="trust-constr", **arguments)
    >>> found.x.round(4).tolist()
    [0.7071, 0.7071]
    """
    n, m = lagrangian.variables, lagrangian.number_of_constraints
    no_multipliers, curvature = np.zeros(m, lagrangian.dtype), _hessian(lagrangian, matrices)
    arguments: dict[str, Any] = {
        "fun": lagrangian.objective,
        "jac": lagrangian.gradient,
        "hess": lambda x: curvature(x, no_multipliers, 1.0),
    }
    if lower is not None or upper is not None:
        from scipy.optimize import Bounds

        below, above = -np.inf if lower is None else lower, np.inf if upper is None else upper
        arguments["bounds"] = Bounds(*as_interval(below, above, n))
    if (constraint_lower is None) is not (m == 0) or (constraint_upper is None) is not (m == 0):
        what = f"{m} constraint{'' if m == 1 else 's'}, but constraint_lower or constraint_upper is"
        raise OptionError(
            f"there are {what} {'missing' if m else 'given'}",
            "give both, infinite where a constraint has no bound" if m else "leave both out",
        )
    if constraint_lower is not None and constraint_upper is not None:
        from scipy.optimize import NonlinearConstraint

        # SciPy's stubs take hess for a function of x alone, its documentation and code for one of x and v
        weighted: Any = lambda x, v: curvature(x, np.negative(v), 0.0)  # noqa: E731  # typed as its stubs want it
        arguments["constraints"] = NonlinearConstraint(
            lagrangian.constraints,
            *as_interval(constraint_lower, constraint_upper, m, prefix="constraint_"),
            jac=_jacobian(lagrangian, "dense" if matrices == "dense" else "sparse"),
            hess=weighted,
        )
    return arguments


def least_squares_arguments(
    lagrangian: Lagrangian, /, *, matrices: Literal["sparse", "dense"] = "sparse"
) -> dict[str, Any]:
    """Return fun and jac for `scipy.optimize.least_squares`: the residuals are the constraints, ∇g is sparse.

    For ``method="lm"``, which takes NumPy's arrays only, choose ``matrices="dense"``.

    Examples
    --------
    >>> from scipy.optimize import least_squares
    >>> residuals = Lagrangian(None, lambda x: np.stack([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]]), np.ones(2))
    >>> least_squares(x0=[-1.2, 1.0], **least_squares_arguments(residuals)).x.round(6).tolist()
    [1.0, 1.0]
    """
    if not lagrangian.number_of_constraints:
        raise OptionError("there are no residuals", "give the residuals as the constraints of the Lagrangian")
    return {"fun": lagrangian.constraints, "jac": _jacobian(lagrangian, matrices)}


def _hessian(lagrangian: Lagrangian, matrices: Matrices) -> Callable[..., Any]:
    """Return the function of x, multipliers and σ that gives ∇²L."""
    if matrices not in MATRICES:
        unknown_name("matrices", matrices, MATRICES)
    match matrices:
        case "sparse":
            return lagrangian.hessian
        case "dense":
            return lambda *weighted: lagrangian.hessian(*weighted).toarray()
        case "operators":
            return lagrangian.hessian_operator
        case _:
            assert_never(matrices)


def _jacobian(lagrangian: Lagrangian, matrices: Literal["sparse", "dense"]) -> Callable[..., Any]:
    """Return the function of x that gives ∇g."""
    if matrices not in MATRICES[:2]:
        unknown_name("matrices", matrices, MATRICES[:2])
    return lagrangian.jacobian if matrices == "sparse" else lambda x: lagrangian.jacobian(x).toarray()
