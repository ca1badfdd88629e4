"""What the runner asks of a node of an expression: a map of several inputs, each with a local Jacobian of its own."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, final, runtime_checkable

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Structure
from jacchain.planning.link import Link

Shape = tuple[int, ...]

VALUE: Final = -1
"""Stands among the inputs that a local Jacobian reads for the operation's own value."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFacts:
    """What is known of the local Jacobian with respect to one input, without any values.

    Attributes
    ----------
    link : Link
        From the input's size to the value's size, with structure and costs.
    reads : tuple of int
        The inputs that it is computed from, by position, and -1 for the value; empty where it does not depend on the
        point, so that it is computed once.
    view : {"", "contiguous", "any"}
        Its arrays are views of what it reads and nothing is computed: if that is contiguous, or always.
    in_place : tuple of int
        Of what it reads, what it may be written over.
    scratch : int
        Numbers of workspace that computing it takes.
    is_uniform : bool
        All its stored numbers are the same, wherever the point is.
    """

    link: Link
    reads: tuple[int, ...] = ()
    view: Literal["", "contiguous", "any"] = ""
    in_place: tuple[int, ...] = ()
    scratch: int = 0
    is_uniform: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CurvatureFacts:
    """What is known of u·∂²f with respect to two inputs, without any values: a matrix of d_first × d_second.

    With respect to one input twice it is symmetric; with respect to two inputs in the other order it is the transpose.

    Attributes
    ----------
    first, second : int
        The inputs by position; first <= second.
    structure : Structure
        Of d_first rows and d_second columns.
    reads : tuple of int
        The inputs that it is computed from besides the adjoint u, by position, and -1 for the value.
    view : bool
        Its arrays are the adjoint u seen otherwise, and nothing is computed.
    applies : bool
        Its product with a vector takes less than the matrix itself: there are `bend_calls`.
    scratch : int
        Numbers of workspace that computing it takes.
    is_uniform : bool
        It is diagonal, and the same multiple of u wherever the point is.
    """

    first: int
    second: int
    structure: Structure
    reads: tuple[int, ...] = ()
    view: bool = False
    applies: bool = False
    scratch: int = 0
    is_uniform: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFacts:
    """What is known of an operation for given shapes of its inputs, without any values.

    Attributes
    ----------
    output : tuple of int
        Shape of the value.
    locals : tuple of LocalFacts or None
        One for each input; None where the derivative is zero everywhere.
    view : {"", "reshape", "strided"}
        The value is its only input seen otherwise: the same numbers in the same order, or a view with other strides.
    in_place : tuple of int
        Inputs of the value's size that it may be written over.
    scratch : int
        Numbers of workspace that computing the value takes.
    curvatures : tuple of CurvatureFacts, or None
        One for each pair of inputs whose second derivative is not zero everywhere; None where it is not stated.
    """

    output: Shape
    locals: tuple[LocalFacts | None, ...]
    view: Literal["", "reshape", "strided"] = ""
    in_place: tuple[int, ...] = ()
    scratch: int = 0
    curvatures: tuple[CurvatureFacts, ...] | None = ()


@runtime_checkable
class Operation(Protocol):
    """A map of arrays as the runner uses it; hashable, and equal to another that does the same.

    Inputs have the stated shapes and any strides; `y` and the arrays of `out` are contiguous.
    """

    @property
    def name(self) -> str:
        """What listings and messages call it."""

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts for inputs of given shapes; raise SizeError for shapes that it does not take."""

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls that write the value into y."""

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that write the local Jacobian with respect to input k into `out`.

        Of xs and y only what the facts say it reads is given; the others are None.
        """


@runtime_checkable
class ValueView(Operation, Protocol):
    """An operation whose value is its input seen otherwise."""

    def value_view(self, x: Array, /) -> Array:
        """Return that view."""


@runtime_checkable
class LocalView(Operation, Protocol):
    """An operation with a local Jacobian that is made of what it reads."""

    def local_views(self, k: int, xs: Arrays, y: Array, /) -> Arrays:
        """Return views as the arrays of the local Jacobian with respect to input k."""


@runtime_checkable
class FreeOperation(Operation, Protocol):
    """An operation that applies its local Jacobian without forming it."""

    def tangent_calls(self, kernels: Kernels, k: int, xs: Arrays, v: Array, out: Array, /) -> Calls:
        """Return the calls that write J_k v into `out`; v holds a tangent in each column."""

    def adjoint_calls(self, kernels: Kernels, k: int, xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the calls that write u J_k into `out`; u holds an adjoint in each row."""


@runtime_checkable
class CurvedOperation(Operation, Protocol):
    """An operation that is not linear: it gives u·∂²f, where u is an adjoint of its value."""

    def curvature_calls(
        self, kernels: Kernels, pair: tuple[int, int], xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that write u·∂²f with respect to a pair of inputs into `out`.

        u is flat and contiguous. Of xs and y only what the facts say it reads is given; the others are None.
        """

    def curvature_views(self, pair: tuple[int, int], u: Array, /) -> Arrays:
        """Return views of the flat u as the arrays of u·∂²f, where the facts say that it is a view.

        They have as many numbers as those arrays, in their order, in any shape.
        """

    def bend_calls(
        self, kernels: Kernels, pair: tuple[int, int], xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls that write (u·∂²f) v without the matrix, where the facts say that it applies.

        The pair stands in either order: `out` has the size of its first input, v, flat, that of its second.
        """


class Applied(NamedTuple):
    """A node of an expression: an operation on earlier nodes; an input, or a constant, where there is no operation."""

    operation: Operation | None
    operands: tuple[int, ...]
    shape: Shape
    constant: Array | None = None
    """The numbers of a constant: contiguous, read-only, and of the expression's dtype."""
    name: str = ""
