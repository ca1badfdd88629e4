"""A curvature at a point, of any operation."""

from typing import Any

from jacchain.algebra.kernels import Array, Arrays, run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import array_shapes
from jacchain.execution.backend import kernels_of
from jacchain.execution.operation import CurvatureFacts, CurvedOperation


def local_curvature(
    operation: CurvedOperation, facts: CurvatureFacts, xs: Arrays, y: Array | None, u: Array, /
) -> Matrix:
    """Return u·∂²f with respect to the pair of inputs that facts are of.

    Parameters
    ----------
    operation : CurvedOperation
    facts : CurvatureFacts
    xs : tuple of arrays
        The inputs.
    y : array or None
        The value, where the facts say that it is read.
    u : array
        Flat and contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.model.primitives.unary import Unary
    >>> x, square = np.array([1.0, 3.0]), Unary("square")
    >>> (facts,) = square.facts((x.shape,)).curvatures
    >>> local_curvature(square, facts, (x,), None, np.array([1.0, 10.0])).arrays
    (array([ 2., 20.]),)
    """
    pair, shapes = (facts.first, facts.second), array_shapes(facts.structure)
    if facts.view:
        views = zip(operation.curvature_views(pair, u), shapes, strict=True)
        return Matrix(facts.structure, tuple(view.reshape(shape) for view, shape in views))
    kernels = kernels_of(u)
    empty = kernels.xp.empty
    out = Operand(facts.structure, tuple(empty(shape, u.dtype) for shape in shapes))
    read: tuple[Any, ...] = tuple(x if k in facts.reads else None for k, x in enumerate(xs))
    run(operation.curvature_calls(kernels, pair, read, y, u, out, empty(facts.scratch, u.dtype)))
    return Matrix(*out)
