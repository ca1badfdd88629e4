"""A small transformer block as a plain NumPy function of all its weights; tokens are rows."""

import numpy as np
from scipy.special import erf, softmax

from jacchain.algebra.kernels import Array
from jacchain.workloads.problem import Dtype

Parameters = dict[str, Array]
"""The arrays of a block by name."""


def initial_block(width: int, /, *, hidden: int | None = None, seed: int = 0, dtype: Dtype = "float64") -> Parameters:
    """Return normal weights of variance 1/inputs, small random biases, and gains near one.

    Parameters
    ----------
    width : int
        Numbers of a token.
    hidden : int, optional
        Units of the perceptron; four times the width by default.
    seed : int
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> {name: array.shape for name, array in initial_block(4).items() if array.ndim == 2}
    {'query': (4, 4), 'key': (4, 4), 'value': (4, 4), 'join': (4, 4), 'widen': (4, 16), 'narrow': (16, 4)}
    """
    rng = np.random.default_rng(seed)
    units = 4 * width if hidden is None else hidden
    shapes = dict.fromkeys(("query", "key", "value", "join"), (width, width))
    shapes |= {"widen": (width, units), "narrow": (units, width)}
    block = {name: rng.normal(size=shape) / np.sqrt(shape[0]) for name, shape in shapes.items()}
    block |= {"widen bias": 0.1 * rng.normal(size=units), "narrow bias": 0.1 * rng.normal(size=width)}
    for norm in ("attention", "perceptron"):
        block |= {f"{norm} gain": 1 + 0.1 * rng.normal(size=width), f"{norm} shift": 0.1 * rng.normal(size=width)}
    return {name: array.astype(dtype) for name, array in block.items()}


def layer_norm(tokens: Array, gain: Array, shift: Array, /, *, tiny: float = 1e-5) -> Array:
    """Return every token with mean zero and variance one, times the gain, plus the shift.

    Examples
    --------
    >>> layer_norm(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), tiny=0.0)
    array([[-1.,  1.]])
    """
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    found: Array = centred / np.sqrt(variance + tiny) * gain + shift
    return found


def attention(queries: Array, keys: Array, values: Array, /) -> Array:
    """Return softmax(Q Kᵀ / √d) V for every head; arrays of (tokens, heads, d).

    Source: A. Vaswani et al., Attention is all you need, NeurIPS 2017, equation 1.

    Examples
    --------
    >>> attention(np.zeros((2, 1, 1)), np.ones((2, 1, 1)), np.array([[[1.0]], [[3.0]]])).reshape(-1)
    array([2., 2.])
    """
    scores = np.einsum("thd,shd->hts", queries, keys) / np.sqrt(queries.shape[-1])
    found: Array = np.einsum("hts,shd->thd", softmax(scores, axis=-1), values)
    return found


def gelu(states: Array, /) -> Array:
    """Return S Φ(S), with the distribution function Φ of the normal law.

    Examples
    --------
    >>> gelu(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8413])
    """
    found: Array = states * (0.5 + 0.5 * erf(states / np.sqrt(2)))
    return found


def transformer_block(parameters: Parameters, tokens: Array, /, *, heads: int = 1) -> Array:
    """Return X + attention(norm(X)), and to that again its perceptron(norm(·)) added: the pre-norm block.

    Parameters
    ----------
    parameters : dict of arrays
        As `initial_block` gives them.
    tokens : array of shape (tokens, width)
    heads : int
        A divisor of the width.

    Examples
    --------
    >>> transformer_block(initial_block(4), np.eye(3, 4), heads=2).shape
    (3, 4)
    """
    p, per_head = parameters, (tokens.shape[0], heads, -1)
    states = layer_norm(tokens, p["attention gain"], p["attention shift"])
    queries, keys, values = ((states @ p[name]).reshape(per_head) for name in ("query", "key", "value"))
    tokens = tokens + attention(queries, keys, values).reshape(tokens.shape) @ p["join"]
    states = layer_norm(tokens, p["perceptron gain"], p["perceptron shift"])
    return tokens + gelu(states @ p["widen"] + p["widen bias"]) @ p["narrow"] + p["narrow bias"]
