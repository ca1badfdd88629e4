"""Full Jacobian of an autoencoder, against meeting in the middle by hand, jax and torch."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks import jax_peers, torch_peers
from benchmarks.contender import Array, Contender
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.derivatives import jacobian
from jacchain.layers import Linear
from jacchain.workloads.networks import autoencoder

Weights = list[Array]


def row(dims: tuple[int, ...], speedup: float, *, peers: bool) -> Row:
    """Return the row for five sizes, and how many times faster than jax's forward and reverse mode it should be."""
    problem = autoencoder(dims)
    weights = [layer.weight for layer in problem.function.layers if isinstance(layer, Linear)]
    derivative, x = jacobian(problem.function), problem.point
    twins = "NumPy, meet in the middle", "NumPy, meet in the middle, out="
    contenders = [
        Contender(twins[0], "plain", partial(meet(weights), x)),
        Contender("jacchain J(x)", "jacchain", partial(derivative, x)),
        Contender(twins[1], "out=", partial(buffered_meet(weights), x)),
        Contender(
            "jacchain J(x, out=)", "jacchain out=", partial(derivative, x, out=np.empty((dims[-1], dims[0]), x.dtype))
        ),
    ]
    if peers:
        contenders += [*jax_peers.network_jacobian(x, weights), *torch_peers.network_jacobian(x, weights)]
    targets = [
        Target("jacchain J(x)", twins, 1.05),
        Target("jacchain J(x)", ("jax.jit(jacfwd)", "jax.jit(jacrev)"), speedup, is_speedup=True),
    ]
    title = f"autoencoder {'-'.join(map(str, dims))}, full Jacobian, float64"
    return Row(f"autoencoder-{dims[0]}", title, contenders, targets)


def meet(weights: Weights) -> Callable[[Array], Array]:
    """Return ((D4 (W4 (D3 W3))) ((D2 (W2 D1)) W1), each diagonal on the smallest matrix beside it."""
    w1, w2, w3, w4 = weights

    def run(x: Array) -> Array:
        y1 = np.tanh(w1 @ x)
        y2 = np.tanh(w2 @ y1)
        y3 = np.tanh(w3 @ y2)
        y4 = np.tanh(w4 @ y3)
        upper = (1 - y4 * y4)[:, None] * (w4 @ ((1 - y3 * y3)[:, None] * w3))
        lower = ((1 - y2 * y2)[:, None] * w2 * (1 - y1 * y1)) @ w1
        return upper @ lower  # type: ignore[no-any-return]  # arrays of any dtype

    return run


def buffered_meet(weights: Weights) -> Callable[[Array], Array]:
    """Return the same with every buffer allocated once, those of the forward pass too (np.matmul: see `kernel`)."""
    w1, w2, w3, w4 = weights
    y1, y2, y3, y4 = (np.empty(len(w)) for w in weights)
    d2, d3, d4 = y2[:, None], y3[:, None], y4[:, None]
    scaled3, scaled2 = np.empty_like(w3), np.empty_like(w2)
    upper, lower = np.empty((len(w4), w3.shape[1])), np.empty((len(w2), w1.shape[1]))
    result = np.empty((len(w4), w1.shape[1]))

    def run(x: Array) -> Array:
        np.dot(w1, x, y1)
        np.tanh(y1, y1)
        np.dot(w2, y1, y2)
        np.tanh(y2, y2)
        np.dot(w3, y2, y3)
        np.tanh(y3, y3)
        np.dot(w4, y3, y4)
        np.tanh(y4, y4)
        for y in (y1, y2, y3, y4):
            np.multiply(y, y, y)
            np.subtract(1, y, y)
        np.multiply(d3, w3, scaled3)
        np.matmul(w4, scaled3, upper)
        np.multiply(d4, upper, upper)
        np.multiply(w2, y1, scaled2)
        np.multiply(d2, scaled2, scaled2)
        np.matmul(scaled2, w1, lower)
        np.matmul(upper, lower, result)
        return result

    return run
