"""The autoencoder's Jacobian at many points on a CUDA device, where there is one, against jax and torch on the same."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.contender import Contender
from benchmarks.race import Times
from benchmarks.row import Row, Skipped
from benchmarks.target import Target
from jacchain.derivatives import jacobian
from jacchain.errors import JacchainError
from jacchain.execution.backend import Backend, backend_at
from jacchain.execution.device import Device
from jacchain.layers import Linear, Tanh
from jacchain.model.sequential import Sequential

SIZES = (2048, 512, 16, 512, 2048)
POINTS = 256
PLANNED = "jacchain .batched(X)"
SQUARE = 8192
"""Rows of the product that the card's peak is measured by."""


def row(dtype: str, *, peers: bool) -> Row:
    """Return the row of a dtype.

    Raises
    ------
    Skipped
        No CUDA device can be used.
    """
    card = _card()
    xp, rng = card.kernels.xp, np.random.default_rng(0)
    weights = [(rng.normal(size=(m, n)) / np.sqrt(n)).astype(dtype) for n, m in pairwise(SIZES)]
    points = rng.normal(size=(POINTS, SIZES[0])).astype(dtype)
    placed = [card.place(weight) for weight in weights]
    derivative = jacobian(Sequential([layer for weight in placed for layer in (Linear(weight), Tanh())]))
    x = card.place(points)

    def ours() -> Any:
        found = derivative.batched(x)
        card.synchronise()
        return found

    contenders = [Contender(PLANNED, "jacchain", ours, answer=partial(_sample, card.fetch))]
    if peers:
        contenders += [*_jax(points, weights), *_torch(points, weights)]
    rivals = tuple(contender.name for contender in contenders[1:])
    peak = _peak(card, xp, dtype)
    flops = POINTS * derivative.plan(x[0]).flops

    def notes(times: Sequence[Times]) -> list[str]:
        share = flops / times[0].median / peak
        met = "met" if share >= 0.6 else "missed"
        rate = f"{2 * peak / 1e12:.1f} TFLOP/s, what the card makes of {SQUARE:,} rows"
        return [f"{met}: {share:.0%} of {rate}; wanted >= 60 %"]

    title = f"autoencoder {'-'.join(map(str, SIZES))}, {POINTS} points on the card, {dtype}"
    targets = [Target(PLANNED, rivals, 5.0, is_speedup=True)] if rivals else []
    return Row(f"card-{dtype}", title, contenders, targets, tolerance=1e-3 if dtype == "float32" else 1e-9, notes=notes)


def _card() -> Backend:
    try:
        return backend_at(Device("cuda"))
    except JacchainError as error:
        raise Skipped(error.what) from None


def _sample(fetch: Callable[[Any], Any], found: Any) -> Any:
    """Return a small part of what lies on the card."""
    return fetch(found[:: POINTS // 2, ::97, ::97].copy())


def _peak(card: Backend, xp: Any, dtype: str) -> float:
    """Return the multiply-adds a second of a large product."""
    a = xp.ones((SQUARE, SQUARE), dtype)
    best = float("inf")
    for _ in range(4):
        card.synchronise()
        start = perf_counter()
        xp.matmul(a, a)
        card.synchronise()
        best = min(best, perf_counter() - start)
    return SQUARE**3 / best


def _jax(points: Any, weights: Sequence[Any]) -> list[Contender]:
    try:
        jax: Any = import_module("jax")
        jax.config.update("jax_enable_x64", True)
        device = jax.devices("gpu")[0]
    except (ImportError, RuntimeError):
        return []
    placed = [jax.device_put(weight, device) for weight in weights]
    x = jax.device_put(points, device)

    def network(x: Any) -> Any:
        for weight in placed:
            x = jax.numpy.tanh(weight @ x)
        return x

    found = []
    for mode in ("jacfwd", "jacrev"):
        compiled = jax.jit(jax.vmap(getattr(jax, mode)(network)))
        call = partial(_waited, compiled, x)
        found.append(Contender(f"jax.jit(vmap({mode}))", "jax", call, "jax", partial(_sample, np.asarray)))
    return found


def _waited(compiled: Any, x: Any) -> Any:
    return compiled(x).block_until_ready()


def _torch(points: Any, weights: Sequence[Any]) -> list[Contender]:
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return []
    if not torch.cuda.is_available():
        return []
    placed = [torch.from_numpy(weight).cuda() for weight in weights]
    x = torch.from_numpy(points).cuda()

    def network(x: Any) -> Any:
        for weight in placed:
            x = torch.tanh(weight @ x)
        return x

    found = []
    for mode in ("jacfwd", "jacrev"):
        derivative = torch.func.vmap(getattr(torch.func, mode)(network), chunk_size=16)

        def call(derivative: Any = derivative) -> Any:
            made = derivative(x)
            torch.cuda.synchronize()
            return made

        def answer(made: Any) -> Any:
            return made[:: POINTS // 2, ::97, ::97].cpu().numpy()

        found.append(Contender(f"torch.func.vmap({mode})", "torch", call, "torch", answer))
    return found
