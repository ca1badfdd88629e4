"""NumPy's functions with a kink, with the derivative there chosen by the caller."""

from typing import Any, Literal

import numpy as np

from jacchain.model.array_protocol import Axes, apply, is_overloaded, stacked
from jacchain.model.numpy_elementwise import elementwise
from jacchain.model.numpy_reductions import axes_of
from jacchain.model.primitives.binary import Extremum
from jacchain.model.primitives.reduction import Max, Min
from jacchain.model.primitives.unary import Absolute

__all__ = ["absolute", "max", "maximum", "min", "minimum", "relu"]

Ties = Literal["even", "first"]


def absolute(x: Any, /, *, at_zero: float = 0.0) -> Any:
    """Return |x|, whose derivative at 0 is `at_zero`, from -1 to 1.

    Examples
    --------
    >>> import jacchain as jc
    >>> jc.jacobian(lambda x: absolute(x, at_zero=1.0))(0.0)
    array(1.)
    """
    return apply(Absolute(at_zero=at_zero), stacked(x)) if is_overloaded(x) else np.absolute(x)


def maximum(x: Any, y: Any, /, *, at_tie: float = 0.5) -> Any:
    """Return the larger of x and y; at a tie x has the share `at_tie` of the derivative, from 0 to 1, and y the rest.

    Examples
    --------
    >>> import jacchain as jc
    >>> jc.gradient(lambda x, y: maximum(x, y, at_tie=1.0), argnums=(0, 1))(2.0, 2.0)
    (array(1.), array(0.))
    """
    if is_overloaded(x) or is_overloaded(y):
        return elementwise(Extremum("maximum", at_tie=at_tie), stacked(x), stacked(y))
    return np.maximum(x, y)


def minimum(x: Any, y: Any, /, *, at_tie: float = 0.5) -> Any:
    """Return the smaller of x and y; at a tie x has the share `at_tie` of the derivative, and y the rest."""
    if is_overloaded(x) or is_overloaded(y):
        return elementwise(Extremum("minimum", at_tie=at_tie), stacked(x), stacked(y))
    return np.minimum(x, y)


def relu(x: Any, /, *, at_zero: float = 0.0) -> Any:
    """Return the larger of x and 0, whose derivative at 0 is `at_zero`, from 0 to 1: 0 unless given.

    Examples
    --------
    >>> import jacchain as jc
    >>> jc.jacobian(relu)(0.0), jc.jacobian(lambda x: relu(x, at_zero=0.5))(0.0)
    (array(0.), array(0.5))
    """
    return maximum(x, 0.0, at_tie=at_zero)


def max(x: Any, /, axis: Axes = None, *, keepdims: bool = False, ties: Ties = "even") -> Any:  # noqa: A001  (NumPy's name)
    """Return the largest along some axes; ties share the derivative evenly, or the first of them has it all.

    Examples
    --------
    >>> import numpy as np, jacchain as jc
    >>> jc.gradient(lambda x: max(x, ties="first"))(np.array([1.0, 3.0, 3.0]))
    array([0., 1., 0.])
    """
    if is_overloaded(x):
        x = stacked(x)
        return apply(Max(axes_of(x, axis), keepdims, ties=ties), x)
    return np.max(x, axis=axis, keepdims=keepdims)


def min(x: Any, /, axis: Axes = None, *, keepdims: bool = False, ties: Ties = "even") -> Any:  # noqa: A001  (NumPy's name)
    """Return the smallest along some axes; ties share the derivative evenly, or the first of them has it all."""
    if is_overloaded(x):
        x = stacked(x)
        return apply(Min(axes_of(x, axis), keepdims, ties=ties), x)
    return np.min(x, axis=axis, keepdims=keepdims)
