"""An expression of arrays written out number by number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import prod
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from jacchain.errors import OptionError
from jacchain.execution.operation import Operation, Shape
from jacchain.functions.scalar.number_builder import NumberBuilder
from jacchain.model.expression import Differentiable, Expression, differentiable
from jacchain.model.expression_builder import Signature
from jacchain.model.primitive import Primitive
from jacchain.model.primitives.axes import Groups, grouped
from jacchain.model.primitives.binary import Extremum
from jacchain.model.primitives.broadcast import Broadcast
from jacchain.model.primitives.cumulative import Cumprod, Cumsum
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.matmul import MatMul
from jacchain.model.primitives.placement import Concatenate, Place, Stack
from jacchain.model.primitives.reduction import Max, Mean, Min, Prod, Sum
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.selection import Gather, Index
from jacchain.model.tree import LEAF, Tree
from jacchain.planning.graph import Graph

LARGEST: Final = 3000
"""Numbers of an expression up to which it is written out."""

Numbers = NDArray[np.int64]
"""The nodes of an array's numbers, in its shape."""

ROUTES: Final = (Reshape, Transpose, Index, Gather, Broadcast, Place, Concatenate, Stack)
"""What moves numbers, or repeats them, or adds zeros, and computes nothing."""


@final
@dataclass(frozen=True, eq=False)
class ScalarExpression:
    """An expression whose every node is one number, and where the numbers of the arrays are in it.

    Attributes
    ----------
    expression : Expression
        All shapes are ``()``; the inputs are those of the arrays, one after the other, row by row.
    inputs, outputs : tuple of tuple of int
        For each array of the arguments and of the results the nodes of its numbers, row by row.
    """

    expression: Expression
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]

    def differentiable(self, inputs: Sequence[int] | None = None, /) -> Differentiable:
        """Return the graph of the derivatives of all numbers of the results, and where its edges come from.

        Parameters
        ----------
        inputs : sequence of int, optional
            Which of the arguments' arrays to differentiate with respect to; all, if not given.
        """
        chosen = range(len(self.inputs)) if inputs is None else inputs
        tails = [node for k in chosen for node in self.inputs[k]]
        return differentiable(self.expression, tails, [node for nodes in self.outputs for node in nodes])


class _NotScalarError(Exception):
    """Not to be written out: too many numbers, or a primitive that is not made of scalar functions."""


def scalarised(expression: Expression, /) -> ScalarExpression | None:
    """Return an expression written out number by number.

    Parameters
    ----------
    expression : Expression
        Of elementwise functions, what moves numbers, and sums and products of numbers.

    Returns
    -------
    ScalarExpression or None
        None for other primitives, and beyond `LARGEST` numbers. Equal numbers are one node, and what a constant 0 or 1
        makes trivial is dropped.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.model.trace import trace
    >>> found = scalarised(trace(lambda x: np.sin(x[:2]) * x[2], np.ones(3)))
    >>> print(found.expression)
    %0 = input x[0]         number
    %1 = input x[1]         number
    %2 = input x[2]         number
    %3 = sin %0             number
    %4 = sin %1             number
    %5 = multiply %3 %2     number
    %6 = multiply %4 %2     number
    return %5, %6
    """
    if elementwise_numbers(expression) > LARGEST:
        return None
    try:
        return _written_out(expression)
    except _NotScalarError:
        return None


def scalar_graph(expression: Expression, argnums: int | Sequence[int] | None = None, /) -> Graph:
    """Return the graph of an expression's derivatives with one vertex for every number.

    Parameters
    ----------
    expression : Expression
    argnums : int or sequence of int, optional
        The arguments to differentiate with respect to; all, if not given.

    Raises
    ------
    OptionError
        The expression cannot be written out number by number.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.model.trace import trace
    >>> graph = scalar_graph(trace(lambda x: np.sin(x[:2]) * x[2], np.ones(3)))
    >>> len(graph.sizes), len(graph.edges)
    (7, 6)
    """
    found = scalarised(expression)
    if found is None:
        raise not_scalar(expression)
    if argnums is None:
        return found.differentiable().graph
    places = {node: k for k, node in enumerate(expression.inputs)}
    return found.differentiable([places[node] for node in expression.inputs_of(argnums)]).graph


def not_scalar(expression: Expression, /) -> OptionError:
    """Return the error of an expression that cannot be written out number by number."""
    return OptionError(
        f"{expression.name} cannot be written out number by number",
        f"use elementwise functions, indexing, sums and products of at most {LARGEST} numbers, or keep to arrays",
    )


def _written_out(expression: Expression) -> ScalarExpression:
    if sum(prod(expression.nodes[k].shape) for k in expression.inputs) > LARGEST:
        raise _NotScalarError  # before a million inputs are written down one by one
    builder = NumberBuilder(expression.dtype)
    known: list[Numbers] = [np.empty(0, np.int64) for _ in expression.nodes]
    for k in expression.inputs:
        name, shape = expression.nodes[k].name, expression.nodes[k].shape
        nodes = [builder.input(_place(name, index)) for index in np.ndindex(shape)]
        known[k] = np.array(nodes, np.int64).reshape(shape)
    for k, node in enumerate(expression.nodes):
        if node.constant is not None:
            known[k] = builder.constants(node.constant)
        elif node.operation is not None:
            known[k] = _written(builder, node.operation, [known[i] for i in node.operands])
        if len(builder) > LARGEST:
            raise _NotScalarError
    return _finished(expression, builder, known)


def elementwise_numbers(expression: Expression, /) -> int:
    """Return how many numbers elementwise operations make, without any derivative.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.model.trace import trace
    >>> elementwise_numbers(trace(lambda x: np.sin(x[:2]) * x[2], np.ones(3)))
    4
    """
    return sum(prod(node.shape) for node in expression.nodes if isinstance(node.operation, ElementwisePrimitive))


def _place(name: str, index: tuple[int, ...]) -> str:
    return f"{name}{list(index)}" if index else name


def _written(builder: NumberBuilder, operation: Operation, xs: list[Numbers]) -> Numbers:
    """Return the nodes of the numbers of an operation's value."""
    match operation:
        case ElementwisePrimitive():
            return _each(lambda *numbers: builder.apply(operation, numbers), xs)
        case Sum(axes, keepdims):
            groups = grouped(xs[0].shape, axes, operation.name)
            return _reduced(builder.add, groups, xs[0], keepdims)
        case Mean(axes, keepdims):
            groups = grouped(xs[0].shape, axes, operation.name)
            share = builder.constant(1 / groups.each)
            return _each(lambda total: builder.multiply(total, share), [_reduced(builder.add, groups, xs[0], keepdims)])
        case Prod(axes, keepdims):
            groups = grouped(xs[0].shape, axes, operation.name)
            return _reduced(builder.multiply, groups, xs[0], keepdims)
        case Max() | Min() if operation.ties == "first" or grouped(xs[0].shape, operation.axes, "max").each <= 2:
            groups = grouped(xs[0].shape, operation.axes, operation.name)
            name: Literal["maximum", "minimum"] = "maximum" if isinstance(operation, Max) else "minimum"
            extremum = Extremum(name, 1.0 if operation.ties == "first" else 0.5)
            return _reduced(lambda a, b: builder.apply(extremum, (a, b)), groups, xs[0], operation.keepdims)
        case Cumsum(axis):
            return _running(builder.add, xs[0], axis)
        case Cumprod():
            return _running(builder.multiply, xs[0], -1)
        case MatMul():
            return _matmul(builder, *xs, shape=operation.facts((xs[0].shape, xs[1].shape)).output)
        case Primitive() if isinstance(operation, ROUTES):
            # nodes are counted from 1 for this, since places that nothing is put to hold a zero
            moved = operation.value(*(np.asarray(x + 1, float) for x in xs)).astype(np.int64) - 1
            return np.where(moved < 0, builder.constant(0.0), moved) if (moved < 0).any() else moved
        case _:
            raise _NotScalarError


def _each(function: Callable[..., int], xs: Sequence[Numbers]) -> Numbers:
    """Return what a function of nodes gives for each place of arrays of one shape."""
    found = [function(*numbers) for numbers in zip(*(x.reshape(-1).tolist() for x in xs), strict=True)]
    return np.array(found, np.int64).reshape(xs[0].shape)


def _reduced(function: Callable[[int, int], int], groups: Groups, x: Numbers, keepdims: bool) -> Numbers:
    rows = groups.aside(x).reshape(groups.count, groups.each).tolist()
    found = [_folded(function, row) for row in rows]
    return np.array(found, np.int64).reshape(groups.output(keepdims))


def _folded(function: Callable[[int, int], int], nodes: list[int]) -> int:
    found = nodes[0]
    for node in nodes[1:]:
        found = function(found, node)
    return found


def _running(function: Callable[[int, int], int], x: Numbers, axis: int) -> Numbers:
    found = np.moveaxis(x.copy(), axis, 0)
    for k in range(1, len(found)):
        found[k] = _each(function, [np.asarray(found[k - 1]), np.asarray(found[k])])
    return np.moveaxis(found, 0, axis)


def _matmul(builder: NumberBuilder, left: Numbers, right: Numbers, *, shape: Shape) -> Numbers:
    rows = left if left.ndim > 1 else left[None]
    columns = np.swapaxes(right if right.ndim > 1 else right[:, None], -1, -2)
    pairs = np.broadcast_arrays(rows[..., :, None, :], columns[..., None, :, :])
    if pairs[0].size > LARGEST:
        raise _NotScalarError
    products = _each(builder.multiply, [np.ascontiguousarray(pair) for pair in pairs])
    groups = grouped(products.shape, (-1,), "matmul")
    return _reduced(builder.add, groups, products, keepdims=False).reshape(shape)


def _finished(expression: Expression, builder: NumberBuilder, known: Sequence[Numbers]) -> ScalarExpression:
    """Return the expression without the nodes that nothing needs."""
    inputs, outputs = ([known[k].reshape(-1).tolist() for k in ks] for ks in (expression.inputs, expression.outputs))
    tails, heads = list(chain(*inputs)), list(chain(*outputs))
    made = builder.expression(tails, heads, Signature(expression.name, _numbers(tails), _numbers(heads)))
    return ScalarExpression(made, _divided(made.inputs, inputs), _divided(made.outputs, outputs))


def _numbers(nodes: Sequence[int]) -> Tree:
    return Tree(tuple, (), (LEAF,) * len(nodes))


def _divided(nodes: Sequence[int], like: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Return nodes in parts as long as others."""
    left = iter(nodes)
    return tuple(tuple(islice(left, len(part))) for part in like)
