"""Products of a Jacobian with tangents and adjoints, of plain functions and of compositions of layers."""

from typing import Any

from jacchain.compositions import composition_jvp, composition_vjp
from jacchain.derivatives import Function, as_function
from jacchain.functions.options import function_options
from jacchain.functions.products import function_jvp, function_vjp
from jacchain.model.layer import Layer
from jacchain.model.sequential import Sequential


def jvp(
    f: Sequential | Layer | Function,
    x: Any,
    v: Any,
    /,
    *,
    planner: str | None = None,
    check: bool = False,
    device: str = "auto",
) -> Any:
    """Return J v, planned as a longer chain J_n…J_1·V.

    A plain function that closes over nothing is recorded with its first call for given shapes and dtypes, what it reads
    of its module included; any other in every call.

    Parameters
    ----------
    f : Sequential, Layer or callable
    x : array of shape s
        For a plain function also a tuple, which stands for several arguments.
    v : array of shape s, or of shape s + (p,) for p tangents at once
        Nested like x.

    Returns
    -------
    array
        Of f(x)'s shape t, or of shape t + (p,); nested like a plain function's result.

    Examples
    --------
    >>> from jacchain.layers import Square
    >>> jvp(Square(), [1.0, 2.0], [1.0, 1.0])
    array([2., 4.])
    >>> import numpy as np
    >>> jvp(np.multiply, (np.array([1.0, 2.0]), np.array([3.0, 4.0])), (np.ones(2), np.zeros(2)))
    array([3., 4.])
    """
    if isinstance(f, Sequential | Layer):
        return composition_jvp(f, x, v, planner=planner or "optimal", check=check, device=device)
    return function_jvp(as_function(f), x, v, function_options(planner=planner, check=check, device=device))


def vjp(
    f: Sequential | Layer | Function,
    x: Any,
    u: Any,
    /,
    *,
    planner: str | None = None,
    check: bool = False,
    device: str = "auto",
) -> Any:
    """Return uᵀ J, planned as a longer chain U·J_n…J_1. What is recorded when: as for `jvp`.

    Parameters
    ----------
    f : Sequential, Layer or callable
    x : array of shape s
        For a plain function also a tuple, which stands for several arguments.
    u : array of f(x)'s shape t, or of shape (q,) + t for q adjoints at once
        Nested like a plain function's result.

    Returns
    -------
    array
        Of shape s, or of shape (q,) + s; nested like x.

    Examples
    --------
    >>> from jacchain.layers import Square
    >>> vjp(Square(), [1.0, 2.0], [1.0, 1.0])
    array([2., 4.])
    >>> import numpy as np
    >>> vjp(np.multiply, (np.array([1.0, 2.0]), np.array([3.0, 4.0])), np.ones(2))
    (array([3., 4.]), array([1., 2.]))
    """
    if isinstance(f, Sequential | Layer):
        return composition_vjp(f, x, u, planner=planner or "optimal", check=check, device=device)
    return function_vjp(as_function(f), x, u, function_options(planner=planner, check=check, device=device))
