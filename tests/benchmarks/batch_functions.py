"""Gradients and Hessians of plain functions at many points at once, against NumPy by hand and jax's vmap."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import jax_peers
from benchmarks.contender import Array, Contender
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.derivatives import gradient
from jacchain.hessians import hessian

LOSS_POINTS, HESSIAN_POINTS = 256, 1000

DIMS = (16, 64, 64, 4)
"""Of a network whose squared error is differentiated."""


def loss_row(*, peers: bool) -> Row:
    """Return the row of the gradients of a small network's squared error in its input."""
    random = np.random.default_rng(0)
    weights = [random.standard_normal((b, a)) / np.sqrt(a) for a, b in pairwise(DIMS)]
    x = random.standard_normal((LOSS_POINTS, DIMS[0]))
    derivative, plain = gradient(partial(_loss, weights, xp=np)), "NumPy, 8 lines"
    contenders = [
        Contender(plain, "plain", partial(_gradients(weights), x)),
        Contender("jacchain .batched(X)", "jacchain", partial(derivative.batched, x)),
    ]
    rivals = jax_peers.many_points("grad", partial(_loss, weights), x) if peers else []
    targets = [Target("jacchain .batched(X)", (plain,), 1.1)]
    if rivals:
        targets.append(Target("jacchain .batched(X)", ("jax.jit(vmap(grad))",), 1.0))
    title = f"network {'-'.join(map(str, DIMS))} as a plain function, gradients at {LOSS_POINTS} points, float64"
    return Row("batch-function-loss", title, contenders + rivals, targets)


def hessian_row(*, peers: bool) -> Row:
    """Return the row of the Hessians of a function of six numbers."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, (HESSIAN_POINTS, 6))
    contenders = [Contender("jacchain H.batched(X)", "jacchain", partial(hessian(six).batched, x))]
    rivals = jax_peers.many_points("hessian", six, x) if peers else []
    targets = [Target("jacchain H.batched(X)", ("jax.jit(vmap(hessian))",), 1.0)] if rivals else []
    title = f"function of 6 numbers, Hessians at {HESSIAN_POINTS:,} points, float64"
    return Row("batch-function-hessian", title, contenders + rivals, targets)


def six(x: Array, xp: ModuleType = np) -> Any:
    """Return a number that is made of six."""
    waves = xp.sin(x[0] * x[1]) * xp.exp(x[2]) + xp.sqrt(x[0] + x[4]) * xp.cos(x[5])
    return waves + x[3] ** 2 * x[4] / (1 + x[5] ** 2)


def _loss(weights: list[Array], x: Array, xp: ModuleType = np) -> Any:
    first, second, third = weights
    y = third @ xp.tanh(second @ xp.tanh(first @ x))
    return xp.sum((y - 1.0) ** 2)


def _gradients(weights: list[Array]) -> Callable[[Array], Array]:
    """Return reverse mode as one writes it by hand."""
    first, second, third = weights

    def run(x: Array) -> Array:
        a = np.tanh(x @ first.T)
        b = np.tanh(a @ second.T)
        u = 2 * (b @ third.T - 1.0)
        u = (u @ third) * (1 - b * b)
        u = (u @ second) * (1 - a * a)
        return u @ first  # type: ignore[no-any-return]  # arrays of any dtype

    return run
