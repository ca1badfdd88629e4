"""The engines of functions that combine numbers one by one: programs over rows, or over single numbers."""

from typing import Any, Final, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.functions.rows.number_executable import NumberExecutable
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.rows.wanted import Wanted
from jacchain.lagrangian.engine import Result
from jacchain.lagrangian.recorded import Recorded
from jacchain.lagrangian.sparsity import SparsityPattern

WANTED: Final[dict[Result, tuple[Any, str]]] = {
    "objective": ("value", "objective"),
    "constraints": ("value", "constraints"),
    "gradient": ("gradient", "objective"),
    "lagrangian_gradient": ("gradient", "lagrangian"),
    "jacobian": ("jacobian", "constraints"),
    "hessian": ("hessian", "lagrangian"),
}
"""For every result what it is, and of which of the expression's."""


@final
class RowEngine:
    """Steps over rows of numbers, or over single numbers; see `jacchain.functions.rows`."""

    def __init__(self, recorded: Recorded, program: RowProgram, /, *, reason: str) -> None:
        self.name = "numbers" if program.is_numbers else "rows"
        self.reason = reason
        self.program = program
        self.jacobian_pattern = _pattern(program, "jacobian", (recorded.constraints, recorded.variables))
        self.hessian_pattern = _pattern(program, "hessian", (recorded.variables, recorded.variables))
        self._inputs = recorded.inputs
        self._dtype = recorded.expression.dtype
        self._executable = program.bind()
        # a program over numbers is silent by itself, and entering a state of NumPy takes as long as a tenth of it
        self._is_silent = isinstance(self._executable, NumberExecutable) and self._dtype == np.float64

    def move(self, point: Array, /) -> None:
        """Take a point."""
        self._executable.set_input(0, point)

    def weigh(self, multipliers: Array, factor: float, /) -> None:
        """Take multipliers and the objective's factor."""
        if "multipliers" in self._inputs:
            self._executable.set_input(self._inputs["multipliers"], multipliers)
        if "factor" in self._inputs:
            self._executable.set_input(self._inputs["factor"], np.asarray(factor, self._dtype))

    def result(self, name: Result, /) -> Array:
        """Return a result, which the next point overwrites; NumPy warns of nothing."""
        if self._is_silent:
            return self._executable.result(name)
        with np.errstate(all="ignore"):
            return self._executable.result(name)

    def times(self, _point: Array, _multipliers: Array, _factor: float, /) -> None:
        """Return None: there are about as many entries as numbers in L, and the sparse matrix is quick."""

    def __str__(self) -> str:
        return str(self.program)


def wanted_of(recorded: Recorded, /) -> dict[str, Wanted]:
    """Return the results that there are, as a program over rows is asked for them."""
    outputs = recorded.outputs
    return {name: Wanted(kind, outputs[of]) for name, (kind, of) in WANTED.items() if of in outputs}


def _pattern(program: RowProgram, name: Result, shape: tuple[int, int]) -> SparsityPattern:
    layout = program.layouts.get(name)
    if layout is None:  # of no constraints
        return SparsityPattern(shape, np.zeros(shape[0] + 1, np.int32), np.zeros(0, np.int32))
    return SparsityPattern(*layout)
