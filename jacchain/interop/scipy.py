"""The arguments of SciPy's solvers."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jacchain.errors import OptionError
from jacchain.interop.bounds import as_bounds
from jacchain.lagrangian.lagrangian import Lagrangian


def minimize_arguments(
    lagrangian: Lagrangian,
    /,
    *,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    constraint_lower: ArrayLike | None = None,
    constraint_upper: ArrayLike | None = None,
) -> dict[str, Any]:
    """Return fun, jac, hess, and bounds and constraints where there are some, for `scipy.optimize.minimize`.

    They suit ``method="trust-constr"``: derivatives of the constraints and both Hessians are sparse. SciPy adds
    Σ v_i ∇²g_i to ∇²f, jacchain subtracts; the signs are turned here.

    Parameters
    ----------
    lagrangian : Lagrangian
    lower, upper : (n,) arrays, optional
        Infinite where there is no bound; a variable whose bounds are equal is fixed.
    constraint_lower, constraint_upper : (m,) arrays
        Equal for an equation. Both must be given where there are constraints.

    Raises
    ------
    OptionError
        There are constraints without bounds, or bounds without constraints.
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
    no_multipliers = np.zeros(m, lagrangian.dtype)
    arguments: dict[str, Any] = {
        "fun": lagrangian.objective,
        "jac": lagrangian.gradient,
        "hess": lambda x: lagrangian.hessian(x, no_multipliers),
    }
    if lower is not None or upper is not None:
        from scipy.optimize import Bounds

        below, above = -np.inf if lower is None else lower, np.inf if upper is None else upper
        arguments["bounds"] = Bounds(as_bounds("lower", below, n), as_bounds("upper", above, n))
    if (constraint_lower is None) is not (m == 0) or (constraint_upper is None) is not (m == 0):
        what = f"{m} constraint{'' if m == 1 else 's'}, but constraint_lower or constraint_upper is"
        raise OptionError(
            f"there are {what} {'missing' if m else 'given'}",
            "give both, infinite where a constraint has no bound" if m else "leave both out",
        )
    if constraint_lower is not None and constraint_upper is not None:
        from scipy.optimize import NonlinearConstraint

        # SciPy's stubs take hess for a function of x alone, its documentation and code for one of x and v
        curvature: Any = partial(_curvature, lagrangian)
        arguments["constraints"] = NonlinearConstraint(
            lagrangian.constraints,
            as_bounds("constraint_lower", constraint_lower, m),
            as_bounds("constraint_upper", constraint_upper, m),
            jac=lagrangian.jacobian,
            hess=curvature,
        )
    return arguments


def least_squares_arguments(lagrangian: Lagrangian, /) -> dict[str, Any]:
    """Return fun and jac for `scipy.optimize.least_squares`: the residuals are the constraints, ∇g is sparse.

    Examples
    --------
    >>> from scipy.optimize import least_squares
    >>> residuals = Lagrangian(None, lambda x: np.stack([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]]), np.ones(2))
    >>> least_squares(x0=[-1.2, 1.0], **least_squares_arguments(residuals)).x.round(6).tolist()
    [1.0, 1.0]
    """
    if not lagrangian.number_of_constraints:
        raise OptionError("there are no residuals", "give the residuals as the constraints of the Lagrangian")
    return {"fun": lagrangian.constraints, "jac": lagrangian.jacobian}


def _curvature(lagrangian: Lagrangian, x: ArrayLike, v: ArrayLike) -> Any:
    """Return Σ v_i ∇²g_i(x)."""
    return lagrangian.hessian(x, np.negative(v), 0.0)
