"""A⊗B times a dense operand: one reshape and one matrix product per factor that is not the identity."""

from typing import Final, NamedTuple

from jacchain.algebra.kernels import Array, Calls, Kernels, gemm
from jacchain.algebra.rule import Operand, Rule, full
from jacchain.algebra.structure import Dense, Identity, Kronecker


class _Sides(NamedTuple):
    """Costs of applying A⊗B to a dense operand with either factor first, and the sizes of what lies between."""

    right_first: int
    left_first: int
    between_right_first: int
    between_left_first: int


def _sides(matrix: Kronecker, width: int, *, is_turned: bool) -> _Sides:
    """Return the costs of applying a matrix, or its transpose, to `width` columns."""
    # (A⊗B) = (A⊗I_c)(I_b⊗B) = (I_a⊗B)(A⊗I_d) applied to b·d rows of `width` numbers
    (a, b), (c, d) = ((factor.rows, factor.columns) for factor in (matrix.left, matrix.right))
    if is_turned:
        a, b, c, d = b, a, d, c
    by_right = 0 if isinstance(matrix.right, Identity) else c * d * width
    by_left = 0 if isinstance(matrix.left, Identity) else a * b * width
    return _Sides(b * by_right + c * by_left, d * by_left + a * by_right, b * c * width, a * d * width)


def _sides_before_dense(matrix: Kronecker, right: Dense) -> _Sides:
    return _sides(matrix, right.columns, is_turned=False)


def _sides_after_dense(left: Dense, matrix: Kronecker) -> _Sides:
    # X(A⊗B) = ((Aᵀ⊗Bᵀ)Xᵀ)ᵀ: the same counts with the factors transposed
    return _sides(matrix, left.rows, is_turned=True)


def _cost_kronecker_dense(matrix: Kronecker, right: Dense) -> int:
    sides = _sides_before_dense(matrix, right)
    return min(sides.right_first, sides.left_first)


def _cost_dense_kronecker(left: Dense, matrix: Kronecker) -> int:
    sides = _sides_after_dense(left, matrix)
    return min(sides.right_first, sides.left_first)


def _between(matrix: Kronecker, sides: _Sides) -> int:
    if isinstance(matrix.left, Identity) or isinstance(matrix.right, Identity):
        return 0
    return sides.between_right_first if sides.right_first <= sides.left_first else sides.between_left_first


def _scratch_kronecker_dense(matrix: Kronecker, right: Dense) -> int:
    return _between(matrix, _sides_before_dense(matrix, right))


def _scratch_dense_kronecker(left: Dense, matrix: Kronecker) -> int:
    return _between(matrix, _sides_after_dense(left, matrix))


def _apply_right_factor(kernels: Kernels, factor: Array, x: Array, count: int, width: int, out: Array) -> Calls:
    """Return the calls for out = (I⊗B) x with `count` blocks and `width` columns."""
    rows, columns = factor.shape
    if width == 1:
        return (gemm(kernels, (x.reshape(count, columns), factor.T, out.reshape(count, rows))),)
    operands = factor, x.reshape(count, columns, width), out.reshape(count, rows, width)
    return ((kernels.stack(*operands), operands),)


def _apply_left_factor(kernels: Kernels, factor: Array, x: Array, size: int, out: Array) -> Calls:
    """Return the calls for out = (A⊗I) x, where `size` numbers share each row of A."""
    rows, columns = factor.shape
    return (gemm(kernels, (factor, x.reshape(columns, size), out.reshape(rows, size))),)


def _kronecker_dense(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
    matrix: Kronecker = left.structure
    (x,), (target,), width = right.arrays, out.arrays, right.structure.columns
    match matrix:
        case Kronecker(Identity(count), _):
            return _apply_right_factor(kernels, left.arrays[0], x, count, width, target)
        case Kronecker(_, Identity(size)):
            return _apply_left_factor(kernels, left.arrays[0], x, size * width, target)
    a, b = left.arrays
    sides = _sides_before_dense(matrix, right.structure)
    if sides.right_first <= sides.left_first:
        first = _apply_right_factor(kernels, b, x, matrix.left.columns, width, scratch)
        return first + _apply_left_factor(kernels, a, scratch, matrix.right.rows * width, target)
    first = _apply_left_factor(kernels, a, x, matrix.right.columns * width, scratch)
    return first + _apply_right_factor(kernels, b, scratch, matrix.left.rows, width, target)


def _apply_by_left_factor(kernels: Kernels, x: Array, factor: Array, rows: int, size: int, out: Array) -> Calls:
    """Return the calls for out = x (A⊗I) with `rows` rows of x, where `size` numbers share each row of A."""
    m, n = factor.shape
    if rows == 1:
        return (gemm(kernels, (factor.T, x.reshape(m, size), out.reshape(n, size))),)
    return ((kernels.matmul, (factor.T, x.reshape(rows, m, size), out.reshape(rows, n, size))),)


def _apply_by_right_factor(kernels: Kernels, x: Array, factor: Array, rows: int, out: Array) -> Calls:
    """Return the calls for out = x (I⊗B), x seen as `rows` rows of B's height."""
    m, n = factor.shape
    return (gemm(kernels, (x.reshape(rows, m), factor, out.reshape(rows, n))),)


def _dense_kronecker(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
    matrix: Kronecker = right.structure
    (x,), (target,), rows = left.arrays, out.arrays, left.structure.rows
    match matrix:
        case Kronecker(Identity(count), _):
            return _apply_by_right_factor(kernels, x, right.arrays[0], rows * count, target)
        case Kronecker(_, Identity(size)):
            return _apply_by_left_factor(kernels, x, right.arrays[0], rows, size, target)
    a, b = right.arrays
    sides = _sides_after_dense(left.structure, matrix)
    if sides.right_first <= sides.left_first:
        first = _apply_by_right_factor(kernels, x, b, rows * matrix.left.rows, scratch)
        return first + _apply_by_left_factor(kernels, scratch, a, rows, matrix.right.columns, target)
    first = _apply_by_left_factor(kernels, x, a, rows, matrix.right.rows, scratch)
    return first + _apply_by_right_factor(kernels, scratch, b, rows * matrix.left.columns, target)


RULES: Final[dict[tuple[type, type], Rule]] = {
    (Kronecker, Dense): Rule(full, _cost_kronecker_dense, _kronecker_dense, _scratch_kronecker_dense),
    (Dense, Kronecker): Rule(full, _cost_dense_kronecker, _dense_kronecker, _scratch_dense_kronecker),
}
