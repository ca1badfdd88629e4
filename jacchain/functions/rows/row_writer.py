"""Steps on rows as they are written: arithmetic as for numbers, and what moves and sums lanes."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from jacchain.functions.rows.route import Route, constant_route
from jacchain.functions.scalar.steps import CONSTANT, INPUT, ScalarStep, StepWriter

TAKE: Final = "take"
PUT: Final = "put"
SUM: Final = "sum"
SUMS: Final = "sums"
COUNTS: Final = "counts"


@final
class Routes:
    """The routes that a program's steps name by number.

    Examples
    --------
    >>> from jacchain.functions.rows.route import identity
    >>> routes = Routes()
    >>> routes.number(identity(3)), routes.number(identity(3))
    (0, 0)
    """

    def __init__(self) -> None:
        self.all: list[Route] = []
        self._known: dict[Route, int] = {}

    def number(self, route: Route, /) -> int:
        """Return the number of a route."""
        if route not in self._known:
            self._known[route] = len(self.all)
            self.all.append(route)
        return self._known[route]

    def of(self, function: str, /) -> tuple[Route, ...]:
        """Return the routes that a function such as ``take:3`` or ``put:1,2`` names."""
        _, _, numbers = function.partition(":")
        return tuple(self.all[int(number)] for number in numbers.split(",")) if numbers else ()


def kind(function: str, /) -> str:
    """Return what a function does, without the routes that it does it by."""
    return function.partition(":")[0]


@final
class RowWriter:
    """Writes steps on rows; a row of one lane is a number, and stands for as many equal ones as are asked for.

    Examples
    --------
    >>> from jacchain.functions.rows.route import routed
    >>> import numpy as np
    >>> writer = RowWriter([5])
    >>> x = writer.inner.input(0)
    >>> y = writer.inner.step("add", (writer.take(x, routed(5, np.array([0, 1]))), writer.number(2.0)))
    >>> writer.length(y), [step.function for step in writer.inner.steps]
    (2, ['input', 'take:0', 'constant', 'add'])
    """

    def __init__(self, inputs: Sequence[int], routes: Routes | None = None, /) -> None:
        self.inner = StepWriter()
        self.routes = Routes() if routes is None else routes
        self.inputs = inputs
        self._lengths: list[int] = []

    def another(self) -> "RowWriter":
        """Return an empty writer for the same inputs and routes."""
        return RowWriter(self.inputs, self.routes)

    def lengths(self, steps: Sequence[ScalarStep], /) -> list[int]:
        """Return how many lanes each step of a program has."""
        found: list[int] = []
        for step in steps:
            found.append(length_of(step, found, self.inputs, self.routes))
        return found

    def length(self, step: int, /) -> int:
        """Return how many lanes a step has."""
        steps = self.inner.steps
        for k in range(len(self._lengths), len(steps)):
            self._lengths.append(length_of(steps[k], self._lengths, self.inputs, self.routes))
        return self._lengths[step]

    def number(self, value: float, /) -> int:
        """Return a constant."""
        return self.inner.constant(value)

    def multiply(self, left: int, right: int, /) -> int:
        """Return the product of two rows."""
        return self.inner.step("multiply", (left, right))

    def add(self, left: int, right: int, /) -> int:
        """Return the sum of two rows."""
        return self.inner.step("add", (left, right))

    def formula(self, formula: str, variables: Mapping[str, int], /) -> int:
        """Return the step of a formula."""
        return self.inner.formula(formula, variables)

    def take(self, row: int, route: Route, /) -> int:
        """Return the lanes that a route takes out of a row."""
        if route.is_identity or self.length(row) == 1:
            return row
        step = self.inner.steps[row]
        if kind(step.function) == TAKE:
            return self.take(step.operands[0], self.routes.of(step.function)[0].then(route))
        return self._routed(TAKE, (row,), (route,))

    def put(self, rows: Sequence[int], routes: Sequence[Route], /) -> int:
        """Return zeros with the lanes of rows added at their places."""
        if len(rows) == 1 and routes[0].is_identity:
            return rows[0]
        order = sorted(range(len(rows)), key=lambda k: (-routes[k].count, k))
        return self._routed(PUT, [rows[k] for k in order], [routes[k] for k in order])

    def sum(self, row: int, lanes: int, /) -> int:
        """Return the sum of a row of so many lanes."""
        if self.length(row) == 1:
            return self.multiply(self.number(float(lanes)), row)
        return self._routed(SUM, (row,), (constant_route(1, lanes, 0),))

    def sums(self, row: int, route: Route, /) -> int:
        """Return for each place the sum of the lanes that go there; every place has some."""
        if route.is_one_place:
            return self.sum(row, route.count)
        if self.length(row) == 1:
            return self.multiply(row, self._routed(COUNTS, (), (route,)))
        return self._routed(SUMS, (row,), (route,))

    def again(self, step: ScalarStep, operands: Sequence[int], /) -> int:
        """Return the step of another program with other operands, some of which may have become numbers."""
        match kind(step.function):
            case "take":
                return self.take(operands[0], self.routes.of(step.function)[0])
            case "sum" | "sums":
                return self.sums(operands[0], self.routes.of(step.function)[0])
            case _:
                return self.inner.copy(step, operands)

    def _routed(self, function: str, rows: Sequence[int], routes: Sequence[Route]) -> int:
        numbers = ",".join(str(self.routes.number(route)) for route in routes)
        return self.inner.copy(ScalarStep(f"{function}:{numbers}", ()), rows)


def length_of(step: ScalarStep, lengths: Sequence[int], inputs: Sequence[int], routes: Routes, /) -> int:
    """Return how many lanes a step has, given those of earlier steps and of the inputs."""
    match kind(step.function):
        case "input":
            return inputs[int(step.number)]
        case "constant" | "sum":
            return 1
        case "take":
            return routes.of(step.function)[0].count
        case "put" | "sums" | "counts":
            return routes.of(step.function)[0].size
        case _:
            return max((lengths[k] for k in step.operands), default=1)


def is_given(step: ScalarStep, /) -> bool:
    """Whether a step is an input or a constant."""
    return step.function in (INPUT, CONSTANT)
