"""Jacobians of two simulations in jax and torch, and by hand in numba, where they are installed."""

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.contender import Array, Contender
from jacchain.workloads.burgers import COURANT
from jacchain.workloads.lorenz96 import DT, FORCING


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def lorenz96(x: Array, steps: int) -> list[Contender]:
    """Return the Jacobian of the final state with respect to the first."""

    def step(x: Any, roll: Callable[[Any, int], Any]) -> Any:
        def tendency(x: Any) -> Any:
            return (roll(x, -1) - roll(x, 2)) * roll(x, 1) - x + FORCING

        first = tendency(x)
        second = tendency(x + DT / 2 * first)
        third = tendency(x + DT / 2 * second)
        return x + DT / 6 * (first + 2 * (second + third) + tendency(x + DT * third))

    jax, torch = _module("jax"), _module("torch")

    def in_jax(x: Any) -> Any:
        return jax.lax.scan(lambda c, _: (step(c, jax.numpy.roll), None), x, None, length=steps)[0]

    def in_torch(x: Any) -> Any:
        for _ in range(steps):
            x = step(x, torch.roll)
        return x

    return [*_jax(jax, in_jax, x), *_torch(torch, in_torch, x), *_numba(_lorenz_by_numba, x, steps)]


def burgers(parameters: Array, cells: int, steps: int) -> list[Contender]:
    """Return the Jacobian of three observations with respect to four parameters."""
    jax, torch = _module("jax"), _module("torch")
    places = 2 * np.pi * (np.arange(cells) + 0.5) / cells

    def step(u: Any, diffusion: Any, push: Any, join: Callable[[Any], Any]) -> Any:
        square = u * u
        flow = COURANT / 4 * (square[:-2] - square[2:])
        return join([u[:1], u[1:-1] + flow + diffusion * (u[:-2] - 2 * u[1:-1] + u[2:]) + push, u[-1:]])

    def observed(u: Any, stack: Callable[[Any], Any]) -> Any:
        return stack([(u * u).sum() / (2 * cells), u.sum() / cells, u[cells // 3]])

    def in_jax(p: Any) -> Any:
        xp = jax.numpy
        numbers = COURANT * p[2], COURANT / cells * p[3]
        first = p[0] * xp.sin(places + p[1])
        last = jax.lax.scan(lambda u, _: (step(u, *numbers, xp.concatenate), None), first, None, length=steps)[0]
        return observed(last, xp.stack)

    def in_torch(p: Any) -> Any:
        u = p[0] * torch.sin(torch.from_numpy(places) + p[1])
        for _ in range(steps):
            u = step(u, COURANT * p[2], COURANT / cells * p[3], torch.cat)
        return observed(u, torch.stack)

    by_numba = _numba(_burgers_by_numba, parameters, cells, steps)
    return [*_jax(jax, in_jax, parameters), *_torch(torch, in_torch, parameters), *by_numba]


def _jax(jax: Any, function: Callable[[Any], Any], x: Array) -> list[Contender]:
    if jax is None:
        return []
    jax.config.update("jax_enable_x64", True)
    placed, found = jax.device_put(x), list[Contender]()
    for mode in ("jacfwd", "jacrev"):
        compiled = jax.jit(getattr(jax, mode)(function))
        found.append(
            Contender(f"jax.jit({mode}(scan))", "jax", lambda c=compiled: c(placed).block_until_ready(), "jax")
        )
    return found


def _torch(torch: Any, function: Callable[[Any], Any], x: Array) -> list[Contender]:
    if torch is None:
        return []
    if "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    placed, found = torch.from_numpy(x), list[Contender]()
    for mode in ("jacfwd", "jacrev"):
        derivative = getattr(torch.func, mode)(function)
        found.append(Contender(f"torch.func.{mode}", "torch", lambda d=derivative: d(placed), "torch"))
    return found


def _numba(make: Callable[..., Callable[[Array], Array]], x: Array, *sizes: int) -> list[Contender]:
    numba = _module("numba")
    if numba is None:
        return []
    run = make(numba.njit, *sizes)
    return [Contender("numba, forward by hand", "other", lambda: run(x), "numba")]


def _lorenz_by_numba(njit: Any, steps: int) -> Callable[[Array], Array]:
    @njit
    def tendency(s: Array, out: Array) -> None:
        n, width = s.shape
        for i in range(n):
            ahead, far, near = s[(i + 1) % n], s[i - 2], s[i - 1]
            fall, before = ahead[0] - far[0], near[0]
            out[i, 0] = fall * before - s[i, 0] + FORCING
            for j in range(1, width):
                out[i, j] = (ahead[j] - far[j]) * before + fall * near[j] - s[i, j]

    @njit
    def run(x: Array) -> Array:
        n = len(x)
        s = np.zeros((n, n + 1))
        s[:, 0] = x
        for i in range(n):
            s[i, i + 1] = 1
        a, b, c, d, at = (np.empty_like(s), np.empty_like(s), np.empty_like(s), np.empty_like(s), np.empty_like(s))
        for _ in range(steps):
            tendency(s, a)
            at[:] = s + DT / 2 * a
            tendency(at, b)
            at[:] = s + DT / 2 * b
            tendency(at, c)
            at[:] = s + DT * c
            tendency(at, d)
            s += DT / 6 * (a + 2 * (b + c) + d)
        return s[:, 1:].copy()

    return run


def _burgers_by_numba(njit: Any, cells: int, steps: int) -> Callable[[Array], Array]:
    @njit
    def run(p: Array) -> Array:
        diffusion, push = COURANT * p[2], COURANT / cells * p[3]
        x = 2 * np.pi * (np.arange(cells) + 0.5) / cells
        s, made = np.zeros((5, cells)), np.zeros((5, cells))
        s[0], s[1], s[2] = p[0] * np.sin(x + p[1]), np.sin(x + p[1]), p[0] * np.cos(x + p[1])
        for _ in range(steps):
            made[:, 0], made[:, -1] = s[:, 0], s[:, -1]
            u = s[0]
            for i in range(1, cells - 1):
                bend = u[i - 1] - 2 * u[i] + u[i + 1]
                flow = COURANT / 4 * (u[i - 1] * u[i - 1] - u[i + 1] * u[i + 1])
                made[0, i] = u[i] + flow + diffusion * bend + push
                made[3, i] = COURANT * bend
                made[4, i] = COURANT / cells
            made[1, 1:-1], made[2, 1:-1] = 0.0, 0.0
            for k in range(1, 5):
                v, out = s[k], made[k]
                for i in range(1, cells - 1):
                    left, right = COURANT / 2 * u[i - 1] + diffusion, diffusion - COURANT / 2 * u[i + 1]
                    out[i] += (1 - 2 * diffusion) * v[i] + left * v[i - 1] + right * v[i + 1]
            s, made = made, s
        found = np.empty((3, 4))
        for k in range(4):
            found[0, k] = (s[0] * s[k + 1]).sum() / cells
            found[1, k] = s[k + 1].sum() / cells
            found[2, k] = s[k + 1, cells // 3]
        return found

    return run
