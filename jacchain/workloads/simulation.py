"""What a simulation is: a plain function of NumPy, whose Jacobian at a point is wanted."""

from collections.abc import Callable
from typing import NamedTuple

from jacchain.algebra.kernels import Array
from jacchain.derivatives import jacobian
from jacchain.errors import OptionError
from jacchain.functions.derivative import FunctionDerivative
from jacchain.planning.plan import Plan
from jacchain.workloads.differences import STEP


class Simulation(NamedTuple):
    """A function of one array, the point at which its Jacobian is wanted, and what to say about them."""

    name: str
    title: str
    function: Callable[[Array], Array]
    point: Array
    notes: tuple[str, ...]
    step: float = STEP
    """Of the central differences that the Jacobian is held against."""

    def derivative(self, planner: str, given: Plan | None = None, /, *, device: str = "auto") -> FunctionDerivative:
        """Return the Jacobian by a planner for functions; the plan of a chain is refused."""
        if given is not None:
            raise OptionError(f"a plan for {self.name}, which is no chain", "leave the plan out")
        return jacobian(self.function, planner=planner, device=device)
