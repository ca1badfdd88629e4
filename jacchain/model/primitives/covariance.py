"""Covariances of distributions, diag(p) - p pᵀ: the second derivative of the logarithm of a sum of exponentials."""

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.model.primitives.axes import Groups


def as_rows(groups: Groups, array: Array, /) -> Array:
    """Return a view of an array that stands, beside `Groups.pairwise`, for the number in the place of the row."""
    return groups.aside(array)[(..., *(None for _ in groups.reduced))]


def as_columns(groups: Groups, array: Array, /) -> Array:
    """Return a view of an array that stands, beside `Groups.pairwise`, for the number in the place of the column."""
    return groups.aside(array)[(*(slice(None) for _ in groups.kept), *(None for _ in groups.reduced))]


def on_diagonal(kernels: Kernels, groups: Groups, square: Array, /) -> Array:
    """Return a view, with the reduced axes last, of the diagonal of what `Groups.pairwise` gives."""
    kept, reduced = list(groups.kept), list(groups.reduced)
    return kernels.xp.einsum(square, kept + reduced + reduced, kept + reduced)


def covariance_calls(kernels: Kernels, groups: Groups, chances: Array, weights: Array, out: Array, /) -> Calls:
    """Return the calls that write ``w (p pᵀ - diag(p))`` for every group, as the numbers of `axes.pairs`.

    Parameters
    ----------
    kernels : Kernels
    groups : Groups
    chances : array of the groups' shape
        p.
    weights : array of the groups' thin shape
        w.
    out : array
        The result.
    """
    xp, square = kernels.xp, groups.pairwise(out)
    diagonal = on_diagonal(kernels, groups, square)
    return (
        (xp.multiply, (as_rows(groups, chances), as_columns(groups, chances), square)),
        (xp.subtract, (diagonal, groups.aside(chances), diagonal)),
        (xp.multiply, (square, as_rows(groups, weights), square)),
    )


def covariance_bend(kernels: Kernels, groups: Groups, chances: Array, weights: Array, v: Array, out: Array, /) -> Calls:
    """Return the calls that write ``w (diag(p) - p pᵀ) v`` for every group; v and `out` have the groups' shape."""
    xp = kernels.xp
    work, total = xp.empty(groups.shape, out.dtype), xp.empty(groups.thin, out.dtype)
    return (
        (xp.multiply, (chances, v, out)),
        (xp.add.reduce, (out, groups.reduced, None, total, True)),
        (xp.multiply, (chances, total, work)),
        (xp.subtract, (out, work, out)),
        (xp.multiply, (out, weights, out)),
    )
