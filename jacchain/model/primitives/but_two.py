"""Products of all numbers of a group but two of them: the second derivatives of products."""

from functools import partial

from jacchain.algebra.kernels import Array, Calls, Kernels


def but_two_calls(kernels: Kernels, x: Array, before: Array, behind: Array, out: Array, /) -> Calls:
    """Return the calls that write ``before[a] · x[a+1] ⋯ x[b-1] · behind[b]`` for all a < b, and its mirror image.

    Nothing is divided by, so that zeros do no harm.

    Parameters
    ----------
    kernels : Kernels
    x, before, behind : arrays of (groups, n)
        Any strides.
    out : array of (groups, n, n)
        The result; its diagonal is zero.
    """
    xp, n = kernels.xp, x.shape[1]
    places = xp.arange(n)
    is_between = places[:, None] + 1 < places[1:]  # column b holds x[b-1] from b = a + 2 on, and 1 before
    is_below = places[:, None] > places
    return (
        (kernels.fill, (1, out)),
        (partial(xp.copyto, where=is_between), (out[:, :, 1:], x[:, None, :-1])),
        (xp.cumprod, (out, 2, None, out)),
        (xp.multiply, (out, before[:, :, None], out)),
        (xp.multiply, (out, behind[:, None, :], out)),
        (kernels.fill, (0, xp.einsum("gii->gi", out))),
        (partial(xp.copyto, where=is_below), (out, out.swapaxes(1, 2))),
    )


def running_calls(kernels: Kernels, x: Array, out: Array, /) -> Calls:
    """Return the calls that write the product of all numbers before each place of (groups, n) into `out`."""
    return (
        (kernels.fill, (1, out[:, 0])),
        (kernels.xp.cumprod, (x[:, :-1], 1, None, out[:, 1:])),
    )
