"""Whole symmetric sparse arrays of one pattern, of the values of their lower triangles."""

from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.functions.rows.layout import Layout, mirrored
from jacchain.lagrangian.csr_form import CsrForm
from jacchain.lagrangian.sparsity import SparsityPattern


@final
class SymmetricForm:
    """Makes arrays of SciPy's CSR format, both triangles, of the values of the lower one.

    Where that has all places, no list of places is kept, which would be as long as the array itself.

    Examples
    --------
    >>> form = SymmetricForm(SparsityPattern.of_lower_triangle(2), np.dtype(float))
    >>> print(form.of(np.array([1.0, 2.0, 3.0])).toarray())
    [[1. 2.]
     [2. 3.]]
    """

    __slots__ = ("_form", "_size", "_source")

    def __init__(self, lower: SparsityPattern, dtype: "np.dtype[Any]", /) -> None:
        self._size = lower.shape[0]
        self._source = None
        if lower.is_lower_triangle:
            pattern = _all_places(self._size, lower.columns.dtype)
        else:
            whole = mirrored(Layout(lower.shape, lower.indptr, lower.columns))
            pattern, self._source = SparsityPattern(*whole.layout), whole.places
        self._form = CsrForm(pattern, dtype)

    def of(self, values: Array, /) -> Any:
        """Return a sparse array of its own memory, given the values of the lower triangle row by row."""
        return self._form.of(_unfolded(values, self._size) if self._source is None else values[self._source])


def _all_places(size: int, dtype: "np.dtype[Any]") -> SparsityPattern:
    dtype = np.dtype(np.int64) if size * size >= np.iinfo(np.int32).max else dtype
    columns = np.tile(np.arange(size, dtype=dtype), size)
    columns.flags.writeable = False
    return SparsityPattern((size, size), np.arange(size + 1) * size, columns)


def _unfolded(values: Array, size: int) -> Array:
    """Return a whole symmetric matrix, flat, given its lower triangle row by row."""
    whole = np.empty((size, size), values.dtype)
    start = 0
    for row in range(size):
        part = values[start : start + row + 1]
        whole[row, : row + 1] = part
        whole[:row, row] = part[:row]
        start += row + 1
    return whole.reshape(-1)


def folded(whole: Array, size: int, /) -> Array:
    """Return the lower triangle of a square matrix, row by row.

    Examples
    --------
    >>> folded(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    array([1., 3., 4.])
    """
    matrix = whole.reshape(size, size)
    found = np.empty(size * (size + 1) // 2, whole.dtype)
    start = 0
    for row in range(size):
        found[start : start + row + 1] = matrix[row, : row + 1]
        start += row + 1
    return found
