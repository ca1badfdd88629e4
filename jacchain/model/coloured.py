"""A matrix of a known pattern out of few products: columns that meet in no row are taken together (one colour each).

Sources: A. Curtis, M. Powell and J. Reid, "On the estimation of sparse Jacobian matrices", 1974; A. Gebremedhin,
A. Tarafdar, A. Pothen and A. Walther, "Efficient computation of sparse Hessians using coloring and automatic
differentiation", 2009, for symmetric matrices.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.pattern import pattern as entries_of
from jacchain.algebra.pattern import transposed
from jacchain.algebra.structure import BlockDiagonal, Diagonal, Sparse, sparse
from jacchain.errors import CheckError, MissingExtraError, OptionError
from jacchain.execution.backend import home_of

Index = NDArray[np.integer]
Pattern = Sparse | BlockDiagonal | Diagonal


@final
class Compression(NamedTuple):
    """How the entries of a matrix are read out of its products with few vectors of zeros and ones.

    Attributes
    ----------
    colours : array of int
        For each column, or row, the number of the product that it takes part in; -1 for none.
    products : int
        How many.
    source : array of int
        For each stored number of the matrix its place among the products' numbers, product by product.
    """

    colours: Index
    products: int
    source: Index

    def seeds(self, dtype: Any, /) -> Array:
        """Return the vectors, one in each row."""
        found = np.zeros((self.products, len(self.colours)), dtype)
        (used,) = np.nonzero(self.colours >= 0)
        found[self.colours[used], used] = 1
        return found


@lru_cache(maxsize=32)
def by_columns(pattern: Pattern, /) -> Compression:
    """Return how a matrix is read out of products J·s.

    Raises
    ------
    MissingExtraError
        The library that colours is not installed.

    Examples
    --------
    >>> by_columns(BlockDiagonal(3, 2, 2)).colours.tolist()
    [0, 1, 0, 1, 0, 1]
    """
    rows, columns = _entries(pattern)
    colours = _colours(pattern, "color_cols", pattern.columns)
    return Compression(colours, _count(colours), _places(rows, columns, colours, pattern.rows))


@lru_cache(maxsize=32)
def by_rows(pattern: Pattern, /) -> Compression:
    """Return how a matrix is read out of products s·J.

    Raises
    ------
    MissingExtraError
        The library that colours is not installed.

    Examples
    --------
    >>> by_rows(BlockDiagonal(2, 3, 1)).colours.tolist()
    [0, 1, 2, 0, 1, 2]
    """
    rows, columns = _entries(pattern)
    colours = _colours(pattern, "color_rows", pattern.rows)
    return Compression(colours, _count(colours), _places(columns, rows, colours, pattern.columns))


@lru_cache(maxsize=32)
def by_symmetry(pattern: Pattern, /) -> Compression:
    """Return how a symmetric matrix is read out of products H·s: each pair of entries out of the one or the other.

    Raises
    ------
    MissingExtraError
        The library that colours is not installed.

    Examples
    --------
    >>> by_symmetry(Diagonal(3)).products
    1
    """
    rows, columns = _entries(pattern)
    colours = _colours(pattern, "color_symmetric", pattern.columns)
    source = colours[columns] * pattern.rows + rows
    mirror = np.lexsort((rows, columns))  # where entry (j, i) is stored, for every (i, j)
    readable = _alone(rows, columns, colours)
    # both of a pair are read at one place, so that the matrix is symmetric to the last bit
    first = readable & (~readable[mirror] | (np.arange(len(rows)) <= mirror))
    assert np.all(first | readable[mirror]), "the colouring leaves an entry that cannot be read"
    return Compression(colours, _count(colours), np.where(first, source, source[mirror]))


def as_pattern(values: Any, what: str, /) -> Pattern:
    """Return the pattern that a structure, a SciPy sparse array or a 2-D array of zeros and others states.

    What a sparse array stores counts as an entry, be it zero.

    Raises
    ------
    OptionError
        Something else, or a structure whose numbers stand in several places.

    Examples
    --------
    >>> print(as_pattern([[1, 0, 0], [1, 1, 0]], "the pattern"))
    sparse 2x3, 3 nonzeros
    """
    match values:
        case Sparse() | BlockDiagonal() | Diagonal():
            return values
        case _ if hasattr(values, "tocsr"):
            csr = values.tocsr().copy()
            csr.sum_duplicates()
            return sparse(csr.shape[0], csr.shape[1], csr.indptr, csr.indices)
        case list() | tuple() | np.ndarray() if np.ndim(values) == 2:
            mask = np.asarray(values) != 0
            indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
            return sparse(len(mask), mask.shape[1], indptr, np.nonzero(mask)[1])
        case _:
            cure = "give a SciPy sparse array, a 2-D array, or a Sparse, BlockDiagonal or Diagonal structure"
            raise OptionError(f"{what} is {values!r}", cure)


def is_symmetric(pattern: Pattern, /) -> bool:
    """Tell whether a pattern has with every entry the mirrored one.

    Examples
    --------
    >>> is_symmetric(BlockDiagonal(3, 2, 2)), is_symmetric(sparse(2, 2, [0, 1, 1], [1]))
    (True, False)
    """
    if isinstance(pattern, Sparse):
        found = entries_of(pattern)
        mirrored = entries_of(transposed(pattern).structure)
        return np.array_equal(found.indptr, mirrored.indptr) and np.array_equal(found.indices, mirrored.indices)
    return not isinstance(pattern, BlockDiagonal) or pattern.block_rows == pattern.block_columns


def check_image(matrix: Matrix, v: Array, image: Array, what: str, line: str, /) -> None:
    """Hold a matrix that was read out of few products against its product with a random vector.

    Raises
    ------
    CheckError
        They differ by more than the cube root of the precision, relative to the largest number: the pattern misses an
        entry of the line (row or column) where they differ most.
    """
    fetch = home_of([image]).fetch
    made, image = fetch(matrix.matmat(v[:, None])[:, 0]), fetch(image)
    gap = np.abs(made - image)
    worst = int(np.argmax(gap))
    # not (a <= b): a NaN is found too
    if not gap[worst] <= float(np.finfo(image.dtype).eps) ** (1 / 3) * max(np.abs(image).max(), np.abs(made).max()):
        raise CheckError(
            f"the pattern of {what} misses an entry in {line} {worst}: "
            f"its product is {image[worst]:.6g}, but the pattern's entries give {made[worst]:.6g}",
            "add every entry that can be other than zero at any point",
        )


def check_symmetric(matrix: Matrix, what: str, /) -> None:
    """Look whether a matrix is symmetric.

    Raises
    ------
    CheckError
        An entry differs from the mirrored one by more than the cube root of the precision, relative to the largest.

    Examples
    --------
    >>> from jacchain.algebra.matrix import dense
    >>> check_symmetric(dense([[1.0, 2.0], [3.0, 1.0]]), "the hessian of f")
    Traceback (most recent call last):
    jacchain.errors.CheckError: the hessian of f is not symmetric: entry (0, 1) is 2, but entry (1, 0) is 3
    return the second derivative itself; H + H.T is symmetric
    """
    matrix = Matrix(matrix.structure, tuple(map(home_of(matrix.arrays).fetch, matrix.arrays)))
    gaps = matrix + -matrix.T
    largest = max((float(np.abs(array).max(initial=0)) for array in matrix.arrays), default=0.0)
    gap = np.abs(gaps.arrays[0] if isinstance(gaps.structure, Sparse) else gaps.todense()).reshape(-1)
    worst = int(np.argmax(gap)) if gap.size else 0
    # not (a <= b): a NaN is found too
    if gap.size and not gap[worst] <= float(np.finfo(gap.dtype).eps) ** (1 / 3) * largest:
        found = entries_of(gaps.structure) if isinstance(gaps.structure, Sparse) else None
        row, column = divmod(worst, matrix.shape[1])
        if found is not None:
            row, column = int(np.searchsorted(found.indptr, worst, "right")) - 1, int(found.indices[worst])
        both = matrix.todense()[[row, column], [column, row]]
        raise CheckError(
            f"{what} is not symmetric: entry ({row}, {column}) is {both[0]:.6g}, "
            f"but entry ({column}, {row}) is {both[1]:.6g}",
            "return the second derivative itself; H + H.T is symmetric",
        )


def _entries(pattern: Pattern) -> tuple[Index, Index]:
    """Return the rows and columns of all entries, in the order in which they are stored."""
    found = entries_of(pattern)
    return np.repeat(np.arange(pattern.rows), np.diff(found.indptr)), np.asarray(found.indices, np.intp)


class _Coordinates(NamedTuple):
    """A pattern as the colouring functions read it.

    The library's own class would start JAX's devices, which on a GPU takes most of its memory.
    """

    rows: Index
    cols: Index
    m: int
    n: int


def _colours(pattern: Pattern, function: str, size: int) -> Index:
    match pattern:
        case Diagonal():
            return np.zeros(size, np.intp)
        case BlockDiagonal(count, block_rows, block_columns):
            return np.tile(np.arange(block_rows if function == "color_rows" else block_columns), count)
        case _:
            rows, columns = _entries(pattern)
    if not len(rows):
        return np.full(size, -1)
    given = _Coordinates(rows.astype(np.int32), columns.astype(np.int32), pattern.rows, pattern.columns)
    options = {"postprocess": True} if function == "color_symmetric" else {}
    colours, *_ = _library(function)(given, **options)
    return np.asarray(colours, np.intp)


def _library(function: str) -> Callable[..., Any]:
    try:
        library = import_module("asdex")
    except ImportError:
        cure = "pip install jacchain[coloring]"
        raise MissingExtraError("evaluating by a sparse pattern needs asdex, which colours it", cure) from None
    found: Callable[..., Any] = getattr(library, function)
    return found


def _count(colours: Index) -> int:
    return int(colours.max()) + 1


def _places(kept: Index, taken: Index, colours: Index, length: int) -> Index:
    """Return where entries stand in the products: number `kept` of the product that `taken` takes part in."""
    assert _alone(kept, taken, colours).all(), "the colouring takes two columns or rows together that meet"
    return colours[taken] * length + kept


def _alone(kept: Index, taken: Index, colours: Index) -> NDArray[np.bool_]:
    """Tell of each entry whether no other one of its line is in the same product."""
    colour = colours[taken]
    keys = kept * (_count(colours) + 1) + colour
    _, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
    found: NDArray[np.bool_] = (counts[places] == 1) & (colour >= 0)
    return found
