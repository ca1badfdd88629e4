"""Where the numbers of a sparse result belong."""

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.integer[Any]]


@final
class Layout(NamedTuple):
    """A pattern in compressed rows.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    indptr, indices : array of int
        Row k has columns ``indices[indptr[k]:indptr[k + 1]]``, in order; read-only.
    """

    shape: tuple[int, int]
    indptr: Indices
    indices: Indices

    @property
    def nonzeros(self) -> int:
        """Entries of the pattern."""
        return len(self.indices)

    @property
    def rows(self) -> Indices:
        """The row of each entry."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr)).astype(self.indices.dtype)


def layout(shape: tuple[int, int], keys: NDArray[np.int64], /) -> Layout:
    """Return the pattern of places row·columns + column, which are sorted and all different."""
    dtype: np.dtype[Any] = np.dtype(np.int32 if max(*shape, len(keys)) < 2**31 else np.int64)
    rows, columns = np.divmod(keys, shape[1])
    indptr = np.zeros(shape[0] + 1, dtype)
    np.cumsum(np.bincount(rows, minlength=shape[0]), out=indptr[1:])
    indices = columns.astype(dtype)
    for array in (indptr, indices):
        array.flags.writeable = False
    return Layout(shape, indptr, indices)


@final
class Mirrored(NamedTuple):
    """A symmetric pattern, and where its numbers are among those of its lower triangle.

    Attributes
    ----------
    layout : Layout
    places : array of int
        ``values[places]`` are the numbers of the whole, given those of the lower triangle.
    """

    layout: Layout
    places: NDArray[np.intp]


def mirrored(lower: Layout, /) -> Mirrored:
    """Return the whole pattern of a lower triangle.

    Examples
    --------
    >>> whole, places = mirrored(layout((2, 2), np.array([0, 2])))
    >>> whole.indices, places
    (array([0, 1, 0], dtype=int32), array([0, 1, 1]))
    """
    rows, columns, size = lower.rows.astype(np.int64), lower.indices.astype(np.int64), lower.shape[0]
    below = np.flatnonzero(rows != columns)
    keys = np.concatenate([rows * size + columns, columns[below] * size + rows[below]])
    order = np.argsort(keys, kind="stable")
    places = np.concatenate([np.arange(len(rows)), below])[order]
    return Mirrored(layout(lower.shape, keys[order]), places.astype(np.intp))
