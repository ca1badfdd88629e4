"""NumPy's functions that move numbers: reshaping, splitting, repeating, and shapes themselves."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from jacchain.errors import SizeError, TraceError
from jacchain.execution.operation import Shape
from jacchain.model.array_protocol import Axes, Overloaded, apply
from jacchain.model.numpy_indexing import moved
from jacchain.model.numpy_reductions import axes_of, axis_of
from jacchain.model.primitives.placement import put_at
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.supported import Supported


def reshape(a: Any, shape: Any) -> Any:
    """Return the same numbers in another shape, one of whose sizes may be -1."""
    try:
        # NumPy finds the -1, and refuses what does not fit, without any numbers
        found = np.broadcast_to(np.int8(0), a.shape).reshape(shape).shape
    except ValueError:
        raise SizeError(f"reshape of shape {a.shape} to {shape}", f"give a shape of {a.size} numbers") from None
    return a if found == a.shape else apply(Reshape(found), a)


def transpose(a: Any, axes: Any = None) -> Any:
    """Return the axes in another order, by default the reverse."""
    order = tuple(reversed(range(a.ndim))) if axes is None else normalize_axis_tuple(axes, a.ndim)
    return a if order == tuple(range(a.ndim)) else apply(Transpose(order), a)


def _like_places(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that reorders axes as NumPy's own does, told by what that does to axes' numbers."""

    def reordered(a: Any, *args: Any, **options: Any) -> Any:
        # an array whose strides are told apart shows where every axis goes
        probe = np.lib.stride_tricks.as_strided(np.int8(0), (1,) * a.ndim, range(1, a.ndim + 1))
        return transpose(a, [stride - 1 for stride in function(probe, *args, **options).strides])

    return reordered


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Return axes moved to other positions."""
    return _like_places(np.moveaxis)(a, source, destination)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Return two axes exchanged."""
    return _like_places(np.swapaxes)(a, axis1, axis2)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Return an axis moved to a place."""
    return _like_places(np.rollaxis)(a, axis, start)


def matrix_transpose(x: Any) -> Any:
    """Return the last two axes exchanged."""
    return swapaxes(x, -1, -2)


def expand_dims(a: Any, axis: Any) -> Any:
    """Return the same numbers with new axes of size 1."""
    return reshape(a, np.expand_dims(_probe(a), axis).shape)


def squeeze(a: Any, axis: Axes = None) -> Any:
    """Return the same numbers without axes of size 1."""
    return reshape(a, np.squeeze(_probe(a), axis).shape)


def _probe(a: Any) -> Any:
    return np.broadcast_to(np.int8(0), np.shape(a))


def broadcast_to(array: Any, shape: Any) -> Any:
    """Return an array repeated along axes of size 1 and new leading ones."""
    from jacchain.model.primitives.broadcast import Broadcast

    wanted: Shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return array if array.shape == wanted else apply(Broadcast(wanted), array)


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Return arrays of one shape."""
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(array, shape) for array in args)


def _at_least(function: Callable[..., Any]) -> Callable[..., Any]:
    def widened(*arys: Any) -> Any:
        found = tuple(np.reshape(array, function(_probe(array)).shape) for array in arys)
        return found[0] if len(found) == 1 else found

    return widened


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Return coordinates on a grid."""
    count = len(xi)
    order = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else list(range(count))
    thin = [np.reshape(x, [-1 if k == order[place] else 1 for k in range(count)]) for place, x in enumerate(xi)]
    return tuple(thin) if sparse else broadcast_arrays(*thin)


def _mover(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that only moves, drops and repeats the numbers of its first argument."""

    def rearranged(a: Any, *args: Any, **options: Any) -> Any:
        for option in (*args, *options.values()):
            if isinstance(option, Overloaded):
                option._numbers("index")
        return moved(a, lambda places: function(places, *args, **options))

    return rearranged


def _named(function: Callable[..., Any], first: str, *rest: str) -> Callable[..., Any]:
    """Return such a function that takes its arguments by NumPy's names."""
    move = _mover(function)

    def named(**given: Any) -> Any:
        return move(given.pop(first), **given)

    named.__signature__ = _signature(first, rest)  # type: ignore[attr-defined]  # inspect reads it
    return named


def _signature(first: str, rest: tuple[str, ...]) -> Any:
    from inspect import Parameter, Signature

    return Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in (first, *rest)])


def diag(v: Any, k: int = 0) -> Any:
    """Return a diagonal of a matrix, or the matrix with a diagonal."""
    if v.ndim == 2:
        return moved(v, lambda places: np.diag(places, k))
    n = v.shape[0] + abs(k)
    return apply(put_at(lambda places: np.diag(places, k), (n, n)), v)


def diagflat(v: Any, k: int = 0) -> Any:
    """Return the matrix with all numbers on a diagonal."""
    return diag(np.ravel(v), k)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sum of the diagonal."""
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


def tril(m: Any, k: int = 0) -> Any:
    """Return the lower triangle, and 0 above it."""
    return np.where(np.tril(np.ones(m.shape, bool), k), m, 0.0)


def triu(m: Any, k: int = 0) -> Any:
    """Return the upper triangle, and 0 below it."""
    return np.where(np.triu(np.ones(m.shape, bool), k), m, 0.0)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return slices along an axis, of nearly equal size or cut at given places."""
    return _parts(np.array_split, ary, indices_or_sections, axis)


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return slices along an axis, of equal size or cut at given places."""
    return _parts(np.split, ary, indices_or_sections, axis)


def _parts(divide: Callable[..., Any], ary: Any, places: Any, axis: int) -> list[Any]:
    axis = axis_of(ary, axis)
    what = f"numpy.{divide.__name__} of size {ary.shape[axis]} into {places}"
    try:
        parts = divide(np.arange(ary.shape[axis]), places)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise SizeError(f"{what}: {error}", "give a number of parts that fits, or the places to cut at") from None
    if not all(part.size for part in parts):
        raise TraceError(f"{what}: a part takes nothing", "leave out what is empty")
    before = (slice(None),) * axis
    return [ary[(*before, slice(int(part[0]), int(part[-1]) + 1))] for part in parts]


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """Return the slices along an axis, without it."""
    return tuple(np.moveaxis(x, axis, 0))


def _probed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the shape and dtype alone; its value is an ordinary array."""

    @wraps(function)
    def made(*args: Any, **options: Any) -> Any:
        return function(*map(_plain, args), **{name: _plain(value) for name, value in options.items()})

    return made


def _plain(x: Any) -> Any:
    """Return an array of zeros like an overloaded value."""
    return np.zeros(x.shape, x.dtype) if isinstance(x, Overloaded) else x


def _like(function: Callable[..., Any], first: str = "a") -> Callable[..., Any]:
    def made(dtype: Any = None, shape: Any = None, **given: Any) -> Any:
        a = given.pop(first)
        fill = given.get("fill_value")
        wanted = np.shape(a) if shape is None else shape
        if isinstance(fill, Overloaded):
            return np.broadcast_to(fill, wanted)
        dtype = a.dtype if dtype is None and isinstance(a, Overloaded) else dtype
        return function(np.empty(wanted, dtype), **given)

    rest = ("fill_value", "dtype", "shape") if function is np.full_like else ("dtype", "shape")
    made.__signature__ = _signature(first, rest)  # type: ignore[attr-defined]  # inspect reads it
    return made


def resized(a: Any, new_shape: Any) -> Any:
    """Return the numbers repeated to fill another shape."""
    return moved(a, lambda places: np.resize(places, new_shape))


def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """Return numbers at constant places along an axis, or of all."""
    if isinstance(indices, Overloaded):
        indices._numbers("index")
    return moved(a, lambda places: np.take(places, indices, axis))


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the common dtype."""
    return np.result_type(*(x.dtype if isinstance(x, Overloaded) else x for x in arrays_and_dtypes))


def size(a: Any, axis: Axes = None) -> int:
    """Return how many numbers there are."""
    return int(np.prod([a.shape[k] for k in axes_of(a, axis)], dtype=int))


def sort(a: Any, axis: int = -1) -> Any:
    """Return numbers in rising order, where they are known."""
    return np.take_along_axis(a, np.argsort(a, axis=axis), axis=axis)


_MOVES: Final = "moves numbers"
_SHAPE: Final = "a plain value; derivative 0"

SHAPES: Final[Mapping[Callable[..., Any], Supported]] = {
    np.reshape: Supported(reshape, "a view"),
    np.ravel: Supported(lambda a: reshape(a, -1), "a view"),
    np.transpose: Supported(transpose, "a view"),
    np.moveaxis: Supported(moveaxis, "a view"),
    np.rollaxis: Supported(rollaxis, "a view"),
    np.swapaxes: Supported(swapaxes, "a view"),
    np.matrix_transpose: Supported(matrix_transpose, "a view"),
    np.linalg.matrix_transpose: Supported(matrix_transpose, "a view"),
    np.expand_dims: Supported(expand_dims, "a view"),
    np.squeeze: Supported(squeeze, "a view"),
    np.broadcast_to: Supported(broadcast_to, "a view"),
    np.broadcast_arrays: Supported(broadcast_arrays, "views"),
    np.atleast_1d: Supported(_at_least(np.atleast_1d), "a view"),
    np.atleast_2d: Supported(_at_least(np.atleast_2d), "a view"),
    np.atleast_3d: Supported(_at_least(np.atleast_3d), "a view"),
    np.meshgrid: Supported(meshgrid, "views"),
    np.repeat: Supported(_named(np.repeat, "a", "repeats", "axis"), _MOVES),
    np.tile: Supported(_named(np.tile, "A", "reps"), _MOVES),
    np.flip: Supported(_named(np.flip, "m", "axis"), _MOVES),
    np.flipud: Supported(_named(np.flipud, "m"), _MOVES),
    np.fliplr: Supported(_named(np.fliplr, "m"), _MOVES),
    np.rot90: Supported(_named(np.rot90, "m", "k", "axes"), _MOVES),
    np.roll: Supported(_named(np.roll, "a", "shift", "axis"), _MOVES),
    np.resize: Supported(resized, _MOVES),
    np.take: Supported(take, "constant indices"),
    np.take_along_axis: Supported(_named(np.take_along_axis, "arr", "indices", "axis"), "constant indices"),
    np.compress: Supported(
        lambda condition, a, axis=None: moved(a, lambda p: np.compress(condition, p, axis)), "constant condition"
    ),
    np.delete: Supported(_named(np.delete, "arr", "obj", "axis"), "constant places"),
    np.diagonal: Supported(_named(np.diagonal, "a", "offset", "axis1", "axis2"), _MOVES),
    np.linalg.diagonal: Supported(lambda x, offset=0: np.diagonal(x, offset, -2, -1), _MOVES),
    np.diag: Supported(diag, "both ways"),
    np.diagflat: Supported(diagflat),
    np.trace: Supported(trace),
    np.linalg.trace: Supported(lambda x, offset=0: trace(x, offset, -2, -1)),
    np.tril: Supported(tril, "a constant mask"),
    np.triu: Supported(triu, "a constant mask"),
    np.array_split: Supported(array_split, "views"),
    np.split: Supported(split, "views"),
    np.vsplit: Supported(lambda ary, indices_or_sections: split(ary, indices_or_sections, 0), "views"),
    np.hsplit: Supported(
        lambda ary, indices_or_sections: split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1), "views"
    ),
    np.dsplit: Supported(lambda ary, indices_or_sections: split(ary, indices_or_sections, 2), "views"),
    np.unstack: Supported(unstack, "views"),
    np.sort: Supported(sort, "refused in a trace: an order that depends on values"),
    np.copy: Supported(lambda a: a, "itself, which nothing can change"),
    np.shape: Supported(lambda a: a.shape, _SHAPE),
    np.ndim: Supported(lambda a: a.ndim, _SHAPE),
    np.size: Supported(size, _SHAPE),
    np.zeros_like: Supported(_like(np.zeros_like), _SHAPE),
    np.ones_like: Supported(_like(np.ones_like), _SHAPE),
    np.full_like: Supported(_like(np.full_like), "a value with a derivative may fill it"),
    np.empty_like: Supported(_like(np.empty_like, "prototype"), _SHAPE),
    np.result_type: Supported(result_type, _SHAPE),
    np.iscomplexobj: Supported(_probed(np.iscomplexobj), _SHAPE),
    np.isrealobj: Supported(_probed(np.isrealobj), _SHAPE),
    np.isreal: Supported(_probed(np.isreal), _SHAPE),
    np.tril_indices_from: Supported(_probed(np.tril_indices_from), _SHAPE),
    np.triu_indices_from: Supported(_probed(np.triu_indices_from), _SHAPE),
    np.may_share_memory: Supported(lambda a, b: a is b, _SHAPE),
    np.shares_memory: Supported(lambda a, b: a is b, _SHAPE),
}
"""The rows of what moves numbers, and of what depends on shapes alone."""
