"""Bounds, as solvers take them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jacchain.errors import SizeError


def as_bounds(name: str, given: ArrayLike, size: int, /) -> NDArray[np.float64]:
    """Return one bound for each number; a single one stands for all.

    Raises
    ------
    SizeError
        Another number of bounds.

    Examples
    --------
    >>> as_bounds("lower", 0.0, 3).tolist()
    [0.0, 0.0, 0.0]
    """
    array = np.asarray(given, np.float64)
    if array.ndim == 0:
        return np.full(size, float(array))
    if array.shape != (size,):
        raise SizeError(f"{name} has shape {array.shape}, but it is of {size} numbers", f"give shape ({size},)")
    return array.copy()
