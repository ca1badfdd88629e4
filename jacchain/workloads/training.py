"""Training: steps against the slopes of a loss, with the losses and the seconds that they took."""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import NonFiniteError
from jacchain.model.tree import flatten
from jacchain.workloads.optimizer import Step

ValueAndSlopes = Callable[..., tuple[Array, Any]]
"""Takes parameters and further arguments; gives a loss, and its slopes nested as the parameters are."""


class Training(NamedTuple):
    """What training gave.

    Attributes
    ----------
    parameters : tuple, list or dict of arrays
        After the last step.
    losses : tuple of float
        Before every step.
    seconds : tuple of float
        Of every step: the loss with its slopes, and the step itself.
    """

    parameters: Any
    losses: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def step_seconds(self) -> float:
        """The median time of a step."""
        return median(self.seconds)


def train(
    value_and_slopes: ValueAndSlopes,
    parameters: Any,
    arguments: Sequence[Array],
    step: Step,
    /,
    *,
    epochs: int,
    observe: Callable[[Any], None] = lambda _parameters: None,
) -> Training:
    """Make so many steps on all samples at once.

    Parameters
    ----------
    value_and_slopes : callable
        Such as ``jacchain.value_and_jacobian(loss)``.
    parameters : tuple, list or dict of arrays
        Left as they are; copies are trained.
    arguments : sequence of array
        Further arguments of the loss: inputs and targets.
    step : callable
        One of the optimizers, with its rate.
    epochs : int
        At least 1.
    observe : callable
        Called with the parameters before every step, outside the time that is taken.

    Raises
    ------
    NonFiniteError
        The loss has become infinite or NaN.

    Examples
    --------
    >>> from jacchain.workloads.optimizer import descent
    >>> found = train(lambda p: ((p[0] ** 2).sum(), [2 * p[0]]), [np.array([1.0, -2.0])], (), descent(0.25), epochs=3)
    >>> found.losses, found.parameters
    ((5.0, 1.25, 0.3125), [array([ 0.125, -0.25 ])])
    """
    leaves, tree = flatten(parameters, "the parameters")
    trained = [np.array(leaf) for leaf in leaves]
    parameters = tree.unflatten(trained)
    value_and_slopes(parameters, *arguments)  # traced, planned and compiled before the time is taken
    losses, seconds = [], []
    for _ in range(epochs):
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is an error below
            observe(parameters)
            start = perf_counter()
            loss, slopes = value_and_slopes(parameters, *arguments)
            step(trained, flatten(slopes, "the slopes")[0])
            seconds.append(perf_counter() - start)
        losses.append(float(loss))
        if not np.isfinite(losses[-1]):
            raise NonFiniteError(
                f"the loss is {losses[-1]} after {len(losses) - 1} steps",
                "train with a smaller rate, or scale the inputs",
            )
    return Training(parameters, tuple(losses), tuple(seconds))
