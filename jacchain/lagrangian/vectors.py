"""What a solver gives: flat arrays of points and multipliers, the objective's factor, and buffers to write into."""

from math import isfinite, prod
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array
from jacchain.errors import DtypeError, JacchainError, OptionError, SizeError, TraceError
from jacchain.model.array_protocol import Overloaded
from jacchain.model.layer import as_host_point, expect_host
from jacchain.model.trace import real

HOST: Final = "Lagrangians work"
"""What is said of arrays of a device."""


def as_start(x0: ArrayLike, /) -> Array:
    """Return the point that fixes the length and the dtype: one axis, float32 or float64."""
    start = as_host_point(x0, "x0", HOST)
    if start.ndim != 1:
        raise SizeError(
            f"x0 has shape {start.shape}, but a Lagrangian is a function of one flat array",
            "give x0.reshape(-1), and reshape inside the functions",
        )
    return start


def as_vector(values: Any, size: int, dtype: "np.dtype[Any]", /) -> Array:
    """Return a point of a length and dtype, not copied where it is one already.

    Examples
    --------
    >>> as_vector([1.0, 2.0], 3, np.dtype(float))
    Traceback (most recent call last):
    jacchain.errors.SizeError: x has shape (2,), but x0 had 3 numbers
    give 3 numbers, or make a Lagrangian for another x0
    """
    if type(values) is np.ndarray and values.dtype == dtype and values.shape == (size,):
        return values
    expect_host(values, "x", HOST)
    if isinstance(values, Overloaded):
        raise TraceError("x is a traced value, where numbers are needed", "give the functions themselves to the trace")
    array = real(values, "x")
    if array.shape != (size,):
        raise SizeError(
            f"x has shape {array.shape}, but x0 had {size} numbers",
            f"give {size} numbers, or make a Lagrangian for another x0",
        )
    return array.astype(dtype)


def as_multipliers(values: Any, count: int, dtype: "np.dtype[Any]", /) -> Array:
    """Return one multiplier for each constraint, not copied where the array is one already.

    Examples
    --------
    >>> as_multipliers([1.0], 2, np.dtype(float))
    Traceback (most recent call last):
    jacchain.errors.SizeError: 1 multiplier is given for 2 constraints
    give 2 multipliers, one for each number that the constraints give
    """
    if isinstance(values, Overloaded):
        raise TraceError("the multipliers are traced, where numbers are needed", "give the functions to the trace")
    if type(values) is np.ndarray and values.dtype == dtype and values.shape == (count,):
        return values
    array = real(() if values is None else values, "multipliers")
    if array.shape != (count,):
        given = prod(array.shape)
        noun = "constraint" if count == 1 else "constraints"
        what = f"{given} multiplier{'s are' if given != 1 else ' is'} given for {count} {noun}"
        if given == count:
            what = f"the multipliers have shape {array.shape}, not ({count},)"
        cure = {
            0: "leave the multipliers out: there are no constraints",
            1: "give 1 multiplier, for the one number that the constraints give",
        }
        raise SizeError(
            what, cure.get(count, f"give {count} multipliers, one for each number that the constraints give")
        )
    return array.astype(dtype)


def as_points(values: Any, size: int, dtype: "np.dtype[Any]", /) -> Array:
    """Return points row by row, of a number and dtype, not copied where they are so already.

    Examples
    --------
    >>> as_points([1.0, 2.0], 2, np.dtype(float))
    Traceback (most recent call last):
    jacchain.errors.SizeError: points of shape (2,), but x0 had 2 numbers
    give an array of shape (points, 2)
    """
    if isinstance(values, np.ndarray) and values.dtype == dtype and values.ndim == 2 and values.shape[1] == size:
        return values
    if isinstance(values, Overloaded):
        raise TraceError("the points are traced, where numbers are needed", "give the functions to the trace")
    expect_host(values, "the array of points", HOST)
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != size:
        raise SizeError(
            f"points of shape {array.shape}, but x0 had {size} numbers", f"give an array of shape (points, {size})"
        )
    return (real(values, "the points") if array.size else array).astype(dtype)


def as_many_multipliers(values: Any, points: int, count: int, dtype: "np.dtype[Any]", /) -> Array:
    """Return multipliers for every point, of shape (points, count): one set may be for all of them.

    Examples
    --------
    >>> as_many_multipliers([1.0, 2.0], 3, 2, np.dtype(float)).shape
    (3, 2)
    >>> as_many_multipliers(np.ones((4, 2)), 3, 2, np.dtype(float))
    Traceback (most recent call last):
    jacchain.errors.SizeError: the multipliers have shape (4, 2), not (3, 2) or (2,)
    give one set for all points, or one for each
    """
    if not isinstance(values, Overloaded) and np.ndim(values) == 2:
        array = np.asarray(values)
        if array.shape != (points, count):
            raise SizeError(
                f"the multipliers have shape {array.shape}, not {(points, count)} or ({count},)",
                "give one set for all points, or one for each",
            )
        return (real(values, "multipliers") if array.size else array).astype(dtype, copy=False)
    return np.broadcast_to(as_multipliers(values, count, dtype), (points, count))


def as_factor(value: Any, /) -> float:
    """Return the objective's factor by value, so that nobody can change it afterwards.

    Raises
    ------
    OptionError
        Not one real, finite number.

    Examples
    --------
    >>> as_factor(np.float32(0.5))
    0.5
    >>> as_factor("two")
    Traceback (most recent call last):
    jacchain.errors.OptionError: objective_factor is 'two'
    give one finite number, such as 1.0
    """
    if type(value) is not float:
        value = _number(value)
    if not isfinite(value):
        raise OptionError(f"objective_factor is {value}", "give one finite number, such as 1.0")
    found: float = value
    return found


def _number(value: Any) -> float:
    if isinstance(value, Overloaded):
        raise TraceError("objective_factor is a traced value, where a number is needed", "give a number")
    try:
        array = real(value, "objective_factor")
    except JacchainError:
        array = None
    if array is None or array.ndim:
        given = repr(value) if array is None else f"an array of shape {array.shape}"
        raise OptionError(f"objective_factor is {given}", "give one finite number, such as 1.0")
    return float(array)


def copied(values: Array, out: Any, /) -> Array:
    """Return a copy of a result, in a given array if there is one.

    Raises
    ------
    SizeError, DtypeError
        An array of another shape, or not of floating-point numbers.
    """
    if out is None:
        return values.copy()
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
        raise DtypeError(
            f"out is {getattr(out, 'dtype', type(out).__name__)}", "give an array of floating-point numbers"
        )
    if out.shape != values.shape:
        raise SizeError(f"out has shape {out.shape}, not {values.shape}", "give an array of that shape")
    out[...] = values
    return out
