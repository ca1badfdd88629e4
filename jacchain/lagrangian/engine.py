"""What a Lagrangian asks of the code that does its arithmetic."""

from collections.abc import Callable
from typing import Literal, Protocol

from jacchain.algebra.kernels import Array
from jacchain.lagrangian.sparsity import SparsityPattern

Result = Literal["objective", "constraints", "gradient", "lagrangian_gradient", "jacobian", "hessian"]
"""f, g, ∇f and ∇L, flat; the values of the sparse ∇g, and of the lower triangle of the sparse ∇²L."""


class Engine(Protocol):
    """Computes f, g and their derivatives at one point at a time, each when it is first asked for.

    Inputs and results keep to these laws: every operation of f and g is done at most once for a point, whatever is
    asked for and in whatever order; other multipliers at the same point do not move the point. NaN and infinity go
    into results without a warning of NumPy's.
    """

    @property
    def name(self) -> str:
        """What listings call it."""

    @property
    def reason(self) -> str:
        """Why it was chosen, in one line."""

    @property
    def jacobian_pattern(self) -> SparsityPattern:
        """Where ∇g, constraints × variables, may differ from zero."""

    @property
    def hessian_pattern(self) -> SparsityPattern:
        """Where the lower triangle of ∇²L, variables × variables, may; found when it is first asked for."""

    def move(self, point: Array, /) -> None:
        """Take a point: an array of the variables, of the expression's dtype; it is copied."""

    def weigh(self, multipliers: Array, factor: float, /) -> None:
        """Take multipliers, of the expression's dtype, and the objective's factor."""

    def result(self, name: Result, /) -> Array:
        """Return a result; the next point or multipliers overwrite it."""

    def times(self, point: Array, multipliers: Array, factor: float, /) -> Callable[[Array], Array] | None:
        """Return the product of ∇²L with a vector, or None where that is best done by the sparse matrix.

        It keeps nothing of the point that `move` has given, and does not change it.
        """

    def __str__(self) -> str:
        """Return a listing of what is done."""
