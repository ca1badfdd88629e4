"""Where a problem was run, and what a run is predicted to take on a card."""

from typing import Final, NamedTuple, final

from jacchain.compositions import Jacobian
from jacchain.execution.launches import Forecast, calls_of, forecast, kernel_launches
from jacchain.execution.on_device import OnDevice
from jacchain.execution.run import Executable
from jacchain.planning.plan import Plan
from jacchain.planning.pricing.store import dependable
from jacchain.workloads.problem import Dtype, Problem
from jacchain.workloads.race import Lap
from jacchain.workloads.wine import wine

LARGEST: Final = 1 << 17
"""Hidden units up to which it is looked for where the card is quicker."""


@final
class Placement(NamedTuple):
    """Where a problem was run, and the forecast for a card.

    Attributes
    ----------
    device : str
        Where the arithmetic was done.
    milliseconds : float
        Of a call there, measured.
    card : str
        The profile of the card.
    is_measured : bool
        That profile was measured; else it is put together from a data sheet.
    forecast : Forecast
    hidden : int or None
        Hidden units of wine from which the card is predicted to be quicker; None for other problems, and where that
        is not so up to `LARGEST`.
    """

    device: str
    milliseconds: float
    card: str
    is_measured: bool
    forecast: Forecast
    hidden: int | None


def placement(problem: Problem, derivative: Jacobian, lap: Lap, /) -> Placement | None:
    """Return where a problem was run, and what a card is predicted to take; None for an order in slices or threads."""
    run = derivative.compiled(problem.point).run
    if not isinstance(run, Executable | OnDevice) or run.program.lanes:
        return None
    card = dependable("cuda", problem.point.dtype.itemsize)
    launches = kernel_launches(calls_of(run)) if isinstance(run, Executable) else _launches_on_host(problem, lap)
    found = _forecast(derivative, problem, launches)
    hidden = _crossover(lap.planner, launches, problem) if problem.name == "wine" else None
    return Placement(str(run.backend.device), lap.milliseconds, card.name, card.is_measured, found, hidden)


def _launches_on_host(problem: Problem, lap: Lap) -> int:
    """Return the launches of the same program, counted where its calls can be bound twice."""
    assert isinstance(lap.plan, Plan)
    run = problem.derivative("optimal", lap.plan, device="cpu").compiled(problem.point).run
    assert isinstance(run, Executable)
    return kernel_launches(calls_of(run))


def _forecast(derivative: Jacobian, problem: Problem, launches: int) -> Forecast:
    itemsize = problem.point.dtype.itemsize
    rates = (dependable(device, itemsize).rates_of(itemsize) for device in ("cuda", "cpu"))
    return forecast(derivative.program(problem.point), launches, *rates)


def _crossover(planner: str, launches: int, problem: Problem) -> int | None:
    """Return from how many hidden units on the card is predicted to be quicker, to about one in ten."""
    dtype: Dtype = "float32" if problem.point.dtype.itemsize == 4 else "float64"

    def is_quicker(hidden: int) -> bool:
        other = wine(hidden, dtype=dtype)
        found = _forecast(other.derivative(planner, device="cpu"), other, launches)
        return found.device < found.host

    high = 1
    while not is_quicker(high):
        high *= 2
        if high > LARGEST:
            return None
    low = high // 2
    while high - low > max(1, high // 10):
        middle = (low + high) // 2
        low, high = (low, middle) if is_quicker(middle) else (middle, high)
    return high
