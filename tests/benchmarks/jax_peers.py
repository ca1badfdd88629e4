"""The same work in jax, where it is installed: compiled, with arrays that already lie on its device."""

from collections.abc import Callable, Sequence
from functools import partial
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


def weights_gradient(
    w1: Array, b1: Array, w2: Array, b2: Array, x: Array, t: Array, *, answer: Callable[[Any], Array]
) -> list[Contender]:
    """Return the gradient in all weights and biases, and the same with NumPy weights in and NumPy arrays out."""
    jax = _jax()
    if jax is None:
        return []

    def loss(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, t: Any) -> Any:
        return ((w2 @ jax.numpy.tanh(w1 @ x + b1) + b2 - t) ** 2).mean()

    compiled = jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3)))
    placed = [jax.device_put(array) for array in (w1, b1, w2, b2, x, t)]

    def with_numpy() -> list[Array]:
        return [np.asarray(part) for part in compiled(w1, b1, w2, b2, *placed[4:])]

    return [
        Contender("jax.jit(grad)", "jax", lambda: jax.block_until_ready(compiled(*placed)), "jax", answer),
        Contender("jax.jit(grad), NumPy in and out", "other", with_numpy, "jax", answer),
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


def network_jacobians(x: Array, weights: Sequence[Array]) -> list[Contender]:
    """Return the Jacobians of a network at many points, by forward and by reverse mode."""
    jax = _jax()
    if jax is None:
        return []

    def network(x: Any, *weights: Any) -> Any:
        for weight in weights:
            x = jax.numpy.tanh(weight @ x)
        return x

    axes = (0, *(None for _ in weights))
    found = []
    for mode in ("jacfwd", "jacrev"):
        derivative = jax.vmap(getattr(jax, mode)(network), in_axes=axes)
        found.append(_compiled(jax, f"jax.jit(vmap({mode}))", derivative, x, *weights))
    return found


def loss_gradients(x: Array, w1: Array, w2: Array, t: Array) -> list[Contender]:
    """Return the gradients of the squared error of a network of two layers in its input, at many points."""
    jax = _jax()
    if jax is None:
        return []

    def loss(x: Any, w1: Any, w2: Any, t: Any) -> Any:
        return ((w2 @ jax.numpy.tanh(w1 @ x) - t) ** 2).mean()

    derivative = jax.vmap(jax.grad(loss), in_axes=(0, None, None, None))
    placed = [jax.device_put(array) for array in (w1, w2, t)]
    compiled = jax.jit(derivative)
    return [
        _compiled(jax, "jax.jit(vmap(grad))", derivative, x, w1, w2, t),
        Contender("jax.jit(vmap(grad)), NumPy in and out", "other", lambda: np.asarray(compiled(x, *placed)), "jax"),
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


def function_jacobian(function: Callable[..., Any], x: Array) -> list[Contender]:
    """Return the Jacobian of a function that takes a module of array functions, by forward and reverse mode."""
    jax = _jax()
    if jax is None:
        return []
    with_jax = partial(function, xp=jax.numpy)
    return [_compiled(jax, f"jax.jit({mode})", getattr(jax, mode)(with_jax), x) for mode in ("jacfwd", "jacrev")]


def points_jacobian(function: Callable[..., Any], x: Array) -> list[Contender]:
    """Return the same at many points, and with NumPy arrays in and out."""
    jax = _jax()
    if jax is None:
        return []
    found: list[Contender] = []
    for mode in ("jacfwd", "jacrev"):
        derivative = jax.vmap(getattr(jax, mode)(partial(function, xp=jax.numpy)))
        name, compiled = f"jax.jit(vmap({mode}))", jax.jit(derivative)
        found.append(_compiled(jax, name, derivative, x))
        call = partial(_as_numpy, compiled, x)
        found.append(Contender(f"{name}, NumPy in and out", "other", call, "jax"))
    return found


def many_points(mode: str, function: Callable[..., Any], x: Array) -> list[Contender]:
    """Return a transformation of a function that takes a module of array functions, at many points."""
    jax = _jax()
    if jax is None:
        return []
    derivative = jax.vmap(getattr(jax, mode)(partial(function, xp=jax.numpy)))
    name, compiled = f"jax.jit(vmap({mode}))", jax.jit(derivative)
    with_numpy = Contender(f"{name}, NumPy in and out", "other", partial(_as_numpy, compiled, x), "jax")
    return [_compiled(jax, name, derivative, x), with_numpy]


def _as_numpy(compiled: Any, x: Array) -> Array:
    return np.asarray(compiled(x))


def hessian(x: Array, t: Array, w: Array, hidden: int) -> list[Contender]:
    """Return the Hessian of the wine network's loss in all weights, and the same with NumPy arrays in and out."""
    jax = _jax()
    if jax is None:
        return []
    size = x.shape[1] * hidden

    def loss(w: Any, x: Any, t: Any) -> Any:
        first, second = w[:size].reshape(-1, hidden), w[size:]
        return ((jax.numpy.tanh(x @ first) @ second - t) ** 2).mean()

    compiled, placed = jax.jit(jax.hessian(loss)), [jax.device_put(array) for array in (x, t)]
    return [
        _compiled(jax, "jax.jit(hessian)", jax.hessian(loss), w, x, t),
        Contender("jax.jit(hessian), NumPy in and out", "other", lambda: np.asarray(compiled(w, *placed)), "jax"),
    ]
