"""What structure a given matrix has: found from its exact zeros, or as stated."""

from numbers import Complex, Real
from typing import Any, Final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.matrix import Matrix, dense, diagonal, from_csr, identity, negation
from jacchain.algebra.structure import sparse
from jacchain.errors import DtypeError, NonFiniteError, OptionError, SizeError
from jacchain.model.layer import expect_host

SPARSE: Final = 10
"""An array is taken as sparse where at most one number in so many is not zero."""

EXACT: Final = 1 << 53
"""Whole numbers up to here are floating-point numbers."""


def as_block(value: object, where: str, /) -> Matrix | float:
    """Return a matrix with its structure, or the number that it is a multiple of the identity by.

    Parameters
    ----------
    value : array, SciPy sparse array, Matrix or number
    where : str
        What messages call it.

    Raises
    ------
    OptionError, SizeError, DtypeError, NonFiniteError
        No finite matrix, not of two axes, not of real numbers, or with NaN or infinity.

    Examples
    --------
    >>> shift = np.eye(20, k=-1)
    >>> [str(as_block(a, "it")) for a in (np.eye(20), -np.eye(20), 2 * np.eye(20), shift, np.ones((2, 3)), 0.5)]
    ['identity 20', 'negation 20', 'diagonal 20', 'sparse 20x20, 19 nonzeros', 'dense 2x3', '0.5']
    """
    if isinstance(value, Matrix):
        return Matrix(value.structure, tuple(_real(array, where) for array in value.arrays))
    if isinstance(value, Complex | np.bool_):
        return _number(value, where)
    if callable(value):
        raise not_finite(value, where)
    if not isinstance(value, np.ndarray | list | tuple):
        from scipy.sparse import issparse

        if issparse(value):
            return _of_sparse(value, where)
    return _of_array(value, where)


def dtypes_of(value: object, /) -> list["np.dtype[Any]"]:
    """Return the dtypes that a given matrix brings in: integers count as float64, single numbers not at all."""
    if isinstance(value, Matrix):
        given = [array.dtype for array in value.arrays]
    elif isinstance(value, Complex) or getattr(value, "ndim", 2) == 0:
        given = []
    else:
        given = [np.dtype(getattr(value, "dtype", np.float64))]
    return [dtype if dtype.kind == "f" else np.dtype(np.float64) for dtype in given]


def as_matrix(value: Matrix | float, size: int, dtype: "np.dtype[Any]", where: str, /) -> Matrix:
    """Return a matrix with contiguous arrays of a dtype; a number becomes that multiple of the identity.

    Raises
    ------
    NonFiniteError
        The dtype cannot hold the number.
    """
    if isinstance(value, Matrix):
        return Matrix(value.structure, tuple(np.ascontiguousarray(array, dtype) for array in value.arrays))
    with np.errstate(over="ignore"):
        values = np.full(size, value, dtype)
    if not np.isfinite(values[0]):
        raise NonFiniteError(f"{where} is {value!r}, too large for {dtype}", "give float64 matrices")
    return _of_diagonal(values)


def is_zero(value: Matrix | float, /) -> bool:
    """Tell whether a matrix is zero everywhere."""
    if isinstance(value, Matrix):
        return any(not array.any() for array in value.arrays)
    return value == 0


def not_finite(value: object, where: str, /) -> OptionError:
    """Return the error for an object that is no finite matrix."""
    return OptionError(
        f"{where} is {type(value).__name__}, no finite matrix: infinite or truncated operators do not associate",
        "give its T x T numbers, as an array or a SciPy sparse array",
    )


def _number(value: object, where: str) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise DtypeError(f"{where} is {value!r}", "give a real number")
    found = float(value)
    if not np.isfinite(found):
        raise NonFiniteError(f"{where} is {value!r}", "give a finite number")
    return found


def _of_array(value: object, where: str) -> Matrix | float:
    if isinstance(value, np.ma.MaskedArray):
        raise DtypeError(f"{where} is a masked array", "fill it first, for example with x.filled(0.0)")
    expect_host(value, where, "compositions of blocks work")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise SizeError(f"{where} is no array: {error}", "give rows of equal length") from None
    if array.dtype == object:
        raise not_finite(value, where)
    if array.ndim == 0:
        return _number(array.item(), where)
    if array.ndim != 2:
        cure = "give outputs x inputs numbers; numpy.diag makes a matrix of a diagonal"
        raise SizeError(f"{where} has shape {array.shape}, not two axes", cure)
    if array.size == 0:
        raise SizeError(f"{where} is empty: its shape is {array.shape}", "give at least one number")
    return _structured(_real(array, where))


def _real(array: Array, where: str) -> Array:
    """Return an array of float32 or float64, without NaN or infinity."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind in "iu":
        if array.size and max(abs(int(array.min())), abs(int(array.max()))) > EXACT:
            raise DtypeError(f"{where} holds whole numbers above 2**53", "convert them, for example with astype(float)")
        return array.astype(np.float64)
    if kind != "f" or size not in (4, 8):
        raise DtypeError(f"{where} is {array.dtype}", "give real numbers: float32, float64 or integers")
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))[0].tolist()
        raise NonFiniteError(f"{where} is {array[tuple(bad)]} at {bad}", "give finite numbers")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _structured(array: Array) -> Matrix:
    """Return the matrix of an array, in the structure that its zeros have."""
    rows, columns = array.shape
    count = np.count_nonzero(array)
    if rows == columns and count <= rows and np.count_nonzero(array.diagonal()) == count:
        return _of_diagonal(array.diagonal())
    if count * SPARSE > array.size:
        return dense(array)
    is_kept = array != 0
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(is_kept, axis=1))])
    return Matrix(sparse(rows, columns, indptr, np.nonzero(is_kept)[1]), (array[is_kept],))


def _of_diagonal(values: Array) -> Matrix:
    if (values == 1).all():
        return identity(values.size)
    return negation(values.size) if (values == -1).all() else diagonal(values)


def _of_sparse(value: Any, where: str) -> Matrix:
    """Return the matrix of a SciPy sparse array: sparse however many numbers it has, unless it is full or diagonal."""
    from scipy.sparse import csr_array

    if value.ndim != 2:
        raise SizeError(f"{where} has shape {value.shape}, not two axes", "give outputs x inputs numbers")
    if 0 in value.shape:
        raise SizeError(f"{where} is empty: its shape is {value.shape}", "give at least one number")
    found = csr_array(value, copy=True)
    found.sum_duplicates()
    found.data = _real(found.data, where)
    found.eliminate_zeros()
    rows, columns = found.shape
    if found.nnz == rows * columns:
        return _structured(found.toarray())
    if rows == columns and found.nnz <= rows and np.count_nonzero(found.diagonal()) == found.nnz:
        return _of_diagonal(found.diagonal())
    return from_csr(found)
