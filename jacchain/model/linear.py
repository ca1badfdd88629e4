"""Linear layers: their local Jacobian is the parameter itself, an identity or ones, and their curvature zero."""

from dataclasses import dataclass
from math import prod
from operator import index
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels, gemm
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Identity, kronecker
from jacchain.errors import OptionError
from jacchain.execution.source import Facts, Shape
from jacchain.model.layer import Layer, as_parameter, counted, refuse
from jacchain.model.primitives.axes import grouped, sums
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, eq=False)
class Linear(Layer):
    """x ↦ W x for a vector x.

    Parameters
    ----------
    weight : array of shape (m, n)
        Not copied: it is the local Jacobian.

    Examples
    --------
    >>> Linear([[1.0, 2.0]]).value([3.0, 4.0])
    array([11.])
    """

    weight: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", as_parameter(self.weight, 2, "the weight of Linear"))

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the input is a vector of W's width."""
        m, n = self.weight.shape
        if shape != (n,):
            refuse(counted(n, "input"))
        return Facts(inputs=shape, outputs=(m,), link=Link(n, m, name=self.name), reads="", borrowed=True, curvature=())

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for W x."""
        return ((kernels.xp.dot, (self.weight, x, y)),)

    def borrowed_arrays(self, _shape: Shape, /) -> Arrays:
        """Return W."""
        return (self.weight,)


@final
@dataclass(frozen=True, eq=False)
class LeftMultiply(Layer):
    """S ↦ W S for a matrix S; the local Jacobian is W⊗I.

    Parameters
    ----------
    weight : array of shape (m, n)
        Not copied.

    Examples
    --------
    >>> print(LeftMultiply([[1.0, 2.0]]).jacobian([[1.0, 1.0], [1.0, 1.0]]).todense())
    [[1. 0. 2. 0.]
     [0. 1. 0. 2.]]
    """

    weight: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", as_parameter(self.weight, 2, "the weight of LeftMultiply"))

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the input is a matrix of as many rows as W has columns."""
        m, n = self.weight.shape
        if len(shape) != 2 or shape[0] != n:
            refuse(f"a matrix of {n} rows")
        columns = shape[1]
        structure = kronecker(Dense(m, n), Identity(columns))
        link = Link(n * columns, m * columns, structure=structure, name=self.name)
        return Facts(inputs=shape, outputs=(m, columns), link=link, reads="", borrowed=True, curvature=())

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for W S."""
        return (gemm(kernels, (self.weight, x, y)),)

    def borrowed_arrays(self, _shape: Shape, /) -> Arrays:
        """Return W."""
        return (self.weight,)


@final
@dataclass(frozen=True, eq=False)
class RightMultiply(Layer):
    """S ↦ S X for a matrix S; the local Jacobian is I⊗Xᵀ.

    Parameters
    ----------
    factor : array of shape (n, q)
        Not copied.

    Examples
    --------
    >>> print(RightMultiply([[1.0], [2.0]]).jacobian([[1.0, 1.0], [1.0, 1.0]]).todense())
    [[1. 2. 0. 0.]
     [0. 0. 1. 2.]]
    """

    factor: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", as_parameter(self.factor, 2, "the factor of RightMultiply"))

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the input is a matrix of as many columns as X has rows."""
        n, q = self.factor.shape
        if len(shape) != 2 or shape[1] != n:
            refuse(f"a matrix of {n} columns")
        rows = shape[0]
        structure = kronecker(Identity(rows), Dense(q, n))
        link = Link(rows * n, rows * q, structure=structure, name=self.name)
        # A single row makes the local Jacobian plain Xᵀ, which must be contiguous and so is written anew.
        return Facts(inputs=shape, outputs=(rows, q), link=link, reads="", borrowed=rows > 1, curvature=())

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for S X."""
        return (gemm(kernels, (x, self.factor, y)),)

    def borrowed_arrays(self, _shape: Shape, /) -> Arrays:
        """Return Xᵀ, a view."""
        return (self.factor.T,)

    def local_calls(self, kernels: Kernels, _x: Array, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls that copy Xᵀ."""
        return ((kernels.copyto, (out.arrays[0], self.factor.T)),)


@final
@dataclass(frozen=True, eq=False)
class Bias(Layer):
    """S ↦ S + b, where b is broadcast to S: a column b serves W S + b 1ᵀ, a row S W + 1 bᵀ.

    Parameters
    ----------
    bias : array
        Its shape must broadcast to the input's without enlarging it.
    """

    bias: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", as_parameter(self.bias, None, "the bias"))

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the shape is kept."""
        try:
            fits = np.broadcast_shapes(shape, self.bias.shape) == shape
        except ValueError:
            fits = False
        if not fits:
            refuse(f"a shape that {self.bias.shape} broadcasts to")
        size = prod(shape)
        link = Link(size, size, structure=Identity(size), name=self.name)
        return Facts(inputs=shape, outputs=shape, link=link, reads="", value_in_place=True, curvature=())

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for S + b."""
        return ((kernels.xp.add, (x, self.bias, y)),)

    def local_calls(self, _kernels: Kernels, _x: Array, _y: Array, _out: Operand, _scratch: Array, /) -> Calls:
        """Return nothing: an identity has no numbers."""
        return ()


@final
@dataclass(frozen=True, eq=False)
class Reshape(Layer):
    """The same numbers, row by row, in another shape; one size may be -1.

    Parameters
    ----------
    shape : tuple of int, or int
    """

    shape: Shape

    def __post_init__(self) -> None:
        shape = tuple(np.atleast_1d(self.shape).tolist())
        if not all(type(n) is int and (n > 0 or n == -1) for n in shape) or shape.count(-1) > 1:
            raise OptionError(f"{shape} is not a shape", "give positive sizes, of which one may be -1")
        object.__setattr__(self, "shape", shape)

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the number of entries is kept."""
        size, known = prod(shape), prod(n for n in self.shape if n != -1)
        if size % known or (-1 not in self.shape and size != known):
            refuse(f"{'a multiple of ' if -1 in self.shape else ''}{known} numbers")
        outputs = tuple(size // known if n == -1 else n for n in self.shape)
        link = Link(size, size, structure=Identity(size), name=self.name)
        return Facts(inputs=shape, outputs=outputs, link=link, reads="", is_view=True, curvature=())

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls that copy the numbers."""
        return ((kernels.copyto, (y, x.reshape(y.shape))),)

    def local_calls(self, _kernels: Kernels, _x: Array, _y: Array, _out: Operand, _scratch: Array, /) -> Calls:
        """Return nothing: an identity has no numbers."""
        return ()


@final
@dataclass(frozen=True, eq=False)
class Sum(Layer):
    """The sum of all numbers, or along one axis.

    Parameters
    ----------
    axis : int, optional
        None sums everything to a scalar.

    Examples
    --------
    >>> Sum(axis=0).value([[1.0, 2.0], [3.0, 4.0]])
    array([4., 6.])
    """

    axis: int | None = None

    def __post_init__(self) -> None:
        if self.axis is not None:
            object.__setattr__(self, "axis", as_axis(self.axis))

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: one axis goes, or all."""
        if self.axis is not None and not -len(shape) <= self.axis < len(shape):
            refuse(f"at least {self.axis + 1 if self.axis >= 0 else -self.axis} axes")
        before, along, after = around(shape, self.axis)
        size, structure = prod(shape), sums(grouped((before, along, after), (1,), self.name))
        outputs = () if self.axis is None else tuple(n for k, n in enumerate(shape) if k != self.axis % len(shape))
        link = Link(size, size // along, structure=structure, name=self.name)
        return Facts(inputs=shape, outputs=outputs, link=link, reads="", curvature=())

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for the sum."""
        return ((kernels.xp.sum, (x, self.axis, None, y)),)

    def local_calls(self, kernels: Kernels, _x: Array, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls that write ones."""
        return tuple((kernels.fill, (1, array)) for array in out.arrays)


def as_axis(axis: object, /) -> int:
    """Return an axis as an integer, or raise an OptionError."""
    try:
        return index(axis)  # type: ignore[arg-type]  # anything without __index__ is refused below
    except TypeError:
        raise OptionError(f"axis {axis!r} is not an integer", "give one axis, such as 0 or -1") from None


def around(shape: Shape, axis: int | None, /) -> tuple[int, int, int]:
    """Return the sizes before, along and after an axis; all of the shape lies along None."""
    if axis is None:
        return 1, prod(shape), 1
    k = axis % len(shape)
    return prod(shape[:k]), shape[k], prod(shape[k + 1 :])
