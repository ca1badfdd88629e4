"""The program of a function's values and derivatives, in steps on rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final

from jacchain.algebra.kernels import Array
from jacchain.functions.rows.layout import Layout
from jacchain.functions.rows.placed import Written
from jacchain.functions.rows.row_writer import Routes, is_given, kind, length_of
from jacchain.functions.scalar.scalar_program import SIGNS
from jacchain.functions.scalar.steps import ScalarStep
from jacchain.model.expression import Expression


class Executable(Protocol):
    """A program with buffers: set the inputs, then ask for results."""

    @property
    def program(self) -> "RowProgram":
        """What is run."""

    def set_input(self, position: int, numbers: Array, /) -> None:
        """Copy an argument's array, and mark as stale what depends on it."""

    def result(self, name: str, /) -> Array:
        """Return a result at the inputs that were set: flat, read-only, and overwritten at the next point."""


@final
@dataclass(frozen=True, eq=False)
class RowProgram:
    """Steps on rows in order, each a function of earlier ones, and which of them make up the results.

    Attributes
    ----------
    expression : Expression
    steps : tuple of ScalarStep
        Inputs are the arrays of the expression's arguments and then `constants`.
    routes : Routes
        What "take:3" and the like name.
    lengths : tuple of int
        Of each input and constant.
    constants : tuple of array
    results : mapping of str to Written
    is_numbers : bool
        Every step is one number, be it taken from an input, and every row goes to one place.
    """

    expression: Expression
    steps: tuple[ScalarStep, ...]
    routes: Routes
    lengths: tuple[int, ...]
    constants: tuple[Array, ...]
    results: Mapping[str, Written]
    is_numbers: bool = False

    @property
    def layouts(self) -> dict[str, Layout | None]:
        """The pattern of each result that is a matrix."""
        return {name: written.layout for name, written in self.results.items()}

    def bind(self) -> Executable:
        """Return the program with buffers of its own, which are not for several threads at once."""
        from jacchain.functions.rows.number_executable import number_executable
        from jacchain.functions.rows.row_executable import RowExecutable

        found = number_executable(self) if self.is_numbers else None
        return RowExecutable(self) if found is None else found

    @property
    def step_lengths(self) -> list[int]:
        """How many lanes each step has."""
        found: list[int] = []
        for step in self.steps:
            found.append(length_of(step, found, self.lengths, self.routes))
        return found

    @property
    def operations(self) -> int:
        """How many steps compute something."""
        return sum(_computes(step) for step in self.steps)

    @property
    def multiplications(self) -> int:
        """How many steps multiply or divide, those of values and local derivatives included."""
        return sum(step.function in ("multiply", "divide") for step in self.steps)

    def steps_of(self, name: str, /) -> int:
        """Return how many steps one result takes, those that it shares included."""
        needed = set(self.results[name].rows)
        for k in reversed(range(len(self.steps))):
            if k in needed:
                needed.update(self.steps[k].operands)
        return sum(_computes(self.steps[k]) for k in needed)

    def __str__(self) -> str:
        names = [self._name(k) for k in range(len(self.steps))]
        lines = [f"{names[k]} = {self._text(step, names)}" for k, step in enumerate(self.steps) if not is_given(step)]
        for result, written in self.results.items():
            signs = written.is_negative or [False] * len(written.rows)
            lines += [
                f"{result}{route} {'-' if is_negative else '+'}= {names[row]}"
                for row, route, is_negative in zip(written.rows, written.routes, signs, strict=True)
            ]
        return "\n".join(lines)

    def _name(self, k: int) -> str:
        step, inputs = self.steps[k], self.expression.inputs
        match step.function:
            case "input" if step.number < len(inputs):
                return self.expression.nodes[inputs[int(step.number)]].name
            case "input":
                return f"c{int(step.number) - len(inputs)}"
            case "constant":
                return f"{step.number:.6g}"
            case _:
                return f"v{k}"

    def _text(self, step: ScalarStep, names: Sequence[str]) -> str:
        operands, routes = [names[k] for k in step.operands], self.routes.of(step.function)
        match kind(step.function):
            case "take":
                return f"{operands[0]}{routes[0]}"
            case "put":
                return " + ".join(f"{row} at {to}" for row, to in zip(operands, routes, strict=True))
            case "sums":
                return f"sums({operands[0]})"
            case "counts":
                return f"counts of {routes[0].size}"
            case "negative":
                return f"-{operands[0]}"
            case name if name in SIGNS:
                return f" {SIGNS[name]} ".join(operands)
            case name:
                return f"{name}({', '.join(operands)})"


def _computes(step: ScalarStep) -> bool:
    return not is_given(step) and kind(step.function) != "take"
