"""Derivatives at many points at once."""

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import NonFiniteError, OptionError, SizeError
from jacchain.execution.operation import Shape
from jacchain.functions.options import FunctionOptions
from jacchain.functions.prepared_function import Wanted, expect_number, inner_tree, nested
from jacchain.functions.scalar.many_points import PointsExecutable
from jacchain.functions.scalar.scalar_derivative import ScalarDerivative, scalar_derivative
from jacchain.functions.scalar.scalarise import not_scalar
from jacchain.model.expression import Expression
from jacchain.model.layer import as_point
from jacchain.model.tree import Tree, flatten


class Points(NamedTuple):
    """Arguments whose first axes count points.

    Attributes
    ----------
    arrays : list of array
    tree : Tree
        How they nest.
    dtypes : tuple of dtype
    """

    arrays: list[Array]
    tree: Tree
    dtypes: tuple[object, ...]


@final
class BatchedFunction(NamedTuple):
    """A derivative of an expression, ready to be called with many points.

    Attributes
    ----------
    expression : Expression
    derivative : ScalarDerivative
        The plan and the program.
    run : PointsExecutable
    inner : Tree
        How the arguments that are differentiated nest.
    check : bool
        Look for NaN and infinity.
    with_value : bool
    """

    expression: Expression
    derivative: ScalarDerivative
    run: PointsExecutable
    inner: Tree
    check: bool
    with_value: bool

    def __call__(self, points: Sequence[Array], /) -> Any:
        """Return the derivatives, nested, and the values before them where they are wanted."""
        found = self.run([point.astype(self.expression.dtype, copy=False) for point in points])
        if self.check:
            _check(found)
        count = len(found) - len(self.expression.outputs) * self.with_value
        blocks = nested(found[:count], self.expression.results, self.inner)
        return (self.expression.results.unflatten(found[count:]), blocks) if self.with_value else blocks


def points_of(arguments: tuple[Any, ...], /) -> Points:
    """Return arguments for many points taken apart.

    Raises
    ------
    SizeError
        An argument without a first axis, or first axes of different lengths.
    """
    leaves, tree = flatten(arguments, "the arguments")
    arrays = [_checked(leaf) for leaf in leaves]
    counts = {array.shape[0] if array.ndim else -1 for array in arrays}
    if len(counts) != 1 or -1 in counts:
        shapes = " and ".join(str(array.shape) for array in arrays) or "no arrays"
        raise SizeError(f"arguments for many points of shapes {shapes}", "give arrays whose first axis counts points")
    return Points(arrays, tree, tuple(array.dtype for array in arrays))


def _checked(leaf: Any) -> Array:
    array = np.asarray(leaf)
    if array.shape[:1] == (0,):  # no points at all are fine
        as_point(np.empty((1, *array.shape[1:]), array.dtype))
        return array
    return as_point(leaf)


def batched_function(
    expression: Expression, options: FunctionOptions, wanted: Wanted, /, *, with_value: bool
) -> BatchedFunction:
    """Return a derivative of an expression for many points.

    Raises
    ------
    OptionError
        The expression cannot be written out number by number, or options that are for one point only.
    SizeError
        The gradient of a function that does not give one number.
    """
    if wanted == "gradient":
        expect_number(expression)
    if options.structured or options.memory is not None:
        given = "structured" if options.structured else "memory"
        raise OptionError(f"{given} at many points at once", "leave it out, or differentiate point by point")
    found = scalar_derivative(expression, options, with_value=with_value)
    if found is None:
        raise not_scalar(expression)
    shapes = [expression.nodes[k].shape for k in expression.outputs]
    tails = [expression.nodes[k].shape for k in expression.inputs_of(options.argnums)]
    blocks: list[Shape] = [tail if wanted == "gradient" else head + tail for head in shapes for tail in tails]
    run = PointsExecutable(found.program, expression.dtype, blocks + shapes * with_value)
    inner = inner_tree(expression, options.argnums)
    return BatchedFunction(expression, found, run, inner, options.check, with_value)


def _check(found: Sequence[Array]) -> None:
    for array in found:
        is_finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not is_finite.all():
            point = int(np.argmin(is_finite))
            raise NonFiniteError(
                f"NaN or infinity in the derivative at point {point} of {len(array)}",
                "differentiate at that point alone with check=True, which names the node",
            )
