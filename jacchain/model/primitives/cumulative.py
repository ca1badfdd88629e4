"""Sums and products of everything up to a place."""

from dataclasses import dataclass
from math import prod
from typing import final

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Identity, Structure, block_diagonal, kronecker
from jacchain.execution.operation import VALUE, LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes, sole
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, slots=True)
class Cumsum(Primitive):
    """Sums of everything up to a place along an axis.

    The local Jacobian is a triangle L of ones: L⊗I along the first axis, I⊗L along the last. It can be applied without
    being formed, by cumulative sums forwards or backwards, for as many additions as there are numbers, which is what
    the link states as cost. Along an axis in between it is only applied.

    Parameters
    ----------
    axis : int
        Not negative.
    shape : tuple of int
        Of the input.

    Examples
    --------
    >>> Cumsum(0, (3,)).value([1.0, 2.0, 3.0])
    array([1., 3., 6.])
    >>> Cumsum(0, (1000,)).facts(((1000,),)).locals[0].link.tangent_cost
    1000
    """

    axis: int
    shape: Shape

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the triangle, and what applying it costs."""
        if sole(self.name, shapes) != self.shape or not 0 <= self.axis < len(self.shape):
            refuse_shapes(self.name, shapes, f"give shape {self.shape} with an axis {self.axis}")
        size = prod(self.shape)
        link = Link(size, size, structure=self._structure(), tangent_cost=size, adjoint_cost=size, name=self.name)
        return OperationFacts(output=self.shape, locals=(LocalFacts(link=link),))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call for the sums."""
        return ((kernels.xp.cumsum, (xs[0], self.axis, None, y)),)

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, _y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the call that writes the triangle."""
        if self._structure() is None:
            size = prod(self.shape)
            units = kernels.xp.eye(size, dtype=out.arrays[0].dtype)
            return self.tangent_calls(kernels, k, xs, units, out.arrays[0])
        places = kernels.xp.arange(self.shape[self.axis])
        return tuple((kernels.xp.greater_equal, (places[:, None], places, array)) for array in out.arrays)

    def tangent_calls(self, kernels: Kernels, _k: int, _xs: Arrays, v: Array, out: Array, /) -> Calls:
        """Return the call for the sums of every tangent."""
        shape = (*self.shape, v.shape[1])
        return ((kernels.xp.cumsum, (v.reshape(shape), self.axis, None, out.reshape(shape))),)

    def adjoint_calls(self, kernels: Kernels, _k: int, _xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the call for the sums, from the end, of every adjoint."""
        shape, axis = (u.shape[0], *self.shape), self.axis + 1
        back, target = (kernels.xp.flip(a.reshape(shape), axis) for a in (u, out))
        return ((kernels.xp.cumsum, (back, axis, None, target)),)

    def _structure(self) -> Structure | None:
        before, after = prod(self.shape[: self.axis]), prod(self.shape[self.axis + 1 :])
        along = self.shape[self.axis]
        if along == 1:
            return Identity(before * after)
        if after == 1:
            return kronecker(Identity(before), Dense(along, along))
        return kronecker(Dense(along, along), Identity(after)) if before == 1 else None


@final
@dataclass(frozen=True, slots=True)
class Cumprod(Primitive):
    """Products of everything up to a place along the last axis.

    The local Jacobian has a lower triangle for each row; entry (i, j) is the product of all numbers up to i but number
    j, so that zeros do no harm.

    Examples
    --------
    >>> Cumprod().local(0, [2.0, 0.0, 3.0]).todense()
    array([[1., 0., 0.],
           [0., 2., 0.],
           [0., 6., 0.]])
    """

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a block for each row."""
        shape = sole(self.name, shapes)
        if not shape:
            refuse_shapes(self.name, shapes, "give an array of at least one axis")
        count, n = prod(shape[:-1]), shape[-1]
        structure = Identity(count) if n == 1 else block_diagonal(count, n, n)
        cost = count * n * (n - 1) // 2
        link = Link(count * n, count * n, structure=structure, accumulate_cost=cost, name=self.name)
        return OperationFacts(output=shape, locals=(LocalFacts(link=link, reads=(0, VALUE)),))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call for the products."""
        return ((kernels.xp.cumprod, (xs[0], -1, None, y)),)

    def local_calls(self, kernels: Kernels, _k: int, xs: Arrays, y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the calls that write row after row: the row before, times the new number, and one entry more."""
        x, n = xs[0], xs[0].shape[-1]
        blocks = out.arrays[0].reshape(*x.shape, n)
        calls: list[Call] = [(kernels.fill, (0, blocks)), (kernels.fill, (1, blocks[..., 0, 0]))]
        for i in range(1, n):
            factor = x[..., i : i + 1]
            calls.append((kernels.xp.multiply, (blocks[..., i - 1, :i], factor, blocks[..., i, :i])))
            calls.append((kernels.copyto, (blocks[..., i, i], y[..., i - 1])))
        return tuple(calls)
