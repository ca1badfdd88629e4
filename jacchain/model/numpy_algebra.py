"""NumPy's functions of linear algebra: products, Einstein sums, solving, convolutions."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import prod
from string import ascii_letters
from typing import Any, Final

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from jacchain.algebra.structure import sparse
from jacchain.errors import OptionError, SizeError, TraceError
from jacchain.model.array_protocol import MASK_CURE, apply, are_masks, lift
from jacchain.model.primitives.contraction import contracted, multiplied
from jacchain.model.primitives.convolution import Convolve
from jacchain.model.primitives.solve import Determinant, Inv, Solve
from jacchain.model.primitives.sparse_product import SparseProduct
from jacchain.model.supported import Supported


def matmul(x1: Any, x2: Any) -> Any:
    """Return the product of matrices, vectors and stacks of matrices."""
    if np.ndim(x1) == 0 or np.ndim(x2) == 0:
        raise SizeError(f"matmul of shapes {np.shape(x1)} and {np.shape(x2)}", "multiply by a number with *")
    if is_sparse(x1) or is_sparse(x2):
        return _sparse_product(x1, x2)
    _refuse_masks("a product", x1, x2)
    return multiplied(apply, *lift((x1, x2)))


def is_sparse(operand: object, /) -> bool:
    """Tell whether something is a sparse matrix or array of SciPy."""
    return hasattr(operand, "tocsr") and hasattr(operand, "nnz")


def _sparse_product(x1: Any, x2: Any) -> Any:
    """Return the product of a sparse matrix and a vector, or of a vector and a sparse matrix."""
    matrix, vector = (x1, x2) if is_sparse(x1) else (x2.T, x1)
    if vector.ndim != 1:
        cure = "multiply it by one vector at a time, or write it out: A.toarray() @ X"
        raise TraceError(f"a sparse matrix times a traced array of shape {vector.shape}", cure)
    found = matrix.tocsr(copy=True)
    found.sum_duplicates()
    if found.shape[1] != len(vector):
        raise SizeError(f"matmul of shapes {found.shape} and {vector.shape}", "make the inner sizes equal")
    structure = sparse(found.shape[0], found.shape[1], found.indptr, found.indices)
    return apply(SparseProduct(structure), np.asarray(found.data, vector.dtype), vector)


def _refuse_masks(what: str, *operands: Any) -> None:
    """Refuse what NumPy makes of booleans alone: sums of products that are not numbers but ors."""
    if are_masks(*operands):
        raise TraceError(f"{what} of masks alone, whose sums are ors in NumPy", MASK_CURE)


def dot(a: Any, b: Any) -> Any:
    """Return the sum of products over the last axis of a and the last but one of b."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return matmul(a, b)
    return tensordot(a, b, ((-1,), (-2,)))


def vdot(a: Any, b: Any) -> Any:
    """Return the sum of products of all numbers."""
    return matmul(np.ravel(a), np.ravel(b))


def inner(a: Any, b: Any) -> Any:
    """Return the sum of products over both last axes."""
    return np.multiply(a, b) if np.ndim(a) == 0 or np.ndim(b) == 0 else tensordot(a, b, ((-1,), (-1,)))


def outer(a: Any, b: Any) -> Any:
    """Return the products of all pairs."""
    return np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


def _outer_of(x1: Any, x2: Any) -> Any:
    return outer(x1, x2)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return the sum of products over several axes."""
    if isinstance(axes, int):
        axes = (tuple(range(np.ndim(a) - axes, np.ndim(a))), tuple(range(axes)))
    first, second = (normalize_axis_tuple(side, np.ndim(x)) for side, x in zip(axes, (a, b), strict=True))
    if [np.shape(a)[k] for k in first] != [np.shape(b)[k] for k in second]:
        cure = "sum over axes of equal size"
        raise SizeError(f"tensordot of shapes {np.shape(a)} and {np.shape(b)} over axes {axes}", cure)
    free = [[k for k in range(np.ndim(x)) if k not in used] for x, used in ((a, first), (b, second))]
    rows, columns = [np.shape(a)[k] for k in free[0]], [np.shape(b)[k] for k in free[1]]
    left = np.reshape(np.transpose(a, (*free[0], *first)), (prod(rows), -1))
    right = np.reshape(np.transpose(b, (*second, *free[1])), (-1, prod(columns)))
    return np.reshape(matmul(left, right), (*rows, *columns))


def einsum(*operands: Any) -> Any:
    """Return an Einstein sum, by one product of matrices for every two operands."""
    is_text = isinstance(operands[0], str)
    _refuse_masks("an Einstein sum", *(operands[1:] if is_text else operands[: len(operands) - 1 : 2]))
    if is_text:
        return contracted(apply, operands[0], lift(operands[1:]))
    pairs = list(zip(operands[::2], operands[1::2], strict=False))
    texts = ["".join("..." if k is Ellipsis else ascii_letters[k] for k in axes) for _, axes in pairs]
    value = [operands[-1]] if len(operands) % 2 else []
    ends = "".join(f"->{''.join('...' if k is Ellipsis else ascii_letters[k] for k in axes)}" for axes in value)
    return contracted(apply, ",".join(texts) + ends, lift([x for x, _ in pairs]))


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Return the sum of products along an axis."""
    _refuse_masks("a product", x1, x2)
    return np.sum(np.multiply(x1, x2), axis=axis)


def matvec(x1: Any, x2: Any) -> Any:
    """Return matrices times vectors."""
    return matmul(x1, np.expand_dims(x2, -1))[..., 0]


def vecmat(x1: Any, x2: Any) -> Any:
    """Return vectors times matrices."""
    return matmul(np.expand_dims(x1, -2), x2)[..., 0, :]


def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product."""
    count = max(np.ndim(a), np.ndim(b))
    one, other = ((1,) * (count - np.ndim(x)) + np.shape(x) for x in (a, b))
    wide = np.reshape(a, [size for n in one for size in (n, 1)]) * np.reshape(b, [s for n in other for s in (1, n)])
    return np.reshape(wide, [m * n for m, n in zip(one, other, strict=True)])


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Return the vector product of triples."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if np.shape(a)[-1] != 3 or np.shape(b)[-1] != 3:
        raise SizeError(f"cross of shapes {np.shape(a)} and {np.shape(b)}", "give vectors of three numbers")
    left, right = ([x[..., k] for k in range(3)] for x in (a, b))
    parts = [left[i] * right[j] - left[j] * right[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.moveaxis(np.stack(parts, axis=-1), -1, axisc)


def multi_dot(arrays: Sequence[Any]) -> Any:
    """Return the product of several matrices, from left to right."""
    return reduce(dot, arrays)


def matrix_power(a: Any, n: int) -> Any:
    """Return a whole power of a square matrix, by repeated squaring."""
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1]), a.shape)
    if n < 0:
        return matrix_power(inv(a), -n)
    half = a if n == 1 else matrix_power(a, n // 2)
    squared = a if n == 1 else matmul(half, half)
    return matmul(squared, a) if n % 2 and n > 1 else squared


def solve(a: Any, b: Any) -> Any:
    """Return x with a x = b, for one matrix and a vector or the columns of a matrix; stacks are solved one by one."""
    if np.ndim(a) <= 2 and np.ndim(b) <= 2:
        return apply(Solve(), *lift((a, b)))
    if np.ndim(b) == 1:
        raise TraceError("numpy.linalg.solve of a stack of matrices and one vector", "give a stack of matrices too")
    return _stacked(solve, a, b)


def inv(a: Any) -> Any:
    """Return the inverse; of a stack of matrices, each by itself."""
    return apply(Inv(), a) if a.ndim <= 2 else _stacked(inv, a)


def det(a: Any) -> Any:
    """Return the determinant; of a stack of matrices, each by itself."""
    return apply(Determinant("value"), a) if a.ndim <= 2 else _stacked(det, a)


def _stacked(function: Callable[..., Any], *operands: Any) -> Any:
    stack = np.broadcast_shapes(*(np.shape(x)[:-2] for x in operands))
    wide = [np.reshape(np.broadcast_to(x, (*stack, *np.shape(x)[-2:])), (-1, *np.shape(x)[-2:])) for x in operands]
    found = np.stack([function(*(x[k] for x in wide)) for k in range(prod(stack))])
    return np.reshape(found, (*stack, *np.shape(found)[1:]))


def slogdet(a: Any) -> Any:
    """Return the sign of the determinant and the logarithm of its absolute value."""
    from numpy.linalg import _linalg

    return _linalg.SlogdetResult(apply(Determinant("sign"), a), apply(Determinant("log"), a))


def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """Return the convolution of two vectors."""
    mode = {0: "valid", 1: "same", 2: "full"}.get(mode, mode)
    _refuse_masks("a convolution", a, v)
    a, v = lift((a, v))
    a, v = np.atleast_1d(a), np.atleast_1d(v)
    if a.ndim > 1 or v.ndim > 1:
        raise OptionError(f"convolve of shapes {a.shape} and {v.shape}", "give vectors")
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    return apply(Convolve(mode, 1), a, v)


def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """Return the convolution of a vector with another one in reverse."""
    mode = {0: "valid", 1: "same", 2: "full"}.get(mode, mode)
    if np.shape(v)[0] > np.shape(a)[0]:
        return np.flip(correlate(v, a, mode))
    return convolve(a, np.flip(v), mode)


ALGEBRA: Final[Mapping[Callable[..., Any], Supported]] = {
    np.matmul: Supported(matmul, "stacks are broadcast"),
    np.linalg.matmul: Supported(matmul, "stacks are broadcast"),
    np.dot: Supported(dot),
    np.vdot: Supported(vdot),
    np.inner: Supported(inner),
    np.outer: Supported(outer),
    np.linalg.outer: Supported(_outer_of),
    np.tensordot: Supported(tensordot),
    np.linalg.tensordot: Supported(lambda x1, x2, axes=2: tensordot(x1, x2, axes)),
    np.einsum: Supported(einsum, "any number of operands, from left to right"),
    np.linalg.vecdot: Supported(vecdot),
    np.kron: Supported(kron),
    np.cross: Supported(cross, "vectors of three numbers"),
    np.linalg.cross: Supported(lambda x1, x2, axis=-1: cross(x1, x2, axis=axis), "vectors of three numbers"),
    np.linalg.multi_dot: Supported(multi_dot, "from left to right; the planner reorders derivatives, not values"),
    np.linalg.matrix_power: Supported(matrix_power, "repeated squaring"),
    np.linalg.solve: Supported(solve, "implicit differentiation; stacks one by one"),
    np.linalg.inv: Supported(inv, "implicit differentiation; stacks one by one"),
    np.linalg.det: Supported(det, "invertible matrices"),
    np.linalg.slogdet: Supported(slogdet, "one invertible matrix"),
    np.convolve: Supported(convolve),
    np.correlate: Supported(correlate),
    **{
        found: Supported(build)  # since NumPy 2.1 or 2.2
        for name, build in (("vecdot", vecdot), ("matvec", matvec), ("vecmat", vecmat))
        if (found := getattr(np, name, None)) is not None
    },
}
"""The rows of linear algebra."""
