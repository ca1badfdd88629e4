"""A layer as an operation of an expression."""

from dataclasses import dataclass, fields, is_dataclass
from math import prod
from typing import Any, Final, TypeVar, final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.execution.backend import CPU, backend_of
from jacchain.execution.operation import VALUE, CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.execution.source import Bent, Borrowed, Computed, Curved, MatrixFree, SourceCurvature
from jacchain.model.array_protocol import Overloaded, apply
from jacchain.model.layer import Layer, converted

L = TypeVar("L", bound=Layer)

READS: Final = {"": (), "x": (0,), "y": (VALUE,), "xy": (0, VALUE)}


@final
@dataclass(frozen=True, slots=True, eq=False)
class LayerOperation:
    """One layer, or `jacchain.Function`, applied to one value; equal to another of the same layer.

    Layers take contiguous arrays, so the workspace holds a copy of an input that is not. Parameters may change between
    calls, so a local Jacobian made of them is not computed once and for all.

    Parameters
    ----------
    layer : Layer
    shape : tuple of int
        Of the input.

    Examples
    --------
    >>> from jacchain.layers import Tanh
    >>> LayerOperation(Tanh(), (3,)).facts(((3,),)).locals[0].link.local
    Diagonal(size=3)
    """

    layer: Layer
    shape: Shape

    def __eq__(self, other: object) -> bool:
        # by identity: a layer may be a dataclass of arrays, which compare to arrays and have no hash
        return isinstance(other, LayerOperation) and self.layer is other.layer and self.shape == other.shape

    def __hash__(self) -> int:
        return hash((id(self.layer), self.shape))

    @property
    def name(self) -> str:
        """What messages call the layer."""
        return self.layer.name

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the layer's facts for an input of a shape."""
        (shape,) = shapes
        facts = self.layer.facts(shape)
        size = prod(shape)
        in_place = {"": (), "x": (0,), "y": (VALUE,)}[facts.local_in_place]
        reads = READS[facts.reads] or ((0,) if _has_parameters(self.layer) else ())
        local = LocalFacts(link=facts.link, reads=reads, in_place=in_place, scratch=facts.local_scratch + size)
        return OperationFacts(
            output=facts.outputs,
            locals=(local,),
            view="reshape" if facts.is_view else "",
            in_place=(0,) if facts.value_in_place else (),
            scratch=facts.value_scratch + size,
            curvatures=None if facts.curvature is None else tuple(_curved(one, size) for one in facts.curvature),
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls of the layer, after those that refresh converted parameters."""
        layer, refreshed = _converted(self.layer, y)
        x, copied, rest = _contiguous(kernels, xs[0], scratch)
        return (*refreshed, *copied, *layer.value_calls(kernels, x, y, rest))

    def value_view(self, x: Array, /) -> Array:
        """Return the input in the shape of the value, for a layer that only reshapes."""
        return x.reshape(self.layer.facts(self.shape).outputs)

    def local_calls(self, kernels: Kernels, _k: int, xs: Arrays, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that write the layer's local Jacobian; its own arrays are copied."""
        if not out.arrays:
            return ()
        layer, refreshed = _converted(self.layer, out.arrays[0])
        facts = self.layer.facts(self.shape)
        if facts.borrowed and isinstance(layer, Borrowed):
            pairs = zip(out.arrays, layer.borrowed_arrays(facts.inputs), strict=True)
            return (*refreshed, *((kernels.copyto, (target, array)) for target, array in pairs))
        if not isinstance(layer, Computed):
            raise AssertionError(f"{self.name} has no local Jacobian to compute")
        x, copied, rest = _contiguous(kernels, xs[0] if "x" in facts.reads else None, scratch)
        return (*refreshed, *copied, *layer.local_calls(kernels, x, y, out, rest))

    def tangent_calls(self, kernels: Kernels, _k: int, xs: Arrays, v: Array, out: Array, /) -> Calls:
        """Return the calls of the layer's own tangents."""
        layer, refreshed = _converted(self.layer, out)
        if not isinstance(layer, MatrixFree):
            raise AssertionError(f"{self.name} has no tangents of its own")
        x, copied = _held(kernels, xs[0])
        return (*refreshed, *copied, *layer.tangent_calls(kernels, x, v, out))

    def adjoint_calls(self, kernels: Kernels, _k: int, xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the calls of the layer's own adjoints."""
        layer, refreshed = _converted(self.layer, out)
        if not isinstance(layer, MatrixFree):
            raise AssertionError(f"{self.name} has no adjoints of its own")
        x, copied = _held(kernels, xs[0])
        return (*refreshed, *copied, *layer.adjoint_calls(kernels, x, u, out))

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that write the layer's u·∂²f."""
        if not out.arrays:
            return ()
        layer, refreshed = _converted(self.layer, u)
        assert isinstance(layer, Curved), f"{self.name} has no curvature to compute"
        x, copied, rest = _contiguous(kernels, xs[0], scratch)
        return (*refreshed, *copied, *layer.curvature_calls(kernels, x, y, u, out, rest))

    def curvature_views(self, _pair: tuple[int, int], _u: Array, /) -> Arrays:
        """Return nothing, which is never asked for: no layer has its adjoint as its curvature."""
        raise AssertionError(f"{self.name} has no view as its curvature")

    def bend_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls that write the layer's (u·∂²f) v without the matrix."""
        layer, refreshed = _converted(self.layer, u)
        assert isinstance(layer, Bent), f"{self.name} does not apply its curvature without forming it"
        x, copied = _held(kernels, xs[0])
        return (*refreshed, *copied, *layer.bend_calls(kernels, x, y, u, v, out))


def _curved(found: SourceCurvature, size: int) -> CurvatureFacts:
    """Return the facts for the only pair of inputs, with room for a copy of the input."""
    return CurvatureFacts(
        first=0,
        second=0,
        structure=found.structure,
        reads=READS[found.reads],
        applies=found.applies,
        scratch=found.scratch + size,
    )


def _has_parameters(layer: Layer) -> bool:
    return is_dataclass(layer) and any(hasattr(getattr(layer, field.name), "dtype") for field in fields(layer))


def applied(layer: Layer, x: Any, /) -> Any:
    """Return the layer's value at an array, or the layer applied to an overloaded value."""
    if isinstance(x, Overloaded):
        return apply(LayerOperation(layer, x.shape), x)
    return layer.value(x)


def _converted(layer: L, like: Array) -> tuple[L, Calls]:
    """Return the layer with parameters of an array's dtype and device, and the calls that refresh them."""
    return converted(layer, like.dtype, backend_of(like) or CPU)


def _contiguous(kernels: Kernels, x: Array, scratch: Array) -> tuple[Array, Calls, Array]:
    """Return a contiguous x, the calls that make it so, and the workspace left."""
    if x is None or x.flags.c_contiguous:
        return x, (), scratch
    held = scratch[: x.size].reshape(x.shape)
    return held, ((kernels.copyto, (held, x)),), scratch[x.size :]


def _held(kernels: Kernels, x: Array) -> tuple[Array, Calls]:
    if x is None or x.flags.c_contiguous:
        return x, ()
    held = kernels.xp.empty(x.shape, x.dtype)
    return held, ((kernels.copyto, (held, x)),)
