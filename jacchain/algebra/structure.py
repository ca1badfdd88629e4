"""What a local Jacobian looks like, without its values.

Structures are value-free, final, frozen and hashable. A matrix is a structure plus arrays (`jacchain.algebra.matrix`).
"""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Final, assert_never, final

from jacchain.errors import SizeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """The identity map on `size` numbers; nothing is stored."""

    size: int

    @property
    def rows(self) -> int:
        """Number of outputs."""
        return self.size

    @property
    def columns(self) -> int:
        """Number of inputs."""
        return self.size

    def __str__(self) -> str:
        return f"identity {self.size}"


@final
@dataclass(frozen=True, slots=True)
class Negation:
    """The map -I on `size` numbers: what a subtraction does to its second operand; nothing is stored."""

    size: int

    @property
    def rows(self) -> int:
        """Number of outputs."""
        return self.size

    @property
    def columns(self) -> int:
        """Number of inputs."""
        return self.size

    def __str__(self) -> str:
        return f"negation {self.size}"


@final
@dataclass(frozen=True, slots=True)
class Diagonal:
    """A diagonal of `size` numbers: the derivative of an elementwise map."""

    size: int

    @property
    def rows(self) -> int:
        """Number of outputs."""
        return self.size

    @property
    def columns(self) -> int:
        """Number of inputs."""
        return self.size

    def __str__(self) -> str:
        return f"diagonal {self.size}"


@final
@dataclass(frozen=True, slots=True)
class Dense:
    """A full matrix of `rows` × `columns` numbers."""

    rows: int
    columns: int

    def __str__(self) -> str:
        return f"dense {self.rows}x{self.columns}"


@final
@dataclass(frozen=True, slots=True)
class Kronecker:
    """A⊗B, stored as its factors; either factor may be the identity. Build with `kronecker`.

    With rows stacked, ``vec(A S Bᵀ) = (A⊗B) vec(S)``: ``S ↦ W S`` is ``W⊗I`` and ``S ↦ S X`` is ``I⊗Xᵀ``.
    """

    left: Identity | Dense
    right: Identity | Dense

    def __post_init__(self) -> None:
        if isinstance(self.left, Identity) and isinstance(self.right, Identity):
            raise SizeError("both factors are the identity", f"use Identity({self.rows})")

    @property
    def rows(self) -> int:
        """Number of outputs."""
        return self.left.rows * self.right.rows

    @property
    def columns(self) -> int:
        """Number of inputs."""
        return self.left.columns * self.right.columns

    def __str__(self) -> str:
        return f"kronecker {_factor(self.left)}⊗{_factor(self.right)}"


@final
@dataclass(frozen=True, slots=True)
class BlockDiagonal:
    """`count` blocks of `block_rows` × `block_columns` numbers down the diagonal. Build with `block_diagonal`."""

    count: int
    block_rows: int
    block_columns: int

    @property
    def rows(self) -> int:
        """Number of outputs."""
        return self.count * self.block_rows

    @property
    def columns(self) -> int:
        """Number of inputs."""
        return self.count * self.block_columns

    def __str__(self) -> str:
        return f"block-diagonal {self.count}x({self.block_rows}x{self.block_columns})"


@final
@dataclass(frozen=True, slots=True)
class Agreement:
    """A pattern of rows and columns that are numbered by several indices each: entries where those of both agree.

    Attributes
    ----------
    sizes : tuple of int
        How many values each index has.
    rows, columns : tuple of int
        The indices, by position, that number the rows and the columns, the last varying fastest.
    """

    sizes: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Sparse:
    """A fixed pattern in compressed sparse rows: sorted, without duplicates. Build with `sparse`.

    The index arrays are kept as bytes, so that equal patterns are equal and hash alike. A pattern may instead be stated
    as that of a Kronecker product A⊗I (`of`), or by indices that agree (`agreement`); it is then written out only where
    a program needs it.
    """

    rows: int
    columns: int
    indptr: bytes
    indices: bytes
    index_dtype: str
    of: Kronecker | None = None
    agreement: Agreement | None = None

    @property
    def nonzeros(self) -> int:
        """Number of stored entries."""
        if self.of is not None:
            return self.of.left.rows * self.of.left.columns * self.of.right.rows
        if self.agreement is not None:
            return prod(self.agreement.sizes)
        return len(self.indices) // int(self.index_dtype[-1])

    def __str__(self) -> str:
        return f"sparse {self.rows}x{self.columns}, {self.nonzeros} nonzeros"


Structure = Identity | Negation | Diagonal | Kronecker | BlockDiagonal | Sparse | Dense
STRUCTURES: Final = (Identity, Negation, Diagonal, Kronecker, BlockDiagonal, Sparse, Dense)


def is_unit(structure: Structure, /) -> bool:
    """Tell whether a matrix is I or -I: it stores nothing, and products by it take no multiplications.

    Examples
    --------
    >>> is_unit(Negation(3)), is_unit(Diagonal(3))
    (True, False)
    """
    return isinstance(structure, Identity | Negation)


def _factor(factor: Identity | Dense) -> str:
    return f"I({factor.size})" if isinstance(factor, Identity) else f"({factor.rows}x{factor.columns})"


def kronecker(left: Identity | Dense, right: Identity | Dense, /) -> Structure:
    """Return the structure of A⊗B in its simplest form.

    Examples
    --------
    >>> print(kronecker(Identity(3), Dense(2, 5)))
    kronecker I(3)⊗(2x5)
    >>> kronecker(Identity(1), Dense(2, 5)), kronecker(Identity(2), Identity(3))
    (Dense(rows=2, columns=5), Identity(size=6))
    """
    if isinstance(left, Identity) and isinstance(right, Identity):
        return Identity(left.size * right.size)
    if left == Identity(1):
        return right
    if right == Identity(1):
        return left
    return Kronecker(left, right)


def block_diagonal(count: int, block_rows: int, block_columns: int, /) -> Structure:
    """Return the structure of `count` equal-sized diagonal blocks in its simplest form.

    Examples
    --------
    >>> block_diagonal(1, 2, 3), block_diagonal(4, 1, 1)
    (Dense(rows=2, columns=3), Diagonal(size=4))
    """
    if count == 1:
        return Dense(block_rows, block_columns)
    if block_rows == 1 and block_columns == 1:
        return Diagonal(count)
    return BlockDiagonal(count, block_rows, block_columns)


def sparse(rows: int, columns: int, indptr: "ArrayLike", indices: "ArrayLike", /) -> Sparse:
    """Return the structure of a fixed CSR pattern.

    Parameters
    ----------
    rows, columns : int
        Shape of the matrix.
    indptr, indices : array_like of int
        Row pointers (rows + 1) and column numbers, sorted and unique within each row.

    Raises
    ------
    SizeError
        The arrays are not a valid pattern.

    Examples
    --------
    >>> print(sparse(2, 3, [0, 1, 3], [2, 0, 1]))
    sparse 2x3, 3 nonzeros
    """
    import numpy as np

    ptr, idx = np.asarray(indptr), np.asarray(indices)
    if not all(a.dtype.kind in "iu" or a.size == 0 for a in (ptr, idx)):
        raise SizeError(f"indptr and indices are {ptr.dtype} and {idx.dtype}", "give integers")
    if ptr.shape != (rows + 1,) or ptr[0] != 0 or ptr[-1] != idx.size or idx.ndim != 1 or np.any(np.diff(ptr) < 0):
        raise SizeError(
            f"indptr does not describe {rows} rows of {idx.size} entries",
            f"give {rows + 1} non-decreasing row pointers from 0 to {idx.size}",
        )
    if idx.size and (idx.min() < 0 or idx.max() >= columns):
        raise SizeError(
            f"column {idx.min() if idx.min() < 0 else idx.max()} is outside 0..{columns - 1}", "correct the pattern"
        )
    keys = np.repeat(np.arange(rows), np.diff(ptr)) * columns + idx
    if np.any(np.diff(keys) <= 0):
        raise SizeError(
            "columns are not sorted and unique within each row", "call sum_duplicates() and sort_indices() first"
        )
    dtype = "<i4" if max(columns, rows, idx.size) < 2**31 else "<i8"
    return Sparse(rows, columns, ptr.astype(dtype).tobytes(), idx.astype(dtype).tobytes(), dtype)


def sparse_like(matrix: Kronecker, /) -> Sparse:
    """Return the sparse structure with the pattern of A⊗I.

    Examples
    --------
    >>> print(sparse_like(Kronecker(Dense(2, 3), Identity(4))))
    sparse 8x12, 24 nonzeros
    """
    if not isinstance(matrix.left, Dense) or not isinstance(matrix.right, Identity):
        raise SizeError(f"{matrix} is not A⊗I", "give a dense left factor and an identity on the right")
    return Sparse(matrix.rows, matrix.columns, b"", b"", "", of=matrix)


def sparse_agreeing(sizes: tuple[int, ...], rows: tuple[int, ...], columns: tuple[int, ...], /) -> Sparse:
    """Return the sparse structure with entries where indices of the row and of the column agree.

    Its numbers, in order, are an array with an axis for each of the row's indices and then for each that only the
    column has.

    Parameters
    ----------
    sizes, rows, columns
        See `Agreement`; every index numbers the rows or the columns, or both.

    Examples
    --------
    >>> pattern = sparse_agreeing((2, 3), (0, 1), (1,))
    >>> print(pattern, csr_arrays(pattern)[1])
    sparse 6x3, 6 nonzeros [0 1 2 0 1 2]
    """
    count, width = (prod(sizes[index] for index in side) for side in (rows, columns))
    return Sparse(count, width, b"", b"", "", agreement=Agreement(sizes, rows, columns))


def csr_arrays(structure: Sparse, /) -> "tuple[NDArray[np.integer], NDArray[np.integer]]":
    """Return (indptr, indices) of a sparse structure as read-only arrays, without a copy."""
    import numpy as np

    if structure.of is not None:
        from jacchain.algebra.pattern import pattern

        found = pattern(structure.of)
        return found.indptr, found.indices
    if structure.agreement is not None:
        from jacchain.algebra.pattern import agreeing

        return agreeing(structure.agreement)
    return np.frombuffer(structure.indptr, structure.index_dtype), np.frombuffer(
        structure.indices, structure.index_dtype
    )


def stored(structure: Structure, /) -> int:
    """Return how many numbers a matrix of this structure stores.

    Examples
    --------
    >>> stored(kronecker(Identity(100), Dense(2, 3))), stored(Identity(7))
    (6, 0)
    """
    match structure:
        case Identity() | Negation():
            return 0
        case Diagonal():
            return structure.size
        case Dense():
            return structure.rows * structure.columns
        case Kronecker():
            return stored(structure.left) + stored(structure.right)
        case BlockDiagonal():
            return structure.count * structure.block_rows * structure.block_columns
        case Sparse():
            return structure.nonzeros
        case _:
            assert_never(structure)


def array_shapes(structure: Structure, /) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of the arrays that a matrix of this structure holds."""
    match structure:
        case Identity() | Negation():
            return ()
        case Diagonal():
            return ((structure.size,),)
        case Dense():
            return ((structure.rows, structure.columns),)
        case Kronecker():
            return array_shapes(structure.left) + array_shapes(structure.right)
        case BlockDiagonal():
            return ((structure.count, structure.block_rows, structure.block_columns),)
        case Sparse():
            return ((structure.nonzeros,),)
        case _:
            assert_never(structure)
