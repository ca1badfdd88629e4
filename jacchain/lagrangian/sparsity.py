"""Where the entries of a sparse matrix are that may differ from zero, whatever the point."""

from dataclasses import dataclass
from typing import Any, Self, final

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
            array = np.asarray(getattr(self, name), dtype)  # SciPy takes both of one dtype without a copy
            if array.flags.writeable:
                array = array.copy()
                array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def of_places(cls, shape: tuple[int, int], /, *, rows: Any, columns: Any) -> Self:
        """Return the pattern of places in any order, each given once or more."""
        keys = distinct(np.asarray(rows, np.int64) * shape[1] + np.asarray(columns, np.int64))
        counts = np.bincount(keys // shape[1], minlength=shape[0])
        return cls(shape, np.concatenate([[0], np.cumsum(counts)]), keys % shape[1])

    @classmethod
    def of_lower_triangle(cls, size: int, /) -> Self:
        """Return the pattern of all places on the diagonal and below.

        Examples
        --------
        >>> pattern = SparsityPattern.of_lower_triangle(2)
        >>> pattern.rows.tolist(), pattern.columns.tolist()
        ([0, 1, 1], [0, 0, 1])
        """
        indptr = np.cumsum(np.arange(size + 1, dtype=np.int64))
        columns: Index = np.empty(triangle(size), np.int32 if triangle(size) < np.iinfo(np.int32).max else np.int64)
        each = np.arange(size, dtype=columns.dtype)
        for row, start in enumerate(indptr[:-1]):
            columns[start : start + row + 1] = each[: row + 1]
        columns.flags.writeable = False
        return cls((size, size), indptr, columns)

    @property
    def is_lower_triangle(self) -> bool:
        """Whether it has all places on the diagonal and below, given that it has none above."""
        return self.nonzeros == triangle(self.shape[0])

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


def triangle(size: int, /) -> int:
    """Return how many places the lower triangle of a square matrix has, with the diagonal."""
    return size * (size + 1) // 2
