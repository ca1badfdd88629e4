"""Products of A⊗I, I⊗B and what has their patterns, where the entries lie evenly: one call instead of gathering.

With rows (i, j) and columns (k, l), A⊗I and its like have entries where j = l, I⊗B and its like where i = k. Products
of two of the first kind sum over one index for every j; a product of one of each kind has one term for every entry.
"""

from typing import Any, Final, NamedTuple, final

from jacchain.algebra.kernels import Array, Calls, Kernels, gemm
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import BlockDiagonal, Dense, Identity, Kronecker, Sparse, Structure

LAYERED: Final = "layered"
BLOCKED: Final = "blocked"


@final
class Grid(NamedTuple):
    """Entries of `rows` × `columns` so many `times`: layered like A⊗I, or in blocks like I⊗B.

    A factor is stored once (`is_factor`), anything else every time.
    """

    kind: str
    rows: int
    columns: int
    times: int
    is_factor: bool


def grid(structure: Structure, /) -> Grid | None:
    """Return how the entries of a matrix lie, or None where they do not lie evenly.

    Examples
    --------
    >>> grid(BlockDiagonal(4, 2, 3))
    Grid(kind='blocked', rows=2, columns=3, times=4, is_factor=False)
    """
    match structure:
        case Kronecker(Dense(rows, columns), Identity(count)):
            return Grid(LAYERED, rows, columns, count, is_factor=True)
        case Sparse(of=Kronecker(Dense(rows, columns), Identity(count))):
            return Grid(LAYERED, rows, columns, count, is_factor=False)
        case Kronecker(Identity(count), Dense(rows, columns)):
            return Grid(BLOCKED, rows, columns, count, is_factor=True)
        case BlockDiagonal(count, rows, columns):
            return Grid(BLOCKED, rows, columns, count, is_factor=False)
        case _:
            return None


def is_even(left: Structure, right: Structure, /) -> bool:
    """Tell whether `even_calls` multiplies two structures.

    Examples
    --------
    >>> is_even(BlockDiagonal(4, 1, 3), Kronecker(Dense(4, 5), Identity(3)))
    True
    """
    a, b = grid(left), grid(right)
    if a is None or b is None or (a.is_factor and b.is_factor):
        return False
    if a.kind == b.kind:
        return a.kind == LAYERED and a.times == b.times
    return (a.columns, a.times) == (b.times, b.rows)


def even_calls(kernels: Kernels, left: Operand, right: Operand, out: Operand, /) -> Calls:
    """Return the calls that write the product of two matrices for which `is_even` holds."""
    a, b = grid(left.structure), grid(right.structure)
    assert a is not None
    assert b is not None
    x, y, target = left.arrays[0], right.arrays[0], out.arrays[0]
    if a.kind == b.kind:
        return _layered(kernels, (a, x), (b, y), target)
    # no index is summed over: every entry is one product
    if a.kind == BLOCKED:  # rows (i, p), columns (k, j): left[i, p, j] · right[i, j, k]
        shape = (a.times, a.rows, b.columns, b.times)
        left_indices, first = ("pj", x) if a.is_factor else ("ipj", x)
        right_indices, second = ("ik", y) if b.is_factor else ("ijk", _rows(b, y))
        subscripts = f"{left_indices},{right_indices}->ipkj"
    else:  # rows (i, j), columns (k, p): left[i, j, k] · right[k, j, p]
        shape = (a.rows, a.times, b.times, b.columns)
        left_indices, first = ("ik", x) if a.is_factor else ("ijk", _rows(a, x))
        right_indices, second = ("jp", y) if b.is_factor else ("kjp", y)
        subscripts = f"{left_indices},{right_indices}->ijkp"
    return ((kernels.outer, (subscripts, first, second, target.reshape(shape))),)


def _rows(found: Grid, array: Array) -> Array:
    """Return the numbers of a layered matrix with the indices of its rows, (i, j), before that of its columns."""
    return array.reshape(found.rows, found.times, found.columns)


def _layered(kernels: Kernels, left: tuple[Grid, Array], right: tuple[Grid, Array], out: Array) -> Calls:
    """Return the calls for left[i, j, r] · right[r, j, k], summed over r for every j."""
    (a, x), (b, y) = left, right
    if a.is_factor:
        return (gemm(kernels, (x, y.reshape(b.rows, -1), out.reshape(a.rows, -1))),)
    if b.is_factor:
        return (gemm(kernels, (x.reshape(-1, a.columns), y, out.reshape(-1, b.columns))),)
    stacks: list[Any] = [_rows(a, x), _rows(b, y), out.reshape(a.rows, a.times, b.columns)]
    return ((kernels.matmul, tuple(stack.swapaxes(0, 1) for stack in stacks)),)
