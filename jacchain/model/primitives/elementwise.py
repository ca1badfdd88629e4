"""Primitives that map numbers one by one, stated by formulas."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple, final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Diagonal, Identity, Negation, Structure
from jacchain.execution.operation import VALUE, CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes
from jacchain.model.primitives.formula import formula_calls, leaf, python_source, steps_of
from jacchain.planning.link import Link


class Formulas(NamedTuple):
    """What an elementwise map is, in the notation of `formula.steps_of`.

    Attributes
    ----------
    value : str
        In terms of the arguments.
    derivatives : tuple of str or None
        With respect to each argument, in terms of the arguments and of the value ``y``; None for zero everywhere.
    arguments : tuple of str
        Their names.
    curvatures : tuple of (int, int, str)
        The second derivative with respect to two arguments, the first not after the second, in terms of the arguments
        and of ``y``; those that are zero everywhere are left out. At a kink it is that of the pieces beside it: zero.
    """

    value: str
    derivatives: tuple[str | None, ...]
    arguments: tuple[str, ...] = ("x",)
    curvatures: tuple[tuple[int, int, str], ...] = ()

    def place(self, name: str, /) -> int:
        """Return the position of an argument, or `VALUE` for ``y``."""
        return VALUE if name == "y" else self.arguments.index(name)

    def names(self, operands: Sequence[str], value: str = "", /) -> dict[str, str]:
        """Return what each variable is called in a piece of source."""
        return {**dict(zip(self.arguments, operands, strict=True)), "y": value}

    def curvature(self, pair: tuple[int, int], /) -> str:
        """Return the second derivative with respect to a pair of arguments, times an adjoint ``u``."""
        formula = next(formula for first, second, formula in self.curvatures if (first, second) == pair)
        return "u" if leaf(formula) == 1 else f"({formula}) * u"


def is_between(low: float, value: object, high: float, /) -> bool:
    """Tell whether a choice is a number between two others."""
    return isinstance(value, int | float) and low <= value <= high


class ElementwisePrimitive(Primitive):
    """A map of numbers, one by one, of inputs of one shape; its local Jacobians are diagonal.

    Where a derivative is one of the inputs or the value itself, its diagonal is a view; where it is 1 or -1, nothing is
    stored.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def formulas(self) -> Formulas:
        """The value and the derivatives."""

    @final
    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: all inputs have one shape, and so has the value."""
        found = self.formulas
        if len(shapes) != len(found.arguments) or len(set(shapes)) != 1:
            refuse_shapes(self.name, shapes, f"give {len(found.arguments)} of one shape; broadcast them first")
        return _facts(found, self.name, shapes[0])

    @final
    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls that write the value."""
        found = self.formulas
        return formula_calls(found.value, kernels, dict(zip(found.arguments, xs, strict=True)), y, scratch)

    @final
    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that write the diagonal."""
        found = self.formulas
        derivative = found.derivatives[k]
        if derivative is None or not out.arrays:
            return ()
        variables = {**dict(zip(found.arguments, xs, strict=True)), "y": y}
        given = [array for array in variables.values() if array is not None]
        diagonal = out.arrays[0]
        shape = given[0].shape if given else diagonal.shape
        return formula_calls(derivative, kernels, variables, diagonal.reshape(shape), scratch)

    @final
    def local_views(self, k: int, xs: Arrays, y: Array, /) -> Arrays:
        """Return the array that the derivative is, as a diagonal."""
        found = self.formulas
        name = leaf(found.derivatives[k] or "0")
        assert isinstance(name, str), f"{self.name} has no view as its local Jacobian for input {k}"
        return ((y if name == "y" else xs[found.place(name)]).reshape(-1),)

    @final
    def curvature_calls(
        self, kernels: Kernels, pair: tuple[int, int], xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that write the diagonal."""
        found = self.formulas
        given = {name: x for name, x in zip((*found.arguments, "y"), (*xs, y), strict=True) if x is not None}
        diagonal = out.arrays[0]
        shape = next((x.shape for x in given.values()), diagonal.shape)
        variables = {**given, "u": u.reshape(shape)}
        return formula_calls(found.curvature(pair), kernels, variables, diagonal.reshape(shape), scratch)

    @final
    def curvature_views(self, _pair: tuple[int, int], u: Array, /) -> Arrays:
        """Return the adjoint as a diagonal, where the second derivative is 1."""
        return (u,)

    @final
    def value_source(self, operands: Sequence[str], /) -> str | None:
        """Return Python source of the value for operands of given names, all floats; None where there is none."""
        return python_source(self.formulas.value, self.formulas.names(operands))

    @final
    def derivative_source(self, k: int, operands: Sequence[str], value: str, /) -> str | None:
        """Return Python source of the derivative with respect to operand k; None where it is zero or there is none."""
        derivative = self.formulas.derivatives[k]
        return None if derivative is None else python_source(derivative, self.formulas.names(operands, value))


@lru_cache(maxsize=1024)  # what a program is lowered and bound from asks again for every node
def _facts(found: Formulas, name: str, shape: Shape) -> OperationFacts:
    size, steps = prod(shape), steps_of(found.value)
    return OperationFacts(
        output=shape,
        locals=tuple(None if d is None else _local_facts(found, name, d, size) for d in found.derivatives),
        in_place=tuple(sorted(found.place(name) for name in steps.variables - steps.late)),
        scratch=size * steps.registers,
        curvatures=tuple(_curvature_facts(found, curvature, size) for curvature in found.curvatures),
    )


def _local_facts(found: Formulas, name: str, derivative: str, size: int) -> LocalFacts:
    steps, simple = steps_of(derivative), leaf(derivative)
    structure: Structure
    match simple:
        case 1.0:
            structure = Identity(size)
        case -1.0:
            structure = Negation(size)
        case _:
            structure = Diagonal(size)
    return LocalFacts(
        link=Link(size, size, structure=structure, name=name),
        reads=tuple(sorted(found.place(name) for name in steps.variables)),
        view="contiguous" if isinstance(simple, str) else "",
        in_place=tuple(sorted(found.place(name) for name in steps.variables - steps.late)),
        scratch=size * steps.registers,
    )


def _curvature_facts(found: Formulas, curvature: tuple[int, int, str], size: int) -> CurvatureFacts:
    first, second, formula = curvature
    steps = steps_of(found.curvature((first, second)))
    return CurvatureFacts(
        first=first,
        second=second,
        structure=Diagonal(size),
        reads=tuple(sorted(found.place(name) for name in steps.variables if name != "u")),
        view=leaf(formula) == 1,
        scratch=size * steps.registers,
        is_uniform=isinstance(leaf(formula), float),
    )
