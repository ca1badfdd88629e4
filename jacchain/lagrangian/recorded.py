"""An objective and constraints as one expression of the point, the multipliers and the objective's factor."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import OptionError, SizeError
from jacchain.execution.operation import Applied
from jacchain.model.expression import Expression
from jacchain.model.expression_builder import ExpressionBuilder, Signature
from jacchain.model.primitives.placement import Concatenate, Stack
from jacchain.model.primitives.reshape import Reshape
from jacchain.model.trace import Tracer, trace
from jacchain.model.tree import LEAF, Tree

Function = Callable[..., Any]

NAME: Final = "lagrangian"


@final
class Recorded(NamedTuple):
    """L(x, λ, σ) = σ f(x) − λ·g(x) with f and g, every function recorded once.

    Attributes
    ----------
    expression : Expression
        Of one array of variables, of the multipliers if there are constraints, and of the factor if there is an
        objective; its results are f, g and L, of which f and g may be missing.
    variables, constraints : int
        How many there are.
    has_objective : bool
    """

    expression: Expression
    variables: int
    constraints: int
    has_objective: bool

    @property
    def inputs(self) -> dict[str, int]:
        """The positions of the arguments by name: point, multipliers, factor."""
        names = ["point", *["multipliers"] * bool(self.constraints), *["factor"] * self.has_objective]
        return {name: k for k, name in enumerate(names)}

    @property
    def outputs(self) -> dict[str, int]:
        """The positions of the results by name: objective, constraints, lagrangian."""
        names = [*["objective"] * self.has_objective, *["constraints"] * bool(self.constraints), "lagrangian"]
        return {name: k for k, name in enumerate(names)}

    def arguments(self, point: Array, multipliers: Array, factor: float, /) -> list[Array]:
        """Return the arguments of the expression."""
        given = {"point": point, "multipliers": multipliers, "factor": np.asarray(factor, point.dtype)}
        return [given[name] for name in self.inputs]


def recorded(objective: Function | None, constraints: Sequence[Function], x0: Array, /) -> Recorded:
    """Call the objective and every function of constraints once, and return what they do as one expression.

    Raises
    ------
    TraceError, DtypeError
        See `jacchain.trace`.
    SizeError
        An objective of more than one number.
    """
    values = None if objective is None else _of_one_number(trace(objective, x0))
    parts = [trace(function, x0) for function in constraints]
    counts = [sum(prod(part.nodes[k].shape) for k in part.outputs) for part in parts]
    builder = ExpressionBuilder(x0.dtype)
    inputs = [builder.input(x0.shape, "x")]
    if parts:
        inputs.append(builder.input((sum(counts),), "multipliers"))
    if values is not None:
        inputs.append(builder.input((), "factor"))
    outputs: list[Any] = []
    terms: list[Any] = []
    if values is not None:
        value = Tracer(builder, *_replayed(builder, values, inputs[0]))
        outputs.append(np.reshape(value, ()))
        terms.append(Tracer(builder, inputs[-1]) * outputs[0])
    if parts:
        found = [node for part in parts for node in _replayed(builder, part, inputs[0])]
        outputs.append(_joined([Tracer(builder, node) for node in found]))
        terms += _weighted(builder, Tracer(builder, inputs[1]), found)
    outputs.append(_difference(terms) if values is not None else -_total(terms))
    signature = Signature(NAME, _leaves(len(inputs)), _leaves(len(outputs)))
    expression = builder.expression(inputs, [output.node for output in outputs], signature)
    return Recorded(expression, x0.size, sum(counts), values is not None)


def as_functions(constraints: object, /) -> tuple[Function, ...]:
    """Return the functions of constraints as a tuple: of one function or layer, of several, or of none.

    Raises
    ------
    OptionError
        Something in it cannot be called.
    """
    several = constraints if isinstance(constraints, Sequence) else () if constraints is None else (constraints,)
    for function in several:
        if not callable(function):
            raise OptionError(
                f"{function!r} among the constraints is no function",
                "give a function or a layer, several in a list, or () for none",
            )
    return tuple(several)


def _of_one_number(expression: Expression) -> Expression:
    shapes = [expression.nodes[k].shape for k in expression.outputs]
    if len(shapes) == 1 and prod(shapes[0]) == 1:
        return expression
    given = f"has shape {shapes[0]}" if len(shapes) == 1 else f"gives {len(shapes)} arrays"
    raise SizeError(f"the objective {expression.name} {given}, not one number", "give one number, such as a sum")


def _replayed(builder: ExpressionBuilder, expression: Expression, point: int) -> list[int]:
    """Record what an expression of one array does once more, and return the nodes of its results."""
    nodes: list[int] = []
    for operation, operands, _, constant, _ in expression.nodes:
        if constant is not None:
            nodes.append(builder.constant(constant))
        elif operation is None:
            nodes.append(point)
        else:
            nodes.append(builder.apply(operation, [nodes[k] for k in operands]))
    return [nodes[k] for k in expression.outputs]


def _joined(parts: Sequence[Any]) -> Any:
    flat = [np.reshape(part, -1) for part in parts]
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def _weighted(builder: ExpressionBuilder, multipliers: Tracer, nodes: Sequence[int]) -> Iterator[Any]:
    """Yield the terms of λ·g. What is joined only in the end is weighted apart, so that no derivative joins it."""
    start, count = 0, multipliers.shape[0]
    for node in [part for whole in nodes for part in parts_of(builder.nodes, whole)]:
        size = prod(builder.nodes[node].shape)
        part = Tracer(builder, node)
        if size == 1:
            yield multipliers[start] * np.reshape(part, ())
        else:
            weights = multipliers if size == count else multipliers[start : start + size]
            yield weights @ np.reshape(part, -1)
        start += size


def parts_of(nodes: Sequence[Applied], node: int, /) -> list[int]:
    """Return the nodes that hold an array's numbers one after the other."""
    found: list[int] = []
    waiting = [node]
    while waiting:
        k = waiting.pop()
        operation, operands, *_ = nodes[k]
        if isinstance(operation, Reshape) or operation in (Concatenate(0), Stack(0)):
            waiting += reversed(operands)
        else:
            found.append(k)
    return found


def _difference(terms: Sequence[Any]) -> Any:
    """Return the first term less the others."""
    return terms[0] if len(terms) == 1 else terms[0] - _total(terms[1:])


def _total(terms: Sequence[Any]) -> Any:
    """Return a sum, halves first: a chain of so many additions would have derivatives along all of it."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _total(terms[:half]) + _total(terms[half:])


def _leaves(count: int) -> Tree:
    return Tree(tuple, (), (LEAF,) * count)
