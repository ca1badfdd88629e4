"""Softmax and the losses that networks end in."""

from dataclasses import dataclass
from math import prod
from typing import Literal, final

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Diagonal
from jacchain.errors import OptionError
from jacchain.execution.source import Facts, Shape, SourceCurvature
from jacchain.model.layer import Layer, as_parameter, constant, described, refuse
from jacchain.model.linear import around, as_axis
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
        curved = softmax.Softmax(self.axis).facts((shape,)).curvatures
        return Facts(
            inputs=shape,
            outputs=shape,
            link=link,
            reads="y",
            value_in_place=True,
            value_scratch=groups,
            curvature=tuple(
                SourceCurvature(structure=one.structure, reads="y", applies=True, scratch=one.scratch)
                for one in curved or ()
            ),
        )

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for the exponentials of x less its maximum, and their division by their sum."""
        return softmax.Softmax(self.axis).value_calls(kernels, (x,), y, scratch)

    def local_calls(self, kernels: Kernels, x: Array, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls for diag(y) - y yᵀ in every block."""
        return softmax.Softmax(self.axis).local_calls(kernels, 0, (x,), y, out, scratch)

    def curvature_calls(self, kernels: Kernels, x: Array, y: Array, u: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls for diag(g) - g yᵀ - y gᵀ with g = y (u - u·y), in every block."""
        return softmax.Softmax(self.axis).curvature_calls(kernels, (0, 0), (x,), y, u, out, scratch)

    def bend_calls(self, kernels: Kernels, x: Array, y: Array, u: Array, v: Array, out: Array, /) -> Calls:
        """Return the calls for g v - g (y·v) - y (g·v), for each distribution."""
        return softmax.Softmax(self.axis).bend_calls(kernels, (0, 0), (x,), y, u, v, out)


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
        curvature = SourceCurvature(structure=Diagonal(prod(shape)), reads="")
        return _loss_facts(self, self.target, shape, curvature, in_place="x")

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls for the mean square."""
        xp, gap = kernels.xp, scratch[: x.size]
        return (
            (xp.subtract, (x, self.target, gap.reshape(x.shape))),
            (xp.dot, (gap[None, :], gap[:, None], y.reshape(1, 1))),
            (xp.multiply, (y, constant(kernels, 1 / x.size, x), y)),
        )

    def local_calls(self, kernels: Kernels, x: Array, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls for 2 (S - T) / size; axes of x before the target's count points."""
        xp, gap = kernels.xp, out.arrays[0].reshape(x.shape)
        twice = constant(kernels, 2 / self.target.size, x)
        return ((xp.subtract, (x, self.target, gap)), (xp.multiply, (gap, twice, gap)))

    def curvature_calls(
        self, kernels: Kernels, _x: Array, _y: Array, u: Array, out: Operand, _scratch: Array, /
    ) -> Calls:
        """Return the call for 2u / size in every place of the diagonal."""
        (diagonal,) = out.arrays
        each = kernels.xp.broadcast_to(u, diagonal.shape)  # CuPy lets no result be larger than what it is made of
        return ((kernels.xp.multiply, (each, constant(kernels, 2 / diagonal.size, u), diagonal)),)


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
        curvature = SourceCurvature(structure=Diagonal(prod(shape)))
        if self.logits:
            blocks = distributions(self.target.shape, self.axis)
            curvature = SourceCurvature(structure=blocks, applies=True, scratch=self.target.size + groups)
        return _loss_facts(self, self.target, shape, curvature, in_place="", groups=groups)

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
        """Return the calls for - T / P, or for softmax(x) ΣT - T, averaged; axes before the target's count points."""
        xp, t, gap = kernels.xp, self.target, out.arrays[0].reshape(x.shape)
        if not self.logits:
            return (
                *self._wanted(kernels, x, gap),
                (xp.divide, (t, gap, gap)),
                (xp.multiply, (gap, constant(kernels, -1 / self._count, x), gap)),
            )
        axis = self.axis if self.axis < 0 else self.axis - t.ndim  # counted from the end
        top, total = self._groups(scratch, x.shape[: x.ndim - t.ndim])
        return (
            *_shifted_exponentials(kernels, x, axis, gap, top, total),
            (xp.divide, (gap, total, gap)),
            (xp.sum, (xp.broadcast_to(t, x.shape), axis, None, total, True)),
            (xp.multiply, (gap, total, gap)),
            (xp.subtract, (gap, t, gap)),
            (xp.multiply, (gap, constant(kernels, 1 / self._count, x), gap)),
        )

    def curvature_calls(
        self, kernels: Kernels, x: Array, _y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls for u T / P², or with p = softmax(x) for u ΣT (diag(p) - p pᵀ), each averaged."""
        xp = kernels.xp
        if not self.logits:
            diagonal = out.arrays[0].reshape(x.shape)
            return (
                *self._wanted(kernels, x, diagonal),
                (xp.multiply, (diagonal, diagonal, diagonal)),
                (xp.divide, (self.target, diagonal, diagonal)),
                (xp.multiply, (diagonal, constant(kernels, 1 / self._count, x), diagonal)),
                (xp.multiply, (diagonal, u, diagonal)),
            )
        chances = scratch[: x.size].reshape(x.shape)
        top, weights = self._groups(scratch[x.size :])
        before, along, after = around(x.shape, self.axis)
        p, blocks = chances.reshape(before, along, after), out.arrays[0].reshape(before, along, after, along)
        diagonal = xp.einsum("piqi->piq", blocks)  # of entries (p, i, q), j
        return (
            *self._weighted(kernels, x, u, chances, top, weights),
            (xp.multiply, (p[:, :, :, None], p.swapaxes(1, 2)[:, None], blocks)),
            (xp.negative, (blocks, blocks)),
            (xp.add, (diagonal, p, diagonal)),
            (xp.multiply, (blocks, weights.reshape(before, 1, after, 1), blocks)),
        )

    def bend_calls(self, kernels: Kernels, x: Array, _y: Array, u: Array, v: Array, out: Array, /) -> Calls:
        """Return the calls for u ΣT (p v - p (p·v)), averaged."""
        xp, along, out = kernels.xp, v.reshape(x.shape), out.reshape(x.shape)
        chances = xp.empty(x.shape, x.dtype)
        top, weights = self._groups(xp.empty(2 * self._count, x.dtype))
        return (
            *self._weighted(kernels, x, u, chances, top, weights),
            (xp.multiply, (chances, along, out)),
            (xp.sum, (out, self.axis, None, top, True)),
            (xp.multiply, (chances, top, chances)),
            (xp.subtract, (out, chances, out)),
            (xp.multiply, (out, weights, out)),
        )

    def _weighted(self, kernels: Kernels, x: Array, u: Array, chances: Array, top: Array, weights: Array) -> Calls:
        """Return the calls for `chances` = softmax(x) and `weights` = u ΣT, averaged, one for each distribution."""
        xp = kernels.xp
        return (
            *_shifted_exponentials(kernels, x, self.axis, chances, top, weights),
            (xp.divide, (chances, weights, chances)),
            (xp.sum, (self.target, self.axis, None, weights, True)),
            (xp.multiply, (weights, constant(kernels, 1 / self._count, x), weights)),
            (xp.multiply, (weights, u, weights)),
        )

    def _wanted(self, kernels: Kernels, x: Array, out: Array) -> Calls:
        """Return the calls for P + [T = 0]: a class that is not wanted adds nothing, even where its P is 0."""
        xp = kernels.xp
        return ((xp.equal, (self.target, constant(kernels, 0, x), out)), (xp.add, (out, x, out)))

    def _groups(self, scratch: Array, points: Shape = ()) -> tuple[Array, Array]:
        """Return two pieces of workspace with one number for each distribution, at each of some points."""
        shape = [*points, *self.target.shape]
        shape[self.axis if self.axis < 0 else self.axis + len(points)] = 1
        count = prod(shape)
        return scratch[:count].reshape(shape), scratch[count : 2 * count].reshape(shape)


def _shifted_exponentials(kernels: Kernels, x: Array, axis: int, out: Array, top: Array, total: Array) -> Calls:
    """Return the calls for `top` = max x, `out` = exp(x - top) and `total` = Σ out along an axis."""
    xp = kernels.xp
    return (
        (xp.max, (x, axis, top, True)),
        (xp.subtract, (x, top, out)),
        (xp.exp, (out, out)),
        (xp.sum, (out, axis, None, total, True)),
    )


def _loss_facts(
    layer: Layer,
    target: Array,
    shape: Shape,
    curvature: SourceCurvature,
    *,
    in_place: Literal["", "x"],
    groups: int = 0,
) -> Facts:
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
        curvature=(curvature,),
    )
