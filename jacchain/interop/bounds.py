"""Bounds and starts, as solvers take them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jacchain.errors import NonFiniteError, OptionError, SizeError
from jacchain.model.trace import real


def as_bounds(name: str, given: ArrayLike, size: int, /) -> NDArray[np.float64]:
    """Return one bound for each number; a single one stands for all.

    Raises
    ------
    SizeError
        Another number of bounds.
    OptionError
        A bound that is NaN.

    Examples
    --------
    >>> as_bounds("lower", 0.0, 3).tolist()
    [0.0, 0.0, 0.0]
    """
    array = real(given, name).astype(np.float64)
    if array.ndim == 0:
        array = np.full(size, float(array))
    if array.shape != (size,):
        raise SizeError(f"{name} has shape {array.shape}, but it is of {size} numbers", f"give shape ({size},)")
    missing = np.flatnonzero(np.isnan(array))
    if missing.size:
        raise OptionError(f"{name}[{missing[0]}] is NaN", "give -inf or inf where there is no bound")
    return array


def as_interval(
    lower: ArrayLike, upper: ArrayLike, size: int, /, *, prefix: str = ""
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return lower and upper bounds, no lower one above its upper one.

    Raises
    ------
    SizeError
        Another number of bounds.
    OptionError
        A bound that is NaN; a lower bound above the upper one.

    Examples
    --------
    >>> as_interval(0.0, [1.0, -1.0], 2)
    Traceback (most recent call last):
    jacchain.errors.OptionError: lower[1] = 0 is above upper[1] = -1
    give lower <= upper; equal where a number is fixed
    """
    names = f"{prefix}lower", f"{prefix}upper"
    below, above = as_bounds(names[0], lower, size), as_bounds(names[1], upper, size)
    crossed = np.flatnonzero(below > above)
    if crossed.size:
        k = crossed[0]
        raise OptionError(
            f"{names[0]}[{k}] = {below[k]:.10g} is above {names[1]}[{k}] = {above[k]:.10g}",
            f"give {names[0]} <= {names[1]}; equal where a number is fixed",
        )
    return below, above


def as_x0(given: ArrayLike, size: int, /) -> NDArray[np.float64]:
    """Return where to start.

    Raises
    ------
    SizeError
        Another number of variables.
    NonFiniteError
        NaN or infinity.
    """
    array = real(given, "x0").astype(np.float64)
    if array.shape != (size,):
        raise SizeError(f"x0 has shape {array.shape}, but there are {size} variables", f"give shape ({size},)")
    wrong = np.flatnonzero(~np.isfinite(array))
    if wrong.size:
        raise NonFiniteError(f"x0[{wrong[0]}] is {array[wrong[0]]}", "start at finite numbers")
    return array
