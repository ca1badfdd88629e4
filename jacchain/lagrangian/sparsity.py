"""Where the entries of a sparse matrix are that may differ from zero, whatever the point."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.distinct import distinct

Index = NDArray[np.integer[Any]]


@final
@dataclass(frozen=True, slots=True, eq=False)
class SparsityPattern:
    """The places of a sparse matrix, row by row and in each row from left to right.

    Attributes
    ----------
    shape : tuple of int
    indptr : array of int, of shape (rows + 1,)
        Where each row begins among the places.
    columns : array of int, of shape (nonzeros,)
        The column of each place. Arrays are read-only.

    Examples
    --------
    >>> pattern = SparsityPattern.of_places((2, 3), rows=[1, 0, 1], columns=[2, 0, 0])
    >>> pattern.rows.tolist(), pattern.columns.tolist(), pattern.nonzeros
    ([0, 1, 1], [0, 0, 2], 3)
    >>> print(pattern)
    2 x 3 with 3 nonzeros
    """

    shape: tuple[int, int]
    indptr: Index
    columns: Index

    def __post_init__(self) -> None:
        dtype = np.int32 if max(*self.shape, self.columns.size) < np.iinfo(np.int32).max else np.int64
        for name in ("indptr", "columns"):
            array = np.array(getattr(self, name), dtype)  # SciPy takes both of one dtype without a copy
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def of_places(cls, shape: tuple[int, int], /, *, rows: Any, columns: Any) -> Self:
        """Return the pattern of places in any order, each given once or more."""
        keys = distinct(np.asarray(rows, np.int64) * shape[1] + np.asarray(columns, np.int64))
        counts = np.bincount(keys // shape[1], minlength=shape[0])
        return cls(shape, np.concatenate([[0], np.cumsum(counts)]), keys % shape[1])

    @property
    def rows(self) -> Index:
        """The row of each place."""
        return np.repeat(np.arange(self.shape[0], dtype=self.columns.dtype), np.diff(self.indptr))

    @property
    def nonzeros(self) -> int:
        """How many places there are."""
        return int(self.columns.size)

    def __str__(self) -> str:
        rows, columns = self.shape
        return f"{rows:,} x {columns:,} with {self.nonzeros:,} nonzeros"


class Mirrored(NamedTuple):
    """A symmetric matrix that is stored by its lower triangle: all places, and where each finds its value."""

    pattern: SparsityPattern
    source: Index
    """For each place of the whole matrix the number of the place in the lower triangle that holds its value."""


def mirrored(lower: SparsityPattern, /) -> Mirrored:
    """Return the whole of a symmetric matrix, given its lower triangle.

    Row i of the whole is row i of the lower triangle, followed by column i of what is below the diagonal.

    Examples
    --------
    >>> whole = mirrored(SparsityPattern.of_places((2, 2), rows=[0, 1], columns=[0, 0]))
    >>> whole.pattern.rows.tolist(), whole.pattern.columns.tolist(), whole.source.tolist()
    ([0, 0, 1], [0, 1, 0], [0, 1, 1])
    """
    size, rows, columns = lower.shape[0], lower.rows, lower.columns
    below = np.flatnonzero(rows > columns)
    order = below[np.argsort(columns[below], kind="stable")]  # rows ascend within each column
    counts = np.diff(lower.indptr).astype(np.int64)
    added = np.bincount(columns[below], minlength=size)
    indptr = np.concatenate([[0], np.cumsum(counts + added)])
    kept = np.arange(lower.nonzeros) - lower.indptr[rows] + indptr[rows]
    starts = np.cumsum(added) - added
    turned = columns[order]
    placed = np.arange(order.size) - starts[turned] + indptr[turned] + counts[turned]
    source = np.empty(indptr[-1], np.intp)
    found = np.empty(indptr[-1], columns.dtype)
    source[kept], source[placed] = np.arange(lower.nonzeros), order
    found[kept], found[placed] = columns, rows[order]
    return Mirrored(SparsityPattern(lower.shape, indptr, found), source)
