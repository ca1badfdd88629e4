"""Gradient of the wine network, against four lines of NumPy, their buffered twin, jax and torch."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks import jax_peers, torch_peers
from benchmarks.contender import Array, Contender
from benchmarks.kernel import kernel
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.derivatives import gradient
from jacchain.layers import LeftMultiply, MeanSquaredError, RightMultiply
from jacchain.workloads.wine import wine


class Problem:
    """The arrays of the loss mean((W2 tanh(W1 X) - T)²), and where its gradient is wanted."""

    def __init__(self, hidden: int) -> None:
        found = wine(hidden)
        self.function, self.w1 = found.function, found.point
        first, _, second, loss = found.function.layers
        assert isinstance(first, RightMultiply)
        assert isinstance(second, LeftMultiply)
        assert isinstance(loss, MeanSquaredError)
        self.x, self.w2, self.t = first.factor, second.weight, loss.target


def row(hidden: int, *, peers: bool) -> Row:
    """Return the row for so many hidden units."""
    problem = Problem(hidden)
    derivative, w1 = gradient(problem.function), problem.w1
    plain, buffered = "NumPy, 4 lines", "NumPy, out= buffers"
    contenders = [
        Contender(plain, "plain", partial(reverse(problem), w1)),
        Contender("jacchain J(x)", "jacchain", partial(derivative, w1)),
        Contender(buffered, "out=", partial(buffered_reverse(problem), w1)),
        Contender("jacchain J(x, out=)", "jacchain out=", partial(derivative, w1, out=np.empty_like(w1))),
        Contender("NumPy, out=, regrouped by hand", "other", partial(regrouped(problem), w1)),
    ]
    if peers:
        arrays = problem.x, problem.w2, problem.t
        contenders += [*jax_peers.wine_gradient(w1, *arrays), *torch_peers.wine_gradient(w1, *arrays)]
    bound = Target("jacchain J(x)", (plain,), 1.5) if hidden < 100 else Target("jacchain J(x)", (buffered,), 1.05)
    return Row(f"wine-{hidden}", f"wine gradient, h={hidden}, float32", contenders, [bound], tolerance=1e-4)


def reverse(problem: Problem) -> Callable[[Array], Array]:
    """Return reverse mode as one writes it by hand."""
    x, w2, t = problem.x, problem.w2, problem.t

    def run(w1: Array) -> Array:
        y = np.tanh(w1 @ x)
        r = (w2 @ y - t) * (2 / t.size)
        s = w2.T * r * (1 - y * y)
        g: Array = s @ x.T
        return g

    return run


def buffered_reverse(problem: Problem) -> Callable[[Array], Array]:
    """Return the same with every buffer allocated once; the outer product W2ᵀ r is fastest as np.dot."""
    x, w2, t = problem.x, problem.w2, problem.t
    xt, w2t, scale = x.T, w2.T, 2 / t.size
    y, s = np.empty((len(w2t), x.shape[1]), x.dtype), np.empty((len(w2t), x.shape[1]), x.dtype)
    r: Array = np.empty_like(t)
    g: Array = np.empty_like(problem.w1)
    product = kernel(problem.w1, x, y)

    def run(w1: Array) -> Array:
        product(w1, x, y)
        np.tanh(y, y)
        np.dot(w2, y, r)
        np.subtract(r, t, r)
        np.multiply(r, scale, r)
        np.dot(w2t, r, s)
        np.multiply(y, y, y)
        np.subtract(1, y, y)
        np.multiply(s, y, s)
        np.dot(s, xt, g)
        return g

    return run


def regrouped(problem: Problem) -> Callable[[Array], Array]:
    """Return diag(W2) ((1 - Y²) (X diag(r))ᵀ), in which both scalings are of small matrices.

    No bracketing of the chain reaches this order. It shows what is left beyond the chain; no target is stated
    against it.
    """
    x, w2, t = problem.x, problem.w2, problem.t
    w2t, scale = w2.T, 2 / t.size
    y, z = np.empty((len(w2t), x.shape[1]), x.dtype), np.empty_like(x)
    zt, r = z.T, np.empty_like(t)
    g: Array = np.empty_like(problem.w1)
    product = kernel(problem.w1, x, y)

    def run(w1: Array) -> Array:
        product(w1, x, y)
        np.tanh(y, y)
        np.dot(w2, y, r)
        np.subtract(r, t, r)
        np.multiply(r, scale, r)
        np.multiply(x, r, z)
        np.multiply(y, y, y)
        np.subtract(1, y, y)
        np.dot(y, zt, g)
        np.multiply(g, w2t, g)
        return g

    return run
