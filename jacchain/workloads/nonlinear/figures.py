"""What a Lagrangian costs at each call, and how its derivatives compare with central differences."""

from collections.abc import Callable, Sequence
from itertools import cycle
from statistics import median
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.lagrangian.lagrangian import Lagrangian
from jacchain.workloads.differences import Difference
from jacchain.workloads.nonlinear.program import NonlinearProgram

DIRECTIONS: Final = 512
"""Up to so many variables each is varied by itself; beyond that, all at once along random directions."""

RANDOM: Final = 16
"""How many of these."""

ROUNDS: Final = 9


class Point(NamedTuple):
    """Where a Lagrangian is looked at: x0 and multipliers of 0 would hide much."""

    x: Array
    multipliers: Array


class Figure(NamedTuple):
    """One of f, ∇f, g, ∇g and ∇²L, with its size and the seconds of a call at a new point."""

    name: str
    shape: tuple[int, ...]
    nonzeros: int
    seconds: float


def points(program: NonlinearProgram, count: int, /, *, seed: int = 0) -> list[Point]:
    """Return points near the start, with multipliers.

    Examples
    --------
    >>> from jacchain.workloads.nonlinear.hs071 import hs071
    >>> [point.x.shape for point in points(hs071(), 2)]
    [(4,), (4,)]
    """
    random = np.random.default_rng(seed)
    return [
        Point(program.x0 + 0.1 * random.normal(size=program.n), random.normal(size=program.m)) for _ in range(count)
    ]


def figures(lagrangian: Lagrangian, at: Sequence[Point], /, *, seconds: float = 1.0) -> list[Figure]:
    """Return what each result costs at a new point, f and g themselves included, and what all cost together.

    Parameters
    ----------
    lagrangian : Lagrangian
    at : sequence of Point
        At least two, taken in turn.
    seconds : float
        For all measurements, about.
    """
    n, m = lagrangian.variables, lagrangian.number_of_constraints
    jacobian, hessian = lagrangian.jacobian_structure, lagrangian.structure
    calls: dict[str, Callable[[Point], Any]] = {
        "f": lambda p: lagrangian.objective(p.x),
        "∇f": lambda p: lagrangian.gradient(p.x),
        "g": lambda p: lagrangian.constraints(p.x),
        "∇g": lambda p: lagrangian.jacobian_values(p.x),
        "∇²L": lambda p: lagrangian.hessian_values(p.x, p.multipliers),
    }
    each = tuple(calls.values())
    calls["together"] = lambda p: [call(p) for call in each]
    sizes = {"f": ((), 1), "∇f": ((n,), n), "g": ((m,), m)}
    sizes |= {"∇g": (jacobian.shape, jacobian.nonzeros), "∇²L": (hessian.shape, hessian.nonzeros)}
    return [
        Figure(name, *sizes.get(name, ((), 0)), _seconds(call, at, seconds / len(calls)))
        for name, call in calls.items()
    ]


def _seconds(call: Callable[[Point], Any], at: Sequence[Point], seconds: float) -> float:
    turns = cycle(at)
    call(next(turns))
    count, found = 1, []
    while True:
        start = perf_counter()
        for _ in range(count):
            call(next(turns))
        found.append((perf_counter() - start) / count)
        if len(found) == 1 and found[0] * count < seconds / ROUNDS / 4 and count < 100_000:
            count, found = 4 * count, []
        elif len(found) == ROUNDS or sum(found) * count > seconds:
            return median(found)


def checks(lagrangian: Lagrangian, at: Point, /, *, seed: int = 0) -> dict[str, Difference]:
    """Compare ∇f, ∇g and ∇²L with central differences of f, g and ∇L.

    Parameters
    ----------
    lagrangian : Lagrangian
    at : Point
    seed : int
        Of the directions.

    Examples
    --------
    >>> from jacchain.workloads.nonlinear.hs071 import hs071
    >>> program = hs071()
    >>> lagrangian = Lagrangian(program.objective, program.constraints, program.x0)
    >>> [found.agrees for found in checks(lagrangian, points(program, 1)[0]).values()]
    [True, True, True]
    """
    x, multipliers = at
    pairs: dict[str, tuple[Callable[[Array], Any], Any]] = {
        "∇f": (lagrangian.objective, lagrangian.gradient(x)[None]),
        "∇g": (lagrangian.constraints, lagrangian.jacobian(x)),
        "∇²L": (lambda x: lagrangian.gradient(x, multipliers), lagrangian.hessian(x, multipliers)),
    }
    if not lagrangian.number_of_constraints:
        del pairs["∇g"]
    return {name: _difference(function, x, matrix, seed) for name, (function, matrix) in pairs.items()}


def _difference(function: Callable[[Array], Any], x: Array, matrix: Any, seed: int) -> Difference:
    """Compare the products of a matrix and directions with differences along them."""
    random = np.random.default_rng(seed)
    few = x.size <= DIRECTIONS
    directions = np.eye(x.size) if few else random.choice([-1.0, 1.0], size=(RANDOM, x.size))
    step = np.cbrt(np.finfo(np.float64).eps) * max(1.0, float(np.abs(x).max()))
    error = scale = 0.0
    for direction in directions:
        ahead, behind = x + step * direction, x - step * direction
        slope = (np.asarray(function(ahead)) - np.asarray(function(behind))) / (2 * step)
        found = matrix @ direction
        gap = float(np.abs(found - slope).max())
        error = max(error, gap) if np.isfinite(gap) else np.inf
        scale = max(scale, float(np.abs(found).max()))
    return Difference(error, scale, 1e-6, len(directions), x.size)
