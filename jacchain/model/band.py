"""The Jacobian of a step by stretches of diagonals, and the expression of what stands on them."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from jacchain.execution.operation import Shape
from jacchain.model.array_protocol import Overloaded, apply, is_overloaded
from jacchain.model.expression import Expression, evaluated
from jacchain.model.primitives.broadcast import Broadcast
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.placement import Concatenate, Place, Stack
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.selection import Gather, Index
from jacchain.model.primitives.unit_pattern import from_bytes
from jacchain.model.slope import formula_applied
from jacchain.model.stretch import Band, Coefficient, Site, Stretch, add_to, put, runs, scaled, selected
from jacchain.model.trace import trace

MOST: Final = 96
"""Stretches of a Jacobian; where there are more, it is no band."""


@final
class Entry(NamedTuple):
    """A stretch of the step's Jacobian.

    Attributes
    ----------
    output, source : int
        Which of the step's outputs and inputs, as the step counts them.
    stretch : Stretch
    constant : float, array or None
        What stands there, where that does not depend on the point.
    place : int
        Which output of the expression stands there, where there is no constant.
    """

    output: int
    source: int
    stretch: Stretch
    constant: Any
    place: int


@final
@dataclass(frozen=True, eq=False)
class BandedStep:
    """A step's Jacobian on stretches.

    Attributes
    ----------
    expression : Expression or None
        Of the step's inputs, to what stands on the stretches where that depends on the point; None where none does.
    entries : tuple of Entry
    rows, columns : tuple of int
        Numbers of each output and each input of the step.
    """

    expression: Expression | None
    entries: tuple[Entry, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]


class _NoBandError(Exception):
    """An operation does more than to move numbers and to map them one by one."""


@lru_cache(maxsize=8)
def banded(step: Expression, active: tuple[bool, ...], /) -> BandedStep | None:
    """Return the Jacobian of a step by those of its inputs that are active, or None where it is no band.

    It is one where the step only maps numbers one by one, shifts, cuts and joins them.

    Examples
    --------
    >>> def heat(u):
    ...     return u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    >>> found = banded(trace(heat, np.ones(9)), (True,))
    >>> [(entry.stretch.column, round(entry.constant, 3)) for entry in found.entries]
    [(1, 0.8), (2, 0.1), (0, 0.1)]
    """
    entries: list[Entry] = []

    def standing(inputs: Any) -> Any:
        entries.clear()
        banding, kept = _Banding(step, active, inputs), list[Any]()
        for output, node in enumerate(step.outputs):
            for (source, stretch), coefficient in banding.bands[node].items():
                value = _standing(coefficient, stretch)
                if isinstance(value, Overloaded):
                    entries.append(Entry(output, source, stretch, None, len(kept)))
                    kept.append(value)
                elif np.any(value):
                    entries.append(Entry(output, source, stretch, value, -1))
        return kept or inputs

    examples = [np.zeros(step.nodes[k].shape, step.dtype) for k in step.inputs]
    try:
        expression = trace(standing, examples)
    except _NoBandError:
        return None
    if not 0 < len(entries) <= MOST:
        return None
    is_constant = all(entry.place < 0 for entry in entries)
    rows, columns = ([prod(step.nodes[k].shape) for k in nodes] for nodes in (step.outputs, step.inputs))
    return BandedStep(None if is_constant else expression, tuple(entries), tuple(rows), tuple(columns))


def _standing(coefficient: Coefficient, stretch: Stretch) -> Any:
    """Return what stands on a stretch; in one column, a number for each row."""
    value = coefficient.value()
    if isinstance(value, Overloaded):
        return np.broadcast_to(value, (stretch.length,)) if stretch.is_column else value
    return np.broadcast_to(value, (stretch.length,)).copy() if stretch.is_column or np.ndim(value) else float(value)


@final
class _Banding:
    """The values of a step's nodes, those of them that are one number everywhere, and their Jacobians."""

    def __init__(self, step: Expression, active: Sequence[bool], inputs: Sequence[Any]) -> None:
        self.step = step
        self.values: list[Any] = [node.constant for node in step.nodes]
        self.uniform: dict[int, Any] = {}
        self.bands: list[Band] = [{} for _ in step.nodes]
        for position, (node, value) in enumerate(zip(step.inputs, inputs, strict=True)):
            self.values[node] = value
            if active[position]:
                size = self._size(node)
                add_to(self.bands[node], Site(position, Stretch(0, 0, size, size)), Coefficient(1.0))
        for k, (operation, operands, *_) in enumerate(step.nodes):
            if operation is not None:
                xs = tuple(self.values[i] for i in operands)
                self.values[k] = apply(operation, *xs) if is_overloaded(xs) else evaluated(operation, xs)
            self._find_uniform(k)
            if any(self.bands[i] for i in operands):
                self._move(k)

    def _size(self, node: int) -> int:
        return prod(self._shape(node))

    def _shape(self, node: int) -> Shape:
        return self.step.nodes[node].shape

    def _find_uniform(self, k: int) -> None:
        """Note a node that is one number everywhere."""
        operation, operands, *_ = self.step.nodes[k]
        value = self.values[k]
        if isinstance(value, np.ndarray) and (value == value.flat[0]).all():
            self.uniform[k] = float(value.flat[0])
        elif self._size(k) == 1:
            self.uniform[k] = np.reshape(value, ())
        elif isinstance(operation, Broadcast | Index | Gather | Reshape | Transpose) and operands[0] in self.uniform:
            self.uniform[k] = self.uniform[operands[0]]

    def _move(self, k: int) -> None:
        """Write the Jacobian of a node of which an operand has one."""
        operation, operands, *_ = self.step.nodes[k]
        match operation:
            case ElementwisePrimitive():
                self._map(k, operation)
            case Broadcast() if self._size(operands[0]) == 1:
                self.bands[k] = _spread(self.bands[operands[0]], self._size(k))
            case Broadcast() | Index() | Gather() | Reshape() | Transpose():
                size = self._size(operands[0])
                numbers = np.arange(size).reshape(self._shape(operands[0]))
                if isinstance(operation, Gather):
                    places = from_bytes(operation.index)
                elif isinstance(operation, Broadcast):
                    places = np.broadcast_to(numbers, operation.shape).reshape(-1)
                else:
                    places = operation.value_view(numbers).reshape(-1)
                self.bands[k] = selected(self.bands[operands[0]], _few(places, size), size)
            case Concatenate() | Stack() | Place():
                size = self._size(k)
                for operand, places in zip(operands, self._targets(k), strict=True):
                    put(self.bands[operand], _few(places, size), size, self.bands[k])
            case _:
                raise _NoBandError
        if len(self.bands[k]) > MOST:
            raise _NoBandError

    def _targets(self, k: int) -> list[NDArray[Any]]:
        """Return the places that the operands of a node that joins them go to."""
        operation, operands, *_ = self.step.nodes[k]
        if isinstance(operation, Place):
            return [from_bytes(operation.index)]
        assert isinstance(operation, Concatenate | Stack)
        numbers = np.arange(self._size(k)).reshape(self._shape(k))
        lengths = [1 if isinstance(operation, Stack) else self._shape(i)[operation.axis] for i in operands]
        parts = np.split(numbers, np.cumsum(lengths)[:-1], operation.axis)
        return [part.reshape(-1) for part in parts]

    def _map(self, k: int, operation: ElementwisePrimitive) -> None:
        """Write the Jacobian of a map of numbers one by one: the slopes times those of the operands."""
        operands, found = self.step.nodes[k].operands, operation.formulas
        variables = {name: self._numbers(i) for name, i in zip(found.arguments, operands, strict=True)}
        variables["y"] = self._numbers(k)
        for i, formula in zip(operands, found.derivatives, strict=True):
            if formula is None or not self.bands[i]:
                continue
            for site, coefficient in scaled(self.bands[i], _slope(formula, variables)).items():
                add_to(self.bands[k], site, coefficient)

    def _numbers(self, node: int) -> Any:
        """Return the number that a node is everywhere, or all its numbers."""
        return self.uniform[node] if node in self.uniform else np.reshape(self.values[node], -1)


def _slope(formula: str, variables: dict[str, Any]) -> Coefficient:
    number, rest = _factored(formula)
    value = 1.0 if rest is None else formula_applied(rest, variables)
    if isinstance(value, Overloaded):
        return Coefficient(number, value)
    array = np.asarray(value)
    if (array == array.flat[0]).all():
        return Coefficient(number * float(array.flat[0]))
    return Coefficient(number, array)


@lru_cache(maxsize=256)
def _factored(formula: str) -> tuple[float, str | None]:
    """Return a number and what it multiplies in a formula: -(2 * x) is -2 times x, and x + x twice x."""
    number, node = 1.0, ast.parse(formula, mode="eval").body
    while True:
        match node:
            case ast.UnaryOp(ast.USub(), inner):
                number, node = -number, inner
            case ast.BinOp(ast.Constant(int() | float() as value), ast.Mult(), inner):
                number, node = number * value, inner
            case ast.BinOp(left, ast.Add(), right) if ast.dump(left) == ast.dump(right):
                number, node = 2 * number, left
            case ast.Constant(int() | float() as value):
                return number * value, None
            case _:
                return number, ast.unparse(node)


def _spread(band: Band, count: int) -> Band:
    """Return the Jacobian of a number that is repeated."""
    found: Band = {}
    for (source, stretch), (number, factor) in band.items():
        column = Stretch(0, stretch.column, count, stretch.size, is_column=True)
        one = factor if factor is None or not np.ndim(factor) else np.reshape(factor, ())
        add_to(found, Site(source, column), Coefficient(number, one))
    return found


def _few(places: NDArray[Any], size: int) -> NDArray[Any]:
    """Return places that are a few runs, or raise."""
    if sum(1 for _ in runs(places, size)) > MOST:
        raise _NoBandError
    return places
