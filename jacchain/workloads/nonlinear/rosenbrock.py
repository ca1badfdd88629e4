"""Chained Rosenbrock with trigonometric-exponential constraints."""

from typing import Final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import SizeError
from jacchain.workloads.nonlinear.program import NonlinearProgram

LEAST: Final = 3
"""Variables that make one constraint."""

OPTIMA: Final = (6.2324586324, 0.0)
"""The first is of a solution that differs from 1 in its first few variables only, whatever their number; the second, of
x = 1, is the least."""

SETTLED: Final = 10
"""From so many variables on the first optimum has these digits."""


def objective(x: Array, /) -> Array:
    """Return Σ 100 (x_i² − x_{i+1})² + (x_i − 1)².

    Examples
    --------
    >>> float(objective(np.array([1.0, 1.0, 2.0])))
    100.0
    """
    value: Array = np.sum(100.0 * (x[:-1] ** 2 - x[1:]) ** 2 + (x[:-1] - 1.0) ** 2)
    return value


def constraints(x: Array, /) -> Array:
    """Return 3b³ + 2c − 5 + sin(b − c) sin(b + c) + 4b − a exp(a − b) − 3 for neighbours a, b, c.

    Examples
    --------
    >>> constraints(np.array([1.0, 1.0, 1.0])).tolist()
    [0.0]
    """
    a, b, c = x[:-2], x[1:-1], x[2:]
    return 3.0 * b**3 + 2.0 * c - 5.0 + np.sin(b - c) * np.sin(b + c) + 4.0 * b - a * np.exp(a - b) - 3.0


def rosenbrock(n: int = 1000, /) -> NonlinearProgram:
    """Return the problem with n variables and n − 2 equations.

    The start is −1.2 and 1 in turn.

    Raises
    ------
    SizeError
        Fewer than three variables.

    Examples
    --------
    >>> problem = rosenbrock(5)
    >>> problem.x0.tolist(), problem.m
    ([-1.2, 1.0, -1.2, 1.0, -1.2], 3)
    """
    if n < LEAST:
        raise SizeError(f"n = {n} leaves no constraint", f"give at least {LEAST} variables")
    x0 = np.ones(n)
    x0[::2] = -1.2
    free, zero = np.full(n, np.inf), np.zeros(n - 2)
    return NonlinearProgram(
        name="rosenbrock",
        title="chained Rosenbrock with trigonometric-exponential constraints",
        objective=objective,
        constraints=constraints,
        x0=x0,
        lower=-free,
        upper=free,
        constraint_lower=zero,
        constraint_upper=zero,
        optima=OPTIMA if n >= SETTLED else (),
        source="Lukšan and Vlček: Sparse and Partially Separable Test Problems, report 767, 1999, problem 5.1",
    )
