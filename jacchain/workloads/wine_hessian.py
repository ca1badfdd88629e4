"""The Hessian of the wine network's loss with respect to all its weights, by every planner of second order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.derivatives import gradient
from jacchain.errors import InfeasibleError, OptionError, unknown_name
from jacchain.hessians import hessian
from jacchain.planning.link import as_size
from jacchain.planning.names import MODES
from jacchain.planning.second.planners import SECOND_PLANNERS
from jacchain.workloads.differences import Difference, compare
from jacchain.workloads.losses import mean_squared_error
from jacchain.workloads.problem import DTYPES, Dtype
from jacchain.workloads.wine import wine_data

if TYPE_CHECKING:
    from jacchain.functions.second.hessian import Hessian
    from jacchain.planning.second.hessian_plan import HessianPlan

BATCH_SECONDS: Final = 0.005
"""Calls that are shorter are timed several at once."""


@final
@dataclass(frozen=True, eq=False)
class WineNetwork:
    """A network without biases on the wines, and where its derivatives are wanted.

    Attributes
    ----------
    features : array
        Of 178 wines × 13 features, standardised.
    targets : array
        -1, 0 or 1 for every wine.
    point : array
        All weights, flat: W1 of 13 × h row by row, then the h numbers of w2.
    """

    features: Array
    targets: Array
    point: Array

    @property
    def hidden(self) -> int:
        """Units of tanh, h."""
        return int(self.point.size) // (int(self.features.shape[1]) + 1)

    def parts(self, weights: Array, /) -> tuple[Array, Array]:
        """Return W1 and w2 of flat weights."""
        inputs, hidden = self.features.shape[1], self.hidden
        return weights[: inputs * hidden].reshape(inputs, hidden), weights[inputs * hidden :]

    def loss_of(self, first: Array, second: Array, /) -> Array:
        """Return the mean of (tanh(X W1) w2 - t)²; X stands on the left, so that nothing is transposed."""
        return mean_squared_error(np.tanh(self.features @ first) @ second, self.targets)

    def loss(self, weights: Array, /) -> Array:
        """Return the same of flat weights."""
        return self.loss_of(*self.parts(weights))


def wine_network(hidden: int = 16, *, seed: int = 0, dtype: Dtype = "float64") -> WineNetwork:
    """Return the network with the weights that `wine` begins with.

    Parameters
    ----------
    hidden : int
        Units of tanh, h.
    seed : int
        Of the weights, drawn from a normal distribution scaled by the number of inputs.
    dtype : {"float32", "float64"}

    Raises
    ------
    OptionError, SizeError
        A setting that makes no sense.

    Examples
    --------
    >>> network = wine_network()
    >>> network.point.shape, round(float(network.loss(network.point)), 4)
    ((224,), 1.5252)
    """
    as_size(hidden, "hidden")
    if dtype not in DTYPES:
        unknown_name("dtype", dtype, DTYPES)
    if seed < 0:
        raise OptionError(f"seed {seed} is negative", "give a whole number of at least 0")
    data, rng = wine_data(), np.random.default_rng(seed)
    inputs = len(data.features)
    first = rng.normal(size=(hidden, inputs)) / np.sqrt(inputs)
    second = rng.normal(size=hidden) / np.sqrt(hidden)
    return WineNetwork(
        np.ascontiguousarray(data.features.T, dtype),
        data.targets.reshape(-1).astype(dtype),
        np.concatenate([first.T.reshape(-1), second]).astype(dtype),
    )


class HessianLap(NamedTuple):
    """A planner's Hessian: what it multiplies, and the median time of a call; None where it has no order, and why."""

    planner: str
    flops: int | None
    milliseconds: float | None
    obstacle: str | None = None


class WineHessian(NamedTuple):
    """What a run found.

    Attributes
    ----------
    network : WineNetwork
    plan : HessianPlan
        Of the planner that was asked for.
    counted : int
        Multiplications that one call really made; lowering may save some of the plan's.
    laps : tuple of HessianLap
        That planner first.
    eigenvalues : array
        All of the Hessian's, ascending.
    is_symmetric : bool
        To the last bit.
    difference : Difference, optional
        How far the Hessian is from central differences of the gradient, where that was asked for.
    """

    network: WineNetwork
    plan: "HessianPlan"
    counted: int
    laps: tuple[HessianLap, ...]
    eigenvalues: Array
    is_symmetric: bool
    difference: Difference | None


def wine_hessian(
    network: WineNetwork,
    planner: str = "optimal",
    /,
    *,
    rivals: Sequence[str] = (*MODES, "edge_pushing"),
    check: bool = False,
    seconds: float = 1.0,
    tick: Callable[[], None] = lambda: None,
) -> WineHessian:
    """Compute the Hessian at the network's point by a planner, and time it beside others, in turn.

    Parameters
    ----------
    network : WineNetwork
    planner : str
        One of ``SECOND_PLANNERS``.
    rivals : sequence of str
        Those beside it; one without an order is listed without a time.
    check : bool
        Compare with central differences of the gradient.
    seconds : float
        For all times; at least three rounds are run.
    tick : callable
        Called after every round.

    Raises
    ------
    OptionError
        Unknown planner.
    InfeasibleError
        The planner has no order.

    Examples
    --------
    >>> found = wine_hessian(wine_network(2), "edge_pushing", rivals=["optimal"], seconds=0)
    >>> [lap.planner for lap in found.laps], found.is_symmetric, found.laps[1].flops <= found.laps[0].flops
    (['edge_pushing', 'optimal'], True, True)
    """
    if planner not in SECOND_PLANNERS:
        unknown_name("planner", planner, SECOND_PLANNERS)
    point = network.point
    made = {name: hessian(network.loss, planner=name) for name in dict.fromkeys([planner, *rivals])}
    plan = made[planner].plan(point)
    costs = {name: _cost(one, point) for name, one in made.items()}
    times = _times({name: made[name] for name, cost in costs.items() if isinstance(cost, int)}, point, seconds, tick)
    found = made[planner](point)
    difference = compare(gradient(network.loss), point, found) if check else None
    return WineHessian(
        network,
        plan,
        made[planner].count(point).multiplications,
        tuple(
            HessianLap(name, cost, times[name]) if isinstance(cost, int) else HessianLap(name, None, None, cost)
            for name, cost in costs.items()
        ),
        np.linalg.eigvalsh(found),
        bool(np.array_equal(found, found.T)),
        difference,
    )


def _cost(derivative: "Hessian", point: Array) -> int | str:
    """Return what a planner's order multiplies, or why it has none."""
    try:
        return derivative.plan(point).flops
    except InfeasibleError as error:
        return error.what


def _times(
    derivatives: "dict[str, Hessian]", point: Array, seconds: float, tick: Callable[[], None]
) -> dict[str, float]:
    """Return the median milliseconds of a call, by planner."""
    calls = {name: partial(derivative, point) for name, derivative in derivatives.items()}
    batches = {name: _batch(call) for name, call in calls.items()}
    kept: dict[str, list[float]] = {name: [] for name in calls}
    for _ in _rounds(seconds):
        for name, call in calls.items():
            call()  # so that none finds the caches as another left them
            kept[name].append(_timed(call, batches[name]))
        tick()
    return {name: 1000 * median(found) for name, found in kept.items()}


def _rounds(seconds: float) -> Iterator[None]:
    start, count = perf_counter(), 0
    while count < 3 or perf_counter() - start < seconds:
        yield
        count += 1


def _batch(call: Callable[[], object]) -> int:
    call()
    return max(1, int(BATCH_SECONDS / max(_timed(call, 1), 1e-9)))


def _timed(call: Callable[[], object], count: int) -> float:
    start = perf_counter()
    for _ in range(count):
        call()
    return (perf_counter() - start) / count
