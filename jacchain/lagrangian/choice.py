"""Which engine does the arithmetic of a Lagrangian."""

from collections.abc import Mapping
from typing import Final, NamedTuple, final

from jacchain.errors import InfeasibleError, OptionError, unknown_name
from jacchain.functions.rows.programs import (
    CALL,
    STEP,
    is_narrow,
    number_by_number,
    number_limit,
    on_rows,
)
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.rows.wanted import Wanted
from jacchain.functions.scalar.scalarise import elementwise_numbers, scalarised
from jacchain.lagrangian.engine import Engine
from jacchain.lagrangian.matrices import MatrixEngine
from jacchain.lagrangian.recorded import Recorded
from jacchain.lagrangian.rows import RowEngine, wanted_of
from jacchain.planning.second.planners import SECOND_PLANNERS

ENGINES: Final = ("auto", "rows", "numbers", "matrices")

INSTRUCTION: Final = 1.2e-6
"""Seconds of an instruction on small matrices."""

GROWTH: Final = 3
"""About how many steps a program of derivatives has for each number of the values."""

DEFAULT: Final = "edge_pushing"
"""The planner for rows and numbers; matrices, whose products have prices, take the optimal one."""

AS_ASKED: Final = "as asked for"


def chosen_engine(recorded: Recorded, /, *, engine: str, planner: str | None) -> Engine:
    """Return the engine that was asked for, or the one that should take the least time.

    Raises
    ------
    OptionError
        An unknown engine or planner; rows or numbers for functions that cannot be written so; a function that states no
        second derivative.
    """
    if engine not in ENGINES:
        unknown_name("engine", engine, ENGINES)
    if planner is not None and planner not in tuple(SECOND_PLANNERS):
        unknown_name("planner", planner, SECOND_PLANNERS)
    choice = _Choice(recorded, wanted_of(recorded), planner)
    match engine:
        case "rows" | "numbers":
            program = choice.rows() if engine == "rows" else choice.numbers()
            if program is None:
                raise OptionError(
                    f"the functions cannot be written out as engine={engine!r} needs: they do not combine numbers one "
                    f"by one, or too many of them",
                    "leave engine out: products of structured matrices take every function",
                )
            return RowEngine(recorded, program, reason=AS_ASKED)
        case "matrices":
            return choice.matrices(AS_ASKED)
        case _:
            return choice.quickest()


@final
class _Choice(NamedTuple):
    """The engines that there may be."""

    recorded: Recorded
    wanted: Mapping[str, Wanted]
    planner: str | None

    def rows(self) -> RowProgram | None:
        return on_rows(self.recorded.expression, self.wanted, 0, self.planner or DEFAULT)

    def numbers(self) -> RowProgram | None:
        return number_by_number(self.recorded.expression, self.wanted, 0, self.planner or DEFAULT)

    def matrices(self, reason: str) -> MatrixEngine:
        return MatrixEngine(self.recorded, planner=self.planner or "optimal", reason=reason)

    def quickest(self) -> Engine:
        """Return the engine that should take the least time at a new point."""
        few = "so few numbers are quicker in Python's own floats"
        if is_narrow(self.recorded.expression) and (numbers := self.numbers()) is not None:
            return RowEngine(self.recorded, numbers, reason=few)
        count = self._scalar_operations()
        reason, matrices = "some numbers are combined otherwise than one by one", None
        try:
            rows = self.rows()
        except InfeasibleError as error:
            rows, reason = None, str(error).partition("\n")[0]
        if rows is None:
            matrices = self.matrices(reason)
            if count is None:  # so that what it takes to compute a Hessian need not be known yet
                return matrices
            seconds, least = INSTRUCTION * matrices.instructions, matrices.multiplications
        else:
            seconds, least = CALL * rows.operations, 0
        is_few = count is not None and max(GROWTH * count, count + least) * STEP < seconds
        numbers = self.numbers() if is_few else None
        if numbers is not None and numbers.operations * STEP < seconds:
            return RowEngine(self.recorded, numbers, reason=few)
        if rows is not None:
            return RowEngine(self.recorded, rows, reason="all numbers are combined one by one")
        assert matrices is not None
        return matrices

    def _scalar_operations(self) -> int | None:
        """Return how many operations on single numbers there are, or None where they are too many to be looked at."""
        if elementwise_numbers(self.recorded.expression) > number_limit(self.recorded.expression):
            return None
        scalar = scalarised(self.recorded.expression)
        return None if scalar is None else len(scalar.expression.nodes)
