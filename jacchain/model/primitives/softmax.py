"""Softmax, its logarithm, and the logarithm of sums of exponentials: without overflow."""

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    Dense,
    Identity,
    Kronecker,
    Structure,
    block_diagonal,
    sparse,
    sparse_like,
)
from jacchain.execution.operation import VALUE, LocalFacts, OperationFacts, Shape
from jacchain.model.layer import constant
from jacchain.model.linear import around
from jacchain.model.primitive import Primitive, sole
from jacchain.model.primitives.axes import grouped, weights
from jacchain.model.primitives.reduction import Axes, reduced_groups, reduced_link
from jacchain.planning.link import Link


def distributions(shape: Shape, axis: int, /) -> Structure:
    """Return the structure of a map of each group along an axis to itself.

    Blocks along the last axis, interleaved blocks, which are a sparse pattern, along another one.

    Examples
    --------
    >>> print(distributions((2, 3), -1), distributions((2, 3), 0), sep=", ")
    block-diagonal 2x(3x3), sparse 6x6, 12 nonzeros
    """
    before, along, after = around(shape, axis)
    if along == 1 or after == 1:
        return block_diagonal(before * after, along, along)
    if before == 1:
        return sparse_like(Kronecker(Dense(along, along), Identity(after)))
    # row (p, i, q) has entries in the columns (p, j, q)
    size = prod(shape)
    rows = np.arange(size).reshape(before, along, after).swapaxes(1, 2)
    columns = np.broadcast_to(rows[:, None], (before, along, after, along))
    return sparse(size, size, np.arange(size + 1) * along, columns.reshape(-1))


def _facts(primitive: Primitive, shapes: tuple[Shape, ...], axis: int, *, copies: int) -> OperationFacts:
    shape = sole(primitive.name, shapes)
    grouped(shape, (axis,), primitive.name)  # raises where there is no such axis
    size = prod(shape)
    link = Link(size, size, structure=distributions(shape, axis), name=primitive.name)
    local = LocalFacts(link=link, reads=(VALUE,), scratch=copies * size)
    return OperationFacts(output=shape, locals=(local,), in_place=(0,), scratch=copies * size + size // shape[axis])


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
        local = LocalFacts(link=link)
        if not isinstance(link.local, Identity):
            local = LocalFacts(link=link, reads=(VALUE, 0))
        scratch = link.inputs + groups.count
        return OperationFacts(output=groups.output(self.keepdims), locals=(local,), scratch=scratch)

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
