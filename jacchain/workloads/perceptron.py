"""Networks of weights and biases as plain NumPy functions of (parameters, inputs), in both layouts."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, Literal, assert_never

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.workloads.problem import Dtype

Layout = Literal["columns", "rows"]
LAYOUTS: Final[tuple[Layout, ...]] = ("columns", "rows")
"""Whether samples are columns (S = W S + b 1ᵀ) or rows (S = S W + 1 bᵀ)."""

Parameters = list[tuple[Array, Array]]
"""A weight and a bias for every layer."""

Activation = Callable[[Array], Array]


def initial_parameters(
    sizes: Sequence[int], /, *, layout: Layout = "columns", seed: int = 0, dtype: Dtype = "float64"
) -> Parameters:
    """Return normal weights of variance 1/inputs and biases of zero.

    The two layouts of one seed are each other's transposes.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden units of every layer, outputs.
    layout : {"columns", "rows"}
        For columns, W is outputs × inputs and b outputs × 1; for rows, W is inputs × outputs and b 1 × outputs.
    seed : int
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> [(weight.shape, bias.shape) for weight, bias in initial_parameters([13, 16, 3], layout="rows")]
    [((13, 16), (1, 16)), ((16, 3), (1, 3))]
    """
    rng = np.random.default_rng(seed)
    drawn = [
        ((rng.normal(size=(m, n)) / np.sqrt(n)).astype(dtype), np.zeros((m, 1), dtype)) for n, m in pairwise(sizes)
    ]
    match layout:
        case "columns":
            return drawn
        case "rows":
            return [(np.ascontiguousarray(weight.T), np.ascontiguousarray(bias.T)) for weight, bias in drawn]
        case _:
            assert_never(layout)


def affine(weight: Array, bias: Array, states: Array, /, *, layout: Layout = "columns") -> Array:
    """Return W S + b 1ᵀ, or S W + 1 bᵀ where samples are rows."""
    match layout:
        case "columns":
            return weight @ states + bias
        case "rows":
            return states @ weight + bias
        case _:
            assert_never(layout)


def hidden_states(
    parameters: Parameters, inputs: Array, /, *, layout: Layout = "columns", activation: Activation = np.tanh
) -> list[Array]:
    """Return what every layer gives: the last is the output, to which no activation is applied.

    Examples
    --------
    >>> states = hidden_states(initial_parameters([13, 16, 3]), np.ones((13, 5)))
    >>> [state.shape for state in states]
    [(16, 5), (3, 5)]
    """
    states = [inputs]
    for weight, bias in parameters[:-1]:
        states.append(activation(affine(weight, bias, states[-1], layout=layout)))
    weight, bias = parameters[-1]
    return [*states[1:], affine(weight, bias, states[-1], layout=layout)]


def perceptron(
    parameters: Parameters, inputs: Array, /, *, layout: Layout = "columns", activation: Activation = np.tanh
) -> Array:
    """Return the output of layers φ(W S + b 1ᵀ), the last one without φ.

    Parameters
    ----------
    parameters : list of (weight, bias)
        As `initial_parameters` gives them.
    inputs : array
        Features × samples, or samples × features where samples are rows.
    layout : {"columns", "rows"}
    activation : callable
        φ, number by number.

    Examples
    --------
    >>> perceptron([(np.array([[2.0]]), np.array([[1.0]]))], np.array([[3.0, 4.0]]))
    array([[7., 9.]])
    """
    return hidden_states(parameters, inputs, layout=layout, activation=activation)[-1]


def residual_network(
    parameters: Parameters, inputs: Array, /, *, layout: Layout = "columns", activation: Activation = np.tanh
) -> Array:
    """Return the same with S + φ(W S + b 1ᵀ) for every hidden layer that has as many outputs as inputs.

    Source: K. He et al., Deep residual learning for image recognition, CVPR 2016.

    Examples
    --------
    >>> one = (np.zeros((1, 1)), np.zeros((1, 1)))
    >>> residual_network([one, one, (np.ones((1, 1)), one[1])], np.array([[3.0]]))
    array([[3.]])
    """
    states = inputs
    for weight, bias in parameters[:-1]:
        change = activation(affine(weight, bias, states, layout=layout))
        states = states + change if change.shape == states.shape else change
    weight, bias = parameters[-1]
    return affine(weight, bias, states, layout=layout)
