"""What a Lagrangian asks of the code that does its arithmetic."""

from typing import Literal, NamedTuple, Protocol

from jacchain.algebra.kernels import Array
from jacchain.lagrangian.sparsity import SparsityPattern

Result = Literal["objective", "constraints", "gradient", "lagrangian_gradient", "jacobian", "hessian"]
"""f, g, ∇f and ∇L, flat; the values of the sparse ∇g, and of the lower triangle of the sparse ∇²L."""


class Patterns(NamedTuple):
    """The sparse results of a Lagrangian, known before any is computed."""

    jacobian: SparsityPattern
    """Of ∇g: constraints × variables."""
    hessian: SparsityPattern
    """Of the lower triangle of ∇²L: variables × variables."""


class Engine(Protocol):
    """Computes f, g and their derivatives at one point at a time, each when it is first asked for.

    Inputs and results keep to these laws: every operation of f and g is done at most once for a point, whatever is
    asked for and in whatever order; other multipliers at the same point do not move the point.
    """

    @property
    def name(self) -> str:
        """What listings call it."""

    @property
    def reason(self) -> str:
        """Why it was chosen, in one line."""

    @property
    def patterns(self) -> Patterns:
        """Where the sparse results may differ from zero."""

    def move(self, point: Array, /) -> None:
        """Take a point: an array of the variables, of the expression's dtype; it is copied."""

    def weigh(self, multipliers: Array, factor: float, /) -> None:
        """Take multipliers, of the expression's dtype, and the objective's factor."""

    def result(self, name: Result, /) -> Array:
        """Return a result; the next point or multipliers overwrite it."""

    def __str__(self) -> str:
        """Return a listing of what is done."""
