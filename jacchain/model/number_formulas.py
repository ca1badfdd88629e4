"""Elementwise primitives on Python's numbers, by functions of the module `math`; of integers exactly where it goes."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.unary import Absolute, Power, Unary
from jacchain.model.slope import Slope

LARGEST_WHOLE_EXPONENT: Final = 1 << 16
"""The largest exponent whose powers of integers stay exact; beyond, they might fill the memory, and are floats."""


class NumberFormulas(NamedTuple):
    """An elementwise function of Python's numbers, and its partial derivatives, which also take the value.

    A derivative that is a number is that everywhere; None is zero.
    """

    value: Callable[..., Any]
    derivatives: tuple[Callable[..., Any] | int | None, ...]


def is_number(value: object, /) -> bool:
    """Return whether something is a Python number, which stays one."""
    return type(value) is int or type(value) is float


def number_formulas(operation: ElementwisePrimitive, values: Sequence[Any], /) -> NumberFormulas | None:
    """Return the functions for some numbers, or None where there are none.

    Examples
    --------
    >>> number_formulas(Power(3), [2]).value(2), number_formulas(Power(3), [2.0]).value(2.0)
    (8, 8.0)
    """
    found = _whole(operation) if all(type(value) is int for value in values) else None
    return found or _of_floats(operation)


@lru_cache(maxsize=1 << 10)
def _whole(operation: ElementwisePrimitive) -> NumberFormulas | None:
    """Return the functions of integers that give integers of an operation that has formulas of floats; else None."""
    match operation:
        case Power(exponent) if exponent.is_integer() and 0 < exponent <= LARGEST_WHOLE_EXPONENT:
            n = int(exponent)
            return NumberFormulas(lambda x: x**n, (lambda x, _: n * x ** (n - 1),))
        case Slope(Power(exponent), 0) if exponent.is_integer() and 1 < exponent <= LARGEST_WHOLE_EXPONENT:
            m = int(exponent)
            return NumberFormulas(lambda x: m * x ** (m - 1), (lambda x, _: m * (m - 1) * x ** (m - 2),))
        case Unary("square"):
            return NumberFormulas(lambda x: x * x, (lambda x, _: x + x,))
        case Slope(Unary("square"), 0):
            return NumberFormulas(lambda x: x + x, (2,))
        case Absolute(at_zero):
            slope = int(at_zero) if float(at_zero).is_integer() else at_zero
            return NumberFormulas(abs, (lambda x, _: (x > 0) - (x < 0) or slope,))
    return None


@lru_cache(maxsize=1 << 10)
def _of_floats(operation: ElementwisePrimitive) -> NumberFormulas | None:
    formulas = operation.formulas
    names = formulas.arguments
    source = operation.value_source(names)
    if source is None:
        return None
    found: list[Callable[..., Any] | int | None] = []
    for k, formula in enumerate(formulas.derivatives):
        derivative = operation.derivative_source(k, names, "y")
        match formula:
            case None | "1" | "-1":
                found.append(formula and int(formula))
            case _ if derivative is None:
                return None
            case _:
                found.append(_compiled(derivative, (*names, "y")))
    return NumberFormulas(_compiled(source, names), tuple(found))


def _compiled(source: str, names: Sequence[str]) -> Callable[..., Any]:
    found: Callable[..., Any] = eval(f"lambda {', '.join(names)}: {source}", {"math": math})
    return found
