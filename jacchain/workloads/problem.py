"""What a built-in problem is."""

from typing import Literal, NamedTuple

from jacchain.algebra.kernels import Array
from jacchain.compositions import Jacobian
from jacchain.derivatives import gradient, jacobian
from jacchain.model.sequential import Sequential
from jacchain.planning.plan import Plan

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

    def derivative(self, planner: str, given: Plan | None = None, /, *, device: str = "auto") -> Jacobian:
        """Return the wanted derivative by a planner, or by the plan that is given."""
        make = gradient if self.wants == "gradient" else jacobian
        if given is None:
            return make(self.function, planner=planner, device=device)
        return make(self.function, plan=given, device=device)
