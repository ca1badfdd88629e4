"""What a nonlinear program is."""

from collections.abc import Callable
from dataclasses import dataclass

from jacchain.algebra.kernels import Array


@dataclass(frozen=True, slots=True, eq=False)
class NonlinearProgram:
    """Minimise f(x) subject to constraint_lower <= g(x) <= constraint_upper and lower <= x <= upper.

    Attributes
    ----------
    name, title : str
    objective : callable
        f, of an array of shape (n,); gives one number.
    constraints : callable
        g, of the same array; gives an array of shape (m,).
    x0 : (n,) array
        The start that the literature uses.
    lower, upper : (n,) arrays
        Infinite where there is no bound, equal where a variable is fixed.
    constraint_lower, constraint_upper : (m,) arrays
        Equal for equations.
    optima : tuple of float
        f at local solutions, first of all the one that Newton's method reaches from x0. Empty where none has
        been recorded for this size.
    source : str
        Where it comes from.

    Examples
    --------
    >>> from jacchain.workloads.nonlinear.hs071 import hs071
    >>> problem = hs071()
    >>> problem.n, problem.m, float(problem.objective(problem.x0))
    (4, 2, 16.0)
    """

    name: str
    title: str
    objective: Callable[[Array], Array]
    constraints: Callable[[Array], Array]
    x0: Array
    lower: Array
    upper: Array
    constraint_lower: Array
    constraint_upper: Array
    optima: tuple[float, ...]
    source: str

    @property
    def n(self) -> int:
        """How many variables there are."""
        return int(self.x0.size)

    @property
    def m(self) -> int:
        """How many constraints there are."""
        return int(self.constraint_lower.size)

    def is_optimum(self, value: float, /, *, relative: float = 1e-6) -> bool:
        """Return whether an objective is one of the recorded optima.

        Parameters
        ----------
        value : float
            Of a solver.
        relative : float
            How far it may be away, relative to the optimum's size, or to 1 if that is larger.
        """
        return any(abs(value - known) <= relative * max(1.0, abs(known)) for known in self.optima)
