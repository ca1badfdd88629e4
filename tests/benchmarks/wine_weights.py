"""Gradient of the wine network with respect to all weights and biases, traced, against NumPy by hand, jax and torch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import jax_peers, torch_peers
from benchmarks.contender import Array, Contender
from benchmarks.kernel import kernel
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.derivatives import gradient
from jacchain.workloads.perceptron import initial_parameters
from jacchain.workloads.wine import wine_data

Weights = tuple[Array, Array, Array, Array]
"""W1, b1, W2 and b2; a gradient is the like."""

JAX = "jax.jit(grad), NumPy in and out"


class Problem:
    """The arrays of the loss mean((W2 tanh(W1 X + b1) + b2 - T)²), and where its gradient is wanted."""

    def __init__(self, hidden: int) -> None:
        data = wine_data()
        self.x, self.t = np.ascontiguousarray(data.features, np.float32), data.targets.astype(np.float32)
        (w1, b1), (w2, b2) = initial_parameters([13, hidden, 1], dtype="float32")
        self.weights: Weights = (w1, b1, w2, b2)

    def loss(self, w1: Array, b1: Array, w2: Array, b2: Array) -> Any:
        """Return the loss as one writes it in NumPy."""
        return ((w2 @ np.tanh(w1 @ self.x + b1) + b2 - self.t) ** 2).mean()

    def nested_loss(self, parameters: list[tuple[Array, Array]]) -> Any:
        """Return the same as a function of one list."""
        (w1, b1), (w2, b2) = parameters
        return self.loss(w1, b1, w2, b2)


def row(hidden: int, *, peers: bool) -> Row:
    """Return the row for so many hidden units."""
    problem = Problem(hidden)
    weights, plain = problem.weights, "NumPy, 6 lines"
    traced, nested = gradient(problem.loss, argnums=(0, 1, 2, 3)), gradient(problem.nested_loss)
    parameters = [weights[:2], weights[2:]]
    contenders = [
        Contender(plain, "plain", partial(reverse(problem), *weights), answer=joined),
        Contender("jacchain g(*weights)", "jacchain", partial(traced, *weights), answer=joined),
        Contender("jacchain g(list of pairs)", "other", partial(nested, parameters), answer=joined_pairs),
        Contender("NumPy, out= buffers", "out=", partial(buffered_reverse(problem), *weights), answer=joined),
    ]
    if peers:
        arrays = (*weights, problem.x, problem.t)
        contenders += [
            *jax_peers.weights_gradient(*arrays, answer=joined),
            *torch_peers.weights_gradient(*arrays, answer=joined),
        ]
    targets = [Target("jacchain g(*weights)", (plain,), 1.5 if hidden < 100 else 1.1)]
    if hidden < 100:
        targets.append(Target("jacchain g(*weights)", (JAX,), 1.0))
    title = f"wine gradient in all weights and biases, h={hidden}, float32"
    return Row(f"weights-{hidden}", title, contenders, targets, tolerance=1e-4)


def joined(gradient: Any) -> Array:
    """Return a gradient as one vector."""
    return np.concatenate([np.asarray(part).reshape(-1) for part in gradient])


def joined_pairs(gradient: Any) -> Array:
    """Return the same of pairs."""
    return joined([part for pair in gradient for part in pair])


def reverse(problem: Problem) -> Callable[..., Weights]:
    """Return reverse mode as one writes it by hand."""
    x, t = problem.x, problem.t

    def run(w1: Array, b1: Array, w2: Array, b2: Array) -> Weights:
        y = np.tanh(w1 @ x + b1)
        r = (w2 @ y + b2 - t) * (2 / t.size)
        s = w2.T * r * (1 - y * y)
        return s @ x.T, s.sum(axis=1, keepdims=True), r @ y.T, r.sum(axis=1, keepdims=True)

    return run


def buffered_reverse(problem: Problem) -> Callable[..., Weights]:
    """Return the same with every buffer allocated once; sums over samples are products with ones, which BLAS does."""
    x, t = problem.x, problem.t
    g1, gb1, g2, gb2 = found = tuple(np.empty_like(weight) for weight in problem.weights)
    xt, scale, ones = x.T, 2 / t.size, np.ones((x.shape[1], 1), x.dtype)
    y, s, r = (np.empty((rows, x.shape[1]), x.dtype) for rows in (len(g1), len(g1), 1))
    yt, product = y.T, kernel(problem.weights[0], x, y)

    def run(w1: Array, b1: Array, w2: Array, b2: Array) -> Weights:
        product(w1, x, y)
        np.add(y, b1, y)
        np.tanh(y, y)
        np.dot(w2, y, r)
        np.add(r, b2, r)
        np.subtract(r, t, r)
        np.multiply(r, scale, r)
        np.dot(r, yt, g2)
        np.dot(r, ones, gb2)
        np.dot(w2.T, r, s)
        np.multiply(y, y, y)
        np.subtract(1, y, y)
        np.multiply(s, y, s)
        np.dot(s, xt, g1)
        np.dot(s, ones, gb1)
        return found

    return run
