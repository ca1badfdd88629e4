"""NumPy's functions that join arrays, and those of neighbouring numbers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from jacchain.errors import OptionError
from jacchain.model.array_protocol import Overloaded, apply, is_mask
from jacchain.model.numpy_indexing import moved
from jacchain.model.numpy_reductions import along_last, axis_of
from jacchain.model.primitives.placement import Concatenate, Stack, padding
from jacchain.model.supported import Supported


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Return arrays joined along an axis that they have; empty ones are left out."""
    if isinstance(arrays, Overloaded):
        arrays = list(arrays)
    parts = [array if isinstance(array, Overloaded) else np.asarray(array) for array in arrays]
    if axis is None:
        parts, axis = [np.ravel(part) for part in parts], 0
    kept = [part for part in parts if part.size]
    return kept[0] if len(kept) == 1 else apply(Concatenate(axis_of(kept[0], axis)), *kept)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Return arrays of one shape joined along a new axis."""
    parts = list(arrays)
    place = axis_of(np.broadcast_to(0, (1,) * (np.ndim(parts[0]) + 1)), axis)
    if len(parts) == 1:
        return np.expand_dims(parts[0], place)
    return apply(Stack(place), *parts)


def vstack(tup: Sequence[Any]) -> Any:
    """Return rows one below the other."""
    return concatenate([np.atleast_2d(array) for array in tup])


def hstack(tup: Sequence[Any]) -> Any:
    """Return arrays side by side."""
    parts = [np.atleast_1d(array) for array in tup]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1)


def dstack(tup: Sequence[Any]) -> Any:
    """Return arrays joined along a third axis."""
    return concatenate([np.atleast_3d(array) for array in tup], 2)


def column_stack(tup: Sequence[Any]) -> Any:
    """Return vectors as columns side by side."""
    return concatenate([x if np.ndim(x) > 1 else np.reshape(x, (-1, 1)) for x in tup], 1)


def block(arrays: Any) -> Any:
    """Return nested lists of blocks as one array: the innermost lists along the last axis."""

    def depth(nested: Any) -> int:
        return 1 + max(map(depth, nested)) if isinstance(nested, list) else 0

    def widest(nested: Any) -> int:
        return max(map(widest, nested)) if isinstance(nested, list) else np.ndim(nested)

    levels = depth(arrays)
    count = max(levels, widest(arrays))

    def joined(nested: Any, level: int) -> Any:
        if not isinstance(nested, list):
            return np.reshape(nested, (1,) * (count - np.ndim(nested)) + np.shape(nested))
        return concatenate([joined(item, level + 1) for item in nested], count - levels + level)

    return joined(arrays, 0)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Return arrays one after the other."""
    return concatenate([arr, values], axis)


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Return an array with values put in before constant places."""
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = axis_of(arr, axis)
    size = np.shape(arr)[axis]
    count = len(np.insert(np.arange(size), obj, -1)) - size
    if count == 0:
        return arr
    if count == 1:  # one place takes all values there are along the axis
        values = np.reshape(values, (1,) * (np.ndim(arr) - np.ndim(values)) + np.shape(values))
        if np.ndim(obj) == 0 and not isinstance(obj, slice):
            values = np.moveaxis(values, 0, axis)
        count = np.shape(values)[axis]
    wide = np.broadcast_to(values, [count if k == axis else n for k, n in enumerate(np.shape(arr))])
    order = np.insert(np.arange(size), obj, size + np.arange(count))
    return np.take(concatenate([arr, wide], axis), order, axis=axis)


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """Return an array with numbers before and after: constants, or its own in a fixed order."""
    if mode != "constant":
        if mode not in ("edge", "reflect", "symmetric", "wrap"):
            raise OptionError(f"numpy.pad of mode {mode!r} on a traced value", "give constant, edge, reflect or wrap")
        return moved(array, lambda places: np.pad(places, pad_width, mode))  # type: ignore[call-overload]  # of a str
    probe = np.pad(np.zeros(array.shape, bool), pad_width, constant_values=True)
    widths = [(int(before), int(after)) for before, after in np.broadcast_to(pad_width, (array.ndim, 2))]
    found = array if probe.shape == array.shape else apply(padding(array.shape, widths), array)
    if not np.any(constant_values):
        return found
    return found + np.pad(np.zeros(array.shape), pad_width, constant_values=constant_values)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return differences of neighbours, n times."""
    axis = axis_of(a, axis)
    thin = tuple(1 if k == axis else size for k, size in enumerate(np.shape(a)))
    ends = [x if x is None or np.ndim(x) else np.broadcast_to(x, thin) for x in (prepend, append)]
    a = concatenate([x for x in (ends[0], a, ends[1]) if x is not None], axis)
    before = (slice(None),) * axis
    for _ in range(n):
        away = np.not_equal if is_mask(a) else np.subtract
        a = away(a[(*before, slice(1, None))], a[(*before, slice(None, -1))])
    return a


def ediff1d(ary: Any) -> Any:
    """Return differences of neighbours among all numbers."""
    return diff(np.ravel(ary))


def gradient(f: Any, *varargs: Any, axis: Any = None) -> Any:
    """Return central differences inside and one-sided ones at the ends, for equal distances along each axis."""
    axes = range(f.ndim) if axis is None else [axis_of(f, k) for k in np.atleast_1d(axis)]
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(steps) != len(axes) or any(np.ndim(step) for step in steps):
        raise OptionError("numpy.gradient of a traced value at unequal distances", "give one number for each axis")
    found = tuple(along_last(partial(_slopes, step), f, k) for k, step in zip(axes, steps, strict=True))
    return found[0] if len(found) == 1 else found


def _slopes(step: Any, x: Any) -> Any:
    parts = [x[..., 1:2] - x[..., :1], x[..., -1:] - x[..., -2:-1]]
    if x.shape[-1] > 2:
        parts.insert(1, (x[..., 2:] - x[..., :-2]) / 2)
    return concatenate(parts, -1) / step


def interp(x: Any, xp: Any, fp: Any) -> Any:
    """Return the piecewise linear function through points of constant, rising places xp."""
    if isinstance(xp, Overloaded):
        xp._numbers("index")
    places = np.asarray(xp, float)
    if not isinstance(x, Overloaded):
        k = np.clip(np.searchsorted(places, x, side="right") - 1, 0, len(places) - 2)
        share = np.clip((np.asarray(x) - places[k]) / np.diff(places)[k], 0, 1)
        return fp[k] * (1 - share) + fp[k + 1] * share
    # the value at the left end, and for each stretch its slope times how much of it lies left of x
    lengths = np.diff(places)
    covered = np.clip(np.expand_dims(x, -1) - places[:-1], 0, lengths)
    return fp[0] + np.sum(covered * (np.diff(fp) / lengths), axis=-1)


def polyval(p: Any, x: Any) -> Any:
    """Return a polynomial's value, by Horner's rule."""
    found = p[0] + np.zeros(np.shape(x))
    for k in range(1, len(p)):
        found = found * x + p[k]
    return found


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803  (NumPy's name)
    """Return powers of a vector's numbers as columns."""
    count = len(x) if N is None else N
    powers = [x**k if k else np.ones(len(x)) for k in range(count)]
    return np.stack(powers if increasing else powers[::-1], axis=-1)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Any:
    """Return numbers at equal distances from start to stop."""
    share = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    count = max(np.ndim(start), np.ndim(stop))
    found = start + np.reshape(share, (num,) + (1,) * count) * (stop - start)
    return np.moveaxis(found, 0, axis)


JOINING: Final[Mapping[Callable[..., Any], Supported]] = {
    np.concatenate: Supported(concatenate),
    np.stack: Supported(stack),
    np.vstack: Supported(vstack),
    np.hstack: Supported(hstack),
    np.dstack: Supported(dstack),
    np.column_stack: Supported(column_stack),
    np.block: Supported(block),
    np.append: Supported(append),
    np.insert: Supported(insert, "constant places"),
    np.pad: Supported(pad, "modes constant, edge, reflect, symmetric and wrap"),
    np.diff: Supported(diff),
    np.gradient: Supported(gradient, "equal distances"),
    np.ediff1d: Supported(ediff1d),
    np.interp: Supported(interp, "of constant places; at these, the derivative is the slopes' mean"),
    np.polyval: Supported(polyval, "Horner's rule"),
    np.vander: Supported(vander),
    np.linspace: Supported(linspace),
}
"""The rows of what joins arrays, and of what is made of neighbouring numbers."""
