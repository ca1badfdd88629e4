"""Derivatives at many points at once, against whole batches and chunks by hand, and jax's vmap."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks import jax_peers
from benchmarks.contender import Array, Contender
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.derivatives import gradient, jacobian
from jacchain.layers import Linear, MeanSquaredError, Tanh
from jacchain.model.sequential import Sequential
from jacchain.workloads.networks import autoencoder
from jacchain.workloads.wine import wine

POINTS = 64
CHUNK = 16
"""Points at a time that are as fast as the whole batch, in a quarter of its workspace."""


def autoencoder_row(*, peers: bool) -> Row:
    """Return the row of an autoencoder's Jacobians at 64 points."""
    dims = (784, 256, 32, 256, 784)
    problem = autoencoder(dims)
    weights = [layer.weight for layer in problem.function.layers if isinstance(layer, Linear)]
    x = np.random.default_rng(1).standard_normal((POINTS, dims[0]))
    derivative, out = jacobian(problem.function), np.empty((POINTS, dims[-1], dims[0]))
    twins = "NumPy, whole batch, out=", f"NumPy, {CHUNK} points at a time, out="
    mine = np.empty_like(out)
    whole, chunks = buffered_meets(weights, POINTS), buffered_meets(weights, CHUNK)
    contenders = [
        Contender("NumPy, whole batch", "plain", partial(meets(weights), x)),
        Contender("jacchain .batched(X)", "jacchain", partial(derivative.batched, x)),
        Contender(twins[0], "out=", partial(whole, x, mine)),
        Contender(twins[1], "out=", partial(in_chunks(chunks, CHUNK), x, mine)),
        Contender("jacchain .batched(X, out=)", "jacchain out=", partial(derivative.batched, x, out=out)),
    ]
    if peers:
        contenders += jax_peers.network_jacobians(x, weights)
    targets = [
        Target("jacchain .batched(X)", twins[:1], 1.05),
        Target("jacchain .batched(X)", ("jax.jit(vmap(jacfwd))", "jax.jit(vmap(jacrev))"), 5, is_speedup=True),
    ]
    title = f"autoencoder {'-'.join(map(str, dims))}, Jacobians at {POINTS} points, float64"
    return Row("batch-autoencoder", title, contenders, targets)


def meets(weights: list[Array]) -> Callable[[Array], Array]:
    """Return the meet in the middle for all points, each diagonal on the smallest matrix beside it."""
    w1, w2, w3, w4 = weights

    def run(x: Array) -> Array:
        y1 = np.tanh(x @ w1.T)
        y2 = np.tanh(y1 @ w2.T)
        y3 = np.tanh(y2 @ w3.T)
        d4 = 1 - np.tanh(y3 @ w4.T) ** 2
        upper = d4[:, :, None] * (w4 @ ((1 - y3 * y3)[:, :, None] * w3))
        lower = ((1 - y2 * y2)[:, :, None] * w2 * (1 - y1 * y1)[:, None, :]) @ w1
        return upper @ lower  # type: ignore[no-any-return]  # arrays of any dtype

    return run


def buffered_meets(weights: list[Array], count: int) -> Callable[[Array, Array], Array]:
    """Return the same for so many points with every buffer allocated once; what W1 multiplies is one tall matrix."""
    w1, w2, w3, w4 = weights
    states = [np.empty((count, len(w))) for w in weights]
    d1, d2, d3, d4 = states[0][:, None, :], *(state[:, :, None] for state in states[1:])
    scaled3, scaled2 = np.empty((count, *w3.shape)), np.empty((count, *w2.shape))
    upper, lower = np.empty((count, len(w4), w3.shape[1])), np.empty((count, len(w2), w1.shape[1]))
    tall, wide = scaled2.reshape(-1, w2.shape[1]), lower.reshape(-1, w1.shape[1])

    def run(x: Array, out: Array) -> Array:
        for weight, y in zip(weights, states, strict=True):
            np.matmul(x, weight.T, y)
            np.tanh(y, y)
            x = y
        for y in states:
            np.multiply(y, y, y)
            np.subtract(1, y, y)
        np.multiply(d3, w3, scaled3)
        np.matmul(w4, scaled3, upper)
        np.multiply(d4, upper, upper)
        np.multiply(w2, d1, scaled2)
        np.multiply(d2, scaled2, scaled2)
        np.matmul(tall, w1, wide)
        return np.matmul(upper, lower, out)  # type: ignore[no-any-return]  # arrays of any dtype

    return run


def in_chunks(run: Callable[[Array, Array], Array], size: int) -> Callable[[Array, Array], Array]:
    """Return what makes the blocks of so many points at a time, each in its place."""

    def chunked(x: Array, out: Array) -> Array:
        for start in range(0, len(x), size):
            run(x[start : start + size], out[start : start + size])
        return out

    return chunked


def wine_row(*, peers: bool) -> Row:
    """Return the row of the gradient of a 13-16-1 network's error in its input, at the wines one by one."""
    found = wine(16)
    w1, w2 = found.point, found.function.layers[2].weight  # type: ignore[attr-defined]  # a LeftMultiply
    x = np.ascontiguousarray(found.function.layers[0].factor.T)  # type: ignore[attr-defined]  # a RightMultiply
    target = np.ones(1, x.dtype)
    derivative = gradient(Sequential([Linear(w1), Tanh(), Linear(w2), MeanSquaredError(target)]))
    plain, buffered = "NumPy, 5 lines", "NumPy, out= buffers"
    contenders = [
        Contender(plain, "plain", partial(input_gradients(w1, w2, target), x)),
        Contender("jacchain .batched(X)", "jacchain", partial(derivative.batched, x)),
        Contender(buffered, "out=", partial(buffered_input_gradients(w1, w2, target, len(x)), x)),
        Contender("jacchain .batched(X, out=)", "jacchain out=", partial(derivative.batched, x, out=np.empty_like(x))),
    ]
    if peers:
        contenders += jax_peers.loss_gradients(x, w1, w2, target)
    title = f"wine 13-16-1, gradient of the error in the input at {len(x)} wines, float32"
    return Row("batch-wine", title, contenders, [Target("jacchain .batched(X)", (plain,), 1.5)], tolerance=1e-4)


def input_gradients(w1: Array, w2: Array, target: Array) -> Callable[[Array], Array]:
    """Return reverse mode as one writes it by hand."""

    def run(x: Array) -> Array:
        y = np.tanh(x @ w1.T)
        r = 2 * (y @ w2.T - target)
        s = (r @ w2) * (1 - y * y)
        return s @ w1  # type: ignore[no-any-return]  # arrays of any dtype

    return run


def buffered_input_gradients(w1: Array, w2: Array, target: Array, count: int) -> Callable[[Array], Array]:
    """Return the same with every buffer allocated once."""
    y, s, d = (np.empty((count, len(w1)), w1.dtype) for _ in range(3))
    r = np.empty((count, 1), w1.dtype)
    g = np.empty((count, w1.shape[1]), w1.dtype)

    def run(x: Array) -> Array:
        np.dot(x, w1.T, y)
        np.tanh(y, y)
        np.dot(y, w2.T, r)
        np.subtract(r, target, r)
        np.add(r, r, r)
        np.dot(r, w2, s)
        np.multiply(y, y, d)
        np.subtract(1, d, d)
        np.multiply(s, d, s)
        return np.dot(s, w1, g)  # type: ignore[no-any-return]  # arrays of any dtype

    return run
