"""Checks at a point: that the functions still do what was recorded, and that there is no NaN or infinity."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array, Arrays, Calls, run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Structure, array_shapes
from jacchain.errors import CheckError, NonFiniteError, SizeError
from jacchain.execution.operation import CurvedOperation, Operation, OperationFacts
from jacchain.functions.check import check_values
from jacchain.lagrangian.engine import Result
from jacchain.lagrangian.recorded import Function, Recorded
from jacchain.model.expression import Expression
from jacchain.model.layer import readonly
from jacchain.model.tree import flatten

TITLES: Final[dict[Result, str]] = {
    "objective": "objective",
    "constraints": "constraints",
    "gradient": "gradient",
    "lagrangian_gradient": "gradient of the Lagrangian",
    "jacobian": "Jacobian",
    "hessian": "Hessian",
}


@final
class Checked:
    """The functions that a Lagrangian was made of, beside what was recorded of them."""

    __slots__ = ("_functions", "_recorded")

    def __init__(self, objective: Function | None, constraints: Sequence[Function], recorded: Recorded, /) -> None:
        self._functions = {"objective": [] if objective is None else [objective], "constraints": list(constraints)}
        self._recorded = recorded

    def values(self, point: Array, multipliers: Array, factor: float, /) -> None:
        """Look at the value of every node, and compare those of f and g with what the functions give.

        Raises
        ------
        NonFiniteError
            Naming the first node whose value is not finite.
        SizeError, CheckError
            A function gives another number of values than when it was recorded, or other values.
        """
        expression = self._recorded.expression
        arguments = self._recorded.arguments(point, multipliers, factor)
        check_values(expression, arguments)
        values = expression.values(arguments)
        # what is rounded otherwise in the recorded order may differ by this much
        margin = np.sqrt(np.finfo(point.dtype).eps) * max(1.0, *(float(np.abs(value).max()) for value in values))
        for name, position in self._recorded.outputs.items():
            if name in self._functions:
                known = values[expression.outputs[position]].reshape(-1)
                _compare(name, [_numbers(f, point) for f in self._functions[name]], known, margin)

    def result(self, name: Result, values: Array, point: Array, multipliers: Array, factor: float, /) -> None:
        """Look at a derivative.

        Raises
        ------
        NonFiniteError
            Naming the first node that has no finite derivative.
        """
        if np.isfinite(values).all():
            return
        expression = self._recorded.expression
        known = expression.values(self._recorded.arguments(point, multipliers, factor))
        where = next(_singular(expression, known), "a product or sum of derivatives")
        raise NonFiniteError(
            f"NaN or infinity in the {TITLES[name]}, from {where}",
            "keep away from where the function has no finite derivative, such as a root or a quotient at 0",
        )


def _numbers(function: Function, point: Array) -> NDArray[Any]:
    """Return what a function gives of plain numbers, flat."""
    with np.errstate(all="ignore"):  # what it would warn of has been looked for
        leaves, _ = flatten(function(readonly(point)), f"the result of {_name(function)}")
    return np.concatenate([np.empty(0), *(np.reshape(leaf, -1) for leaf in leaves)])


def _compare(name: str, parts: Sequence[NDArray[Any]], known: Array, margin: float) -> None:
    found = np.concatenate(parts)
    if found.size != known.size:
        raise SizeError(
            f"the {name} gave {known.size} numbers when recorded, and {found.size} at another point",
            "let the number of values depend on the length of x alone; choose with numpy.where",
        )
    differing = np.flatnonzero(~(np.abs(found - known) <= margin))
    if differing.size:
        k = differing[0]
        raise CheckError(
            f"number {k} of the {name} is {found[k]:.6g}, but {known[k]:.6g} by what was recorded",
            "let the functions depend on x alone: what else they read is recorded as it was",
        )


def _singular(expression: Expression, values: Sequence[Array]) -> Iterator[str]:
    """Yield the nodes whose first or second derivative is not finite."""
    for k, (operation, operands, *_) in enumerate(expression.nodes):
        if operation is None:
            continue
        facts, xs = expression.facts(k), tuple(np.ascontiguousarray(values[i]) for i in operands)
        for order, made in (("first", _locals), ("second", _curvatures)):
            if any(not np.isfinite(array).all() for array in made(operation, facts, xs, values[k])):
                yield f"the {order} derivative of node %{k} ({operation.name})"


def _locals(operation: Operation, facts: OperationFacts, xs: tuple[Array, ...], y: Array) -> Iterator[Array]:
    for k, local in enumerate(facts.locals):
        if local is not None and local.link.is_explicit and not local.view:
            out, scratch = _buffers(local.link.local, y), np.empty(local.scratch, y.dtype)
            yield from _filled(out, operation.local_calls(NUMPY, k, xs, y, out, scratch))


def _curvatures(operation: Operation, facts: OperationFacts, xs: tuple[Array, ...], y: Array) -> Iterator[Array]:
    for one in facts.curvatures or ():
        if not one.view and isinstance(operation, CurvedOperation):
            out, scratch, u = _buffers(one.structure, y), np.empty(one.scratch, y.dtype), np.ones(y.size, y.dtype)
            pair = one.first, one.second
            yield from _filled(out, operation.curvature_calls(NUMPY, pair, xs, y, u, out, scratch))


def _buffers(structure: Structure, y: Array) -> Operand:
    return Operand(structure, tuple(np.empty(shape, y.dtype) for shape in array_shapes(structure)))


def _filled(out: Operand, calls: Calls) -> Arrays:
    with np.errstate(all="ignore"):
        run(calls)
    return out.arrays


def _name(function: Function) -> str:
    return getattr(function, "__name__", type(function).__name__)
