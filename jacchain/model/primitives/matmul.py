"""Products of matrices and vectors, and of stacks of matrices."""

from dataclasses import dataclass
from math import prod
from typing import Literal, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels, gemm
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    Agreement,
    Dense,
    Diagonal,
    Identity,
    Sparse,
    Structure,
    array_shapes,
    block_diagonal,
    kronecker,
    sparse_agreeing,
    stored,
)
from jacchain.execution.operation import CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes
from jacchain.model.primitives.unit_pattern import pattern
from jacchain.planning.link import Link


class Sizes(NamedTuple):
    """A product of an m × k and a k × n matrix, or of two stacks of them, one by one."""

    stack: Shape
    m: int
    k: int
    n: int


@final
@dataclass(frozen=True, slots=True)
class MatMul(Primitive):
    """(A, X) ↦ A X of matrices and vectors, or of two stacks of matrices of the same shape, as `numpy.matmul`.

    With rows stacked, the local Jacobian of an m × k matrix times a k × n matrix is I⊗Xᵀ with respect to A and A⊗I with
    respect to X: nothing is computed. Two stacks have blocks down the diagonal, or a fixed sparse pattern. Stacks that
    have to be broadcast first are composed by `contraction.multiplied`.

    The curvature has u_ij wherever row i of A meets column j of X in the same place; it is u itself where A has one row
    or one column or X has one column.

    Examples
    --------
    >>> print(MatMul().local(0, [[1.0, 2.0], [3.0, 4.0]], [[5.0, 7.0], [6.0, 8.0]]))
    kronecker I(2)⊗(2x2)
    >>> [str(facts.link.local) for facts in MatMul().facts(((9, 2, 3), (9, 3, 1))).locals]
    ['block-diagonal 18x(1x3)', 'block-diagonal 9x(2x3)']
    """

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: each local Jacobian is made of the other operand."""
        if len(shapes) != 2:
            refuse_shapes("matmul", shapes, "give two inputs")
        left, right = shapes
        sizes = _sizes(left, right)
        output = (*left[:-1], *right[-1:]) if len(right) > 1 else left[:-1]
        return OperationFacts(
            output=output, locals=(_facts(0, sizes), _facts(1, sizes)), curvatures=(_curvature_facts(sizes),)
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call for the product."""
        stack, m, k, n = _sizes(xs[0].shape, xs[1].shape)
        operands = xs[0].reshape(*stack, m, k), xs[1].reshape(*stack, k, n), y.reshape(*stack, m, n)
        if not stack:
            return (gemm(kernels, operands),)
        return ((kernels.xp.multiply if k == 1 else kernels.matmul, operands),)

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the call that copies the other operand."""
        numbers = _numbers(k, xs[1 - k])
        repeats = stored(out.structure) // numbers.size  # a matrix of a stack serves each row of A, or column of X
        if repeats > 1:
            shape, axis = list(numbers.shape), numbers.ndim - 2 + k
            shape.insert(axis, repeats)
            numbers = kernels.xp.broadcast_to(kernels.xp.expand_dims(numbers, axis), tuple(shape))
        return ((kernels.copyto, (out.arrays[0].reshape(numbers.shape), numbers)),)

    def local_views(self, k: int, xs: Arrays, _y: Array, /) -> Arrays:
        """Return the other operand as the array of the local Jacobian: transposed, with respect to A."""
        numbers = _numbers(k, xs[1 - k])
        if numbers.ndim == 2:
            return (numbers,)
        structure = block_diagonal(prod(numbers.shape[:-2]), *numbers.shape[-2:])
        return (numbers.reshape(array_shapes(structure)[0]),)

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], _xs: Arrays, _y: Array, u: Array, out: Operand, _s: Array, /
    ) -> Calls:
        """Return the call that repeats u for every place in which a row meets a column."""
        match out.structure:
            case Sparse(agreement=Agreement(sizes)):
                count, m, k, n = sizes
                return ((kernels.copyto, (out.arrays[0].reshape(count, m, k, n), u.reshape(count, m, 1, n))),)
            case Diagonal():
                return ((kernels.copyto, (out.arrays[0].reshape(u.size, -1), u.reshape(-1, 1))),)
            case _:
                return ((kernels.copyto, (out.arrays[0].reshape(-1), u)),)

    def curvature_views(self, _pair: tuple[int, int], u: Array, /) -> Arrays:
        """Return u: a column, a row, or a matrix or a stack of them."""
        return (u,)

    def bend_calls(
        self, kernels: Kernels, pair: tuple[int, int], xs: Arrays, _y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the call for U Vᵀ with a tangent V of X, or Vᵀ U with one of A."""
        *stack, m, k = xs[0].shape
        u = u.reshape(*stack, m, -1)
        if pair == (0, 1):
            operands = u, v.reshape(*stack, k, -1).swapaxes(-1, -2), out.reshape(*stack, m, k)
        else:
            operands = v.reshape(*stack, m, k).swapaxes(-1, -2), u, out.reshape(*stack, k, -1)
        return ((kernels.matmul, operands),) if stack else (gemm(kernels, operands),)


def _sizes(left: Shape, right: Shape) -> Sizes:
    """Return how a product is made up, or raise a SizeError."""
    if not left or not right:
        refuse_shapes("matmul", (left, right), "multiply by a scalar with *")
    k, n = (right[0], 1) if len(right) == 1 else right[-2:]
    if left[-1] != k:
        refuse_shapes("matmul", (left, right), f"{left[-1]} columns meet {k} rows; make the two sizes equal")
    if right[:-2] != left[:-2]:
        refuse_shapes("matmul", (left, right), "broadcast both to stacks of the same shape first")
    return Sizes(left[:-2], left[-2] if len(left) > 1 else 1, k, n)


def _facts(position: int, sizes: Sizes) -> LocalFacts:
    structure = _structure(position, sizes)
    link = Link(structure.columns, structure.rows, structure=structure, name="matmul")
    return LocalFacts(link=link, reads=(1 - position,), view=_view(position, sizes))


def _structure(position: int, sizes: Sizes) -> Structure:
    stack, m, k, n = sizes
    count = prod(stack)
    if position == 0:
        # vec(A X) = (I⊗Xᵀ) vec(A)
        return block_diagonal(count * m, n, k) if stack else kronecker(Identity(m), Dense(n, k))
    # vec(A X) = (A⊗I) vec(X)
    if not stack:
        return kronecker(Dense(m, k), Identity(n))
    if n == 1:
        return block_diagonal(count, m, k)
    # entry (s, i, j), (s, l, j) is number i, l of matrix s
    columns = np.arange(count * k * n).reshape(count, 1, k, n).swapaxes(2, 3)
    entries = np.broadcast_to(columns, (count, m, n, k))
    return pattern(count * m * n, count * k * n, np.arange(count * m * n + 1) * k, entries)


def _view(position: int, sizes: Sizes) -> Literal["", "contiguous", "any"]:
    """Return whether the array of the local Jacobian is the other operand seen otherwise."""
    stack, m, k, n = sizes
    if not stack and (m if position == 0 else n) > 1:
        return "any"
    if position == 1:
        return "contiguous" if n == 1 else ""
    # a transpose is the same numbers in the same order only of vectors
    return "contiguous" if m == 1 and 1 in (k, n) else ""


def _numbers(position: int, other: Array) -> Array:
    """Return the matrices that make up the local Jacobian: A, or Xᵀ."""
    if other.ndim == 1:
        return other.reshape(1, -1)
    return other.swapaxes(-1, -2) if position == 0 else other


def _curvature_facts(sizes: Sizes) -> CurvatureFacts:
    stack, m, k, n = sizes
    count = prod(stack)
    structure: Structure
    if m == n == 1:
        return CurvatureFacts(first=0, second=1, structure=Diagonal(count * k))
    if k == 1:
        structure = block_diagonal(count, m, n)
    elif count == 1 and n == 1:
        structure = kronecker(Dense(m, 1), Identity(k))
    elif count == 1 and m == 1:
        structure = kronecker(Identity(k), Dense(1, n))
    else:
        # row (s, i, l) meets column (s, l, j) in u_sij
        structure = sparse_agreeing((count, m, k, n), (0, 1, 2), (0, 2, 3))
        return CurvatureFacts(first=0, second=1, structure=structure, reads=(0,), applies=True)
    return CurvatureFacts(first=0, second=1, structure=structure, view=True)
