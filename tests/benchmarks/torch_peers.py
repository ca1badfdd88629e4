"""The same work in torch, where it is installed."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.contender import Array, Contender


def _torch() -> Any:
    """Return torch with as many threads as BLAS, or None."""
    try:
        import torch
    except ImportError:
        return None
    if "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    return torch


def _contender(torch: Any, name: str, function: Any, *arrays: Array, role: Any = "torch") -> Contender:
    tensors = [torch.from_numpy(array) for array in arrays]
    return Contender(name, role, lambda: function(*tensors), "torch")


def wine_gradient(w1: Array, x: Array, w2: Array, t: Array) -> list[Contender]:
    """Return the gradient of the wine network's loss."""
    torch = _torch()
    if torch is None:
        return []

    def loss(w1: Any, x: Any, w2: Any, t: Any) -> Any:
        return ((w2 @ torch.tanh(w1 @ x) - t) ** 2).mean()

    return [_contender(torch, "torch.func.grad", torch.func.grad(loss), w1, x, w2, t)]


def weights_gradient(
    w1: Array, b1: Array, w2: Array, b2: Array, x: Array, t: Array, *, answer: Callable[[Any], Array]
) -> list[Contender]:
    """Return the gradient in all weights and biases."""
    torch = _torch()
    if torch is None:
        return []

    def loss(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, t: Any) -> Any:
        return ((w2 @ torch.tanh(w1 @ x + b1) + b2 - t) ** 2).mean()

    found = _contender(torch, "torch.func.grad", torch.func.grad(loss, argnums=(0, 1, 2, 3)), w1, b1, w2, b2, x, t)
    return [found._replace(answer=answer)]


def network_jacobian(x: Array, weights: Sequence[Array]) -> list[Contender]:
    """Return the Jacobian of a network by forward mode and by reverse mode."""
    torch = _torch()
    if torch is None:
        return []

    def network(x: Any, *weights: Any) -> Any:
        for weight in weights:
            x = torch.tanh(weight @ x)
        return x

    return [
        _contender(torch, "torch.func.jacfwd", torch.func.jacfwd(network), x, *weights),
        _contender(torch, "torch.func.jacrev", torch.func.jacrev(network), x, *weights),
    ]


def chain_product(matrices: Sequence[Array]) -> list[Contender]:
    """Return torch's own multi_dot, which takes the factors from left to right and finds the order at every call."""
    torch = _torch()
    if torch is None:
        return []
    return [_contender(torch, "torch.linalg.multi_dot", lambda *m: torch.linalg.multi_dot(m), *reversed(matrices))]
