"""Softmax and the losses that networks end in."""

from dataclasses import dataclass
from math import prod
from typing import Literal, final

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense
from jacchain.errors import OptionError
from jacchain.execution.source import Facts, Shape
from jacchain.model.layer import Layer, as_parameter, constant, described, refuse
from jacchain.model.linear import as_axis
from jacchain.model.primitives import softmax
from jacchain.model.primitives.softmax import distributions
from jacchain.planning.link import Link


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", as_axis(self.axis))

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the shape is kept."""
        if not -len(shape) <= self.axis < len(shape):
            refuse(f"at least {self.axis + 1 if self.axis >= 0 else -self.axis} axes")
        size, groups = prod(shape), prod(shape) // shape[self.axis]
        link = Link(size, size, structure=distributions(shape, self.axis), name=self.name)
        return Facts(inputs=shape, outputs=shape, link=link, reads="y", value_in_place=True, value_scratch=groups)

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for the exponentials of x less its maximum, and their division by their sum."""
        return softmax.Softmax(self.axis).value_calls(kernels, (x,), y, scratch)

    def local_calls(self, kernels: Kernels, x: Array, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls for diag(y) - y yᵀ in every block."""
        return softmax.Softmax(self.axis).local_calls(kernels, 0, (x,), y, out, scratch)


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
        return _loss_facts(self, self.target, shape, in_place="x")

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
        object.__setattr__(self, "axis", as_axis(self.axis))
        if not -self.target.ndim <= self.axis < self.target.ndim:
            cure = f"give an axis from {-self.target.ndim} to {self.target.ndim - 1}"
            raise OptionError(f"axis {self.axis} is not one of the target's shape {self.target.shape}", cure)

    @property
    def _count(self) -> int:
        return int(self.target.size // self.target.shape[self.axis])

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: the input has the target's shape."""
        groups = 2 * self._count if self.logits else 0
        return _loss_facts(self, self.target, shape, in_place="", groups=groups)

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for the averaged sum."""
        xp, t = kernels.xp, self.target
        work = scratch[: x.size].reshape(x.shape)
        average = (xp.multiply, (y, constant(kernels, -1 / self._count, x), y))
        if not self.logits:
            return ((kernels.xlogy, (t, x, work)), (xp.sum, (work, None, None, y)), average)
        top, total = self._groups(scratch[x.size :])
        return (
            *_shifted_exponentials(kernels, x, self.axis, work, top, total),
            (xp.log, (total, total)),
            (xp.subtract, (x, top, work)),
            (xp.subtract, (work, total, work)),
            (xp.multiply, (work, t, work)),
            (xp.sum, (work, None, None, y)),
            average,
        )

    def local_calls(self, kernels: Kernels, x: Array, _y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls for - T / P, or for softmax(x) ΣT - T, each averaged."""
        xp, t, gap = kernels.xp, self.target, out.arrays[0].reshape(x.shape)
        if not self.logits:
            # T / (P + [T = 0]): a class that is not wanted adds nothing, even where its probability is 0
            return (
                (xp.equal, (t, constant(kernels, 0, x), gap)),
                (xp.add, (gap, x, gap)),
                (xp.divide, (t, gap, gap)),
                (xp.multiply, (gap, constant(kernels, -1 / self._count, x), gap)),
            )
        top, total = self._groups(scratch)
        return (
            *_shifted_exponentials(kernels, x, self.axis, gap, top, total),
            (xp.divide, (gap, total, gap)),
            (xp.sum, (t, self.axis, None, total, True)),
            (xp.multiply, (gap, total, gap)),
            (xp.subtract, (gap, t, gap)),
            (xp.multiply, (gap, constant(kernels, 1 / self._count, x), gap)),
        )

    def _groups(self, scratch: Array) -> tuple[Array, Array]:
        """Return two pieces of workspace with one number for each distribution."""
        shape = list(self.target.shape)
        shape[self.axis] = 1
        return scratch[: self._count].reshape(shape), scratch[self._count : 2 * self._count].reshape(shape)


def _shifted_exponentials(kernels: Kernels, x: Array, axis: int, out: Array, top: Array, total: Array) -> Calls:
    """Return the calls for `top` = max x, `out` = exp(x - top) and `total` = Σ out along an axis."""
    xp = kernels.xp
    return (
        (xp.max, (x, axis, top, True)),
        (xp.subtract, (x, top, out)),
        (xp.exp, (out, out)),
        (xp.sum, (out, axis, None, total, True)),
    )


def _loss_facts(layer: Layer, target: Array, shape: Shape, *, in_place: Literal["", "x"], groups: int = 0) -> Facts:
    if shape != target.shape:
        refuse(described(target.shape))
    size = prod(shape)
    return Facts(
        inputs=shape,
        outputs=(),
        link=Link(size, 1, structure=Dense(1, size), name=layer.name),
        reads="x",
        local_in_place=in_place,
        value_scratch=size + groups,
        local_scratch=groups,
    )
