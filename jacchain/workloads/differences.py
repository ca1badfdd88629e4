"""Central differences: an independent look at a derivative."""

from typing import NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.model.sequential import Sequential

COLUMNS = 512
"""Up to so many inputs every column is compared; beyond that, so many columns drawn at random."""


class Difference(NamedTuple):
    """How far a derivative is from central differences, in the largest absolute value."""

    error: float
    scale: float
    tolerance: float
    columns: int
    inputs: int

    @property
    def agrees(self) -> bool:
        """Whether the error is within what rounding explains."""
        return self.error <= self.tolerance * max(self.scale, 1e-30)


def compare(function: Sequential, point: Array, derivative: Array, /, *, seed: int = 0) -> Difference:
    """Compare a Jacobian or gradient with central differences of the function in float64.

    The function is evaluated in float64 whatever the dtype of the derivative. The step is the cube root of the
    rounding unit, so the differences themselves are good to about 1e-10 of the derivative's scale.

    Parameters
    ----------
    function : Sequential
    point : array
    derivative : array
        Of the output's shape followed by the point's, or of the point's shape for a scalar function.
    seed : int
        Of the choice of columns.

    Examples
    --------
    >>> from jacchain.layers import Square
    >>> compare(Sequential([Square()]), np.array([1.0, 2.0]), np.diag([2.0, 4.0])).agrees
    True
    """
    x = point.astype(np.float64)
    matrix = derivative.astype(np.float64).reshape(-1, x.size)
    rng = np.random.default_rng(seed)
    chosen = np.arange(x.size) if x.size <= COLUMNS else rng.choice(x.size, COLUMNS, replace=False)
    step = np.cbrt(np.finfo(np.float64).eps) * max(1.0, float(np.abs(x).max()))
    error = 0.0
    for column in chosen:
        ahead, behind = x.reshape(-1).copy(), x.reshape(-1).copy()
        ahead[column] += step
        behind[column] -= step
        slope = (function(ahead.reshape(x.shape)) - function(behind.reshape(x.shape))).reshape(-1)
        gap = slope / (ahead[column] - behind[column]) - matrix[:, column]
        largest = float(np.abs(gap).max())
        error = max(error, largest) if np.isfinite(largest) else np.inf
    tolerance = 1e-4 if derivative.dtype == np.float32 else 1e-7
    return Difference(error, float(np.abs(matrix).max()), tolerance, len(chosen), x.size)
