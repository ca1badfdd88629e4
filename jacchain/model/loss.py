"""Softmax and the losses that networks end in."""

from dataclasses import dataclass
from math import prod
from typing import Any, Literal, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, block_diagonal, sparse
from jacchain.execution.source import Facts, Shape
from jacchain.model.layer import Layer, as_parameter, constant, described, refuse
from jacchain.model.linear import around
from jacchain.planning.graph import Link


@final
@dataclass(frozen=True, eq=False)
class Softmax(Layer):
    """x ↦ eˣ / Σ eˣ along an axis; the local Jacobian diag(y) - y yᵀ falls into one block for each distribution.

    Parameters
    ----------
    axis : int
        The axis along which the values sum to one. Along the last axis the blocks are contiguous, along another one
        they are interleaved, which is a sparse pattern.
    """

    axis: int = -1

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the shape is kept."""
        if not -len(shape) <= self.axis < len(shape):
            refuse(f"at least {self.axis + 1 if self.axis >= 0 else -self.axis} axes")
        before, along, after = around(shape, self.axis)
        size = prod(shape)
        if after == 1:
            structure = block_diagonal(before, along, along)
        else:
            # row (p, i, q) has entries in the columns (p, j, q)
            rows = np.arange(size).reshape(before, along, after).swapaxes(1, 2)
            columns = np.broadcast_to(rows[:, None], (before, along, after, along))
            structure = sparse(size, size, np.arange(size + 1) * along, columns.reshape(-1))
        link = Link(size, size, structure=structure, name=self.name)
        groups = before * after
        return Facts(inputs=shape, outputs=shape, link=link, reads="y", value_in_place=True, value_scratch=groups)

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for the exponentials of x less its maximum, and their division by their sum."""
        xp = kernels.xp
        before, _, after = around(x.shape, self.axis)
        x, y, total = (a.reshape(before, -1, after) for a in (x, y, scratch[: before * after]))
        return (
            (xp.max, (x, 1, total, True)),
            (xp.subtract, (x, total, y)),
            (xp.exp, (y, y)),
            (xp.sum, (y, 1, None, total, True)),
            (xp.divide, (y, total, y)),
        )

    def local_calls(self, kernels: Kernels, _x: Array, y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls for diag(y) - y yᵀ in every block."""
        xp = kernels.xp
        before, along, after = around(y.shape, self.axis)
        y = y.reshape(before, along, after)
        blocks = out.arrays[0].reshape(before, along, after, along)  # entry (p, i, q), j
        diagonal = xp.einsum("piqi->piq", blocks)
        outer = (xp.multiply, (y[:, :, :, None], y.swapaxes(1, 2)[:, None], blocks))
        return (outer, (xp.negative, (blocks, blocks)), (xp.add, (diagonal, y, diagonal)))


@final
@dataclass(frozen=True, eq=False)
class MeanSquaredError(Layer):
    """S ↦ the mean of (S - T)² over all entries.

    Parameters
    ----------
    target : array
        T, of the input's shape.

    Examples
    --------
    >>> float(MeanSquaredError([1.0, 1.0]).value([2.0, 4.0]))
    5.0
    """

    target: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", as_parameter(self.target, None, "the target"))

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the input has the target's shape."""
        return _loss_facts(self, self.target, shape, reads_in_place=True)

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for the mean square."""
        xp, gap = kernels.xp, scratch[: x.size]
        return (
            (xp.subtract, (x, self.target, gap.reshape(x.shape))),
            (xp.dot, (gap[None, :], gap[:, None], y.reshape(1, 1))),
            (xp.multiply, (y, constant(kernels, 1 / x.size, x), y)),
        )

    def local_calls(self, kernels: Kernels, x: Array, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls for 2 (S - T) / size."""
        xp, gap = kernels.xp, out.arrays[0].reshape(x.shape)
        return ((xp.subtract, (x, self.target, gap)), (xp.multiply, (gap, constant(kernels, 2 / x.size, x), gap)))


@final
@dataclass(frozen=True, eq=False)
class CrossEntropy(Layer):
    """P ↦ - Σ T log P, averaged over the distributions.

    Parameters
    ----------
    target : array
        T, the wanted probabilities, of the input's shape; classes as one-hot rows or columns.
    axis : int
        The axis of one distribution.
    logits : bool
        The input is not P but the numbers before a softmax, which is stable where P underflows.

    Examples
    --------
    >>> round(float(CrossEntropy([0.0, 1.0]).value([0.5, 0.5])), 6)
    0.693147
    >>> round(float(CrossEntropy([0.0, 1.0], logits=True).value([3.0, 3.0])), 6)
    0.693147
    """

    target: Array
    axis: int = -1
    logits: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", as_parameter(self.target, None, "the target"))
        if not -self.target.ndim <= self.axis < self.target.ndim:
            refuse(f"a target with axis {self.axis}")

    @property
    def _count(self) -> int:
        return int(self.target.size // self.target.shape[self.axis])

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the input has the target's shape."""
        return _loss_facts(self, self.target, shape, reads_in_place=False)

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for the averaged sum."""
        xp, t = kernels.xp, self.target
        work = scratch[: x.size].reshape(x.shape)
        average = (xp.multiply, (y, constant(kernels, 1 / self._count, x), y))
        if not self.logits:
            # a class that is not wanted adds nothing, even where its probability is 0
            wanted = xp.empty(t.shape, bool)
            return (
                (kernels.fill, (1, work)),
                (xp.not_equal, (t, 0, wanted)),
                (_log_where, (xp, x, work, wanted)),
                (xp.multiply, (work, t, work)),
                (xp.sum, (work, None, None, y)),
                (xp.negative, (y, y)),
                average,
            )
        return (
            (_log_softmax, (xp, x, self.axis, work)),
            (xp.multiply, (work, t, work)),
            (xp.sum, (work, None, None, y)),
            (xp.negative, (y, y)),
            average,
        )

    def local_calls(self, kernels: Kernels, x: Array, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls for - T / P, or for softmax(x) ΣT - T, each averaged."""
        xp, t, gap = kernels.xp, self.target, out.arrays[0].reshape(x.shape)
        if not self.logits:
            wanted = xp.empty(t.shape, bool)
            return (
                (xp.not_equal, (t, 0, wanted)),
                (kernels.fill, (0, gap)),
                (_divide_where, (xp, t, x, gap, wanted)),
                (xp.multiply, (gap, constant(kernels, -1 / self._count, x), gap)),
            )
        total = xp.empty(xp.sum(t, self.axis, keepdims=True).shape, t.dtype)
        return (
            (_log_softmax, (xp, x, self.axis, gap)),
            (xp.exp, (gap, gap)),
            (xp.sum, (t, self.axis, None, total, True)),
            (xp.multiply, (gap, total, gap)),
            (xp.subtract, (gap, t, gap)),
            (xp.multiply, (gap, constant(kernels, 1 / self._count, x), gap)),
        )


def _log_where(xp: Any, x: Array, out: Array, wanted: Array) -> None:
    xp.log(x, out=out, where=wanted)


def _divide_where(xp: Any, a: Array, b: Array, out: Array, wanted: Array) -> None:
    xp.divide(a, b, out=out, where=wanted)


def _log_softmax(xp: Any, x: Array, axis: int, out: Array) -> None:
    shifted = xp.subtract(x, xp.max(x, axis, keepdims=True), out)
    total = xp.log(xp.sum(xp.exp(shifted), axis, keepdims=True))
    xp.subtract(shifted, total, out)


def _loss_facts(layer: Layer, target: Array, shape: Shape, *, reads_in_place: bool) -> Facts:
    if shape != target.shape:
        refuse(described(target.shape))
    size = prod(shape)
    link = Link(size, 1, structure=Dense(1, size), name=layer.name)
    in_place: Literal["", "x"] = "x" if reads_in_place else ""
    return Facts(inputs=shape, outputs=(), link=link, reads="x", local_in_place=in_place, value_scratch=size)
