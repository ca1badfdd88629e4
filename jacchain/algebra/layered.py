"""(A⊗I)ᵀ D (A⊗I) for a diagonal D: one product with the products of A's columns, of which half are different."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array, Calls, Kernels, gemm
from jacchain.algebra.structure import Dense, Diagonal, Identity, Kronecker, Structure, sparse_like


def is_layered(g: Structure, p: Structure, /) -> bool:
    """Tell whether PᵀGP is best made of products of columns: P is A⊗I, G diagonal, and GP has at least as many numbers.

    That takes no more multiplications than GP and Pᵀ(GP) do.

    Examples
    --------
    >>> is_layered(Diagonal(40), Kronecker(Dense(10, 3), Identity(4)))
    True
    """
    match g, p:
        case Diagonal(), Kronecker(Dense(_, columns), Identity(size)):
            return columns + 1 <= 2 * size
        case _:
            return False


def layered_structure(p: Kronecker, /) -> Structure:
    """Return the structure of the product: it is spread like AᵀA⊗I."""
    columns = p.left.columns
    return sparse_like(Kronecker(Dense(columns, columns), p.right))


def column_pairs(p: Kronecker, /) -> Dense:
    """Return the structure of the products of A's columns: a row for every pair, a column for every row of A."""
    columns = p.left.columns
    return Dense(columns * (columns + 1) // 2, p.left.rows)


def layered_cost(p: Kronecker, /) -> int:
    """Return the multiplications of the product, given the products of columns.

    Examples
    --------
    >>> layered_cost(Kronecker(Dense(10, 3), Identity(4)))
    240
    """
    found = column_pairs(p)
    return found.rows * found.columns * p.right.rows


def _pairs(columns: int) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.triu_indices(columns)


def pair_calls(kernels: Kernels, a: Array, out: Array, scratch: Array, /) -> Calls:
    """Return the calls that write the products of A's columns into `out`, which is of their structure's shape."""
    rows, columns = a.shape
    first, second = _pairs(columns)
    starts = columns * np.arange(rows)
    held = scratch[: out.size].reshape(out.shape)
    return (
        (kernels.take, (a, kernels.index(first[:, None] + starts), out)),
        (kernels.take, (a, kernels.index(second[:, None] + starts), held)),
        (kernels.multiply, (out, held, out)),
    )


def layered_scratch(p: Kronecker, /) -> int:
    """Return the numbers of workspace that `layered_calls` takes."""
    return column_pairs(p).rows * p.right.rows


def layered_calls(
    kernels: Kernels, p: Kronecker, pairs: Array, diagonal: Array, out: Array, scratch: Array, /
) -> Calls:
    """Return the calls that write the product's numbers into `out`, given the products of columns."""
    columns, size = p.left.columns, p.right.rows
    made = scratch[: layered_scratch(p)].reshape(len(pairs), size)
    numbers = np.empty((columns, columns), np.intp)
    first, second = _pairs(columns)
    numbers[first, second] = numbers[second, first] = np.arange(len(first))
    places = kernels.index(numbers[:, None, :] * size + np.arange(size)[:, None])  # rows (k, j), columns l
    return (
        gemm(kernels, (pairs, diagonal.reshape(p.left.rows, size), made)),
        (kernels.take, (made, places, out.reshape(places.shape))),
    )
