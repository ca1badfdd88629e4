"""What the runner asks of a layer: value-free facts for lowering, and the calls that do the work once buffers exist."""

from dataclasses import dataclass
from typing import Literal, Protocol, final, runtime_checkable

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Structure
from jacchain.planning.link import Link

Shape = tuple[int, ...]
Reads = Literal["", "x", "y", "xy"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCurvature:
    """What is known of u·∂²f of a layer, a symmetric matrix of inputs × inputs, without any values.

    Attributes
    ----------
    structure : Structure
    reads : {"", "x", "y", "xy"}
        What it is computed from besides the adjoint u.
    applies : bool
        Its product with a vector takes less than the matrix itself: the layer is `Bent`.
    scratch : int
        Numbers of workspace that computing it takes.
    """

    structure: Structure
    reads: Reads = "x"
    applies: bool = False
    scratch: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a layer for one input shape, without any values.

    Attributes
    ----------
    inputs, outputs : tuple of int
        Shapes of the layer's input x and value y.
    link : Link
        Sizes, structure and costs of its local Jacobian.
    reads : {"", "x", "y", "xy"}
        What the local Jacobian is computed from; "" if it does not depend on the point.
    borrowed : bool
        The local Jacobian's arrays are the layer's own and are not copied.
    is_view : bool
        The value is the input in another shape.
    value_in_place : bool
        The value may be written over the input.
    local_in_place : {"", "x", "y"}
        The operand that the local Jacobian may be written over.
    value_scratch, local_scratch : int
        Numbers of workspace that computing the value and the local Jacobian take.
    curvature : tuple of at most one SourceCurvature, or None
        Empty where the second derivative is zero everywhere, or wherever it exists; None where it is not stated.
    """

    inputs: Shape
    outputs: Shape
    link: Link
    reads: Reads = "x"
    borrowed: bool = False
    is_view: bool = False
    value_in_place: bool = False
    local_in_place: Literal["", "x", "y"] = ""
    value_scratch: int = 0
    local_scratch: int = 0
    curvature: tuple[SourceCurvature, ...] | None = None


@runtime_checkable
class Source(Protocol):
    """A layer as the runner uses it; arrays have the shapes that the facts state."""

    @property
    def name(self) -> str:
        """What messages call the layer."""

    def facts(self, shape: Shape, /) -> Facts:
        """Return the facts for inputs of a shape."""

    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls that write the value of x into y."""


@runtime_checkable
class Computed(Source, Protocol):
    """A layer whose local Jacobian is computed at every call."""

    def local_calls(self, kernels: Kernels, x: Array, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that write the local Jacobian into `out`; only what `reads` names is given of x and y."""


@runtime_checkable
class Borrowed(Source, Protocol):
    """A layer whose own arrays are its local Jacobian."""

    def borrowed_arrays(self, shape: Shape, /) -> Arrays:
        """Return those arrays, for inputs of a shape."""


@runtime_checkable
class MatrixFree(Source, Protocol):
    """A layer that applies its local Jacobian without forming it."""

    def tangent_calls(self, kernels: Kernels, x: Array, v: Array, out: Array, /) -> Calls:
        """Return the calls, that write J v into `out`; v holds a tangent in each column."""

    def adjoint_calls(self, kernels: Kernels, x: Array, u: Array, out: Array, /) -> Calls:
        """Return the calls, that write u J into `out`; u holds an adjoint in each row."""


@runtime_checkable
class Curved(Source, Protocol):
    """A layer that gives u·∂²f, where u is an adjoint of its value."""

    def curvature_calls(self, kernels: Kernels, x: Array, y: Array, u: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that write u·∂²f into `out`; u is flat, and only what `reads` names is given of x and y."""


@runtime_checkable
class Bent(Curved, Protocol):
    """A layer that applies u·∂²f without forming it."""

    def bend_calls(self, kernels: Kernels, x: Array, y: Array, u: Array, v: Array, out: Array, /) -> Calls:
        """Return the calls that write (u·∂²f) v into `out`; u, v and `out` are flat."""


@runtime_checkable
class Patterned(Source, Protocol):
    """A layer with a stated pattern, which can turn out to miss an entry, or a Hessian, to be no symmetric one."""

    def check_pattern(self, x: Array, /) -> None:
        """Raise a CheckError where the pattern misses an entry at x, or the Hessian is not symmetric."""
