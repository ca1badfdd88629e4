"""Ipopt's callbacks, for cyipopt and for pounce, a port of Ipopt that is installed as a wheel."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array
from jacchain.errors import DtypeError, MissingExtraError, OptionError, unknown_name
from jacchain.interop.bounds import as_interval, as_x0
from jacchain.lagrangian.lagrangian import Lagrangian

Solver = Literal["pounce", "cyipopt"]

CURES: Final[Mapping[str, str]] = {
    "pounce": "install the extra: pip install 'jacchain[nlp]'",
    "cyipopt": "install it with Ipopt: conda install -c conda-forge cyipopt; or choose solver='pounce'",
}
"""The solvers, and what to do where one is missing."""

QUIET: Final[Mapping[str, str | int | float]] = {"print_level": 0, "sb": "yes"}
"""Options that stop Ipopt from printing."""


class Iterate(NamedTuple):
    """What Ipopt tells of an iteration.

    Attributes
    ----------
    iteration : int
        From 0 on, for x0.
    objective : float
        Times the factor by which Ipopt scales it.
    infeasibility, dual_infeasibility : float
        The largest violation of a constraint, and of ∇f + Σ λ_i ∇g_i = 0.
    """

    iteration: int
    objective: float
    infeasibility: float
    dual_infeasibility: float


@final
class Problem:
    """The object that cyipopt calls `problem_obj`: f, ∇f, g, and the values of ∇g and of the lower ∇²L.

    Ipopt's Lagrangian is σ f + Σ λ_i g_i and jacchain's σ f − Σ λ_i g_i, so `hessian` turns the signs of Ipopt's
    multipliers. Structures are known before the first evaluation, and the same for every x.

    Parameters
    ----------
    lagrangian : Lagrangian
        Of float64.
    watch : callable, optional
        Called with an `Iterate` at every iteration; the solver stops where it returns False.

    Raises
    ------
    DtypeError
        A Lagrangian of float32: Ipopt computes with float64.

    Notes
    -----
    `solve` hands it on. With cyipopt itself, or with pounce, whose names are the same::

        solver = cyipopt.Problem(n=n, m=m, problem_obj=Problem(lagrangian), lb=lower, ub=upper, cl=…, cu=…)
        solver.add_option("tol", 1e-10)
        x, info = solver.solve(x0)

    For Ipopt's own estimates of second derivatives set ``hessian_approximation`` to ``limited-memory``.

    References
    ----------
    https://cyipopt.readthedocs.io, "Problem interface".

    Examples
    --------
    >>> from jacchain.workloads.nonlinear.hs071 import hs071
    >>> given = hs071()
    >>> problem = Problem(Lagrangian(given.objective, given.constraints, given.x0))
    >>> problem.hessianstructure()[0].tolist()
    [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    >>> problem.hessian(given.x0, np.array([1.0, 0.0]), 0.0).tolist()
    [0.0, 5.0, 0.0, 5.0, 1.0, 0.0, 25.0, 5.0, 5.0, 0.0]
    """

    __slots__ = ("_watch", "lagrangian")

    def __init__(self, lagrangian: Lagrangian, /, *, watch: Callable[[Iterate], object] | None = None) -> None:
        if lagrangian.dtype != np.float64:
            raise DtypeError(
                f"a Lagrangian of {lagrangian.dtype}, but Ipopt computes with float64", "give x0 as float64"
            )
        self.lagrangian, self._watch = lagrangian, watch

    def objective(self, x: Array, /) -> float:
        """Return f(x)."""
        return self.lagrangian.objective(x)

    def gradient(self, x: Array, /) -> Array:
        """Return ∇f(x)."""
        return self.lagrangian.gradient(x)

    def constraints(self, x: Array, /) -> Array:
        """Return g(x)."""
        return self.lagrangian.constraints(x)

    def jacobianstructure(self) -> tuple[Array, Array]:
        """Return rows and columns of the values of ∇g."""
        pattern = self.lagrangian.jacobian_structure
        return pattern.rows, pattern.columns

    def jacobian(self, x: Array, /) -> Array:
        """Return the values of ∇g(x)."""
        return self.lagrangian.jacobian_values(x)

    def hessianstructure(self) -> tuple[Array, Array]:
        """Return rows and columns of the values of the lower triangle of ∇²L."""
        pattern = self.lagrangian.structure
        return pattern.rows, pattern.columns

    def hessian(self, x: Array, lagrange: Array, obj_factor: float, /) -> Array:
        """Return the values of the lower triangle of σ ∇²f + Σ λ_i ∇²g_i, with Ipopt's multipliers."""
        return self.lagrangian.hessian_values(x, np.negative(lagrange), obj_factor)

    def intermediate(
        self, _alg_mod: int, iter_count: int, obj_value: float, inf_pr: float, inf_du: float, *_others: object
    ) -> bool:
        """Tell of an iteration; return whether to go on."""
        if self._watch is None:
            return True
        return self._watch(Iterate(iter_count, obj_value, inf_pr, inf_du)) is not False


class Solution(NamedTuple):
    """What Ipopt found.

    Attributes
    ----------
    x : (n,) array
    objective : float
        f(x).
    multipliers : (m,) array
        In jacchain's signs: ∇f = Σ λ_i ∇g_i but for the multipliers of the bounds on x.
    iterations : int
    success : bool
        Whether Ipopt reports 0, "solved", or 1, "solved to an acceptable level".
    message : str
    """

    x: Array
    objective: float
    multipliers: Array
    iterations: int
    success: bool
    message: str


def solve(
    lagrangian: Lagrangian,
    x0: ArrayLike,
    /,
    *,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    constraint_lower: ArrayLike = (),
    constraint_upper: ArrayLike = (),
    options: Mapping[str, str | int | float] = QUIET,
    solver: Solver = "pounce",
) -> Solution:
    """Minimise f(x) subject to constraint_lower <= g(x) <= constraint_upper and lower <= x <= upper.

    Parameters
    ----------
    lagrangian : Lagrangian
    x0 : (n,) array
        Where to start.
    lower, upper : (n,) arrays, optional
        Infinite where there is no bound; a variable whose bounds are equal is fixed.
    constraint_lower, constraint_upper : (m,) arrays
        Equal for an equation.
    options : mapping
        Ipopt's own, such as ``{"tol": 1e-10, "hessian_approximation": "limited-memory"}``. Unless given, nothing is
        printed.
    solver : {"pounce", "cyipopt"}

    Raises
    ------
    SizeError
        Bounds of another length than that of x or of g(x), or x0 of another length.
    OptionError
        Bounds that are NaN or cross; an option that Ipopt does not take.
    NonFiniteError
        x0 that is not finite.
    MissingExtraError
        The solver is not installed.

    Examples
    --------
    >>> from jacchain.workloads.nonlinear.hs071 import hs071
    >>> p = hs071()
    >>> lagrangian = Lagrangian(p.objective, p.constraints, p.x0)
    >>> solution = solve(
    ...     lagrangian, p.x0, lower=p.lower, upper=p.upper,
    ...     constraint_lower=p.constraint_lower, constraint_upper=p.constraint_upper,
    ... )
    >>> round(solution.objective, 6)
    17.014017
    """
    module = _solver(solver)
    n, m = lagrangian.variables, lagrangian.number_of_constraints
    start = as_x0(x0, n)
    bounds = as_interval(-np.inf if lower is None else lower, np.inf if upper is None else upper, n)
    constraint_bounds = as_interval(constraint_lower, constraint_upper, m, prefix="constraint_")
    iterates: list[Iterate] = []
    problem = module.Problem(
        n=n,
        m=m,
        problem_obj=Problem(lagrangian, watch=iterates.append),
        lb=bounds[0],
        ub=bounds[1],
        cl=constraint_bounds[0],
        cu=constraint_bounds[1],
    )
    with _options_refused(options):
        for name, value in options.items():
            problem.add_option(name, value)
        x, info = problem.solve(start)
    message = info["status_msg"]
    return Solution(
        x=np.asarray(x),
        objective=float(info["obj_val"]),
        multipliers=np.negative(info["mult_g"]),
        iterations=iterates[-1].iteration if iterates else 0,
        success=info["status"] in (0, 1),
        message=message.decode() if isinstance(message, bytes) else str(message),
    )


@contextmanager
def _options_refused(options: Mapping[str, str | int | float]) -> Iterator[None]:
    """Turn what a solver says of an option into an error; cyipopt says it at once, pounce when it begins to solve."""
    try:
        yield
    except (RuntimeError, TypeError) as error:
        said = str(error)
        if not any(sign in said for sign in ("OPTION_INVALID", "setting option", "invalid option")):
            raise
        told = said.partition("Exception message:")[2] or said
        name = next((name for name in options if f'"{name}"' in told or name in said), "")
        raise OptionError(
            f"Ipopt does not take {name!r}: {options.get(name)!r}: {' '.join(told.split())}",
            "see Ipopt's list of options, https://coin-or.github.io/Ipopt/OPTIONS.html",
        ) from None


def _solver(name: Solver) -> Any:
    if name not in CURES:
        unknown_name("solver", name, CURES)
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtraError(f"{name} is not installed", CURES[name]) from None
