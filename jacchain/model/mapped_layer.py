"""A layer at many points at once: F(X) = (f(x_1), …, f(x_B)), whose Jacobian is block-diagonal.

Layers that treat what leads their axes as rows do it in the calls of one larger layer; all others in their own calls
for one point after the other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Final, NamedTuple, final

import numpy as np

from jacchain.algebra.homes import kernels_for
from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.lifted import (
    keeps_arrays,
    lift_point_calls,
    lift_shared_calls,
    lifted,
    point_operand,
)
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Structure, array_shapes, stored
from jacchain.execution.bind import cut
from jacchain.execution.source import Borrowed, Computed, Curved, Facts, Shape, Source, SourceCurvature
from jacchain.model.elementwise import Elementwise, Pointwise
from jacchain.model.layer import Layer
from jacchain.model.linear import Bias, LeftMultiply, Linear, Reshape, RightMultiply, Sum
from jacchain.model.loss import CrossEntropy, MeanSquaredError, Softmax
from jacchain.planning.link import Link

ROUNDING: Final = 16
"""Units in the last place by which a function may differ between many numbers at once and few."""


class Mapped(NamedTuple):
    """A source for many points, and what is known of it."""

    source: Source
    facts: Facts


def mapped(layer: Source, facts: Facts, count: int, /, *, one_by_one: bool = False) -> Mapped:
    """Return a layer for so many points at once.

    Parameters
    ----------
    layer : Source
        A layer with an explicit local Jacobian, its parameters contiguous and of the points' dtype.
    facts : Facts
        Of the layer at one point.
    count : int
        Points.
    one_by_one : bool
        Hand its own calls one point after the other, even where it could take them all.

    Returns
    -------
    Mapped
        Of a source for the points (count, *shape), taken row by row; its facts may state the shape otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Linear(np.ones((2, 3)))
    >>> print(mapped(layer, layer.facts((3,)), 4).facts.link.local)
    kronecker I(4)⊗(2x3)
    """
    found = None if one_by_one else _natural(layer, facts, count)
    if found is None:
        source: Source = MappedLayer(layer, facts, count)
        found = Mapped(source, source.facts((count, *facts.inputs)))
    return Mapped(found.source, replace(found.facts, link=replace(found.facts.link, name=layer.name)))


def _natural(layer: Source, facts: Facts, count: int) -> Mapped | None:
    """Return the one layer that does the same on larger arrays, or None where there is none."""
    larger = (count, *facts.inputs)
    match layer:
        case Pointwise() | Bias():
            return Mapped(layer, layer.facts(larger))
        case Linear():
            return _of(RightMultiply(layer.weight.T), larger)
        case LeftMultiply() if facts.inputs[1] == 1:
            return _of(RightMultiply(layer.weight.T), larger[:2])
        case RightMultiply():
            return _of(layer, (count * facts.inputs[0], facts.inputs[1]))
        case Reshape():
            return _of(Reshape((count, *facts.outputs)), larger)
        case Sum(axis=None):
            return _of(Sum(1), (count, prod(facts.inputs)))
        case Sum(axis=int(axis)) | Softmax(axis=axis):
            return _of(replace(layer, axis=axis + 1 if axis >= 0 else axis), larger)
        case _:
            return None


def _of(layer: Layer, shape: Shape) -> Mapped:
    return Mapped(layer, layer.facts(shape))


def _facts(facts: Facts, count: int) -> Facts:
    """Return the facts of a layer for many points that does not share what it computes, with the same workspace."""
    link = facts.link
    structure = lifted(link.local, count, is_shared=_is_shared(facts))
    return replace(
        facts,
        inputs=(count, *facts.inputs),
        outputs=(count, *facts.outputs),
        link=Link(
            count * link.inputs,
            count * link.outputs,
            structure=structure,
            accumulate_cost=_accumulate_cost(facts, count),
            name=link.name,
            linear=link.linear,
        ),
        value_scratch=count * facts.value_scratch,
        local_scratch=count * facts.local_scratch,
        curvature=facts.curvature and tuple(_curved(one, count) for one in facts.curvature),
    )


def _accumulate_cost(facts: Facts, count: int) -> int | None:
    cost = facts.link.accumulate_cost
    return None if cost is None else cost if _is_shared(facts) else count * cost


def _is_shared(facts: Facts) -> bool:
    return facts.borrowed or facts.reads == ""


def _curved(one: SourceCurvature, count: int) -> SourceCurvature:
    structure = lifted(one.structure, count, is_shared=False)
    return replace(one, structure=structure, applies=False, scratch=count * one.scratch)


@final
@dataclass(frozen=True, eq=False)
class MappedLayer:
    """A layer with an explicit local Jacobian at so many points, in its own calls for one after the other.

    Attributes
    ----------
    layer : Source
    one : Facts
        Of the layer at one point.
    count : int
        Points.
    """

    layer: Source
    one: Facts
    count: int

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def _is_shared(self) -> bool:
        return _is_shared(self.one)

    @property
    def _takes_all(self) -> bool:
        """Whether the layer writes the local Jacobians of all points in one go, though not their values."""
        return isinstance(self.layer, MeanSquaredError | CrossEntropy)

    @property
    def _local(self) -> Structure:
        return self.one.link.local

    def facts(self, _shape: Shape, /) -> Facts:
        """Return facts for points (count, *shape)."""
        one, count = self.one, self.count
        views = keeps_arrays(self._local, count, is_shared=self._is_shared)
        scratch = one.local_scratch * (count if self._takes_all else 1)
        found = _facts(one, count)
        return replace(
            found,
            borrowed=one.borrowed and array_shapes(found.link.local) == array_shapes(self._local),
            local_in_place=one.local_in_place if views and not self._is_shared else "",
            value_scratch=one.value_scratch,
            local_scratch=scratch + (0 if views or one.borrowed else stored(self._local)),
            curvature=one.curvature and tuple(self._curved(curved) for curved in one.curvature),
        )

    def _curved(self, one: SourceCurvature) -> SourceCurvature:
        views = keeps_arrays(one.structure, self.count, is_shared=False)
        scratch = one.scratch + (0 if views else stored(one.structure))
        return replace(_curved(one, self.count), scratch=scratch)

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the layer's calls at every point."""
        pairs = zip(_points(x, self.count, self.one.inputs), _points(y, self.count, self.one.outputs), strict=True)
        return _joined(self.layer.value_calls(kernels, *pair, scratch) for pair in pairs)

    def borrowed_arrays(self, _shape: Shape, /) -> Arrays:
        """Return the layer's own arrays, which all points share."""
        assert isinstance(self.layer, Borrowed), f"{self.name} has no arrays to lend"
        return self.layer.borrowed_arrays(self.one.inputs)

    def local_calls(self, kernels: Kernels, x: Array, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the layer's calls at every point, or at one for all where its local Jacobian is constant."""
        if self.one.borrowed:
            return lift_shared_calls(kernels, self._local, self.count, self.borrowed_arrays(()), out)
        layer = self.layer
        assert isinstance(layer, Computed), f"{self.name} has no local Jacobian"
        if self._takes_all:
            return layer.local_calls(kernels, x.reshape(self.count, *self.one.inputs), None, out, scratch)
        xs, ys = _states(x, self.count, self.one.inputs), _states(y, self.count, self.one.outputs)

        def calls(point: int, target: Operand, work: Array) -> Calls:
            return layer.local_calls(kernels, xs[point], ys[point], target, work)

        return self._written(kernels, calls, self._local, out, scratch, is_shared=self._is_shared)

    def curvature_calls(self, kernels: Kernels, x: Array, y: Array, u: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls of the layer's curvature at every point."""
        layer, curvature = self.layer, self.one.curvature
        assert isinstance(layer, Curved), f"{self.name} states no curvature"
        assert curvature, f"{self.name} has no curvature"
        xs, ys = _states(x, self.count, self.one.inputs), _states(y, self.count, self.one.outputs)
        us = u.reshape(self.count, -1)

        def calls(point: int, target: Operand, work: Array) -> Calls:
            return layer.curvature_calls(kernels, xs[point], ys[point], us[point], target, work)

        return self._written(kernels, calls, curvature[0].structure, out, scratch, is_shared=False)

    def _written(
        self,
        kernels: Kernels,
        calls: Callable[[int, Operand, Array], Calls],
        structure: Structure,
        out: Operand,
        scratch: Array,
        *,
        is_shared: bool,
    ) -> Calls:
        """Return the calls that write matrices of a structure at all points, each straight into its place if it has."""
        found: list[Call] = []
        is_placed = keeps_arrays(structure, self.count, is_shared=is_shared)
        size = 0 if is_placed else stored(structure)
        work = scratch if is_placed else scratch[size:]
        for point in range(1 if is_shared else self.count):
            target = point_operand(structure, self.count, out, point, is_shared=is_shared)
            made = cut(structure, scratch[:size]) if target is None else target
            found += calls(point, made, work)
            if is_shared and made.arrays is not out.arrays:
                found += lift_shared_calls(kernels, structure, self.count, made.arrays, out)
            elif target is None and not is_shared:
                found += lift_point_calls(kernels, structure, self.count, made.arrays, out, point)
        return tuple(found)


def _points(array: Array, count: int, shape: Shape) -> list[Array]:
    """Return a view of the array for each point."""
    stack = array.reshape(count, *shape)
    return [stack[point, ...] for point in range(count)]


def _states(array: Array, count: int, shape: Shape) -> list[Array]:
    return [None] * count if array is None else _points(array, count, shape)


def _joined(parts: Iterable[Calls]) -> Calls:
    return tuple(call for calls in parts for call in calls)


def takes_many(layer: Elementwise, points: Array, /) -> bool:
    """Tell whether a user's elementwise layer gives for these points at once what it gives for each by itself.

    It is meant to, but a function may look at positions. That it does not is known for these very points alone.

    Parameters
    ----------
    layer : Elementwise
    points : array of shape (count, ...)
    """
    try:
        return all(_agrees(function, points) for function in (layer.function, layer.derivative))
    except Exception:  # whatever a user's function raises at a shape it was not made for
        return False


def _agrees(function: Callable[[Array], Array], points: Array) -> bool:
    """Tell whether a function gives the same for many points at once, but for rounding; NaN is the same as NaN."""
    whole, each = function(points), [function(point) for point in points]
    if whole.shape != points.shape or any(made.shape != points.shape[1:] for made in each):
        return False
    isnan = kernels_for([points]).xp.isnan
    few = ROUNDING * np.finfo(points.dtype).eps
    return all(
        bool(((abs(a - b) <= few * abs(b)) | (a == b) | (isnan(a) & isnan(b))).all())
        for a, b in zip(whole, each, strict=True)
    )
