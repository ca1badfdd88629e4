"""Numbers put into a larger array: padded, joined, stacked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, final

import numpy as np

from jacchain.algebra.distinct import distinct
from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.execution.operation import OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes, sole
from jacchain.model.primitives.reshape import Reshape
from jacchain.model.primitives.unit_pattern import as_bytes, from_bytes, is_everything, ones, placed, unit_facts


@final
@dataclass(frozen=True, slots=True)
class Place(Primitive):
    """Zeros with the numbers of the input at fixed places: padding, a diagonal; build with `put_at`.

    Parameters
    ----------
    index : bytes
        Place of each number of the input among those of the value, row by row; all different.
    shape : tuple of int
        Of the value.

    Examples
    --------
    >>> put_at(np.diag, (2, 2)).value([1.0, 2.0])
    array([[1., 0.],
           [0., 2.]])
    """

    index: bytes
    shape: Shape

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a copy among zeros."""
        size, index = prod(self.shape), from_bytes(self.index)
        if prod(sole(self.name, shapes)) != index.size:
            refuse_shapes(f"place {index.size} numbers", shapes, f"give {index.size} numbers")
        if distinct(index).size != index.size or not 0 <= index.min() <= index.max() < size:
            refuse_shapes(f"place into {self.shape}", shapes, f"give different places from 0 to {size - 1}")
        return OperationFacts(output=self.shape, locals=(unit_facts(placed(size, index), self.name),))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls that write zeros and then the numbers."""
        index = kernels.index(from_bytes(self.index).reshape(xs[0].shape))
        return ((kernels.fill, (0, y)), (kernels.scatter, (xs[0], index, y.reshape(-1))))

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the call that writes ones."""
        return ones(kernels, out)


def put_at(places: Callable[[Any], Any], shape: Shape, /) -> Primitive:
    """Return the primitive that puts numbers at the places, of an array of `shape`, that a function takes out of it.

    Parameters
    ----------
    places : callable
        Is given the places as an integer array, and returns those that the input goes to, in its order.

    Examples
    --------
    >>> put_at(lambda index: index[1:3], (4,)).value([1.0, 2.0])
    array([0., 1., 2., 0.])
    """
    size = prod(shape)
    index = np.asarray(places(np.arange(size).reshape(shape)))
    if is_everything(size, index.reshape(-1)):
        return Reshape(shape)
    return Place(as_bytes(index.reshape(-1)), shape)


def padding(shape: Shape, widths: Sequence[tuple[int, int]], /) -> Primitive:
    """Return the primitive that puts zeros before and after each axis of an array of `shape`.

    Examples
    --------
    >>> padding((2,), [(1, 2)]).value([1.0, 2.0])
    array([0., 1., 2., 0., 0.])
    """
    inside = tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))
    return put_at(lambda index: index[inside], tuple(n + sum(w) for n, w in zip(shape, widths, strict=True)))


@final
@dataclass(frozen=True, slots=True)
class Concatenate(Primitive):
    """Several arrays joined along an axis that they have.

    Parameters
    ----------
    axis : int
        Not negative.

    Examples
    --------
    >>> Concatenate(0).value([1.0], [2.0, 3.0])
    array([1., 2., 3.])
    """

    axis: int

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the inputs meet in all other axes."""
        axis = self.axis
        if not all(0 <= axis < len(shape) for shape in shapes):
            refuse_shapes(self.name, shapes, f"give arrays that have an axis {axis}")
        if len({(shape[:axis], shape[axis + 1 :]) for shape in shapes}) != 1:
            refuse_shapes(self.name, shapes, f"make the sizes equal except along axis {axis}")
        total = sum(shape[axis] for shape in shapes)
        output = (*shapes[0][:axis], total, *shapes[0][axis + 1 :])
        before, after, size = prod(output[:axis]), prod(output[axis + 1 :]), prod(output)
        places, start, found = np.arange(size).reshape(before, total, after), 0, []
        for shape in shapes:
            index = places[:, start : start + shape[axis]].reshape(-1)
            found.append(unit_facts(placed(size, index), self.name))
            start += shape[axis]
        return OperationFacts(output=output, locals=tuple(found))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that joins."""
        return ((kernels.xp.concatenate, (xs, self.axis, y)),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the call that writes ones."""
        return ones(kernels, out)


@final
@dataclass(frozen=True, slots=True)
class Stack(Primitive):
    """Several arrays of one shape joined along a new axis.

    Parameters
    ----------
    axis : int
        Its place in the value; not negative.

    Examples
    --------
    >>> Stack(0).value(1.0, 2.0)
    array([1., 2.])
    """

    axis: int

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: one shape for all."""
        if len(set(shapes)) != 1 or not 0 <= self.axis <= len(shapes[0]):
            refuse_shapes(self.name, shapes, f"make the shapes equal, with {self.axis} axes or more")
        axis = self.axis
        return Concatenate(axis).facts(tuple((*shape[:axis], 1, *shape[axis:]) for shape in shapes))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that joins."""
        return ((kernels.xp.concatenate, (tuple(kernels.xp.expand_dims(x, self.axis) for x in xs), self.axis, y)),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the call that writes ones."""
        return ones(kernels, out)
