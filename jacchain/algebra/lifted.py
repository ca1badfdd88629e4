"""One matrix at many points: B local Jacobians of one structure as one block-diagonal matrix.

F(X) = (f(x_1), …, f(x_B)) has the Jacobian diag(J_1, …, J_B). Where J does not depend on the point that is I⊗J, whose
products with its like are formed once; everything else keeps its structure with B times as many blocks.
"""

from functools import lru_cache
from typing import assert_never

from jacchain.algebra.expand import expand_calls
from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    Agreement,
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    Structure,
    block_diagonal,
    csr_arrays,
    kronecker,
    sparse,
    sparse_agreeing,
)


def lifted(structure: Structure, count: int, /, *, is_shared: bool) -> Structure:
    """Return the structure of diag(J_1, …, J_count), where every J has a structure.

    Parameters
    ----------
    structure : Structure
        Of the matrix at one point.
    count : int
        Points, at least 1.
    is_shared : bool
        The numbers are the same at every point.

    Returns
    -------
    Structure
        That itself for one point.

    Examples
    --------
    >>> print(lifted(Dense(2, 3), 4, is_shared=True), "|", lifted(Dense(2, 3), 4, is_shared=False))
    kronecker I(4)⊗(2x3) | block-diagonal 4x(2x3)
    >>> print(lifted(Diagonal(3), 4, is_shared=False))
    diagonal 12
    """
    if count == 1:
        return structure
    match structure:
        case Identity(size):
            return Identity(count * size)
        case Negation(size):
            return Negation(count * size)
        case Diagonal(size):
            return Diagonal(count * size)
        case Dense(rows, columns):
            return kronecker(Identity(count), structure) if is_shared else block_diagonal(count, rows, columns)
        case BlockDiagonal(blocks, rows, columns):
            return BlockDiagonal(count * blocks, rows, columns)
        case Kronecker(Identity(blocks), Dense(rows, columns) as factor):
            repeated = Identity(count * blocks)
            return kronecker(repeated, factor) if is_shared else block_diagonal(repeated.size, rows, columns)
        case Kronecker(Dense() as factor, Identity(size)):
            # numbered by point, row of A, place and column of A: entries where point and place agree
            return sparse_agreeing((count, factor.rows, size, factor.columns), (0, 1, 2), (0, 3, 2))
        case Kronecker():  # every entry of A⊗C is there
            return block_diagonal(count, structure.rows, structure.columns)
        case Sparse():
            return _repeated(structure, count)
        case _:
            assert_never(structure)


def _repeated(structure: Sparse, count: int) -> Sparse:
    """Return the pattern with so many copies down the diagonal; the numbers of each lie together, in their order."""
    if isinstance(structure.of, Kronecker):
        spread = lifted(structure.of, count, is_shared=False)
        assert isinstance(spread, Sparse)
        return spread
    if structure.agreement is not None:
        sizes, rows, columns = structure.agreement.sizes, structure.agreement.rows, structure.agreement.columns
        found = Agreement((count, *sizes), (0, *(k + 1 for k in rows)), (0, *(k + 1 for k in columns)))
        return sparse_agreeing(found.sizes, found.rows, found.columns)
    import numpy as np

    indptr, indices = (array.astype(np.int64) for array in csr_arrays(structure))
    points = np.arange(count)[:, None]
    starts = np.concatenate([[0], (points * indices.size + indptr[1:]).reshape(-1)])
    places = (points * structure.columns + indices).reshape(-1)
    return sparse(count * structure.rows, count * structure.columns, starts, places)


def keeps_arrays(structure: Structure, count: int, /, *, is_shared: bool) -> bool:
    """Tell whether the numbers at one point lie somewhere in the lifted arrays as they do at one point alone.

    Not so for A⊗I, A⊗C, and an I⊗B that depends on the point: their factors have no place in what is written out.

    Examples
    --------
    >>> keeps_arrays(Kronecker(Dense(2, 2), Identity(3)), 4, is_shared=True)
    False
    """
    if count == 1 or not isinstance(structure, Kronecker):
        return True
    return is_shared and isinstance(structure.left, Identity)


def point_operand(
    structure: Structure, count: int, operand: Operand, point: int, /, *, is_shared: bool
) -> Operand | None:
    """Return the matrix at one point as views into the lifted arrays, or None where it has no room there.

    Parameters
    ----------
    structure : Structure
        Of the matrix at one point.
    count, point : int
        Points, and which of them.
    operand : Operand
        The lifted matrix; its arrays are contiguous.
    is_shared : bool
        As `operand` was lifted. Where all points share one array, that is given for each.
    """
    if not keeps_arrays(structure, count, is_shared=is_shared):
        return None
    match structure:
        case Identity() | Negation():
            return Operand(structure, ())
        case Kronecker():
            return Operand(structure, operand.arrays)
        case Dense(rows, columns):
            if count == 1 or is_shared:
                return Operand(structure, operand.arrays)
            return Operand(structure, (operand.arrays[0].reshape(count, rows, columns)[point],))
        case Diagonal(size):
            return Operand(structure, (operand.arrays[0].reshape(count, size)[point],))
        case BlockDiagonal(blocks, rows, columns):
            return Operand(structure, (operand.arrays[0].reshape(count, blocks, rows, columns)[point],))
        case Sparse():
            return Operand(structure, (operand.arrays[0].reshape(count, structure.nonzeros)[point],))
        case _:
            assert_never(structure)


def lift_point_calls(
    kernels: Kernels, structure: Structure, count: int, arrays: Arrays, out: Operand, point: int, /
) -> Calls:
    """Return the calls that write the matrix at one point into its block of a lifted one that is not shared."""
    return _written(kernels, structure, arrays, out, count, slice(point, point + 1))


def lift_shared_calls(kernels: Kernels, structure: Structure, count: int, arrays: Arrays, out: Operand, /) -> Calls:
    """Return the calls that write a matrix which is the same at every point into the lifted one.

    Parameters
    ----------
    structure, arrays
        The matrix at one point.
    count : int
        Points.
    out : Operand
        Of the lifted structure, whether made with `is_shared` or not.
    """
    shapes = [array.shape for array in arrays]
    if [array.shape for array in out.arrays] == shapes:  # one array for all points
        return tuple((kernels.copyto, pair) for pair in zip(out.arrays, arrays, strict=True))
    return _written(kernels, structure, arrays, out, count, slice(0, count))


def _written(kernels: Kernels, structure: Structure, arrays: Arrays, out: Operand, count: int, points: slice) -> Calls:
    """Return the calls that write one matrix into the blocks of several points, all numbers written out."""
    if not arrays:
        return ()
    target = out.arrays[0]
    match structure:
        case Kronecker(Identity(blocks), Dense(rows, columns)):
            return ((kernels.copyto, (target.reshape(count, blocks, rows, columns)[points], arrays[0])),)
        case Kronecker(Dense(rows, columns), Identity(size)):
            place = target.reshape(count, rows, size, columns)[points]
            return ((kernels.copyto, (place, arrays[0][:, None, :])),)
        case Kronecker():
            whole = target.reshape(count, structure.rows, structure.columns)
            first = whole[points.start]
            rest = whole[points.start + 1 : points.stop]
            calls = expand_calls(kernels, structure, arrays, first)
            return (*calls, (kernels.copyto, (rest, first))) if len(rest) else calls
        case _:
            shape = (count, *arrays[0].shape)
            return ((kernels.copyto, (target.reshape(shape)[points], arrays[0])),)


def blocks(structure: Structure, count: int, /) -> Structure:
    """Return the structure of a lifted matrix with the block of every point written out.

    Examples
    --------
    >>> print(blocks(Diagonal(12), 4))
    block-diagonal 4x(3x3)
    """
    return block_diagonal(count, structure.rows // count, structure.columns // count)


def blocks_calls(kernels: Kernels, structure: Structure, arrays: Arrays, count: int, out: Array, /) -> Calls:
    """Return the calls that write the block of every point into the contiguous array `out` of (count, m, n).

    Parameters
    ----------
    structure, arrays
        A block-diagonal matrix of count·m × count·n, in any structure.
    count : int
        Points.
    """
    _, rows, columns = out.shape
    zeros = (kernels.fill, (0, out))
    match structure:
        case Identity() | Negation():
            value = 1 if isinstance(structure, Identity) else -1
            return (zeros, (kernels.fill, (value, out.reshape(count, -1)[:, :: columns + 1])))
        case Diagonal():
            return (zeros, (kernels.copyto, (out.reshape(count, -1)[:, :: columns + 1], arrays[0].reshape(count, -1))))
        case Dense() if count == 1:
            return ((kernels.copyto, (out[0], arrays[0])),)
        case Dense():
            grid = arrays[0].reshape(count, rows, count, columns)
            return ((kernels.copyto, (out, kernels.xp.einsum("bmbn->bmn", grid))),)
        case BlockDiagonal(pieces, _, _) | Kronecker(Identity(pieces), Dense()) if pieces % count == 0:
            return _pieces_calls(kernels, arrays[0], pieces // count, out)
        case Kronecker() if count == 1:
            return expand_calls(kernels, structure, arrays, out[0])
        case Sparse():
            return (zeros, (kernels.scatter, (arrays[0], kernels.index(_places(structure, columns)), out.reshape(-1))))
        case Kronecker(Dense(), Identity()):
            return (zeros, *_spread_calls(kernels, structure, arrays[0], out))
        case Kronecker() | BlockDiagonal():  # apart by its numbers only: it is written out whole
            whole = kernels.xp.empty((structure.rows, structure.columns), out.dtype)
            grid = whole.reshape(count, rows, count, columns)
            return (
                *expand_calls(kernels, structure, arrays, whole),
                (kernels.copyto, (out, kernels.xp.einsum("bmbn->bmn", grid))),
            )
        case _:
            assert_never(structure)


def falls_apart(structure: Structure, count: int, /) -> bool:
    """Whether a lifted matrix has no room for entries between different points, or one that `blocks_calls` leaves out.

    Examples
    --------
    >>> falls_apart(sparse(2, 2, [0, 1, 2], [0, 1]), 2), falls_apart(sparse(2, 2, [0, 1, 2], [1, 0]), 2)
    (True, False)
    """
    if count == 1 or not isinstance(structure, Sparse):
        return True
    import numpy as np

    indptr, indices = csr_arrays(structure)
    rows, columns = structure.rows // count, structure.columns // count
    points = np.repeat(np.arange(structure.rows) // rows, np.diff(indptr))
    return bool((indices // columns == points).all())


def _spread_calls(kernels: Kernels, structure: Kronecker, array: Array, out: Array) -> Calls:
    """Return the calls that write the entries of A⊗I which lie in the blocks, into zeros."""
    import numpy as np

    _, rows, columns = out.shape
    size, (height, width) = structure.right.rows, array.shape
    i, j, place = np.ix_(np.arange(height), np.arange(width), np.arange(size))
    row, column = np.broadcast_arrays(i * size + place, j * size + place)
    kept = row // rows == column // columns
    values = np.broadcast_to(i * width + j, kept.shape)[kept]
    held = kernels.xp.empty(values.size, out.dtype)
    places = row[kept] * columns + column[kept] % columns
    return (
        (kernels.take, (array.reshape(-1), kernels.index(values), held)),
        (kernels.scatter, (held, kernels.index(places), out.reshape(-1))),
    )


def _pieces_calls(kernels: Kernels, array: Array, each: int, out: Array) -> Calls:
    """Return the calls that write blocks, so `each` for every point, or one array that stands in all of them."""
    if each == 1:
        return ((kernels.copyto, (out, array)),)
    count, rows, columns = out.shape
    inner = (rows // each, columns // each)
    places = kernels.xp.einsum("brnrc->brnc", out.reshape(count, each, inner[0], each, inner[1]))
    whole = array if array.ndim == 2 else array.reshape(count, each, *inner)
    return ((kernels.fill, (0, out)), (kernels.copyto, (places, whole)))


@lru_cache(maxsize=16)
def _places(structure: Sparse, columns: int) -> Array:
    """Return where each entry lies among the written-out blocks of so many columns."""
    import numpy as np

    indptr, indices = csr_arrays(structure)
    row = np.repeat(np.arange(structure.rows, dtype=np.int64), np.diff(indptr))
    return row * columns + indices % columns
