"""A network trained on the shipped wines with all its weights and biases, and tried on wines held out."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.derivatives import value_and_jacobian
from jacchain.errors import OptionError, unknown_name
from jacchain.planning.link import as_size
from jacchain.workloads.differences import Difference, compare_nested
from jacchain.workloads.losses import cross_entropy, mean_squared_error
from jacchain.workloads.optimizer import OPTIMIZERS, RATES
from jacchain.workloads.perceptron import LAYOUTS, Layout, Parameters, initial_parameters, perceptron
from jacchain.workloads.problem import DTYPES, Dtype
from jacchain.workloads.training import Training, train
from jacchain.workloads.wine_split import Samples, Split, wine_split

if TYPE_CHECKING:
    from jacchain.functions.derivative import FunctionDerivative
    from jacchain.planning.elimination.graph_plan import GraphPlan

CLASSES: Final = 3


class TrainingSettings(NamedTuple):
    """What a user may choose.

    Attributes
    ----------
    hidden : int
        Units of tanh.
    epochs : int
        Steps; each takes all wines of the training set.
    optimizer : {"adam", "descent"}
    rate : float, optional
        Of the optimizer; it has one of its own.
    loss : {"cross-entropy", "squared"}
        Of the softmax of three outputs, or mean squared error of one output against the class -1, 0 or 1.
    layout : {"columns", "rows"}
        Whether wines are columns or rows of the arrays.
    seed : int
        Of the split and of the weights.
    dtype : {"float32", "float64"}
    planner : str
        Of the gradient.
    """

    hidden: int = 16
    epochs: int = 200
    optimizer: str = "adam"
    rate: float | None = None
    loss: str = "cross-entropy"
    layout: Layout = "columns"
    seed: int = 0
    dtype: Dtype = "float32"
    planner: str = "auto"


class Score(NamedTuple):
    """How a network does on some samples: its loss, and the share of the classes that it gets right."""

    loss: float
    accuracy: float


class Scores(NamedTuple):
    """The same on both sets of samples."""

    training: Score
    held_out: Score


class Trained(NamedTuple):
    """A trained network, and what training it was like.

    Attributes
    ----------
    settings : TrainingSettings
        As they were given.
    rate : float
    split : Split
    plan : GraphPlan
        Of the gradient with respect to all weights and biases.
    training : Training
        Losses before every step, times, and the parameters after the last one.
    held_out : tuple of float
        Losses on the wines held out before every step, and after the last.
    start, end : Scores
    difference : Difference, optional
        How far the first gradient is from central differences, where that was asked for.
    """

    settings: TrainingSettings
    rate: float
    split: Split
    plan: "GraphPlan"
    training: Training
    held_out: tuple[float, ...]
    start: Scores
    end: Scores
    difference: Difference | None


class _Target(NamedTuple):
    """What a loss wants of a network: its outputs, targets made of classes, and classes made of outputs."""

    outputs: int
    loss: Callable[[Array, Array, Layout], Array]
    targets: Callable[[Array], Array]
    classes: Callable[[Array], Array]


def _axis(layout: Layout) -> int:
    return 0 if layout == "columns" else 1


TARGETS: Final[Mapping[str, _Target]] = MappingProxyType(
    {
        "cross-entropy": _Target(
            CLASSES,
            lambda outputs, shares, layout: cross_entropy(outputs, shares, axis=_axis(layout)),
            lambda classes: np.eye(CLASSES)[classes],
            lambda outputs: outputs.argmax(axis=1),
        ),
        "squared": _Target(
            1,
            lambda outputs, targets, _layout: mean_squared_error(outputs, targets),
            lambda classes: classes[:, None] - 1.0,
            lambda outputs: np.clip(np.rint(outputs[:, 0]), -1, 1) + 1,
        ),
    }
)
"""The losses by name; targets and classes are for samples in rows."""


def wine_loss(
    parameters: Parameters, inputs: Array, targets: Array, /, *, loss: str = "cross-entropy", layout: Layout = "columns"
) -> Array:
    """Return the loss of the network's outputs: a plain NumPy function of all weights and biases.

    Examples
    --------
    >>> parameters = initial_parameters([13, 16, 3])
    >>> round(float(wine_loss(parameters, np.zeros((13, 5)), np.full((3, 5), 1 / 3))), 4)
    1.0986
    """
    return TARGETS[loss].loss(perceptron(parameters, inputs, layout=layout), targets, layout)


def train_wine(
    settings: TrainingSettings = TrainingSettings(),  # noqa: B008  (frozen)
    /,
    *,
    check: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> Trained:
    """Train a network of one hidden layer on three quarters of the wines, and try it on the rest.

    Parameters
    ----------
    settings : TrainingSettings
    check : bool
        Compare the first gradient with central differences.
    tick : callable
        Called before every step.

    Raises
    ------
    OptionError, SizeError
        A setting that makes no sense.
    NonFiniteError
        The loss has become infinite or NaN: the rate is too large.

    Examples
    --------
    >>> found = train_wine(TrainingSettings(epochs=100, layout="rows"))
    >>> found.end.held_out.accuracy > 0.9, found.end.training.loss < found.start.training.loss
    (True, True)
    """
    rate = _checked(settings)
    split = wine_split(seed=settings.seed, dtype=settings.dtype)
    sizes = (split.training.features.shape[1], settings.hidden, TARGETS[settings.loss].outputs)
    parameters = initial_parameters(sizes, layout=settings.layout, seed=settings.seed, dtype=settings.dtype)
    loss = partial(wine_loss, loss=settings.loss, layout=settings.layout)
    derivative = value_and_jacobian(loss, planner=settings.planner)
    arguments, tried = _arguments(split.training, settings), _arguments(split.held_out, settings)
    held_out: list[float] = []

    def observe(found: Parameters) -> None:
        held_out.append(float(loss(found, *tried)))
        tick()

    step = OPTIMIZERS[settings.optimizer](rate)
    training = train(derivative, parameters, arguments, step, epochs=settings.epochs, observe=observe)
    end = _scores(training.parameters, split, settings)
    return Trained(
        settings,
        rate,
        split,
        derivative.plan(parameters, *arguments),
        training,
        (*held_out, end.held_out.loss),
        _scores(parameters, split, settings),
        end,
        _difference(loss, derivative, parameters, arguments) if check else None,
    )


def _checked(settings: TrainingSettings) -> float:
    """Refuse settings that make no sense, and return the rate."""
    known = (
        ("optimizer", settings.optimizer, tuple(OPTIMIZERS)),
        ("loss", settings.loss, tuple(TARGETS)),
        ("layout", settings.layout, LAYOUTS),
        ("dtype", settings.dtype, DTYPES),
    )
    for kind, name, valid in known:
        if name not in valid:
            unknown_name(kind, name, valid)
    as_size(settings.hidden, "hidden")
    as_size(settings.epochs, "epochs")
    if settings.seed < 0:
        raise OptionError(f"seed {settings.seed} is negative", "give a whole number of at least 0")
    rate = RATES[settings.optimizer] if settings.rate is None else settings.rate
    if not 0 < rate < float("inf"):
        raise OptionError(f"rate {rate} is not positive and finite", "give a number such as 0.02")
    return rate


def _arguments(samples: Samples, settings: TrainingSettings) -> tuple[Array, Array]:
    """Return inputs and targets in the layout."""
    targets = TARGETS[settings.loss].targets(samples.classes).astype(settings.dtype)
    match settings.layout:
        case "columns":
            return np.ascontiguousarray(samples.features.T), np.ascontiguousarray(targets.T)
        case "rows":
            return samples.features, targets


def _scores(parameters: Parameters, split: Split, settings: TrainingSettings) -> Scores:
    return Scores(*(_score(parameters, samples, settings) for samples in split))


def _score(parameters: Parameters, samples: Samples, settings: TrainingSettings) -> Score:
    inputs, targets = _arguments(samples, settings)
    target, layout = TARGETS[settings.loss], settings.layout
    outputs = perceptron(parameters, inputs, layout=layout)
    found = target.classes(outputs.T if layout == "columns" else outputs)
    return Score(float(target.loss(outputs, targets, layout)), float(np.mean(found == samples.classes)))


def _difference(
    loss: Callable[..., Array], derivative: "FunctionDerivative", parameters: Parameters, arguments: tuple[Array, Array]
) -> Difference:
    exact = [argument.astype(np.float64) for argument in arguments]
    _, slopes = derivative(parameters, *arguments)
    return compare_nested(lambda found: loss(found, *exact), parameters, slopes)
