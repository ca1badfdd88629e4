"""Training by Newton steps: SciPy's minimizers with products of the Hessian, beside gradient descent."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.derivatives import value_and_jacobian
from jacchain.errors import NonFiniteError, OptionError, SizeError, unknown_name
from jacchain.hessians import hessian
from jacchain.model.layer import as_point
from jacchain.planning.link import as_size

METHODS: Final = ("trust-ncg", "trust-krylov", "Newton-CG")
"""Minimizers that take products of the Hessian with vectors, by SciPy's names."""

RATES: Final = (0.1, 0.2, 0.3)
"""Of gradient descent on standardised features; larger ones make it diverge."""

Loss = Callable[[Array], Array]
"""Of flat weights; a plain NumPy function."""


class Course(NamedTuple):
    """How a loss went down.

    Attributes
    ----------
    method : str
    losses : tuple of float
        At the start and after every step.
    seconds : tuple of float
        That had passed by then; 0 at the start.
    gradients, products : int
        Evaluations of the loss with its gradient, and products of the Hessian with a vector.
    weights : array
        At the end.
    """

    method: str
    losses: tuple[float, ...]
    seconds: tuple[float, ...]
    gradients: int
    products: int
    weights: Array

    @property
    def steps(self) -> int:
        """How many there were."""
        return len(self.losses) - 1


def by_newton(
    loss: Loss,
    start: Array,
    /,
    *,
    method: str = "trust-ncg",
    steps: int = 50,
    tolerance: float = 1e-8,
    tick: Callable[[], None] = lambda: None,
) -> Course:
    """Minimise a loss by truncated Newton steps: conjugate gradients on products of the Hessian with vectors.

    Parameters
    ----------
    loss : callable
        A plain NumPy function of one flat array.
    start : array
        Left as it is.
    method : {"trust-ncg", "trust-krylov", "Newton-CG"}
    steps : int
        At most.
    tolerance : float
        Of the gradient's length, where it stops.
    tick : callable
        Called after every step.

    Raises
    ------
    OptionError, SizeError
        Unknown method; steps or a tolerance that are no positive numbers; a start that is no flat array, or a loss that
        is not one number.
    NonFiniteError
        The loss is infinite or NaN, at the start or later.

    Examples
    --------
    >>> def rosenbrock(x):
    ...     return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> found = by_newton(rosenbrock, np.zeros(5))
    >>> np.allclose(found.weights, 1), found.losses[-1] < 1e-12
    (True, True)
    """
    from scipy.optimize import minimize

    if method not in METHODS:
        unknown_name("method", method, METHODS)
    as_size(steps, "steps")
    tolerance = _positive(tolerance, "the tolerance")
    start = _as_start(start)
    recorder = _Recorder(loss, start)
    begun = perf_counter()
    losses, seconds = [recorder.first], [0.0]

    def step(intermediate_result: Any) -> None:
        losses.append(float(intermediate_result.fun))
        seconds.append(perf_counter() - begun)
        tick()

    options: Any = {"maxiter": steps, "xtol" if method == "Newton-CG" else "gtol": tolerance}
    name: Any = method  # which SciPy's annotations ask to be written out
    with np.errstate(all="ignore"):  # a loss that is not finite is an error, and SciPy copes with the rest
        found = minimize(
            recorder.value_and_slopes,
            start,
            method=name,
            jac=True,
            hessp=recorder.times,
            callback=step,
            options=options,
        )
    return Course(method, tuple(losses), tuple(seconds), recorder.gradients, recorder.products, found.x)


class _Recorder:
    """A loss with its derivatives, traced and planned before the time is taken, that counts its calls."""

    def __init__(self, loss: Loss, start: Array, /) -> None:
        self._value_and_slopes = value_and_jacobian(loss)
        self._hessian = hessian(loss)
        self.gradients = self.products = 0
        with np.errstate(all="ignore"):
            self.first = _number(self._value_and_slopes(start)[0], self.gradients)
            self._hessian.times(start, start)

    def value_and_slopes(self, weights: Array) -> tuple[float, Array]:
        """Return the loss and its gradient."""
        self.gradients += 1
        value, slopes = self._value_and_slopes(weights)
        return _number(value, self.gradients), slopes

    def times(self, weights: Array, direction: Array) -> Array:
        """Return the Hessian times a vector."""
        self.products += 1
        found: Array = self._hessian.times(weights, direction)
        return found


def _number(value: Any, evaluations: int) -> float:
    """Return a loss as one finite number."""
    if np.shape(value) != ():
        raise SizeError(f"the loss has shape {np.shape(value)}", "give a loss of one number, such as a mean")
    if not np.isfinite(value):
        where = f"after {evaluations} evaluations" if evaluations else "at the start"
        raise NonFiniteError(f"the loss is {float(value)} {where}", "begin elsewhere, take a smaller rate, or scale")
    return float(value)


def _as_start(start: Any) -> Array:
    """Return a copy of a flat array of floats."""
    point = np.array(as_point(np.asarray(start, float) if isinstance(start, list | tuple) else start, "the start"))
    if point.ndim != 1:
        raise SizeError(f"the start has shape {point.shape}", "give a flat array, and reshape it within the loss")
    return point


def _positive(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise OptionError(f"{what} is {value!r}", "give a positive number")
    return float(value)


def by_descent(
    loss: Loss, start: Array, /, *, rate: float = RATES[0], steps: int | None = None, seconds: float | None = None
) -> Course:
    """Minimise a loss by gradient descent, for so many steps, or for so long.

    Parameters
    ----------
    loss : callable
        A plain NumPy function of one flat array.
    start : array
        Left as it is.
    rate : float
    steps : int, optional
        1000 where there is no limit of time either.
    seconds : float, optional

    Raises
    ------
    OptionError, SizeError
        Steps or a rate that are no positive numbers; a start that is no flat array, or a loss that is not one number.
    NonFiniteError
        The loss is infinite or NaN: the rate is too large.

    Examples
    --------
    >>> by_descent(lambda x: np.sum(x * x), np.array([1.0, -2.0]), rate=0.25, steps=2).losses
    (5.0, 1.25, 0.3125)
    """
    most = float("inf") if steps is None and seconds is not None else as_size(1000 if steps is None else steps, "steps")
    rate = _positive(rate, "the rate")
    limit = float("inf") if seconds is None else seconds
    derivative, weights = value_and_jacobian(loss), _as_start(start)
    with np.errstate(all="ignore"):  # what comes of it is an error
        losses, times = [_number(derivative(weights)[0], 0)], [0.0]
        begun, count = perf_counter(), 0
        _, slopes = derivative(weights)
        while count < most and times[-1] < limit:
            weights -= rate * slopes
            value, slopes = derivative(weights)
            count += 1
            losses.append(_number(value, count))
            times.append(perf_counter() - begun)
    return Course(f"descent at rate {rate:g}", tuple(losses), tuple(times), count + 1, 0, weights)


def best_descent(loss: Loss, start: Array, /, *, seconds: float, rates: Sequence[float] = RATES) -> Course:
    """Return the course of the rate that gets lowest in so many seconds each; one that diverges counts as none.

    Raises
    ------
    NonFiniteError
        All rates diverge.
    """
    found: list[Course] = []
    for rate in rates:
        try:
            found.append(by_descent(loss, start, rate=rate, seconds=seconds))
        except NonFiniteError:
            continue
    if not found:
        raise NonFiniteError(f"gradient descent diverges at rates {', '.join(map(str, rates))}", "give smaller rates")
    return min(found, key=lambda course: course.losses[-1])
