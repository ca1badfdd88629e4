"""Sums and products of everything up to a place."""

from dataclasses import dataclass
from math import prod
from typing import final

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Identity, Structure, block_diagonal, kronecker
from jacchain.execution.operation import VALUE, CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes, sole
from jacchain.model.primitives.but_two import but_two_calls, running_calls
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
    j, so that zeros do no harm. It can be applied without being formed, as the recurrences of the products are linear:
    ẏ_i = x_i ẏ_{i-1} + y_{i-1} ẋ_i forwards, and s_i = ȳ_i + x_{i+1} s_{i+1} with x̄_i = y_{i-1} s_i backwards. They
    divide by nothing, so zeros do no harm there either.

    Examples
    --------
    >>> Cumprod().local(0, [2.0, 0.0, 3.0]).todense()
    array([[1., 0., 0.],
           [0., 2., 0.],
           [0., 6., 0.]])
    >>> Cumprod().facts(((1000,),)).locals[0].link.adjoint_cost
    4966
    """

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a block for each row."""
        shape = sole(self.name, shapes)
        if not shape:
            refuse_shapes(self.name, shapes, "give an array of at least one axis")
        count, n = prod(shape[:-1]), shape[-1]
        structure = Identity(count) if n == 1 else block_diagonal(count, n, n)
        cost = count * n * (n - 1) // 2
        # the products but the last, what they are multiplied by, and the recurrence
        free = count * (max(n - 2, 0) + n - 1 + _recurrence_cost(n)) if n > 1 else None
        link = Link(
            count * n,
            count * n,
            structure=structure,
            accumulate_cost=cost,
            tangent_cost=free,
            adjoint_cost=free,
            name=self.name,
        )
        curvature = CurvatureFacts(first=0, second=0, structure=structure, reads=(0,), scratch=2 * count * n)
        return OperationFacts(
            output=shape,
            locals=(LocalFacts(link=link, reads=(0, VALUE)),),
            curvatures=(curvature,) if n > 1 else (),
        )

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

    def tangent_calls(self, kernels: Kernels, _k: int, xs: Arrays, v: Array, out: Array, /) -> Calls:
        """Return the call that runs through the recurrence of every tangent."""
        x = xs[0]
        v, out = (a.reshape(*x.shape, -1).swapaxes(-1, -2) for a in (v, out))
        return ((_tangents, (kernels, x[..., None, :], v, out)),)

    def adjoint_calls(self, kernels: Kernels, _k: int, xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the call that runs back through the recurrence of every adjoint."""
        u, out = (a.reshape(-1, *xs[0].shape) for a in (u, out))
        return ((_adjoints, (kernels, xs[0], u, out)),)

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, _y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls for the products of all numbers but two: up to the second, by which all that follow count.

        Entry (a, b) with a < b is the product of the numbers before b but number a, times s_b of the adjoint.
        """
        n = xs[0].shape[-1]
        x = xs[0].reshape(-1, n)
        before, behind = scratch[: 2 * x.size].reshape(2, *x.shape)
        return (
            *running_calls(kernels, x, before),
            (_sensitivities, (kernels, x, u.reshape(x.shape), behind)),
            *but_two_calls(kernels, x, before, behind, out.arrays[0].reshape(-1, n, n)),
        )


def _tangents(kernels: Kernels, x: Array, v: Array, out: Array) -> None:
    kernels.copyto(out[..., :1], v[..., :1])
    kernels.xp.multiply(v[..., 1:], kernels.xp.cumprod(x[..., :-1], -1), out[..., 1:])
    _recur(kernels, x[..., 1:], out)


def _adjoints(kernels: Kernels, x: Array, u: Array, out: Array) -> None:
    _sensitivities(kernels, x, u, out)
    rest = out[..., 1:]
    kernels.xp.multiply(rest, kernels.xp.cumprod(x[..., :-1], -1), rest)


def _sensitivities(kernels: Kernels, x: Array, u: Array, out: Array) -> None:
    """Write s_i = ȳ_i + x_{i+1} s_{i+1} into `out`."""
    kernels.copyto(out, u)
    _recur(kernels, kernels.xp.flip(x[..., 1:], -1), kernels.xp.flip(out, -1))


def _recur(kernels: Kernels, factors: Array, s: Array) -> None:
    """Add to every number along the last axis of s its factor times the number before it, which comes first.

    It takes a number of array operations in the order of log n rather than of n: neighbours are joined, the pairs go
    through a recurrence of half the length, and the numbers between them follow (cyclic reduction).
    """
    even, odd = s[..., 0::2], s[..., 1::2]
    pairs = odd.shape[-1]
    if not pairs:
        return
    # s_i + a_i (s_{i-1} + a_{i-1} s_{i-2}) = (s_i + a_i s_{i-1}) + (a_i a_{i-1}) s_{i-2}
    _add_product(kernels, factors[..., 0::2], even[..., :pairs], odd)
    joined = kernels.xp.multiply(factors[..., 2::2], factors[..., 1 : 2 * pairs - 2 : 2])
    _recur(kernels, joined, odd)
    _add_product(kernels, factors[..., 1::2], odd[..., : even.shape[-1] - 1], even[..., 1:])


def _add_product(kernels: Kernels, a: Array, b: Array, out: Array) -> None:
    kernels.xp.add(out, kernels.xp.multiply(a, b), out)


def _recurrence_cost(n: int) -> int:
    """Return the multiplications of a recurrence of n numbers: of each but the first, and of the joined factors."""
    total = 0
    while n > 1:
        total += n - 1 + n // 2 - 1
        n //= 2
    return total
