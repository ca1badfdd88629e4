"""What a built-in problem is."""

from typing import Literal, NamedTuple

from jacchain.algebra.kernels import Array
from jacchain.derivatives import Jacobian, gradient, jacobian
from jacchain.model.sequential import Sequential

Dtype = Literal["float32", "float64"]
DTYPES: tuple[Dtype, ...] = ("float32", "float64")


class Problem(NamedTuple):
    """A function, the point at which its derivative is wanted, and what to say about them."""

    name: str
    title: str
    function: Sequential
    point: Array
    wants: Literal["gradient", "jacobian"]
    notes: tuple[str, ...]

    def derivative(self, planner: str, /) -> Jacobian:
        """Return the wanted derivative by a planner."""
        return (gradient if self.wants == "gradient" else jacobian)(self.function, planner=planner)
