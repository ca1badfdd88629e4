"""Softmax, its logarithm, and the logarithm of sums of exponentials: without overflow."""

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Identity, Structure
from jacchain.execution.operation import VALUE, CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.layer import constant
from jacchain.model.linear import around
from jacchain.model.primitive import Primitive, sole
from jacchain.model.primitives.axes import grouped, pairs, weights
from jacchain.model.primitives.covariance import as_columns, as_rows, covariance_bend, covariance_calls, on_diagonal
from jacchain.model.primitives.reduction import Axes, reduced_groups, reduced_link
from jacchain.planning.link import Link


def distributions(shape: Shape, axis: int | None, /) -> Structure:
    """Return the structure of a map of each group along an axis to itself.

    Blocks along the last axis, interleaved blocks, which are a sparse pattern, along another one.

    Examples
    --------
    >>> print(distributions((2, 3), -1), distributions((2, 3), 0), sep=", ")
    block-diagonal 2x(3x3), sparse 6x6, 12 nonzeros
    """
    return pairs(grouped(shape, None if axis is None else (axis,), "softmax"))


def _facts(primitive: Primitive, shapes: tuple[Shape, ...], axis: int, *, copies: int) -> OperationFacts:
    shape = sole(primitive.name, shapes)
    groups = grouped(shape, (axis,), primitive.name)
    size, structure = prod(shape), pairs(groups)
    link = Link(size, size, structure=structure, name=primitive.name)
    local = LocalFacts(link=link, reads=(VALUE,), scratch=copies * size)
    curvature = CurvatureFacts(
        first=0,
        second=0,
        structure=structure,
        reads=(VALUE,),
        applies=True,
        scratch=groups.count + (size if copies else (2 + groups.each) * size),
    )
    return OperationFacts(
        output=shape,
        locals=(local,),
        in_place=(0,),
        scratch=copies * size + size // shape[axis],
        curvatures=(curvature,) if groups.each > 1 else (),
    )


def _groups(scratch: Array, shape: Shape, axis: int) -> Array:
    """Return workspace with one number for each group."""
    thin = list(shape)
    thin[axis] = 1
    return scratch[: prod(thin)].reshape(thin)


@final
@dataclass(frozen=True, slots=True)
class Softmax(Primitive):
    """x ↦ eˣ / Σ eˣ along an axis, with the local Jacobian diag(y) - y yᵀ for each distribution.

    Parameters
    ----------
    axis : int
        The axis along which the values sum to one.

    Examples
    --------
    >>> print(Softmax().local(0, [[0.0, 0.0], [1.0, 1.0]]))
    block-diagonal 2x(2x2)
    """

    axis: int = -1

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the shape is kept."""
        return _facts(self, shapes, self.axis, copies=0)

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for the exponentials of x less its maximum, and their division by their sum."""
        xp, x = kernels.xp, xs[0]
        total = _groups(scratch, y.shape, self.axis)
        return (
            (xp.max, (x, self.axis, total, True)),
            (xp.subtract, (x, total, y)),
            (xp.exp, (y, y)),
            (xp.add.reduce, (y, self.axis, None, total, True)),
            (xp.divide, (y, total, y)),
        )

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls for diag(y) - y yᵀ."""
        xp = kernels.xp
        before, along, after = around(y.shape, self.axis)
        y = y.reshape(before, along, after)
        blocks = out.arrays[0].reshape(before, along, after, along)  # entry (p, i, q), j
        diagonal = xp.einsum("piqi->piq", blocks)
        outer = (xp.multiply, (y[:, :, :, None], y.swapaxes(1, 2)[:, None], blocks))
        return (outer, (xp.negative, (blocks, blocks)), (xp.add, (diagonal, y, diagonal)))

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], _xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls for diag(g) - g yᵀ - y gᵀ with g = y ∘ (u - u·y), for each distribution."""
        xp, groups = kernels.xp, grouped(y.shape, (self.axis,), self.name)
        parts = scratch[: 2 * y.size].reshape(2, *y.shape)
        product, excess = parts[0], parts[1]
        total = _groups(scratch[scratch.size - groups.count :], y.shape, self.axis)
        square, sums = (groups.pairwise(a) for a in (out.arrays[0], scratch[2 * y.size :][: out.arrays[0].size]))
        diagonal = on_diagonal(kernels, groups, square)
        # g yᵀ + y gᵀ at a, b is y_a y_b (u_a - u·y + u_b - u·y), and so exactly symmetric
        return (
            (xp.multiply, (y, u.reshape(y.shape), product)),
            (xp.add.reduce, (product, self.axis, None, total, True)),
            (xp.subtract, (total, u.reshape(y.shape), excess)),
            (xp.add, (as_rows(groups, excess), as_columns(groups, excess), sums)),
            (xp.multiply, (as_rows(groups, y), as_columns(groups, y), square)),
            (xp.multiply, (square, sums, square)),
            (xp.multiply, (excess, y, product)),
            (xp.subtract, (diagonal, groups.aside(product), diagonal)),
        )

    def bend_calls(
        self, kernels: Kernels, _pair: tuple[int, int], _xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls for g ∘ v - g (y·v) - y (g·v), for each distribution."""
        xp, shape, axis = kernels.xp, y.shape, self.axis
        g, work = xp.empty(shape, y.dtype), xp.empty(shape, y.dtype)
        total = _groups(xp.empty(y.size, y.dtype), shape, axis)
        u, v, out = u.reshape(shape), v.reshape(shape), out.reshape(shape)

        def less(array: Array, factor: Array, other: Array, target: Array) -> Calls:
            """Take from the target a factor times the sum of products of two others."""
            return (
                (xp.multiply, (array, other, work)),
                (xp.add.reduce, (work, axis, None, total, True)),
                (xp.multiply, (factor, total, work)),
                (xp.subtract, (target, work, target)),
            )

        first, second = (xp.multiply, (y, u, g)), (xp.multiply, (g, v, out))
        return (first, *less(y, y, u, g), second, *less(y, g, v, out), *less(g, y, v, out))


@final
@dataclass(frozen=True, slots=True)
class LogSoftmax(Primitive):
    """x ↦ x - log Σ eˣ along an axis, with the local Jacobian I - 1 (eʸ)ᵀ for each distribution.

    Parameters
    ----------
    axis : int
        The axis along which the exponentials sum to one.

    Examples
    --------
    >>> LogSoftmax().value([1000.0, 1000.0]).round(3)
    array([-0.693, -0.693])
    """

    axis: int = -1

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the shape is kept."""
        return _facts(self, shapes, self.axis, copies=1)

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for x less its maximum, less the logarithm of the sum of exponentials."""
        xp, x = kernels.xp, xs[0]
        work, total = scratch[: y.size].reshape(y.shape), _groups(scratch[y.size :], y.shape, self.axis)
        return (
            (xp.max, (x, self.axis, total, True)),
            (xp.subtract, (x, total, y)),
            (xp.exp, (y, work)),
            (xp.add.reduce, (work, self.axis, None, total, True)),
            (xp.log, (total, total)),
            (xp.subtract, (y, total, y)),
        )

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls for I - 1 (eʸ)ᵀ."""
        xp = kernels.xp
        before, along, after = around(y.shape, self.axis)
        blocks = out.arrays[0].reshape(before, along, after, along)  # entry (p, i, q), j
        diagonal = xp.einsum("piqi->piq", blocks)
        chances = scratch[: y.size].reshape(before, along, after)
        return (
            (xp.exp, (y.reshape(before, along, after), chances)),
            (xp.negative, (chances, chances)),
            (kernels.copyto, (blocks, chances.swapaxes(1, 2)[:, None])),
            (xp.add, (diagonal, constant(kernels, 1, y), diagonal)),
        )

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], _xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls for (p pᵀ - diag(p)) Σ u with p = eʸ, for each distribution."""
        xp, groups = kernels.xp, grouped(y.shape, (self.axis,), self.name)
        chances, total = scratch[: y.size].reshape(y.shape), _groups(scratch[y.size :], y.shape, self.axis)
        return (
            (xp.exp, (y, chances)),
            (xp.add.reduce, (u.reshape(y.shape), self.axis, None, total, True)),
            *covariance_calls(kernels, groups, chances, total, out.arrays[0]),
        )

    def bend_calls(
        self, kernels: Kernels, _pair: tuple[int, int], _xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls for (p pᵀ - diag(p)) v Σ u."""
        xp, groups = kernels.xp, grouped(y.shape, (self.axis,), self.name)
        chances, total = xp.empty(y.shape, y.dtype), xp.empty(groups.thin, y.dtype)
        return (
            (xp.exp, (y, chances)),
            (xp.add.reduce, (u.reshape(y.shape), self.axis, None, total, True)),
            (xp.negative, (total, total)),
            *covariance_bend(kernels, groups, chances, total, v.reshape(y.shape), out.reshape(y.shape)),
        )


@final
@dataclass(frozen=True, slots=True)
class Logsumexp(Primitive):
    """x ↦ log Σ eˣ along axes; the derivative is the softmax.

    Parameters
    ----------
    axes : tuple of int or None
        The axes; None for all.
    keepdims : bool
        They stay, with length one.

    Examples
    --------
    >>> float(Logsumexp().value([1000.0, 1000.0]).round(3))
    1000.693
    """

    axes: Axes = None
    keepdims: bool = False

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the derivative is eˣ / eʸ."""
        groups = reduced_groups(self, shapes, self.axes)
        link = reduced_link(self, groups, weights(groups))
        output, scratch = groups.output(self.keepdims), link.inputs + groups.count
        if isinstance(link.local, Identity):
            return OperationFacts(output=output, locals=(LocalFacts(link=link),), scratch=scratch)
        local = LocalFacts(link=link, reads=(VALUE, 0))
        curvature = CurvatureFacts(
            first=0, second=0, structure=pairs(groups), reads=(VALUE, 0), applies=True, scratch=scratch
        )
        return OperationFacts(output=output, locals=(local,), scratch=scratch, curvatures=(curvature,))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls; infinite maxima are met by finite ones, so that no infinity is taken from another."""
        xp, x = kernels.xp, xs[0]
        groups = grouped(x.shape, self.axes, self.name)
        most = constant(kernels, float(np.finfo(y.dtype).max), y)
        work, total = scratch[: x.size].reshape(x.shape), scratch[x.size : x.size + y.size].reshape(groups.thin)
        y = y.reshape(groups.thin)
        return (
            (xp.max, (x, groups.reduced, y, True)),
            (partial(xp.minimum, out=total), (y, most)),
            (partial(xp.maximum, out=total), (total, -most)),
            (xp.subtract, (x, total, work)),
            (xp.exp, (work, work)),
            (xp.add.reduce, (work, groups.reduced, None, total, True)),
            (partial(xp.maximum, out=total), (total, constant(kernels, 1, y))),  # less only where all are -infinity
            (xp.log, (total, total)),
            (xp.add, (y, total, y)),
        )

    def local_calls(self, kernels: Kernels, _k: int, xs: Arrays, y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls for the exponentials of x less the value."""
        if not out.arrays:
            return ()
        xp, groups = kernels.xp, grouped(xs[0].shape, self.axes, self.name)
        chances = out.arrays[0]
        places = groups.together(chances.reshape(groups.grouped))
        return ((xp.subtract, (xs[0], y.reshape(groups.thin), places)), (xp.exp, (chances, chances)))

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls for u (diag(p) - p pᵀ) with p = eˣ / eʸ."""
        xp, x = kernels.xp, xs[0]
        groups = grouped(x.shape, self.axes, self.name)
        chances, minus = scratch[: x.size].reshape(x.shape), scratch[x.size : x.size + y.size]
        return (
            (xp.subtract, (x, y.reshape(groups.thin), chances)),
            (xp.exp, (chances, chances)),
            (xp.negative, (u, minus)),
            *covariance_calls(kernels, groups, chances, minus.reshape(groups.thin), out.arrays[0]),
        )

    def bend_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls for u (diag(p) - p pᵀ) v."""
        xp, x = kernels.xp, xs[0]
        groups, chances = grouped(x.shape, self.axes, self.name), xp.empty(x.shape, y.dtype)
        return (
            (xp.subtract, (x, y.reshape(groups.thin), chances)),
            (xp.exp, (chances, chances)),
            *covariance_bend(
                kernels, groups, chances, u.reshape(groups.thin), v.reshape(x.shape), out.reshape(x.shape)
            ),
        )
