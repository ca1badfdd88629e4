"""NumPy's functions over axes: sums, extrema, moments, norms, cumulative sums."""

from collections.abc import Callable, Mapping
from functools import wraps
from math import prod
from typing import Any, Final

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from jacchain.errors import OptionError, SizeError
from jacchain.model.array_protocol import Axes, apply, as_number
from jacchain.model.primitives.cumulative import Cumprod, Cumsum
from jacchain.model.primitives.reduction import Max, Mean, Min, Prod, Sum
from jacchain.model.primitives.softmax import LogSoftmax, Logsumexp, Softmax
from jacchain.model.supported import Supported


def axes_of(a: Any, axis: Axes, /) -> tuple[int, ...]:
    """Return the axes meant, not negative and in order; all for None."""
    if axis is None:
        return tuple(range(np.ndim(a)))
    try:
        return tuple(sorted(normalize_axis_tuple(axis, np.ndim(a))))
    except ValueError as error:
        raise SizeError(f"axis {axis} of shape {np.shape(a)}: {error}", "name axes that the array has, once") from None


def axis_of(a: Any, axis: int, /) -> int:
    """Return one axis, not negative."""
    return axes_of(a, axis)[0]


def count_of(a: Any, axis: Axes, /) -> int:
    """Return how many numbers lie along axes."""
    return prod(np.shape(a)[k] for k in axes_of(a, axis))


def _reduction(kind: Callable[..., Any]) -> Callable[..., Any]:
    def reduced(a: Any, axis: Axes = None, keepdims: bool = False) -> Any:
        axes = axes_of(a, axis)
        if axes:
            return apply(kind(axes, bool(keepdims)), a)
        return a if kind in (Max, Min) else as_number(a)

    return reduced


def _extremum(kind: Callable[..., Any], pair: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def reduced(a: Any, axis: Axes = None, keepdims: bool = False, initial: Any = None) -> Any:
        found = _reduction(kind)(a, axis, keepdims)
        return found if initial is None else pair(found, initial)

    return reduced


def _initial(kind: Callable[..., Any], pair: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def reduced(a: Any, axis: Axes = None, keepdims: bool = False, initial: Any = None, where: Any = None) -> Any:
        if where is not None and where is not True:
            a = np.where(where, a, 0.0 if pair is np.add else 1.0)
        found = _reduction(kind)(a, axis, keepdims)
        return found if initial is None else pair(found, initial)

    return reduced


def var(a: Any, axis: Axes = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Any:
    """Return the mean square distance from the mean."""
    away = a - np.mean(a, axis=axis, keepdims=True)
    return np.sum(away * away, axis=axis, keepdims=keepdims) / (count_of(a, axis) - (correction or ddof))


def std(a: Any, axis: Axes = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Any:
    """Return the square root of the variance; its derivative is not finite where the variance is 0."""
    return np.sqrt(var(a, axis, ddof, keepdims, correction))


def average(a: Any, axis: Axes = None, weights: Any = None, keepdims: bool = False) -> Any:
    """Return the mean, or the sum weighted and divided by the weights' sum."""
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    if np.shape(weights) != np.shape(a):
        if not isinstance(axis, int) or np.ndim(weights) != 1:
            raise OptionError(
                f"weights of shape {np.shape(weights)} for an array of shape {np.shape(a)}", "give weights of one axis"
            )
        weights = np.reshape(weights, [-1 if k == axis_of(a, axis) else 1 for k in range(np.ndim(a))])
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    if np.shape(weights) != np.shape(a) and not keepdims:
        total = np.sum(weights)
    return np.sum(a * weights, axis=axis, keepdims=keepdims) / total


def norm(x: Any, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Any:  # noqa: A002  (NumPy's name)
    """Return a norm of vectors, or the Frobenius, row or column sum norm of matrices."""
    if axis is None and ord is None:
        return np.sqrt(np.sum(x * x, keepdims=keepdims))
    axes = axes_of(x, axis)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes if axis is None else normalize_axis_tuple(axis, np.ndim(x)), keepdims)
    match ord:
        case None | 2:
            return np.sqrt(np.sum(x * x, axis=axes, keepdims=keepdims))
        case 1:
            return np.sum(np.abs(x), axis=axes, keepdims=keepdims)
        case 0:
            return np.sum(x != 0, axis=axes, keepdims=keepdims)
        case float() if np.isinf(ord):
            return (np.max if ord > 0 else np.min)(np.abs(x), axis=axes, keepdims=keepdims)
        case int() | float():
            return np.sum(np.abs(x) ** ord, axis=axes, keepdims=keepdims) ** (1 / ord)
        case _:
            raise OptionError(f"a norm of order {ord!r} of a vector", "give a number")


def _matrix_norm(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    rows, columns = axes
    if order in (None, "fro"):
        return np.sqrt(np.sum(x * x, axis=axes, keepdims=keepdims))
    if order in (1, -1, np.inf, -np.inf):
        within, over = (rows, columns) if abs(order) == 1 else (columns, rows)
        sums = np.sum(np.abs(x), axis=within, keepdims=True)
        found = (np.max if order > 0 else np.min)(sums, axis=over, keepdims=True)
        return found if keepdims else np.squeeze(found, axis=axes)
    raise OptionError(f"a norm of order {order!r} of a matrix", "give 'fro', 1, -1, numpy.inf or -numpy.inf")


def _cumulative(a: Any, axis: int | None, kind: Callable[[Any, int], Any]) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    return kind(a, axis_of(a, axis))


def cumsum(a: Any, axis: int | None = None) -> Any:
    """Return the sums of everything up to each place."""
    return _cumulative(a, axis, lambda x, k: apply(Cumsum(k, x.shape), x))


def cumprod(a: Any, axis: int | None = None) -> Any:
    """Return the products of everything up to each place."""
    return _cumulative(a, axis, lambda x, k: along_last(lambda rows: apply(Cumprod(), rows), x, k))


def along_last(function: Callable[[Any], Any], x: Any, axis: int, /) -> Any:
    """Return a function of the last axis applied along another one."""
    if axis == np.ndim(x) - 1:
        return function(x)
    return np.moveaxis(function(np.moveaxis(x, axis, -1)), -1, axis)


def softmax(x: Any, axis: Axes = None) -> Any:
    """Return exponentials divided by their sum along axes."""
    return _over_axes(Softmax, x, axis)


def log_softmax(x: Any, axis: Axes = None) -> Any:
    """Return the logarithm of softmax."""
    return _over_axes(LogSoftmax, x, axis)


def _over_axes(kind: Callable[[int], Any], x: Any, axis: Axes) -> Any:
    axes = axes_of(x, axis)
    if len(axes) == 1:
        return apply(kind(axes[0]), x)
    if len(axes) == np.ndim(x):
        return np.reshape(apply(kind(0), np.ravel(x)), np.shape(x))
    last = tuple(range(-len(axes), 0))
    aside = np.moveaxis(x, axes, last)
    kept = np.shape(aside)[: -len(axes)]
    return np.moveaxis(np.reshape(apply(kind(len(kept)), np.reshape(aside, (*kept, -1))), np.shape(aside)), last, axes)


def logsumexp(a: Any, axis: Axes = None, b: Any = None, keepdims: bool = False) -> Any:
    """Return the logarithm of the sum of exponentials, with factors b where given."""
    axes = axes_of(a, axis)
    if b is None:
        return apply(Logsumexp(axes, bool(keepdims)), a)
    highest = np.max(a, axis=axes, keepdims=True)
    total = np.log(np.sum(b * np.exp(a - highest), axis=axes, keepdims=True)) + highest
    return total if keepdims else np.squeeze(total, axis=axes)


def any_of(a: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Return a mask of where some number is not 0."""
    return np.sum(a != 0, axis=axis, keepdims=keepdims) > 0


def all_of(a: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Return a mask of where no number is 0."""
    return np.sum(a == 0, axis=axis, keepdims=keepdims) == 0


def count_nonzero(a: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Return how many numbers are not 0."""
    return np.sum(a != 0, axis=axis, keepdims=keepdims)


def ptp(a: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Return the largest less the smallest."""
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Return the integral by the trapezoidal rule."""
    y = np.moveaxis(y, axis, -1)
    if x is not None:
        dx = np.diff(x) if np.ndim(x) == 1 else np.diff(np.moveaxis(x, axis, -1))
    return np.sum(dx * (y[..., 1:] + y[..., :-1]), axis=-1) / 2


def nansum(a: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Return the sum without NaN."""
    return np.sum(np.where(np.isnan(a), 0.0, a), axis=axis, keepdims=keepdims)


def _known(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose value is an array of places, where the numbers are known."""

    @wraps(function)
    def found(a: Any, *args: Any, **options: Any) -> Any:
        return function(a._numbers("index"), *args, **options)

    return found


_TIES: Final = "ties share evenly"

REDUCTIONS: Final[Mapping[Callable[..., Any], Supported]] = {
    np.sum: Supported(_initial(Sum, np.add)),
    np.mean: Supported(_reduction(Mean)),
    np.prod: Supported(_initial(Prod, np.multiply), "zeros do no harm"),
    np.max: Supported(_extremum(Max, np.maximum), _TIES),
    np.min: Supported(_extremum(Min, np.minimum), _TIES),
    np.amax: Supported(_extremum(Max, np.maximum), _TIES),
    np.amin: Supported(_extremum(Min, np.minimum), _TIES),
    np.var: Supported(var),
    np.std: Supported(std, "no derivative where the variance is 0"),
    np.average: Supported(average, "with weights or without"),
    np.ptp: Supported(ptp, _TIES),
    np.nansum: Supported(nansum),
    np.cumsum: Supported(cumsum, "applied without forming its triangle, or with it"),
    np.cumprod: Supported(cumprod, "zeros do no harm"),
    np.cumulative_sum: Supported(lambda x, axis=None: cumsum(x, axis), "as cumsum"),
    np.cumulative_prod: Supported(lambda x, axis=None: cumprod(x, axis), "as cumprod"),
    np.trapezoid: Supported(trapezoid),
    np.linalg.norm: Supported(norm, "vectors: any order; matrices: fro, 1, -1, inf, -inf; no derivative at 0"),
    np.any: Supported(any_of, "a mask"),
    np.all: Supported(all_of, "a mask"),
    np.count_nonzero: Supported(count_nonzero, "derivative 0"),
    np.argmax: Supported(_known(np.argmax), "refused in a trace: an index that depends on values"),
    np.argmin: Supported(_known(np.argmin), "refused in a trace: an index that depends on values"),
    np.argsort: Supported(_known(np.argsort), "refused in a trace: an index that depends on values"),
    np.nonzero: Supported(_known(np.nonzero), "refused in a trace: an index that depends on values"),
}
"""The rows of what is done over axes."""

SCIPY_REDUCTIONS: Final[Mapping[str, Supported]] = {
    "softmax": Supported(softmax, "over one axis, several or all"),
    "log_softmax": Supported(log_softmax, "over one axis, several or all"),
    "logsumexp": Supported(logsumexp, "with factors b or without"),
}
"""The like of ``scipy.special``, by name."""
