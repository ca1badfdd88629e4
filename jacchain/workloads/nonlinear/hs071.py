"""Problem 71 of Hock and Schittkowski: four variables, one inequality, one equation."""

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.workloads.nonlinear.program import NonlinearProgram


def objective(x: Array, /) -> Array:
    """Return x_1 x_4 (x_1 + x_2 + x_3) + x_3.

    Examples
    --------
    >>> float(objective(np.array([1.0, 5.0, 5.0, 1.0])))
    16.0
    """
    value: Array = x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]
    return value


def constraints(x: Array, /) -> Array:
    """Return the product of all variables, and the sum of their squares.

    Examples
    --------
    >>> constraints(np.array([1.0, 5.0, 5.0, 1.0])).tolist()
    [25.0, 52.0]
    """
    return np.stack([np.prod(x), np.sum(x**2)])


def hs071() -> NonlinearProgram:
    """Return the problem that the documentation of Ipopt solves.

    Examples
    --------
    >>> hs071().optima
    (17.0140173,)
    """
    return NonlinearProgram(
        name="hs071",
        title="problem 71 of Hock and Schittkowski",
        objective=objective,
        constraints=constraints,
        x0=np.array([1.0, 5.0, 5.0, 1.0]),
        lower=np.full(4, 1.0),
        upper=np.full(4, 5.0),
        constraint_lower=np.array([25.0, 40.0]),
        constraint_upper=np.array([np.inf, 40.0]),
        optima=(17.0140173,),
        source="Hock and Schittkowski: Test Examples for Nonlinear Programming Codes, 1981, problem 71",
    )
