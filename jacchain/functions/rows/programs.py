"""The program of a function's values and derivatives: on rows, or number by number where that is quicker."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Final

from jacchain.errors import InfeasibleError, OptionError
from jacchain.functions.rows.composed import Composed, Ends, Placed
from jacchain.functions.rows.route import Route, identity, route, routed
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.rows.row_values import RowValues
from jacchain.functions.rows.row_writer import RowWriter
from jacchain.functions.rows.scattered import NotRowsError
from jacchain.functions.rows.wanted import Wanted
from jacchain.functions.scalar.scalarise import LARGEST, elementwise_numbers, scalarised
from jacchain.model.expression import Expression
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.second_order import Tap, taps

MANY: Final = 400
"""Numbers that elementwise operations make, up to which a program number by number is looked at besides rows."""

NARROW: Final = 8
"""Numbers of a row, on average, up to which number by number is quicker anyway: a step on a row takes as long as 24."""

CALL: Final = 0.6e-6
"""Seconds of a step on short rows."""

STEP: Final = 25e-9
"""Seconds of a step in Python's floats."""


def row_program(
    expression: Expression,
    wanted: Mapping[str, Wanted],
    /,
    *,
    variable: int = 0,
    planner: str = "edge_pushing",
) -> RowProgram | None:
    """Return the program of values and derivatives of a function that combines numbers one by one.

    Parameters
    ----------
    expression : Expression
        Of elementwise functions, what moves numbers, sums, means and products of vectors.
    wanted : mapping of str to Wanted
        The results, by the names that they are asked for.
    variable : int
        The argument's array, by position, with respect to which derivatives are.
    planner : str
        One of ``SECOND_PLANNERS``, for Hessians.

    Returns
    -------
    RowProgram or None
        None for other operations, and where entries would be many more than the numbers that they are made of.

    Raises
    ------
    OptionError
        A gradient or Hessian of what is not one number.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.model.trace import trace
    >>> expression = trace(lambda x: np.sum(x[1:] * x[:-1] ** 2), np.ones(4))
    >>> program = row_program(expression, {"hessian": Wanted("hessian", 0)})
    >>> program.layouts["hessian"].indices
    array([0, 0, 1, 1, 2, 2], dtype=int32)
    """
    for name, (result, output) in wanted.items():
        size = prod(expression.nodes[expression.outputs[output]].shape)
        if result in ("gradient", "hessian") and size != 1:
            raise OptionError(f"the {name} is of {size} numbers", "weight them, so that there is one")
    numbers = number_by_number(expression, wanted, variable, planner)
    if numbers is not None and is_narrow(expression):
        return numbers
    try:
        rows = on_rows(expression, wanted, variable, planner)
    except InfeasibleError:
        if numbers is None:
            raise
        rows = None
    if rows is None or numbers is None:
        return numbers if rows is None else rows
    return numbers if numbers.operations * STEP < rows.operations * CALL else rows


def on_rows(expression: Expression, wanted: Mapping[str, Wanted], variable: int, planner: str, /) -> RowProgram | None:
    """Return the program in steps on rows, or None where there is none.

    Raises
    ------
    InfeasibleError
        The planner takes no rows, or not so many.
    """
    source = expression.inputs[variable]
    try:
        values = RowValues(expression)
        size = values.size(source)
        chosen = [Placed(tap.node, _places(tap, size)) for tap in taps(expression, [source])]
        outputs = [[Placed(node, identity(values.size(node)))] for node in expression.outputs]
        return Composed(values, Ends(chosen, size, outputs), planner).program(expression, wanted)
    except NotRowsError:
        return None


def is_narrow(expression: Expression, /) -> bool:
    """Whether the rows of an expression are so short that it is not worth while to look at steps on rows.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.model.trace import trace
    >>> is_narrow(trace(lambda x: x[0] * x[1] + x[2], np.ones(3))), is_narrow(trace(np.sin, np.ones(100)))
    (True, False)
    """
    return elementwise_numbers(expression) <= NARROW * sum(
        isinstance(node.operation, ElementwisePrimitive) for node in expression.nodes
    )


def number_limit(expression: Expression, /) -> int:
    """Return how many numbers elementwise operations may make for a program number by number."""
    return LARGEST if is_narrow(expression) else MANY


def _places(tap: Tap, size: int) -> Route:
    return identity(size) if tap.places is None else routed(size, tap.places)


def number_by_number(
    expression: Expression, wanted: Mapping[str, Wanted], variable: int, planner: str, /
) -> RowProgram | None:
    """Return the program in steps on single numbers, or None where there are too many."""
    if elementwise_numbers(expression) > number_limit(expression):
        return None
    scalar = scalarised(expression)
    if scalar is None:
        return None
    sizes = [prod(expression.nodes[k].shape) for k in expression.inputs]
    writer = RowWriter(sizes)
    taken = [
        writer.take(writer.inner.input(argument), route(size, 1, place, 1))
        for argument, size in enumerate(sizes)
        for place in range(size)
    ]
    values = RowValues(scalar.expression, writer, taken)
    chosen = _numbered(scalar.inputs[variable])
    outputs = [_numbered(nodes) for nodes in scalar.outputs]
    found = Composed(values, Ends(chosen, sizes[variable], outputs), planner).program(expression, wanted)
    return replace(found, is_numbers=True)


def _numbered(nodes: Sequence[int]) -> list[Placed]:
    return [Placed(node, route(len(nodes), 1, place, 1)) for place, node in enumerate(nodes)]
