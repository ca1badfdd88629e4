"""One expression for many points: what depends on an argument gets a first axis that counts the points."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.execution.operation import Operation, Shape
from jacchain.model.elementwise import Elementwise
from jacchain.model.expression import Expression
from jacchain.model.expression_builder import ExpressionBuilder, Signature
from jacchain.model.layer import Layer
from jacchain.model.layer_operation import LayerOperation
from jacchain.model.mapped_layer import mapped
from jacchain.model.mapped_operation import MappedOperation
from jacchain.model.primitives.broadcast import Broadcast
from jacchain.model.primitives.contraction import broadcast, multiplied, reshaped, transposed
from jacchain.model.primitives.convolution import Convolve
from jacchain.model.primitives.cumulative import Cumprod, Cumsum
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.matmul import MatMul
from jacchain.model.primitives.placement import Concatenate, Place, Stack
from jacchain.model.primitives.reduction import Max, Mean, Min, Prod, Sum
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.selection import Gather, Index, Span
from jacchain.model.primitives.softmax import LogSoftmax, Logsumexp, Softmax
from jacchain.model.primitives.solve import Solve
from jacchain.model.primitives.unit_pattern import as_bytes, from_bytes


@final
class Lifted(NamedTuple):
    """A node of the expression for many points.

    Attributes
    ----------
    node : int
    shape : tuple of int
        With the axis of points first, where it has one.
    is_batched : bool
        It depends on the point; if not, all points share it.
    """

    node: int
    shape: Shape
    is_batched: bool = True

    @property
    def own(self) -> Shape:
        """The shape at one point."""
        return self.shape[1:] if self.is_batched else self.shape


def lift(expression: Expression, count: int, /) -> Expression:
    """Return the expression that does at `count` points what another one does at one.

    Inputs and outputs have one axis more, the first, which counts the points; constants stay as they are, and are
    shared. Every operation becomes one on larger arrays, or a `MappedOperation` where there is none.

    Parameters
    ----------
    expression : Expression
    count : int
        At least 1.

    Examples
    --------
    >>> from jacchain.model.trace import trace
    >>> print(lift(trace(lambda x: np.sum(np.sin(x)), np.ones(3)), 64))
    %0 = input x  (64, 3)
    %1 = sin %0   (64, 3)
    %2 = sum %1   (64,)
    return %2
    """
    lifting = _Lifting(ExpressionBuilder(expression.dtype), count)
    found: dict[int, Lifted] = {}
    for k in expression.inputs:
        shape = (count, *expression.nodes[k].shape)
        found[k] = Lifted(lifting.builder.input(shape, expression.nodes[k].name), shape)
    for k, (operation, operands, shape, constant, _) in enumerate(expression.nodes):
        if operation is not None:
            found[k] = lifting.lifted(operation, [found[i] for i in operands])
        elif constant is not None:
            found[k] = Lifted(lifting.builder.constant(constant), shape, is_batched=False)
    inputs = [found[k].node for k in expression.inputs]
    outputs = [lifting.widened(found[k]).node for k in expression.outputs]
    signature = Signature(expression.name, expression.arguments, expression.results)
    return lifting.builder.expression(inputs, outputs, signature)


@final
@dataclass(frozen=True)
class _Lifting:
    """The expression being made."""

    builder: ExpressionBuilder
    count: int

    def apply(self, operation: Operation, *operands: Lifted) -> Lifted:
        """Return the node of an operation on nodes, which depends on the points."""
        node = self.builder.apply(operation, [operand.node for operand in operands])
        return Lifted(node, self.builder.nodes[node].shape)

    def lifted(self, operation: Operation, operands: list[Lifted]) -> Lifted:
        """Return what an operation comes to on operands of which some, or none, depend on the points."""
        if not any(operand.is_batched for operand in operands):
            return self.apply(operation, *operands)._replace(is_batched=False)
        for kind, natural in NATURAL:
            if isinstance(operation, kind):
                found = natural(self, operation, operands)
                if found is not None:
                    return found
        return self.mapped(operation, operands)

    def widened(self, operand: Lifted) -> Lifted:
        """Return a node as one that has the axis of points: what all share is seen once for each."""
        if operand.is_batched:
            return operand
        return broadcast(self.apply, operand, (self.count, *operand.shape))._replace(is_batched=True)

    def mapped(self, operation: Operation, operands: Sequence[Lifted]) -> Lifted:
        """Return the operation done at one point after the other."""
        shapes, flags = tuple(x.own for x in operands), tuple(x.is_batched for x in operands)
        return self.apply(MappedOperation(operation, self.count, shapes, flags), *operands)


def _shifted(axes: tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Return axes of an array counted with the axis of points before them; all of them for None."""
    return tuple(range(1, ndim + 1)) if axes is None else tuple(axis % ndim + 1 for axis in axes)


def _elementwise(lifting: _Lifting, operation: ElementwisePrimitive, operands: list[Lifted]) -> Lifted:
    return lifting.apply(operation, *map(lifting.widened, operands))


def _reshape(lifting: _Lifting, operation: Reshape, operands: list[Lifted]) -> Lifted:
    return lifting.apply(Reshape((lifting.count, *operation.shape)), *operands)


def _transpose(lifting: _Lifting, operation: Transpose, operands: list[Lifted]) -> Lifted:
    return lifting.apply(Transpose((0, *(axis + 1 for axis in operation.axes))), *operands)


def _broadcast(lifting: _Lifting, operation: Broadcast, operands: list[Lifted]) -> Lifted:
    (x,) = operands
    new = len(operation.shape) - len(x.own)
    x = reshaped(lifting.apply, x, (lifting.count, *(1,) * new, *x.own))
    return lifting.apply(Broadcast((lifting.count, *operation.shape)), x)


def _reduction(
    lifting: _Lifting, operation: Sum | Mean | Prod | Max | Min | Logsumexp, operands: list[Lifted]
) -> Lifted:
    (x,) = operands
    return lifting.apply(replace(operation, axes=_shifted(operation.axes, len(x.own))), x)


def _softmax(lifting: _Lifting, operation: Softmax | LogSoftmax, operands: list[Lifted]) -> Lifted:
    (x,) = operands
    return lifting.apply(replace(operation, axis=operation.axis % len(x.own) + 1), x)


def _cumulative(lifting: _Lifting, operation: Cumsum | Cumprod, operands: list[Lifted]) -> Lifted:
    (x,) = operands
    if isinstance(operation, Cumprod):  # always along the last axis
        return lifting.apply(operation, x)
    axis, ndim = operation.axis + 1, len(x.shape)
    order = [*(k for k in range(ndim) if k != axis), axis]  # along the last axis the triangle is I⊗L
    aside = transposed(lifting.apply, x, order)
    found = lifting.apply(Cumsum(ndim - 1, aside.shape), aside)
    return transposed(lifting.apply, found, [order.index(k) for k in range(ndim)])


def _index(lifting: _Lifting, operation: Index, operands: list[Lifted]) -> Lifted:
    whole = Span(0, lifting.count, 1)
    return lifting.apply(Index((whole, *operation.spans), (lifting.count, *operation.shape)), *operands)


def _gather(lifting: _Lifting, operation: Gather, operands: list[Lifted]) -> Lifted:
    (x,) = operands
    index = _repeated(lifting, operation.index, prod(x.own))
    return lifting.apply(Gather(index, (lifting.count, *operation.shape)), x)


def _place(lifting: _Lifting, operation: Place, operands: list[Lifted]) -> Lifted:
    index = _repeated(lifting, operation.index, prod(operation.shape))
    return lifting.apply(Place(index, (lifting.count, *operation.shape)), *operands)


def _repeated(lifting: _Lifting, index: bytes, size: int) -> bytes:
    """Return an index into an array of `size` numbers for each of the points, one after the other."""
    return as_bytes((np.arange(lifting.count)[:, None] * size + from_bytes(index)).reshape(-1))


def _joined(lifting: _Lifting, operation: Concatenate | Stack, operands: list[Lifted]) -> Lifted:
    return lifting.apply(replace(operation, axis=operation.axis + 1), *map(lifting.widened, operands))


def _convolution(lifting: _Lifting, operation: Convolve, operands: list[Lifted]) -> Lifted | None:
    if operands[1].is_batched:
        return None
    return lifting.apply(replace(operation, rows=operation.rows * lifting.count), *operands)


def _solution(lifting: _Lifting, operation: Solve, operands: list[Lifted]) -> Lifted | None:
    """Return the solution for all right-hand sides at once, as the columns of one, where they share the matrix."""
    matrix, right = operands
    if matrix.is_batched:
        return None
    count, n, *rest = right.shape
    columns = prod(rest)
    aside = transposed(lifting.apply, reshaped(lifting.apply, right, (count, n, columns)), (1, 0, 2))
    found = lifting.apply(operation, matrix, reshaped(lifting.apply, aside, (n, count * columns)))
    apart = reshaped(lifting.apply, found, (n, count, columns))
    return reshaped(lifting.apply, transposed(lifting.apply, apart, (1, 0, 2)), right.shape)


def _product(lifting: _Lifting, _operation: MatMul, operands: list[Lifted]) -> Lifted:
    """Return the products of all points: a matrix that they share is multiplied by the rows of all of them at once."""
    left, right = operands
    apply, count = lifting.apply, lifting.count
    if not right.is_batched and len(right.shape) <= 2:
        return multiplied(apply, left, right)
    if not left.is_batched and len(left.shape) <= 2 and len(right.own) == 1:
        # A x is the row xᵀ Aᵀ
        turned = left if len(left.shape) == 1 else transposed(apply, left, (1, 0))
        return multiplied(apply, right, turned)
    if not left.is_batched and len(left.shape) == 2 and len(right.own) == 2:
        return multiplied(apply, left, right)
    left, right = lifting.widened(left), lifting.widened(right)
    shape = left.own[:-1] + right.own[1:][-1:] if len(right.own) <= 2 else (*left.own[:-1], right.own[-1])
    if len(left.own) == 1:
        left = reshaped(apply, left, (count, 1, *left.own))
    if len(right.own) == 1:
        right = reshaped(apply, right, (*right.shape, 1))
    return reshaped(apply, apply(MatMul(), left, right), (count, *shape))


def _layer(lifting: _Lifting, operation: LayerOperation, operands: list[Lifted]) -> Lifted | None:
    """Return one layer on larger arrays, for those that treat what leads their axes as rows."""
    (x,) = operands
    facts = operation.layer.facts(operation.shape)
    if isinstance(operation.layer, Elementwise) or not facts.link.is_explicit:
        return None  # a user's function may look at where a number stands
    larger, known = mapped(operation.layer, facts, lifting.count)
    if not isinstance(larger, Layer):
        return None
    found = lifting.apply(LayerOperation(larger, known.inputs), reshaped(lifting.apply, x, known.inputs))
    return reshaped(lifting.apply, found, (lifting.count, *facts.outputs))


Natural = Callable[[_Lifting, Any, list[Lifted]], Lifted | None]
"""Given an operation and its operands, of which some depend on the points."""

NATURAL: Final[tuple[tuple[type | tuple[type, ...], Natural], ...]] = (
    (ElementwisePrimitive, _elementwise),
    (Reshape, _reshape),
    (Transpose, _transpose),
    (Broadcast, _broadcast),
    ((Sum, Mean, Prod, Max, Min, Logsumexp), _reduction),
    ((Softmax, LogSoftmax), _softmax),
    ((Cumsum, Cumprod), _cumulative),
    (Index, _index),
    (Gather, _gather),
    (Place, _place),
    ((Concatenate, Stack), _joined),
    (MatMul, _product),
    (Convolve, _convolution),
    (Solve, _solution),
    (LayerOperation, _layer),
)
"""How operations of each kind are done at all points at once; None where that is for some operands only."""
