"""Seeded networks: an autoencoder with a narrow middle, and a chain of random dense links."""

from itertools import pairwise

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.layers import Linear, Tanh
from jacchain.model.sequential import Sequential
from jacchain.workloads.problem import Dtype, Problem

AUTOENCODER = (784, 256, 32, 256, 784)


def autoencoder(dims: tuple[int, ...] | None = None, *, seed: int = 0, dtype: Dtype = "float64") -> Problem:
    """Return x ↦ tanh(W_n … tanh(W_1 x)) with weights scaled by the number of inputs; its full Jacobian is wanted."""
    sizes = dims or AUTOENCODER
    rng = np.random.default_rng(seed)
    layers = [layer for weight in _weights(sizes, rng, dtype) for layer in (Linear(weight), Tanh())]
    return Problem(
        "autoencoder",
        f"Jacobian of the output with respect to the input ({sizes[-1]} x {sizes[0]})",
        Sequential(layers),
        rng.normal(size=sizes[0]).astype(dtype),
        "jacobian",
        (f"{'-'.join(map(str, sizes))} with tanh, {dtype}, seed {seed}",),
    )


def chain(dims: tuple[int, ...] | None = None, *, seed: int = 0, dtype: Dtype = "float64") -> Problem:
    """Return x ↦ W_n … W_1 x with dense random weights; by default 50 links of sizes 5 to 500 drawn by the seed."""
    rng = np.random.default_rng(seed)
    sizes = dims or tuple(rng.integers(5, 501, size=51).tolist())
    links = len(sizes) - 1
    return Problem(
        "chain",
        f"Jacobian of a chain of {links} dense links ({sizes[-1]} x {sizes[0]})",
        Sequential([Linear(weight) for weight in _weights(sizes, rng, dtype)]),
        rng.normal(size=sizes[0]).astype(dtype),
        "jacobian",
        (f"{links} links, sizes {min(sizes)} to {max(sizes)}, {dtype}, seed {seed}",),
    )


def _weights(sizes: tuple[int, ...], rng: np.random.Generator, dtype: Dtype) -> list[Array]:
    pairs = pairwise(sizes)
    return [(rng.normal(size=(m, n)) / np.sqrt(n)).astype(dtype) for n, m in pairs]
