"""The composition of layers, and what is known of all of them for one input shape."""

from collections.abc import Iterable
from functools import reduce
from typing import Any, final

from jacchain.algebra.kernels import Array
from jacchain.errors import OptionError, SizeError
from jacchain.execution.source import Facts, Shape
from jacchain.model.array_protocol import Overloaded
from jacchain.model.function import Function
from jacchain.model.layer import Layer, as_point, counted
from jacchain.model.linear import Linear
from jacchain.model.loss import CrossEntropy, MeanSquaredError


@final
class Sequential:
    """f_n∘…∘f_1: layers in order of evaluation. Nested compositions are taken apart.

    Parameters
    ----------
    layers : iterable of Layer or Sequential

    Raises
    ------
    OptionError
        No layers, or something that is not one.
    SizeError
        Neighbours whose sizes do not meet, as far as they are known without an input.

    Examples
    --------
    >>> from jacchain.model.elementwise import Tanh
    >>> net = Sequential([Linear([[1.0, 0.0], [1.0, 1.0]]), Tanh()])
    >>> net([0.0, 0.0])
    array([0., 0.])
    >>> Sequential([Linear([[1.0, 0.0]]), Tanh(), Linear([[1.0, 0.0]])])
    Traceback (most recent call last):
    jacchain.errors.SizeError: layer 2 (Tanh) gives 1 output but layer 3 (Linear) takes 2 inputs
    make the sizes equal, or put a Reshape in between
    """

    __slots__ = ("__weakref__", "_layers")

    def __init__(self, layers: "Iterable[Layer | Sequential]", /) -> None:
        if isinstance(layers, Layer) or not isinstance(layers, Iterable):
            raise OptionError(f"{layers!r} is no list of layers", "give a list, such as [Linear(W), Tanh()]")
        found: list[Layer] = []
        for k, layer in enumerate(layers, 1):
            match layer:
                case Sequential():
                    found += layer.layers
                case Layer():
                    found.append(layer)
                case _:
                    raise OptionError(
                        f"layer {k} is {layer!r}", "give layers; wrap your own functions in jacchain.Function"
                    )
        if not found:
            raise OptionError("a composition of no layers", "give at least one layer")
        self._layers = tuple(found)
        _check(self._layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in order of evaluation."""
        return self._layers

    def __call__(self, x: Any, /) -> Any:
        """Return the value at x, or in a function that is traced the layers applied to its value x."""
        if isinstance(x, Overloaded):
            return reduce(lambda value, layer: layer(value), self.layers, x)
        value = as_point(x)
        layers = resolved(self.layers, value)
        facts_at(layers, value.shape)
        for layer in layers:
            value = layer.value(value)
        return value

    def __repr__(self) -> str:
        return f"Sequential([{', '.join(layer.name for layer in self.layers)}])"


def facts_at(layers: tuple[Layer, ...], shape: Shape, /, *, first: int = 0) -> tuple[Facts, ...]:
    """Return the facts of the layers from `first` on, for one shape of what goes into it.

    Raises
    ------
    SizeError
        Naming both neighbours, or the input and the first layer.
    """
    found: list[Facts] = []
    for k in range(first, len(layers)):
        try:
            facts = layers[k].facts(shape)
        except SizeError as error:
            before = f"layer {k} ({layers[k - 1].name}) gives" if k else "the input has"
            what = counted(shape[0], "output" if k else "number") if len(shape) == 1 else f"shape {shape}"
            problem = f"{before} {what} but layer {k + 1} ({layers[k].name}) {error.what}"
            raise SizeError(problem, error.cure) from None
        found.append(facts)
        shape = facts.outputs
    return tuple(found)


def resolved(layers: tuple[Layer, ...], point: Array, /) -> tuple[Layer, ...]:
    """Return the layers with the output shape of every Function known, evaluating up to the last unknown one."""
    unknown = [k for k, layer in enumerate(layers) if isinstance(layer, Function) and layer.outputs is None]
    if not unknown:
        return layers
    found = list(layers)
    value = point
    for k in range(unknown[-1] + 1):
        layer = found[k]
        if isinstance(layer, Function):
            found[k] = layer = layer.at(value)
        value = layer.value(value)
    return tuple(found)


def _expected(layer: Layer) -> Shape | None:
    """Return the one input shape that a layer takes, where it takes only one."""
    match layer:
        case Linear():
            return (layer.weight.shape[1],)
        case MeanSquaredError() | CrossEntropy():
            shape: Shape = layer.target.shape
            return shape
        case _:
            return None


def _check(layers: tuple[Layer, ...]) -> None:
    """Check that sizes meet wherever they follow from the layers alone."""
    start = 0
    while start < len(layers):
        shape = _expected(layers[start])
        if shape is None:
            start += 1
            continue
        end = next((k for k in range(start, len(layers)) if isinstance(layers[k], Function)), len(layers))
        facts_at(layers[:end], shape, first=start)
        start = end + 1
