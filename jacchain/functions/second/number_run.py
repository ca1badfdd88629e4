"""The Hessian of a function of few numbers: straight-line code in Python's floats."""

from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from typing import Final, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.matrix import Matrix
from jacchain.errors import InfeasibleError
from jacchain.execution.run import Counted
from jacchain.functions.options import FunctionOptions
from jacchain.functions.rows.layout import mirrored
from jacchain.functions.rows.programs import number_by_number
from jacchain.functions.rows.row_program import Executable, RowProgram
from jacchain.functions.rows.wanted import Wanted
from jacchain.functions.scalar.scalarise import elementwise_numbers, scalarised
from jacchain.functions.second.hessian_run import HessianRun
from jacchain.model.expression import Expression
from jacchain.model.second_order import second_order
from jacchain.planning.second.hessian_plan import HessianPlan
from jacchain.planning.second.planner import plan_second

FEW: Final = 32
"""Numbers that elementwise operations make, up to which a program is written number by number in no time."""


@final
class NumberRun:
    """The Hessian of one number with respect to one array, number by number; on arrays where numbers are checked.

    Calls may overlap in threads: each takes buffers of its own, and gives them back.
    """

    def __init__(
        self,
        program: RowProgram,
        expression: Expression,
        options: FunctionOptions,
        on_arrays: Callable[[], HessianRun],
        /,
    ) -> None:
        self.program = program
        self.expression = expression
        self.options = options
        self._on_arrays = on_arrays
        (source,) = expression.inputs_of(options.argnums)
        self.size = prod(expression.nodes[source].shape)
        layout = program.layouts["hessian"]
        assert layout is not None, "a Hessian is a matrix"
        whole = mirrored(layout)
        rows = np.repeat(np.arange(self.size), np.diff(whole.layout.indptr))
        self._places = rows * self.size + whole.layout.indices
        self._sources = whole.places
        self._idle: list[Executable] = []

    @cached_property
    def arrays(self) -> HessianRun:
        """The same on arrays, which finds out where NaN comes from."""
        return self._on_arrays()

    @cached_property
    def plan(self) -> HessianPlan:
        """The plan on the graph of single numbers that the program was written by."""
        scalar = scalarised(self.expression)
        assert scalar is not None, "it has been written out before"
        place = self.expression.inputs.index(self.expression.inputs_of(self.options.argnums)[0])
        order = second_order(scalar.expression, list(dict.fromkeys(scalar.inputs[place])), scalar.outputs[0][0])
        return plan_second(order.ladder, planner=self.options.planner, itemsize=self.expression.dtype.itemsize)

    def count(self, _arguments: Sequence[Array], /) -> Counted:
        """Return the multiplications of a run, with those of values and local derivatives, and the result's bytes."""
        return Counted(self.program.multiplications, self.size * self.size * self.expression.dtype.itemsize)

    def matrices(self, arguments: Sequence[Array], /, *, check: bool = False) -> list[list[Matrix]]:
        """Return the one block as a sparse matrix."""
        return self.arrays.matrices(arguments, check=check)

    def blocks(self, arguments: Sequence[Array], /, *, check: bool = False) -> list[list[Array]]:
        """Return the one block, as a dense matrix."""
        if check:
            return self.arrays.blocks(arguments, check=True)
        executable = self._idle.pop() if self._idle else self.program.bind()
        try:
            for position, array in enumerate(arguments):
                executable.set_input(position, array)
            values = executable.result("hessian")
            found = np.zeros(self.size * self.size, self.expression.dtype)
            found[self._places] = values[self._sources]
        finally:
            self._idle.append(executable)
        return [[found.reshape(self.size, self.size)]]


def number_run(
    expression: Expression, options: FunctionOptions, on_arrays: Callable[[], HessianRun], /
) -> NumberRun | None:
    """Return the Hessian number by number, or None where arrays are for it.

    Parameters
    ----------
    expression : Expression
        Of one number.
    options : FunctionOptions
    on_arrays : callable
        Makes the same on arrays.
    """
    if options.structured:
        return None
    program = number_program(expression, options)
    return None if program is None else NumberRun(program, expression, options, on_arrays)


def number_program(expression: Expression, options: FunctionOptions, /) -> RowProgram | None:
    """Return the program of the result "hessian" number by number, or None where arrays are for it.

    Parameters
    ----------
    expression : Expression
        Of one number.
    options : FunctionOptions
        Of them argnums and the planner count.
    """
    sources = expression.inputs_of(options.argnums)
    if len(sources) != 1 or elementwise_numbers(expression) > FEW:
        return None
    place = expression.inputs.index(sources[0])
    try:
        return number_by_number(expression, {"hessian": Wanted("hessian", 0)}, place, options.planner)
    except InfeasibleError:
        return None
