"""Numbers taken out of an array: by slices as a view, by any fixed index as a copy."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from types import EllipsisType
from typing import Any, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Identity
from jacchain.errors import SizeError
from jacchain.execution.operation import OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes, sole
from jacchain.model.primitives.reshape import Reshape
from jacchain.model.primitives.unit_pattern import as_bytes, chosen, from_bytes, is_everything, ones, unit_facts


class Span(NamedTuple):
    """What is taken along one axis: `length` places from `start`, `step` apart."""

    start: int
    length: int
    step: int

    @property
    def last(self) -> int:
        """The last place taken."""
        return self.start + (self.length - 1) * self.step

    def as_slice(self) -> slice:
        """Return it as NumPy takes it."""
        stop = self.start + self.length * self.step
        return slice(self.start, stop if stop >= 0 else None, self.step)


@final
@dataclass(frozen=True, slots=True)
class Index(Primitive):
    """A view of what lies on a grid: integers, slices and new axes; see `selection`.

    Parameters
    ----------
    spans : tuple of Span
        One for each axis of the input; an integer is a span of one place.
    shape : tuple of int
        Of the value: the spans' lengths, without the axes of integers and with new ones of size 1.

    Examples
    --------
    >>> Index((Span(1, 1, 1), Span(2, 3, -1)), (3,)).value([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    array([6., 5., 4.])
    """

    spans: tuple[Span, ...]
    shape: Shape

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a view with other strides."""
        shape = sole(self.name, shapes)
        if len(shape) != len(self.spans) or any(
            not (0 <= span.start < n and 0 <= span.last < n) for span, n in zip(self.spans, shape, strict=False)
        ):
            refuse_shapes(f"index {self.spans}", shapes, "take places that the array has")
        size = prod(shape)
        structure = chosen(size, self.value_view(np.arange(size).reshape(shape)).reshape(-1))
        return OperationFacts(
            output=self.shape,
            locals=(unit_facts(structure, self.name),),
            view="reshape" if isinstance(structure, Identity) else "strided",
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that copies what is taken."""
        return ((kernels.copyto, (y, self.value_view(xs[0]))),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the call that writes ones."""
        return ones(kernels, out)

    def value_view(self, x: Array, /) -> Array:
        """Return the view; axes of size 1 come and go without a copy."""
        return x[tuple(span.as_slice() for span in self.spans)].reshape(self.shape)


@final
@dataclass(frozen=True, slots=True)
class Gather(Primitive):
    """Numbers from any fixed places, in any order and as often as wanted: flip, roll, repeat, tile, fancy indexing.

    Parameters
    ----------
    index : bytes
        Place of each number among those of the input, row by row; build with `rearranged` or `selection`.
    shape : tuple of int
        Of the value.

    Examples
    --------
    >>> rearranged(lambda index: np.roll(index, 1), (3,)).value([1.0, 2.0, 3.0])
    array([3., 1., 2.])
    """

    index: bytes
    shape: Shape

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a copy, of an input that is made contiguous first where it is not."""
        size, index = prod(sole(self.name, shapes)), from_bytes(self.index)
        if index.size and not 0 <= index.min() <= index.max() < size:
            refuse_shapes(f"gather of place {index.max()}", shapes, f"take places 0 to {size - 1}")
        structure = chosen(size, index)
        return OperationFacts(
            output=self.shape,
            locals=(unit_facts(structure, self.name),),
            view="reshape" if isinstance(structure, Identity) else "",
            scratch=size,
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls that gather."""
        return gathered(kernels, xs[0], from_bytes(self.index), y.reshape(-1), scratch)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the call that writes ones."""
        return ones(kernels, out)

    def value_view(self, x: Array, /) -> Array:
        """Return the numbers in the shape of the value, where everything is taken in order."""
        return x.reshape(self.shape)


def gathered(kernels: Kernels, x: Array, index: Array, out: Array, scratch: Array, /) -> Calls:
    """Return the calls that gather numbers of x, copied to a workspace of its size where it is not contiguous.

    What lies in two runs, as a roll does, is copied run by run on the host: that takes a third of the time.
    """
    if x.flags.c_contiguous and kernels.xp is np:
        bends = np.flatnonzero(np.diff(index) != 1) + 1
        if len(bends) <= 1:
            ends, numbers = [0, *bends.tolist(), len(index)], x.reshape(-1)
            pairs = [(out[a:b], numbers[index[a] : index[a] + b - a]) for a, b in pairwise(ends)]
            return tuple((kernels.copyto, pair) for pair in pairs)
    places = kernels.index(index)
    if x.flags.c_contiguous:
        return ((kernels.take, (x.reshape(-1), places, out)),)
    held = scratch[: x.size]
    return ((kernels.copyto, (held.reshape(x.shape), x)), (kernels.take, (held, places, out)))


def rearranged(rearrange: Callable[[Any], Any], shape: Shape, /) -> Primitive:
    """Return the primitive of a NumPy function that only moves, drops and repeats numbers.

    Parameters
    ----------
    rearrange : callable
        Is given the places of an array of `shape` as an integer array, and returns those of the value.

    Examples
    --------
    >>> rearranged(lambda index: np.repeat(index, 2), (2,)).value([1.0, 2.0])
    array([1., 1., 2., 2.])
    """
    size = prod(shape)
    index = np.asarray(rearrange(np.arange(size).reshape(shape)))
    if index.size == 0:
        raise SizeError(f"nothing is taken of an array of shape {shape}", "take at least one number")
    if is_everything(size, index.reshape(-1)):
        return Reshape(index.shape)
    return Gather(as_bytes(index.reshape(-1)), index.shape)


def selection(key: Any, shape: Shape, /) -> Primitive:
    """Return the primitive of ``x[key]`` for an x of a shape: a view where NumPy makes one.

    Parameters
    ----------
    key : index of numpy.ndarray
        Integers, slices, None, Ellipsis, integer and boolean arrays, or a tuple of them: all of it fixed.

    Raises
    ------
    IndexError
        As NumPy does.
    SizeError
        Nothing is taken.

    Examples
    --------
    >>> selection((slice(None), 1), (3, 4)) == selection((..., slice(1, 2), 0), (3, 4, 1))
    False
    >>> selection(1, (3, 4)) == selection((-2, ...), (3, 4))
    True
    >>> selection([[0, 0]], (3,)).value([7.0, 8.0, 9.0])
    array([[7., 7.]])
    """
    items = key if isinstance(key, tuple) else (key,)
    basic = all(
        isinstance(item, slice | EllipsisType | None)
        or (isinstance(item, int | np.integer) and not isinstance(item, bool))
        for item in items
    )
    if not basic:
        return rearranged(lambda index: index[key], shape)
    taken = np.broadcast_to(np.int8(0), shape)[key]  # as NumPy would, without its numbers
    if taken.size == 0:
        raise SizeError(f"nothing is taken of an array of shape {shape} by {key}", "take at least one number")
    spans = _spans(items, shape)
    if all(span == Span(0, n, 1) for span, n in zip(spans, shape, strict=True)):
        return Reshape(taken.shape)
    return Index(spans, taken.shape)


def _spans(items: tuple[Any, ...], shape: Shape) -> tuple[Span, ...]:
    """Return what basic indices take along each axis."""
    along = [item for item in items if item is not None]
    places = [k for k, item in enumerate(along) if item is Ellipsis]
    at = places[0] if places else len(along)
    missing = len(shape) - len(along) + len(places)
    along[at : at + len(places)] = [slice(None)] * missing
    return tuple(_span(item, n) for item, n in zip(along, shape, strict=True))


def _span(item: slice | int, size: int) -> Span:
    if not isinstance(item, slice):
        return Span(int(item) % size, 1, 1)
    places = range(*item.indices(size))
    return Span(places.start, len(places), places.step if len(places) > 1 else 1)
