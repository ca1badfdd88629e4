"""Straight-line programs of numbers as they are written: equal steps once, signs and constants out of the way."""

import ast
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.model.primitives.formula import OPERATORS, SPECIAL

INPUT: Final = "input"
CONSTANT: Final = "constant"
COMMUTATIVE: Final = frozenset({"add", "multiply"})

LARGEST: Final = 2.0**120
"""Numbers no larger, nor smaller than one over it, have reciprocals with all digits, in float32 too."""


class ScalarStep(NamedTuple):
    """A function, by NumPy's or SciPy's name, of the numbers of earlier steps.

    An "input" has its position as `number`, a "constant" its value; "where" takes a mask, a number for it, and another.
    """

    function: str
    operands: tuple[int, ...]
    number: float = 0.0


@final
class StepWriter:
    """The steps so far.

    Equal steps are one. Signs move outwards: -a is what a later sum subtracts, so few negations are left. Constants are
    folded, and x + 0, x·1 and x·0 are no steps.

    Examples
    --------
    >>> writer = StepWriter()
    >>> x, y = writer.input(0), writer.input(1)
    >>> writer.step("add", (x, writer.step("multiply", (writer.step("negative", (y,)), y))))
    5
    >>> writer.steps[5].function, writer.steps[5].operands
    ('subtract', (0, 3))
    """

    def __init__(self) -> None:
        self.steps: list[ScalarStep] = []
        self.is_exact = True
        """Whether a division stays one, rather than a product by a reciprocal that others may need too."""
        self._known: dict[tuple[object, ...], int] = {}

    def input(self, position: int, /) -> int:
        """Return the step of an input."""
        return self._step(INPUT, (), float(position))

    def constant(self, number: float, /) -> int:
        """Return the step of a constant."""
        return self._step(CONSTANT, (), float(number))

    def copy(self, step: ScalarStep, operands: Sequence[int], /) -> int:
        """Return the step of another program with other operands, as it is."""
        return self._step(step.function, tuple(operands), step.number)

    def number(self, k: int, /) -> float | None:
        """Return the value of a step that is a constant."""
        step = self.steps[k]
        return step.number if step.function == CONSTANT else None

    def step(self, function: str, operands: Sequence[int], /) -> int:
        """Return the step of a function of earlier steps."""
        if ":" in function:  # what moves and sums the lanes of rows
            return self._step(function, tuple(operands))
        numbers = [self.number(k) for k in operands]
        if numbers and None not in numbers:
            return self.constant(_evaluated(function, [self.steps[k].number for k in operands]))
        match function:
            case "negative":
                return self._negative(operands[0])
            case "add" | "subtract":
                return self._sum(operands[0], operands[1], is_difference=function == "subtract")
            case "multiply":
                return self._product(operands[0], operands[1])
            case "divide":
                return self._quotient(operands[0], operands[1])
            case "square":
                return self._product(operands[0], operands[0])
            case "reciprocal":
                return self._quotient(self.constant(1.0), operands[0])
            case "where" if numbers[0] is not None:
                return operands[1] if numbers[0] else operands[2]
            case _:
                return self._step(function, tuple(operands))

    def formula(self, formula: str, variables: Mapping[str, int], /) -> int:
        """Return the step of a formula of variables, in the notation of `jacchain.model.primitives.formula`."""
        return self._formula(_parsed(formula), variables)

    def _formula(self, tree: ast.AST, variables: Mapping[str, int]) -> int:
        match tree:
            case ast.Name(name):
                return variables[name]
            case ast.Constant(int() | float() as number):
                return self.constant(number)
            case ast.UnaryOp(ast.USub(), operand):
                return self.step("negative", (self._formula(operand, variables),))
            case ast.BinOp(left, operator, right):
                operands = self._formula(left, variables), self._formula(right, variables)
                return self.step(OPERATORS[type(operator)], operands)
            case ast.Call(ast.Name(name), arguments, []):
                return self.step(name, [self._formula(argument, variables) for argument in arguments])
        raise AssertionError(f"a formula has no {ast.dump(tree)}")

    def _step(self, function: str, operands: tuple[int, ...], number: float = 0.0) -> int:
        if function in COMMUTATIVE:
            operands = tuple(sorted(operands))
        key = function, operands, repr(number)  # which tells 0.0 from -0.0
        if key not in self._known:
            self._known[key] = len(self.steps)
            self.steps.append(ScalarStep(function, operands, number))
        return self._known[key]

    def _unsigned(self, k: int) -> tuple[int, bool]:
        """Return a step without its sign, and whether it was negative."""
        step = self.steps[k]
        if step.function == "negative":
            return step.operands[0], True
        if step.function == CONSTANT and step.number < 0:
            return self.constant(-step.number), True
        return k, False

    def _negative(self, k: int) -> int:
        inner, is_negative = self._unsigned(k)
        if is_negative:
            return inner
        step = self.steps[k]
        if step.function == CONSTANT:
            return self.constant(-step.number)
        if step.function == "subtract":
            return self._sum(step.operands[1], step.operands[0], is_difference=True)
        return self._step("negative", (k,))

    def _sum(self, left: int, right: int, *, is_difference: bool) -> int:
        if self.number(right) == 0.0:
            return left
        if self.number(left) == 0.0:
            return self._negative(right) if is_difference else right
        if left == right and not is_difference:
            return self._product(self.constant(2.0), left)
        a, is_minus_a = self._unsigned(left)
        b, is_minus_b = self._unsigned(right)
        is_minus_b ^= is_difference
        if is_minus_a and is_minus_b:
            return self._negative(self._step("add", (a, b)))
        if is_minus_a:
            return self._step("subtract", (b, a))
        return self._step("subtract" if is_minus_b else "add", (a, b))

    def _product(self, left: int, right: int) -> int:
        a, is_minus_a = self._unsigned(left)
        b, is_minus_b = self._unsigned(right)
        found = self._positive_product(a, b)
        return self._negative(found) if is_minus_a != is_minus_b else found

    def _positive_product(self, a: int, b: int) -> int:
        if self.number(b) is not None:
            a, b = b, a
        match self.number(a):
            case None:
                return self._step("multiply", (a, b))
            case 0.0:
                return a
            case 1.0:
                return b
            case number:
                inner = self.steps[b]
                first = self.number(inner.operands[0]) if inner.function == "multiply" else None
                last = self.number(inner.operands[1]) if inner.function == "multiply" else None
                factor = last if first is None else first
                if self.is_exact or factor is None or not 1 / LARGEST <= number * factor <= LARGEST:
                    return self._step("multiply", (a, b))
                # c (d x) = (c d) x
                return self._positive_product(self.constant(number * factor), inner.operands[0 if first is None else 1])

    def _quotient(self, left: int, right: int) -> int:
        a, is_minus_a = self._unsigned(left)
        b, is_minus_b = self._unsigned(right)
        found = self._positive_quotient(a, b)
        return self._negative(found) if is_minus_a != is_minus_b else found

    def _positive_quotient(self, a: int, b: int) -> int:
        divisor = self.number(b)
        if divisor == 1.0:
            return a
        if not self.is_exact and self.number(a) != 1.0:
            if divisor is not None and 1 / LARGEST <= divisor <= LARGEST:
                return self._product(self.constant(1 / divisor), a)
            return self._product(a, self._step("divide", (self.constant(1.0), b)))
        return self._step("divide", (a, b))


def _evaluated(function: str, numbers: Sequence[float]) -> float:
    if function == "where":
        return numbers[1] if numbers[0] else numbers[2]
    ufunc: Any = NUMPY.special(function) if function in SPECIAL else getattr(np, function)
    with np.errstate(all="ignore"):
        return float(ufunc(*numbers))


@lru_cache(maxsize=1024)
def _parsed(formula: str) -> ast.AST:
    return ast.parse(formula, mode="eval").body
