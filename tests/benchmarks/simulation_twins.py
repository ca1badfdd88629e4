"""Jacobians of two simulations as an expert writes them in NumPy, every buffer allocated once."""

from collections.abc import Callable

import numpy as np

from benchmarks.contender import Array
from jacchain.workloads.burgers import COURANT

Jacobian = Callable[[Array], Array]


def lorenz_forward(states: int, steps: int, dt: float, forcing: float) -> Jacobian:
    """Return forward mode: the state and all tangents as columns of one array, with margins in the place of rolls."""
    n = states
    around, slope, term = np.zeros((n + 3, n + 1)), np.empty((n, n + 1)), np.empty((n, n + 1))
    found, total = np.empty((n, n + 1)), np.empty((n, n + 1))
    inside, before, head, foot = around[2:-1], around[1:-2], around[:2], around[-1:]
    state, tangents, bend = around[1:-2, :1], around[1:-2, 1:], term[:, 1:]
    fall, rise, slope_of_state = slope[:, :1], slope[:, 1:], slope[:, 0]

    def tendency(out: Array) -> None:
        head[...], foot[...] = inside[-2:], inside[:1]
        np.subtract(around[3:], around[:-3], slope)
        np.multiply(fall, tangents, bend)
        np.multiply(slope, state, slope)
        np.add(rise, bend, rise)
        np.subtract(slope, inside, out)
        np.add(out[:, 0], forcing, out[:, 0])

    def run(x: Array) -> Array:
        found[:, 0], found[:, 1:] = x, np.eye(n)
        for _ in range(steps):
            inside[...] = found
            tendency(total)
            np.multiply(total, dt / 2, term)
            np.add(found, term, inside)
            for share, weight in ((dt / 2, 2.0), (dt, 2.0), (0.0, 1.0)):
                tendency(slope)
                if share:
                    np.multiply(slope, share, term)
                    np.add(found, term, inside)
                    np.multiply(slope, weight, slope)
                np.add(total, slope, total)
            np.multiply(total, dt / 6, total)
            np.add(found, total, found)
        return found[:, 1:].copy()

    del slope_of_state, before
    return run


def lorenz_states(states: int, steps: int, dt: float, forcing: float) -> Callable[[Array, Array], None]:
    """Return what writes the four states at which each step takes slopes, of shape (4, steps, n)."""
    n = states
    around, term, total, slope = np.zeros(n + 3), np.empty(n), np.empty(n), np.empty(n)
    inside, before, after, far = around[2:-1], around[1:-2], around[3:], around[:-3]
    ends, starts = (around[:2], around[-1:]), (inside[-2:], inside[:1])

    def tendency(out: Array) -> None:
        np.copyto(ends[0], starts[0])
        np.copyto(ends[1], starts[1])
        np.subtract(after, far, slope)
        np.multiply(slope, before, slope)
        np.subtract(slope, inside, slope)
        np.add(slope, forcing, out)

    def run(x: Array, out: Array) -> None:
        np.copyto(inside, x)
        state, found = np.empty(n), np.empty(n)
        for t in range(steps):
            np.copyto(state, inside)
            out[0, t] = inside
            tendency(total)
            np.multiply(total, dt / 2, term)
            np.add(state, term, inside)
            out[1, t] = inside
            tendency(found)
            np.multiply(found, dt / 2, term)
            np.add(state, term, inside)
            out[2, t] = inside
            np.add(found, found, found)
            np.add(total, found, total)
            tendency(found)
            np.multiply(found, dt, term)
            np.add(state, term, inside)
            out[3, t] = inside
            np.add(found, found, found)
            np.add(total, found, total)
            tendency(found)
            np.add(total, found, total)
            np.multiply(total, dt / 6, total)
            np.add(state, total, inside)

    return run


def lorenz_by_steps(states: int, steps: int, dt: float, forcing: float) -> Jacobian:
    """Return the states first, then the Jacobians of all steps at once as dense matrices, then their product."""
    n = states
    follow = lorenz_states(states, steps, dt, forcing)
    at, around = np.empty((4, steps, n)), np.empty((4, steps, n + 3))
    local, made, term = np.zeros((4, steps, n, n)), np.empty((steps, n, n)), np.empty((steps, n, n))
    total, eye, two = np.empty((steps, n, n)), np.eye(n), (np.empty((n, n)), np.empty((n, n)))
    k = np.arange(n)
    local[:, :, k, k] = -1

    def run(x: Array) -> Array:
        follow(x, at)
        around[..., 2:-1], around[..., :2], around[..., -1:] = at, at[..., -2:], at[..., :1]
        fall, before = around[..., 3:] - around[..., :-3], around[..., 1:-2]
        local[:, :, k, (k + 1) % n] = before
        local[:, :, k, (k - 2) % n] = -before
        local[:, :, k, (k - 1) % n] = fall
        np.copyto(total, local[0])
        np.copyto(made, local[0])
        for stage, share, weight in ((1, dt / 2, 2.0), (2, dt / 2, 2.0), (3, dt, 1.0)):
            np.multiply(made, share, term)
            np.add(term, eye, term)
            np.matmul(local[stage], term, made)
            np.multiply(made, weight, term)
            np.add(total, term, total)
        np.multiply(total, dt / 6, total)
        np.add(total, eye, total)
        found, other = two
        np.copyto(found, total[0])
        for step in total[1:]:
            np.dot(step, found, other)
            found, other = other, found
        return found.copy()

    return run


class _Wave:
    """The steps of Burgers' equation, and what its Jacobian is made of."""

    def __init__(self, cells: int, steps: int) -> None:
        self.cells, self.steps, inside = cells, steps, cells - 2
        self.x = 2 * np.pi * (np.arange(cells) + 0.5) / cells
        self.half, self.square, self.flow = np.empty(cells), np.empty(cells), np.empty(inside)
        self.bend, self.left, self.right = np.empty(inside), np.empty(inside), np.empty(inside)

    def numbers(self, p: Array) -> tuple[float, float]:
        return COURANT * p[2], COURANT / self.cells * p[3]

    def step(self, u: Array, out: Array, diffusion: float, push: float) -> None:
        """Write the wave after a step."""
        square, flow, bend = self.square, self.flow, self.bend
        np.multiply(u, u, square)
        np.subtract(square[:-2], square[2:], flow)
        np.multiply(flow, COURANT / 4, flow)
        self.curve(u)
        np.multiply(bend, diffusion, bend)
        np.add(flow, bend, flow)
        np.add(flow, u[1:-1], flow)
        np.add(flow, push, out[1:-1])
        out[0], out[-1] = u[0], u[-1]

    def curve(self, u: Array) -> None:
        """Write the second differences."""
        np.add(u[:-2], u[2:], self.bend)
        np.multiply(u[1:-1], 2, self.flow_of_curve)
        np.subtract(self.bend, self.flow_of_curve, self.bend)

    @property
    def flow_of_curve(self) -> Array:
        return self.left

    def slopes(self, u: Array, diffusion: float) -> None:
        """Write what a cell takes of its neighbours on both sides."""
        np.multiply(u, COURANT / 2, self.half)
        np.add(self.half[:-2], diffusion, self.left)
        np.subtract(diffusion, self.half[2:], self.right)


def burgers_forward(cells: int, steps: int) -> Jacobian:
    """Return forward mode with four tangents as rows; those of amplitude and phase alone begin with the wave."""
    wave, rows = _Wave(cells, steps), (np.empty((4, cells)), np.empty((4, cells)))
    term, u, v = np.empty((4, cells - 2)), np.empty(cells), np.empty(cells)

    def run(p: Array) -> Array:
        diffusion, push = wave.numbers(p)
        tangents, made, here, after = *rows, u, v
        np.sin(wave.x + p[1], out=tangents[0])
        np.multiply(p[0], tangents[0], out=here)
        np.multiply(p[0], np.cos(wave.x + p[1]), out=tangents[1])
        tangents[2:] = 0
        for _ in range(steps):
            wave.slopes(here, diffusion)
            inside = made[:, 1:-1]
            np.multiply(tangents[:, 1:-1], 1 - 2 * diffusion, inside)
            np.multiply(tangents[:, :-2], wave.left, term)
            np.add(inside, term, inside)
            np.multiply(tangents[:, 2:], wave.right, term)
            np.add(inside, term, inside)
            made[:, 0], made[:, -1] = tangents[:, 0], tangents[:, -1]
            wave.step(here, after, diffusion, push)
            wave.curve(here)
            np.multiply(wave.bend, COURANT, wave.bend)
            np.add(inside[2], wave.bend, inside[2])
            np.add(inside[3], COURANT / cells, inside[3])
            tangents, made, here, after = made, tangents, after, here
        return np.stack([tangents @ here / cells, tangents.sum(1) / cells, tangents[:, cells // 3]])

    return run


def burgers_reverse(cells: int, steps: int) -> Jacobian:
    """Return reverse mode: the waves of all steps are kept, and three adjoints go back as rows."""
    wave, rows = _Wave(cells, steps), (np.empty((3, cells)), np.empty((3, cells)))
    term, kept, found = np.empty((3, cells - 2)), np.empty((steps + 1, cells)), np.empty((3, 4))

    def run(p: Array) -> Array:
        diffusion, push = wave.numbers(p)
        np.multiply(p[0], np.sin(wave.x + p[1]), out=kept[0])
        for t in range(steps):
            wave.step(kept[t], kept[t + 1], diffusion, push)
        adjoints, made = rows
        adjoints[0], adjoints[1], adjoints[2] = kept[-1] / cells, 1 / cells, 0
        adjoints[2, cells // 3] = 1
        found[:, 2:] = 0
        for u in kept[-2::-1]:
            inside = adjoints[:, 1:-1]
            wave.curve(u)
            found[:, 2] += np.dot(inside, wave.bend)
            found[:, 3] += inside.sum(1)
            wave.slopes(u, diffusion)
            np.multiply(inside, 1 - 2 * diffusion, made[:, 1:-1])
            made[:, 0], made[:, -1] = adjoints[:, 0], adjoints[:, -1]
            np.multiply(inside, wave.left, term)
            np.add(made[:, :-2], term, made[:, :-2])
            np.multiply(inside, wave.right, term)
            np.add(made[:, 2:], term, made[:, 2:])
            adjoints, made = made, adjoints
        found[:, 0] = adjoints @ np.sin(wave.x + p[1])
        found[:, 1] = adjoints @ (p[0] * np.cos(wave.x + p[1]))
        found[:, 2] *= COURANT
        found[:, 3] *= COURANT / cells
        return found.copy()

    return run
