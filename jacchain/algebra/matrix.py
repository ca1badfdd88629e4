"""A structured matrix with its numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.addition import add_calls, addition
from jacchain.algebra.expand import expand_calls
from jacchain.algebra.homes import kernels_for
from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels, run
from jacchain.algebra.pattern import transpose, transposed
from jacchain.algebra.product import multiply_calls, product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    Dense,
    Diagonal,
    Identity,
    Negation,
    Sparse,
    Structure,
    array_shapes,
    sparse,
)
from jacchain.algebra.structure import block_diagonal as block_diagonal_structure
from jacchain.algebra.structure import kronecker as kronecker_structure
from jacchain.errors import DtypeError, SizeError


@final
@dataclass(frozen=True, eq=False)
class Matrix:
    """A structure plus the arrays that hold its numbers, in the shapes `array_shapes(structure)` gives.

    Products and sums keep structure where their tables can: the produced structure is always the predicted one.

    Examples
    --------
    >>> a = diagonal([1.0, 2.0])
    >>> b = dense([[1.0, 1.0], [3.0, 4.0]])
    >>> print((a @ b).todense())
    [[1. 1.]
     [6. 8.]]
    >>> print((a @ a).structure, "|", (identity(2) - a).structure, "|", (a + b).structure)
    diagonal 2 | diagonal 2 | dense 2x2
    """

    structure: Structure
    arrays: Arrays

    def __post_init__(self) -> None:
        shapes = tuple(array.shape for array in self.arrays)
        if shapes != array_shapes(self.structure):
            raise SizeError(
                f"{self.structure} holds arrays of shapes {array_shapes(self.structure)}, not {shapes}",
                "reshape the arrays",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.structure.rows, self.structure.columns

    @property
    def T(self) -> "Matrix":  # noqa: N802  (the field's own name)
        """The transpose; the arrays are shared where the layout allows."""
        match self.structure:
            case Sparse():
                flipped = transposed(self.structure)
                return Matrix(flipped.structure, (_gathered(self.arrays[0], flipped.order),))
            case Identity() | Negation() | Diagonal():
                return self
            case structure:
                return Matrix(transpose(structure), tuple(a.swapaxes(-1, -2) for a in self.arrays))

    def matmat(self, x: Array, /) -> Array:
        """Return this matrix times the dense 2-D array `x`."""
        return (self @ dense(x)).todense()

    def rmatmat(self, x: Array, /) -> Array:
        """Return the transpose of this matrix times the dense 2-D array `x`."""
        return (self.T @ dense(x)).todense()

    def todense(self, *, kernels: Kernels | None = None) -> Array:
        """Return all entries as a 2-D array."""
        kernels = kernels or kernels_for(self.arrays)
        if isinstance(self.structure, Dense):
            return self.arrays[0]
        dtype = self.arrays[0].dtype if self.arrays else kernels.xp.float64
        out = kernels.xp.empty(self.shape, dtype)
        run(expand_calls(kernels, self.structure, self.arrays, out))
        return out

    def __matmul__(self, other: "Matrix") -> "Matrix":
        predicted = product(self.structure, other.structure)
        return _combined(self, other, predicted.structure, predicted.scratch, multiply_calls)

    def __add__(self, other: "Matrix") -> "Matrix":
        predicted = addition(self.structure, other.structure)
        return _combined(self, other, predicted.structure, predicted.scratch, add_calls)

    def __neg__(self) -> "Matrix":
        return negation(self.structure.rows) @ self

    def __sub__(self, other: "Matrix") -> "Matrix":
        return self + (-other)

    def __str__(self) -> str:
        return str(self.structure)


def _combined(
    left: Matrix, right: Matrix, structure: Structure, scratch: int, calls: Callable[..., Calls], /
) -> Matrix:
    """Return the product or the sum of two matrices, in arrays of its own."""
    arrays = left.arrays + right.arrays
    kernels, held = kernels_for(arrays), [array.dtype for array in arrays]
    dtype, empty = np.result_type(*held) if held else np.dtype(np.float64), kernels.xp.empty
    out = Operand(structure, tuple(empty(shape, dtype) for shape in array_shapes(structure)))
    operands = _operand(kernels, left, dtype), _operand(kernels, right, dtype)
    run(calls(kernels, *operands, out, empty(scratch, dtype)))
    return Matrix(*out)


def _operand(kernels: Kernels, matrix: Matrix, dtype: "np.dtype[Any]") -> Operand:
    return Operand(matrix.structure, tuple(kernels.xp.ascontiguousarray(a, dtype) for a in matrix.arrays))


def _gathered(array: Array, order: Array) -> Array:
    kernels = kernels_for((array,))
    out = kernels.xp.empty(order.shape, array.dtype)
    kernels.take(array, kernels.index(order), out)
    return out


def _float(values: ArrayLike, ndim: int, what: str) -> Array:
    array = kernels_for((values,)).xp.asarray(values)
    if array.ndim != ndim:
        raise SizeError(f"{what} has {array.ndim} axes, not {ndim}", f"give an array of {ndim} axes")
    if array.dtype.kind not in "fiu":
        raise DtypeError(f"{what} is {array.dtype}", "give real numbers")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def identity(size: int, /) -> Matrix:
    """Return the identity on `size` numbers."""
    return Matrix(Identity(size), ())


def negation(size: int, /) -> Matrix:
    """Return minus the identity on `size` numbers."""
    return Matrix(Negation(size), ())


def diagonal(values: ArrayLike, /) -> Matrix:
    """Return the diagonal matrix of a 1-D array."""
    array = _float(values, 1, "a diagonal")
    return Matrix(Diagonal(array.size), (array,))


def dense(values: ArrayLike, /) -> Matrix:
    """Return the dense matrix of a 2-D array."""
    array = _float(values, 2, "a dense matrix")
    return Matrix(Dense(*array.shape), (array,))


def kronecker(left: Matrix, right: Matrix, /) -> Matrix:
    """Return A⊗B of two matrices, each an identity or dense.

    Examples
    --------
    >>> print(kronecker(identity(2), dense([[1.0, 2.0]])).todense())
    [[1. 2. 0. 0.]
     [0. 0. 1. 2.]]
    """
    if not isinstance(left.structure, Identity | Dense) or not isinstance(right.structure, Identity | Dense):
        raise SizeError(
            f"factors are {left.structure} and {right.structure}", "give factors that are an identity or dense"
        )
    return Matrix(kronecker_structure(left.structure, right.structure), left.arrays + right.arrays)


def block_diagonal(blocks: ArrayLike, /) -> Matrix:
    """Return the block-diagonal matrix of a 3-D array of equal-sized blocks."""
    array = _float(blocks, 3, "a stack of blocks")
    structure = block_diagonal_structure(*array.shape)
    return Matrix(structure, (array.reshape(array_shapes(structure)[0]),))


def from_csr(csr: Any, /) -> Matrix:
    """Return the sparse matrix of a SciPy sparse array in canonical CSR form."""
    return Matrix(sparse(csr.shape[0], csr.shape[1], csr.indptr, csr.indices), (csr.data,))
