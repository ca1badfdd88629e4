"""Central differences: an independent look at a derivative."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.model.tree import flatten

COLUMNS = 512
"""Up to so many inputs every column is compared; beyond that, so many columns drawn at random."""

STEP: Final = float(np.cbrt(np.finfo(np.float64).eps))
"""Of the differences, relative to the largest number of the point: it weighs rounding against a cubic term of one."""


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


def compare(
    function: Callable[[Array], Array], point: Array, derivative: Array, /, *, seed: int = 0, step: float = STEP
) -> Difference:
    """Compare a Jacobian or gradient with central differences of the function in float64.

    The function is evaluated in float64 whatever the dtype of the derivative. By the cube root of the rounding unit as
    the step, the differences themselves are good to about 1e-10 of the derivative's scale.

    Parameters
    ----------
    function : callable
        Such as a Sequential.
    point : array
    derivative : array
        Of the output's shape followed by the point's, or of the point's shape for a scalar function.
    seed : int
        Of the choice of columns.
    step : float
        Relative to the largest number of the point, or to 1; a smaller one where the function bends strongly.

    Examples
    --------
    >>> compare(np.square, np.array([1.0, 2.0]), np.diag([2.0, 4.0])).agrees
    True
    """
    x = point.astype(np.float64)
    matrix = derivative.astype(np.float64).reshape(-1, x.size)
    rng = np.random.default_rng(seed)
    chosen = np.arange(x.size) if x.size <= COLUMNS else rng.choice(x.size, COLUMNS, replace=False)
    width = step * max(1.0, float(np.abs(x).max()))
    error = 0.0
    for column in chosen:
        ahead, behind = x.reshape(-1).copy(), x.reshape(-1).copy()
        ahead[column] += width
        behind[column] -= width
        slope = np.reshape(function(ahead.reshape(x.shape)) - function(behind.reshape(x.shape)), -1)
        gap = slope / (ahead[column] - behind[column]) - matrix[:, column]
        largest = float(np.abs(gap).max())
        error = max(error, largest) if np.isfinite(largest) else np.inf
    tolerance = 1e-4 if derivative.dtype == np.float32 else 1e-7
    return Difference(error, float(np.abs(matrix).max()), tolerance, len(chosen), x.size)


def compare_nested(function: Callable[[Any], Array], parameters: Any, slopes: Any, /, *, seed: int = 0) -> Difference:
    """Compare the slopes of a scalar function of nested arrays with central differences.

    Parameters
    ----------
    function : callable
        Of one argument, nested as the parameters are.
    parameters, slopes : tuple, list or dict of arrays
        Of the same shapes.
    seed : int
        Of the choice of numbers that are varied.

    Examples
    --------
    >>> at, slopes = {"a": 2.0, "b": np.ones(2)}, {"a": 2.0, "b": np.array([2.0, 2.0])}
    >>> compare_nested(lambda p: p["a"] * p["b"].sum(), at, slopes).agrees
    True
    """
    leaves, tree = flatten(parameters, "the parameters")
    arrays = [np.asarray(leaf) for leaf in leaves]
    ends = np.cumsum([array.size for array in arrays])[:-1]

    def flat(x: Array) -> Array:
        parts = np.split(x, ends)
        return function(tree.unflatten([p.reshape(a.shape) for p, a in zip(parts, arrays, strict=True)]))

    return compare(flat, _joined(arrays), _joined(flatten(slopes, "the slopes")[0]), seed=seed)


def _joined(arrays: list[Any]) -> Array:
    return np.concatenate([np.reshape(array, -1) for array in arrays])
