"""The values of an expression's nodes as rows, and their local Jacobians and curvatures as scattered diagonals."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.structure import Sparse, csr_arrays
from jacchain.execution.operation import Operation, Shape
from jacchain.functions.rows.route import Route, constant_route, identity, routed
from jacchain.functions.rows.row_writer import RowWriter
from jacchain.functions.rows.scattered import NotRowsError, Scattered, Term, diagonal
from jacchain.model.expression import Expression
from jacchain.model.primitives.axes import grouped
from jacchain.model.primitives.broadcast import Broadcast
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.matmul import MatMul
from jacchain.model.primitives.placement import Concatenate, Place, Stack
from jacchain.model.primitives.reduction import Mean, Sum
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.selection import Gather, Index
from jacchain.model.primitives.sparse_product import SparseProduct, entry_rows
from jacchain.model.primitives.unit_pattern import from_bytes


@final
class RowValues:
    """The steps of the values of an expression's nodes.

    Parameters
    ----------
    expression : Expression
    writer : RowWriter, optional
        Where to write them; a new one if not given.
    given : sequence of int
        With a writer: the steps of the inputs.

    Attributes
    ----------
    expression : Expression
    writer : RowWriter
        A new one's inputs are the arrays of the expression's arguments, and then the constant arrays.
    constants : list of array
        Those arrays, flat.

    Raises
    ------
    NotRowsError
        There is a node that does not combine numbers one by one.
    """

    def __init__(self, expression: Expression, writer: RowWriter | None = None, given: Sequence[int] = (), /) -> None:
        nodes = expression.nodes
        self.expression = expression
        self.constants: list[Array] = []
        if writer is None:
            uneven = [k for k, node in enumerate(nodes) if node.constant is not None and not _is_even(node.constant)]
            inputs = [*expression.inputs, *uneven]
            self.constants = [np.asarray(nodes[k].constant).reshape(-1) for k in uneven]
            writer = RowWriter([prod(nodes[k].shape) for k in inputs])
            known = {node: writer.inner.input(k) for k, node in enumerate(inputs)}
        else:
            known = dict(zip(expression.inputs, given, strict=True))
        self.writer = writer
        self.rows: list[int] = []
        for k, (operation, operands, _, constant, _) in enumerate(nodes):
            if k in known:
                self.rows.append(known[k])
            elif operation is None:
                self.rows.append(writer.number(float(np.asarray(constant).reshape(-1)[0])))
            else:
                self.rows.append(self._value(operation, operands))

    def size(self, node: int, /) -> int:
        """Return how many numbers a node has."""
        return prod(self.expression.nodes[node].shape)

    def local(self, node: int, position: int, /) -> Scattered:
        """Return the local Jacobian of a node with respect to one of its operands."""
        operation, operands, *_ = self.expression.nodes[node]
        assert operation is not None
        rows, columns, writer = self.size(node), self.size(operands[position]), self.writer
        one = writer.number(1.0)
        match operation:
            case ElementwisePrimitive():
                formula = operation.formulas.derivatives[position]
                assert formula is not None, "a derivative that is zero everywhere is no edge"
                return diagonal(writer.formula(formula, self._variables(node)), rows)
            case Sum() | Mean():
                to = _summed(operation, self._shapes(operands)[0])
                row = one if isinstance(operation, Sum) else writer.number(rows / columns)
                return Scattered(rows, columns, (Term(row, to, identity(columns)),))
            case MatMul():
                other = self.rows[operands[1 - position]]
                return Scattered(1, columns, (Term(other, constant_route(1, columns, 0), identity(columns)),))
            case SparseProduct(structure) if position == 1:
                to, taken = _entries(structure)
                return Scattered(rows, columns, (Term(self.rows[operands[0]], to, taken),))
            case Concatenate() | Stack() | Place():
                to = _placed(operation, self._shapes(operands))[position]
                return Scattered(rows, columns, (Term(one, to, identity(columns)),))
            case _:
                taken = _taken(operation, self._shapes(operands)[0])
                return Scattered(rows, columns, (Term(one, identity(rows), taken),))

    def curvature(self, node: int, pair: tuple[int, int], adjoint: int, /) -> Scattered:
        """Return the curvature of a node with respect to two of its operands, given the row of its adjoint."""
        operation, operands, *_ = self.expression.nodes[node]
        size = self.size(operands[pair[0]])
        if isinstance(operation, MatMul):
            return diagonal(adjoint, size)
        assert isinstance(operation, ElementwisePrimitive), "all others are linear"
        formula = next(text for first, second, text in operation.formulas.curvatures if (first, second) == pair)
        return diagonal(self.writer.multiply(adjoint, self.writer.formula(formula, self._variables(node))), size)

    def _variables(self, node: int) -> dict[str, int]:
        operation, operands, *_ = self.expression.nodes[node]
        assert isinstance(operation, ElementwisePrimitive)
        arguments = zip(operation.formulas.arguments, [self.rows[k] for k in operands], strict=True)
        return {**dict(arguments), "y": self.rows[node]}

    def _shapes(self, operands: Sequence[int]) -> list[Shape]:
        return [self.expression.nodes[k].shape for k in operands]

    def _value(self, operation: Operation, operands: tuple[int, ...]) -> int:
        rows, writer, shapes = [self.rows[k] for k in operands], self.writer, self._shapes(operands)
        match operation:
            case ElementwisePrimitive():
                formulas = operation.formulas
                return writer.formula(formulas.value, dict(zip(formulas.arguments, rows, strict=True)))
            case Sum() | Mean():
                to = _summed(operation, shapes[0])
                total = writer.sums(rows[0], to)
                return (
                    total if isinstance(operation, Sum) else writer.multiply(writer.number(to.size / to.count), total)
                )
            case MatMul() if len(shapes[0]) == len(shapes[1]) == 1:
                return writer.sum(writer.multiply(*rows), shapes[0][0])
            case SparseProduct(structure):
                to, taken = _entries(structure)
                return writer.sums(writer.multiply(rows[0], writer.take(rows[1], taken)), to)
            case Concatenate() | Stack() | Place():
                return writer.put(rows, _placed(operation, shapes))
            case _:
                return writer.take(rows[0], _taken(operation, shapes[0]))


def _is_even(numbers: Array) -> bool:
    """Whether an array holds one number, as often as it may be."""
    return bool((numbers == numbers.reshape(-1)[0]).all())


def _entries(structure: Sparse) -> tuple[Route, Route]:
    """Return the row and the column of every number of a sparse matrix, of which no row is empty."""
    rows, (_, columns) = entry_rows(structure), csr_arrays(structure)
    if len(np.unique(rows)) < structure.rows:
        raise NotRowsError
    return routed(structure.rows, rows), routed(structure.columns, columns.astype(np.intp))


def _taken(operation: Operation, shape: Shape) -> Route:
    """Return which numbers an operation takes out of its operand."""
    size = prod(shape)
    match operation:
        case Reshape():
            return identity(size)
        case Broadcast(wide) if size == 1:
            return constant_route(1, prod(wide), 0)
        case Gather(index):
            return routed(size, from_bytes(index).astype(np.intp))
        case Index() | Transpose() | Broadcast():
            return routed(size, operation.value_view(np.arange(size).reshape(shape)).reshape(-1))
        case _:
            raise NotRowsError


def _placed(operation: Concatenate | Stack | Place, shapes: Sequence[Shape]) -> list[Route]:
    """Return where an operation puts the numbers of each of its operands."""
    if isinstance(operation, Place):
        return [routed(prod(operation.shape), from_bytes(operation.index).astype(np.intp))]
    size, starts = sum(map(prod, shapes)), np.cumsum([0, *map(prod, shapes)])
    counted = [np.arange(a, a + prod(shape)).reshape(shape) for a, shape in zip(starts, shapes, strict=False)]
    joined = (
        np.concatenate(counted, operation.axis)
        if isinstance(operation, Concatenate)
        else np.stack(counted, operation.axis)
    )
    places = np.empty(size, np.intp)
    places[joined.reshape(-1)] = np.arange(size)
    return [routed(size, places[a:b]) for a, b in pairwise(starts)]


def _summed(operation: Sum | Mean, shape: Shape) -> Route:
    """Return which sum each number goes to."""
    groups = grouped(shape, operation.axes, operation.name)
    if groups.count == 1:
        return constant_route(1, prod(shape), 0)
    index = np.broadcast_to(np.arange(groups.count).reshape(groups.thin), shape)
    return routed(groups.count, index.reshape(-1))
