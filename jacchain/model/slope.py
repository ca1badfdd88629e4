"""The derivative of an elementwise primitive as a primitive of its own, and formulas of values of any kind."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import numpy as np
import scipy.special

from jacchain.model.array_protocol import Overloaded, apply
from jacchain.model.primitives.elementwise import ElementwisePrimitive, Formulas
from jacchain.model.primitives.formula import SPECIAL
from jacchain.model.primitives.ordered import ORDERS, Ordered


@final
@dataclass(frozen=True, slots=True)
class Slope(ElementwisePrimitive):
    """∂φ/∂x_k of an elementwise primitive φ: as elemental as φ itself, with the second derivatives of φ as its slopes.

    Parameters
    ----------
    primitive : ElementwisePrimitive
    position : int
        k.

    Examples
    --------
    >>> from jacchain.model.primitives.unary import Unary
    >>> Slope(Unary("tanh"), 0).formulas.value
    '1 - tanh(x) * tanh(x)'
    """

    primitive: ElementwisePrimitive
    position: int

    @property
    def name(self) -> str:
        """The primitive's with a prime, and which argument's where there are several."""
        arguments = self.primitive.formulas.arguments
        return f"{self.primitive.name}'{arguments[self.position] if len(arguments) > 1 else ''}"

    @property
    def formulas(self) -> Formulas:
        """The first derivative, and the second ones, in terms of the arguments alone."""
        return _formulas(self.primitive, self.position)


@lru_cache(maxsize=1 << 10)
def _formulas(primitive: ElementwisePrimitive, position: int) -> Formulas:
    found = primitive.formulas
    second = {pair: formula for *pair_, formula in found.curvatures for pair in [tuple(pair_), tuple(pair_[::-1])]}
    slopes = [second.get((position, k)) for k in range(len(found.arguments))]
    return Formulas(
        _without_value(found.derivatives[position] or "0", found.value),
        tuple(None if slope is None else _without_value(slope, found.value) for slope in slopes),
        found.arguments,
    )


def _without_value(formula: str, value: str) -> str:
    """Return a formula with the formula of the value in the place of y."""
    written = ast.parse(value, mode="eval").body

    class Insertion(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return written if node.id == "y" else node

    return ast.unparse(Insertion().visit(ast.parse(formula, mode="eval")))


def formula_applied(formula: str, variables: dict[str, Any], /) -> Any:
    """Return the value of a formula of numbers, arrays and overloaded values.

    Examples
    --------
    >>> formula_applied("1 - y * y", {"y": 0.5})
    0.75
    """
    return eval(_code(formula), {"__builtins__": {}}, {**_functions(formula), **variables})


@lru_cache(maxsize=1 << 10)
def _code(formula: str) -> Any:
    return compile(formula, formula, "eval")


@lru_cache(maxsize=1 << 10)
def _functions(formula: str) -> dict[str, Any]:
    """Return NumPy's or SciPy's functions that a formula names."""
    calls = [node for node in ast.walk(ast.parse(formula, mode="eval")) if isinstance(node, ast.Call)]
    return {call.func.id: _function(call.func.id) for call in calls if isinstance(call.func, ast.Name)}


def _function(name: str) -> Callable[..., Any]:
    """Return a function that also takes overloaded values."""
    known: Callable[..., Any] = getattr(scipy.special if name in SPECIAL else np, name)
    if name not in {"jv", "iv", "zeta", *ORDERS}:
        return known

    def ordered(*arguments: Any) -> Any:
        *order, x = arguments
        if not isinstance(x, Overloaded):
            return known(*arguments)
        return apply(Ordered(name, *map(float, order)) if order else Ordered(*ORDERS[name]), x)

    return ordered
