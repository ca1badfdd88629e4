"""Which axes are summed over or repeated, and the structure of the constant matrices that do it."""

from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.structure import (
    Dense,
    Identity,
    Kronecker,
    Structure,
    block_diagonal,
    kronecker,
    sparse,
    sparse_agreeing,
    sparse_like,
)
from jacchain.errors import SizeError
from jacchain.execution.operation import Shape


@final
@dataclass(frozen=True, slots=True)
class Groups:
    """The numbers of an array in groups: those that differ only along some of its axes.

    Attributes
    ----------
    shape : tuple of int
        Of the array.
    kept, reduced : tuple of int
        Its axes, in order; a group lies along the reduced ones.
    """

    shape: Shape
    kept: tuple[int, ...]
    reduced: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of groups."""
        return prod(self.shape[axis] for axis in self.kept)

    @property
    def each(self) -> int:
        """Numbers in a group."""
        return prod(self.shape[axis] for axis in self.reduced)

    @property
    def thin(self) -> Shape:
        """The shape with one number left along each reduced axis."""
        return tuple(1 if axis in self.reduced else size for axis, size in enumerate(self.shape))

    @property
    def grouped(self) -> Shape:
        """The shape with the reduced axes last."""
        return tuple(self.shape[axis] for axis in self.kept + self.reduced)

    def output(self, keepdims: bool, /) -> Shape:
        """Return the shape of one number for each group."""
        return self.thin if keepdims else tuple(self.shape[axis] for axis in self.kept)

    def aside(self, array: Array, /) -> Array:
        """Return a view of an array of `shape` with the reduced axes last."""
        return array.transpose(self.kept + self.reduced)

    def together(self, array: Array, /) -> Array:
        """Return the view of `shape` of an array with the reduced axes last: the inverse of `aside`."""
        order = self.kept + self.reduced
        return array.transpose(tuple(order.index(axis) for axis in range(len(order))))

    def pairwise(self, array: Array, /) -> Array:
        """Return a view of the numbers of `pairs`: the kept axes, the reduced ones of the row, those of the column."""
        thick = tuple(self.shape[axis] for axis in self.reduced)
        ndim = len(self.shape)
        return array.reshape(self.shape + thick).transpose(
            self.kept + self.reduced + tuple(range(ndim, ndim + len(thick)))
        )


def grouped(shape: Shape, axes: tuple[int, ...] | None, name: str, /) -> Groups:
    """Return the groups along given axes, counted from the end where negative; along all for None.

    Examples
    --------
    >>> grouped((2, 3, 4), (-1, 0), "sum")
    Groups(shape=(2, 3, 4), kept=(1,), reduced=(0, 2))
    """
    ndim = len(shape)
    for axis in axes or ():
        if not -ndim <= axis < ndim:
            raise SizeError(f"{name} along axis {axis} of shape {shape}", f"give axes from {-ndim} to {ndim - 1}")
    reduced = {axis % ndim for axis in axes} if axes is not None else set(range(ndim))
    if axes is not None and len(reduced) != len(axes):
        raise SizeError(f"{name} along axes {axes} of shape {shape}", "name every axis once")
    return Groups(shape, tuple(axis for axis in range(ndim) if axis not in reduced), tuple(sorted(reduced)))


def sums(groups: Groups, /) -> Structure:
    """Return the structure of the constant matrix that sums every group.

    It is I⊗1ᵀ along trailing axes, 1ᵀ⊗I along leading ones, a row along all; the identity where groups are single
    numbers, and a sparse pattern otherwise.

    Examples
    --------
    >>> for axes in ((1, 2), (0, 1), (0, 1, 2), (1,)): print(sums(grouped((2, 3, 4), axes, "sum")))
    kronecker I(2)⊗(1x12)
    kronecker (1x6)⊗I(4)
    dense 1x24
    sparse 8x24, 24 nonzeros
    """
    count, each = groups.count, groups.each
    if each == 1:
        return Identity(count)
    if _is_trailing(groups):
        return kronecker(Identity(count), Dense(1, each))
    if _is_leading(groups):
        return kronecker(Dense(1, each), Identity(count))
    return _pattern(groups)


def weights(groups: Groups, /) -> Structure:
    """Return the structure of a matrix with a row for every group and a number of its own at every place.

    Its numbers, in order, are an array with the reduced axes last, as `Groups.aside` has it.

    Examples
    --------
    >>> for axes in ((1, 2), (0, 1), (0, 1, 2), (1,)): print(weights(grouped((2, 3, 4), axes, "max")))
    block-diagonal 2x(1x12)
    sparse 4x24, 24 nonzeros
    dense 1x24
    sparse 8x24, 24 nonzeros
    """
    count, each = groups.count, groups.each
    if each == 1:
        return Identity(count)
    if _is_trailing(groups):
        return block_diagonal(count, 1, each)
    if _is_leading(groups):
        return sparse_like(Kronecker(Dense(1, each), Identity(count)))
    return _pattern(groups)


def pairs(groups: Groups, /) -> Structure:
    """Return the structure of a square matrix with a number for every two places of one group.

    Its numbers, in order, are an array with the axes of `shape` for the row and the reduced ones for the column; see
    `Groups.pairwise`.

    Examples
    --------
    >>> for axes in ((1, 2), (0, 1), (0, 1, 2), (1,)): print(pairs(grouped((2, 3, 4), axes, "softmax")))
    block-diagonal 2x(12x12)
    sparse 24x24, 144 nonzeros
    dense 24x24
    sparse 24x24, 72 nonzeros
    """
    count, each = groups.count, groups.each
    if each == 1 or _is_trailing(groups):
        return block_diagonal(count, each, each)
    if _is_leading(groups):
        return sparse_like(Kronecker(Dense(each, each), Identity(count)))
    ndim = len(groups.shape)
    sizes = (*groups.shape, *(groups.shape[axis] for axis in groups.reduced))
    columns = tuple(ndim + groups.reduced.index(axis) if axis in groups.reduced else axis for axis in range(ndim))
    return sparse_agreeing(sizes, tuple(range(ndim)), columns)


def repeats(groups: Groups, /) -> Structure:
    """Return the structure of the constant matrix that repeats a number over every group: the transpose of `sums`.

    Examples
    --------
    >>> for axes in ((1, 2), (0, 1), (0, 1, 2), (1,)): print(repeats(grouped((2, 3, 4), axes, "broadcast")))
    kronecker I(2)⊗(12x1)
    kronecker (6x1)⊗I(4)
    dense 24x1
    sparse 24x8, 24 nonzeros
    """
    count, each = groups.count, groups.each
    if each == 1:
        return Identity(count)
    if _is_trailing(groups):
        return kronecker(Identity(count), Dense(each, 1))
    if _is_leading(groups):
        return kronecker(Dense(each, 1), Identity(count))
    places = np.broadcast_to(np.arange(count).reshape(groups.thin), groups.shape)
    return sparse(count * each, count, np.arange(count * each + 1), places.reshape(-1))


def _long(groups: Groups, axes: tuple[int, ...]) -> list[int]:
    return [axis for axis in axes if groups.shape[axis] > 1]


def _is_trailing(groups: Groups) -> bool:
    return max(_long(groups, groups.kept), default=-1) < min(_long(groups, groups.reduced), default=0)


def _is_leading(groups: Groups) -> bool:
    return max(_long(groups, groups.reduced), default=-1) < min(_long(groups, groups.kept), default=0)


def _pattern(groups: Groups) -> Structure:
    size = prod(groups.shape)
    columns = groups.aside(np.arange(size).reshape(groups.shape))
    return sparse(groups.count, size, np.arange(groups.count + 1) * groups.each, columns.reshape(-1))
