"""Primitives that map numbers one by one, stated by formulas."""

from abc import abstractmethod
from collections.abc import Sequence
from math import prod
from typing import NamedTuple, final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Diagonal, Identity, Negation, Structure
from jacchain.execution.operation import VALUE, LocalFacts, OperationFacts, Shape
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
    """

    value: str
    derivatives: tuple[str | None, ...]
    arguments: tuple[str, ...] = ("x",)

    def place(self, name: str, /) -> int:
        """Return the position of an argument, or `VALUE` for ``y``."""
        return VALUE if name == "y" else self.arguments.index(name)

    def names(self, operands: Sequence[str], value: str = "", /) -> dict[str, str]:
        """Return what each variable is called in a piece of source."""
        return {**dict(zip(self.arguments, operands, strict=True)), "y": value}


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
        size, steps = prod(shapes[0]), steps_of(found.value)
        return OperationFacts(
            output=shapes[0],
            locals=tuple(None if d is None else self._local_facts(found, d, size) for d in found.derivatives),
            in_place=tuple(sorted(found.place(name) for name in steps.variables - steps.late)),
            scratch=size * steps.registers,
        )

    def _local_facts(self, found: Formulas, derivative: str, size: int) -> LocalFacts:
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
            link=Link(size, size, structure=structure, name=self.name),
            reads=tuple(sorted(found.place(name) for name in steps.variables)),
            view="contiguous" if isinstance(simple, str) else "",
            in_place=tuple(sorted(found.place(name) for name in steps.variables - steps.late)),
            scratch=size * steps.registers,
        )

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
    def value_source(self, operands: Sequence[str], /) -> str | None:
        """Return Python source of the value for operands of given names, all floats; None where there is none."""
        return python_source(self.formulas.value, self.formulas.names(operands))

    @final
    def derivative_source(self, k: int, operands: Sequence[str], value: str, /) -> str | None:
        """Return Python source of the derivative with respect to operand k; None where it is zero or there is none."""
        derivative = self.formulas.derivatives[k]
        return None if derivative is None else python_source(derivative, self.formulas.names(operands, value))
