"""The same work in jax, where it is installed: compiled, with arrays that already lie on its device."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.contender import Array, Contender


def _jax() -> Any:
    """Return jax with float64 enabled, or None."""
    try:
        jax: Any = import_module("jax")
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    return jax


def _compiled(jax: Any, name: str, function: Any, *arrays: Array, role: Any = "jax") -> Contender:
    compiled, placed = jax.jit(function), [jax.device_put(array) for array in arrays]
    return Contender(name, role, lambda: compiled(*placed).block_until_ready(), "jax")


def wine_gradient(w1: Array, x: Array, w2: Array, t: Array) -> list[Contender]:
    """Return the gradient of the wine network's loss, and the same with NumPy arrays in and out."""
    jax = _jax()
    if jax is None:
        return []

    def loss(w1: Any, x: Any, w2: Any, t: Any) -> Any:
        return ((w2 @ jax.numpy.tanh(w1 @ x) - t) ** 2).mean()

    compiled, placed = jax.jit(jax.grad(loss)), [jax.device_put(array) for array in (x, w2, t)]
    return [
        _compiled(jax, "jax.jit(grad)", jax.grad(loss), w1, x, w2, t),
        Contender("jax.jit(grad), NumPy in and out", "other", lambda: np.asarray(compiled(w1, *placed)), "jax"),
    ]


def network_jacobian(x: Array, weights: Sequence[Array]) -> list[Contender]:
    """Return the Jacobian of a network of four layers by forward mode, by reverse mode, and split by hand."""
    jax = _jax()
    if jax is None:
        return []

    def network(x: Any, *weights: Any) -> Any:
        for weight in weights:
            x = jax.numpy.tanh(weight @ x)
        return x

    def split(x: Any, w1: Any, w2: Any, w3: Any, w4: Any) -> Any:
        code = network(x, w1, w2)
        return jax.jacfwd(network)(code, w3, w4) @ jax.jacrev(network)(x, w1, w2)

    return [
        _compiled(jax, "jax.jit(jacfwd)", jax.jacfwd(network), x, *weights),
        _compiled(jax, "jax.jit(jacrev)", jax.jacrev(network), x, *weights),
        _compiled(jax, "jax.jit, split by hand", split, x, *weights, role="other"),
    ]


def chain_product(matrices: Sequence[Array], steps: Sequence[tuple[int, int]]) -> list[Contender]:
    """Return the products of a chain in a given order: each step multiplies two earlier results."""
    jax = _jax()
    if jax is None:
        return []

    def product(*matrices: Any) -> Any:
        found = list(matrices)
        for left, right in steps:
            found.append(found[left] @ found[right])
        return found[-1]

    return [_compiled(jax, "jax.jit, same order", product, *matrices)]
