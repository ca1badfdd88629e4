"""Elementwise layers: their local Jacobian and their curvature are diagonal."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import ClassVar, Literal, Protocol, final, runtime_checkable

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Diagonal
from jacchain.errors import OptionError
from jacchain.execution.source import Facts, Reads, Shape, SourceCurvature
from jacchain.model.layer import Layer, constant, readonly, store
from jacchain.planning.link import Link


class Pointwise(Layer):
    """A map of each number by itself, given by calls that write into buffers."""

    reads: ClassVar[Reads] = "y"
    in_place: ClassVar[Literal["", "x", "y"]] = ""

    @final
    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: any shape is kept."""
        size = prod(shape)
        return Facts(
            inputs=shape,
            outputs=shape,
            link=Link(size, size, structure=Diagonal(size), name=self.name),
            reads=self.reads,
            value_in_place=True,
            local_in_place=self.in_place,
            curvature=self.curves(size),
        )

    @final
    def local_calls(self, kernels: Kernels, x: Array, y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls that write the diagonal."""
        shape = (x if y is None else y).shape
        return self.derivative_calls(kernels, x, y, out.arrays[0].reshape(shape))

    @abstractmethod
    def derivative_calls(self, kernels: Kernels, x: Array, y: Array, out: Array, /) -> Calls:
        """Return the calls that write the derivative at each number into `out`."""

    @abstractmethod
    def curves(self, size: int, /) -> tuple[SourceCurvature, ...] | None:
        """Return the facts of the curvature for so many numbers, as in `Facts`."""

    @final
    def curvature_calls(self, kernels: Kernels, x: Array, y: Array, u: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that write the diagonal u f''."""
        shape = next((given.shape for given in (x, y) if given is not None), u.shape)
        work = None if scratch is None or not scratch.size else scratch[: u.size].reshape(shape)
        return self.second_calls(kernels, x, y, u.reshape(shape), out.arrays[0].reshape(shape), work)

    @abstractmethod
    def second_calls(self, kernels: Kernels, x: Array, y: Array, u: Array, out: Array, work: Array, /) -> Calls:
        """Return the calls that write u times the second derivative at each number into `out`."""


@runtime_checkable
class TwiceDifferentiable(Protocol):
    """What states a second derivative."""

    def second_derivative(self, x: Array, /) -> Array:
        """Return the second derivative at every number of x."""


class Elementwise(Pointwise):
    """A custom elementwise layer: write `function` and `derivative`, both of an array.

    For Hessians write `second_derivative` too.

    Examples
    --------
    >>> class Cube(Elementwise):
    ...     def function(self, x): return x**3
    ...     def derivative(self, x): return 3 * x**2
    ...     def second_derivative(self, x): return 6 * x
    >>> Cube().value([1.0, 2.0])
    array([1., 8.])
    >>> print(Cube().jacobian([1.0, 2.0]).todense())
    [[ 3.  0.]
     [ 0. 12.]]
    >>> Cube().curvature([1.0, 2.0], [1.0, 1.0]).arrays[0]
    array([ 6., 12.])
    """

    reads: ClassVar[Reads] = "x"
    in_place: ClassVar[Literal["", "x", "y"]] = "x"

    @abstractmethod
    def function(self, x: Array, /) -> Array:
        """Return the value at every number of x."""

    @abstractmethod
    def derivative(self, x: Array, /) -> Array:
        """Return the derivative at every number of x."""

    @final
    def value_calls(self, _kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the call of `function`."""
        return ((_stored, (y, self.function, readonly(x), f"function of {self.name}")),)

    @final
    def derivative_calls(self, _kernels: Kernels, x: Array, _y: Array, out: Array, /) -> Calls:
        """Return the call of `derivative`."""
        return ((_stored, (out, self.derivative, readonly(x), f"derivative of {self.name}")),)

    @final
    def curves(self, size: int, /) -> tuple[SourceCurvature, ...] | None:
        """Return the facts of a diagonal, where there is a `second_derivative`."""
        return (SourceCurvature(structure=Diagonal(size)),) if isinstance(self, TwiceDifferentiable) else None

    @final
    def second_calls(self, kernels: Kernels, x: Array, _y: Array, u: Array, out: Array, _work: Array, /) -> Calls:
        """Return the call of `second_derivative`, and the product with u."""
        assert isinstance(self, TwiceDifferentiable), f"{self.name} has no second derivative"
        stored = (_stored, (out, self.second_derivative, readonly(x), f"second_derivative of {self.name}"))
        return (stored, (kernels.xp.multiply, (out, u, out)))


def _stored(out: Array, function: Callable[[Array], Array], x: Array, what: str) -> None:
    store(out, function(x), what)


@final
@dataclass(frozen=True, eq=False)
class Tanh(Pointwise):
    """x ↦ tanh x, with derivative 1 - y²."""

    in_place: ClassVar[Literal["", "x", "y"]] = "y"

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for tanh."""
        return ((kernels.xp.tanh, (x, y)),)

    def derivative_calls(self, kernels: Kernels, _x: Array, y: Array, out: Array, /) -> Calls:
        """Return the calls for 1 - y²."""
        return ((kernels.xp.multiply, (y, y, out)), (kernels.xp.subtract, (constant(kernels, 1, y), out, out)))

    def curves(self, size: int, /) -> tuple[SourceCurvature, ...]:
        """Return the facts of a diagonal."""
        return (SourceCurvature(structure=Diagonal(size), reads="y"),)

    def second_calls(self, kernels: Kernels, _x: Array, y: Array, u: Array, out: Array, _work: Array, /) -> Calls:
        """Return the calls for 2 u y (y² - 1)."""
        xp = kernels.xp
        return (
            (xp.multiply, (y, y, out)),
            (xp.subtract, (out, constant(kernels, 1, y), out)),
            (xp.multiply, (out, y, out)),
            (xp.add, (out, out, out)),
            (xp.multiply, (out, u, out)),
        )


@final
@dataclass(frozen=True, eq=False)
class Sigmoid(Pointwise):
    """x ↦ 1 / (1 + e⁻ˣ), with derivative y (1 - y)."""

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for the logistic function."""
        return ((kernels.expit, (x, y)),)

    def derivative_calls(self, kernels: Kernels, _x: Array, y: Array, out: Array, /) -> Calls:
        """Return the calls for y (1 - y)."""
        return ((kernels.xp.subtract, (constant(kernels, 1, y), y, out)), (kernels.xp.multiply, (y, out, out)))

    def curves(self, size: int, /) -> tuple[SourceCurvature, ...]:
        """Return the facts of a diagonal."""
        return (SourceCurvature(structure=Diagonal(size), reads="y", scratch=size),)

    def second_calls(self, kernels: Kernels, _x: Array, y: Array, u: Array, out: Array, work: Array, /) -> Calls:
        """Return the calls for u y (1 - y) (1 - 2y)."""
        xp, one = kernels.xp, constant(kernels, 1, y)
        return (
            (xp.subtract, (one, y, out)),
            (xp.subtract, (out, y, work)),
            (xp.multiply, (out, y, out)),
            (xp.multiply, (out, work, out)),
            (xp.multiply, (out, u, out)),
        )


@final
@dataclass(frozen=True, eq=False)
class Softplus(Pointwise):
    """x ↦ log(1 + eˣ), with the logistic function as derivative."""

    reads: ClassVar[Reads] = "x"
    in_place: ClassVar[Literal["", "x", "y"]] = "x"

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for log(eˣ + e⁰)."""
        return ((kernels.xp.logaddexp, (x, constant(kernels, 0, x), y)),)

    def derivative_calls(self, kernels: Kernels, x: Array, _y: Array, out: Array, /) -> Calls:
        """Return the calls for the logistic function."""
        return ((kernels.expit, (x, out)),)

    def curves(self, size: int, /) -> tuple[SourceCurvature, ...]:
        """Return the facts of a diagonal."""
        return (SourceCurvature(structure=Diagonal(size), reads="x", scratch=size),)

    def second_calls(self, kernels: Kernels, x: Array, _y: Array, u: Array, out: Array, work: Array, /) -> Calls:
        """Return the calls for u s (1 - s) with s the logistic function of -|x|, so that no digits are lost."""
        xp = kernels.xp
        return (
            (xp.abs, (x, work)),
            (xp.negative, (work, work)),
            (kernels.expit, (work, out)),
            (xp.subtract, (constant(kernels, 1, x), out, work)),
            (xp.multiply, (out, work, out)),
            (xp.multiply, (out, u, out)),
        )


@final
@dataclass(frozen=True, eq=False)
class Exp(Pointwise):
    """x ↦ eˣ, its own derivative."""

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for eˣ."""
        return ((kernels.xp.exp, (x, y)),)

    def derivative_calls(self, kernels: Kernels, _x: Array, y: Array, out: Array, /) -> Calls:
        """Return the calls that copy y."""
        return ((kernels.copyto, (out, y)),)

    def curves(self, size: int, /) -> tuple[SourceCurvature, ...]:
        """Return the facts of a diagonal."""
        return (SourceCurvature(structure=Diagonal(size), reads="y"),)

    def second_calls(self, kernels: Kernels, _x: Array, y: Array, u: Array, out: Array, _work: Array, /) -> Calls:
        """Return the call for u y."""
        return ((kernels.xp.multiply, (u, y, out)),)


@final
@dataclass(frozen=True, eq=False)
class Log(Pointwise):
    """x ↦ log x, with derivative 1/x."""

    reads: ClassVar[Reads] = "x"
    in_place: ClassVar[Literal["", "x", "y"]] = "x"

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for log x."""
        return ((kernels.xp.log, (x, y)),)

    def derivative_calls(self, kernels: Kernels, x: Array, _y: Array, out: Array, /) -> Calls:
        """Return the calls for 1/x."""
        return ((kernels.xp.reciprocal, (x, out)),)

    def curves(self, size: int, /) -> tuple[SourceCurvature, ...]:
        """Return the facts of a diagonal."""
        return (SourceCurvature(structure=Diagonal(size), reads="x"),)

    def second_calls(self, kernels: Kernels, x: Array, _y: Array, u: Array, out: Array, _work: Array, /) -> Calls:
        """Return the calls for -u / x²."""
        xp = kernels.xp
        return (
            (xp.reciprocal, (x, out)),
            (xp.multiply, (out, out, out)),
            (xp.multiply, (out, u, out)),
            (xp.negative, (out, out)),
        )


@final
@dataclass(frozen=True, eq=False)
class Square(Pointwise):
    """x ↦ x², with derivative 2x."""

    reads: ClassVar[Reads] = "x"
    in_place: ClassVar[Literal["", "x", "y"]] = "x"

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for x²."""
        return ((kernels.xp.multiply, (x, x, y)),)

    def derivative_calls(self, kernels: Kernels, x: Array, _y: Array, out: Array, /) -> Calls:
        """Return the calls for 2x."""
        return ((kernels.xp.add, (x, x, out)),)

    def curves(self, size: int, /) -> tuple[SourceCurvature, ...]:
        """Return the facts of a diagonal."""
        return (SourceCurvature(structure=Diagonal(size), reads=""),)

    def second_calls(self, kernels: Kernels, _x: Array, _y: Array, u: Array, out: Array, _work: Array, /) -> Calls:
        """Return the call for 2u."""
        return ((kernels.xp.add, (u, u, out)),)


def _subgradient(at_zero: object, low: float, high: float, name: str) -> None:
    if not isinstance(at_zero, int | float) or not low <= at_zero <= high:
        raise OptionError(
            f"at_zero = {at_zero!r} is no subgradient of {name}", f"choose a number from {low:g} to {high:g}"
        )


@final
@dataclass(frozen=True, eq=False)
class Relu(Pointwise):
    """x ↦ max(x, 0).

    Parameters
    ----------
    at_zero : float
        The derivative at the kink, from 0 to 1.

    Examples
    --------
    >>> Relu(at_zero=0.5).jacobian([-1.0, 0.0, 2.0]).arrays[0]
    array([0. , 0.5, 1. ])
    """

    at_zero: float = 0.0
    reads: ClassVar[Reads] = "x"
    in_place: ClassVar[Literal["", "x", "y"]] = "x"

    def __post_init__(self) -> None:
        _subgradient(self.at_zero, 0, 1, "max(x, 0)")

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for max(x, 0)."""
        return ((partial(kernels.xp.maximum, out=y), (x, constant(kernels, 0, x))),)

    def derivative_calls(self, kernels: Kernels, x: Array, _y: Array, out: Array, /) -> Calls:
        """Return the calls for the step function with the chosen value at 0."""
        if self.at_zero in (0, 1):  # many times faster where signs change at random
            step = kernels.xp.greater_equal if self.at_zero else kernels.xp.greater
            return ((step, (x, constant(kernels, 0, x), out)),)
        return ((kernels.xp.heaviside, (x, constant(kernels, self.at_zero, x), out)),)

    def curves(self, _size: int, /) -> tuple[SourceCurvature, ...]:
        """Return nothing: both pieces are linear, and at the kink the curvature is theirs."""
        return ()

    def second_calls(self, _kernels: Kernels, _x: Array, _y: Array, _u: Array, _out: Array, _work: Array, /) -> Calls:
        """Return nothing: there is no curvature to write."""
        return ()


@final
@dataclass(frozen=True, eq=False)
class Abs(Pointwise):
    """x ↦ |x|.

    Parameters
    ----------
    at_zero : float
        The derivative at the kink, from -1 to 1.

    Examples
    --------
    >>> Abs(at_zero=-1.0).jacobian([-3.0, 0.0, 2.0]).arrays[0]
    array([-1., -1.,  1.])
    """

    at_zero: float = 0.0
    reads: ClassVar[Reads] = "x"
    in_place: ClassVar[Literal["", "x", "y"]] = "x"

    def __post_init__(self) -> None:
        _subgradient(self.at_zero, -1, 1, "|x|")

    def value_calls(self, kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for |x|."""
        return ((kernels.xp.abs, (x, y)),)

    def derivative_calls(self, kernels: Kernels, x: Array, _y: Array, out: Array, /) -> Calls:
        """Return the call for sign(x), or those for 2 step(x) - 1 with the step chosen at 0."""
        xp = kernels.xp
        if not self.at_zero:
            return ((xp.sign, (x, out)),)
        at_zero, one, two = (constant(kernels, value, x) for value in ((self.at_zero + 1) / 2, 1, 2))
        return ((xp.heaviside, (x, at_zero, out)), (xp.multiply, (out, two, out)), (xp.subtract, (out, one, out)))

    def curves(self, _size: int, /) -> tuple[SourceCurvature, ...]:
        """Return nothing: both pieces are linear, and at the kink the curvature is theirs."""
        return ()

    def second_calls(self, _kernels: Kernels, _x: Array, _y: Array, _u: Array, _out: Array, _work: Array, /) -> Calls:
        """Return nothing: there is no curvature to write."""
        return ()
