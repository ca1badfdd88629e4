"""Derivatives at many points at once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, final

from jacchain.algebra.kernels import Array
from jacchain.errors import NonFiniteError, OptionError
from jacchain.execution.backend import CPU, Backend, chosen_backend, kernels_of
from jacchain.execution.operation import Shape
from jacchain.execution.tuned import priced_on, tuned
from jacchain.functions.check import check_values
from jacchain.functions.options import FunctionOptions
from jacchain.functions.points.chunks import Chunks
from jacchain.functions.points.lifted_derivative import LiftedDerivative, lifted_derivative
from jacchain.functions.points.one_by_one import SingleDerivative, single_derivative
from jacchain.functions.prepared_function import Wanted, expect_number, inner_tree, nested
from jacchain.functions.scalar.many_points import PointsExecutable
from jacchain.functions.scalar.scalar_derivative import many_points_derivative
from jacchain.model.expression import Expression
from jacchain.model.tree import Tree
from jacchain.planning.elimination.graph_plan import GraphPlan


@final
class BatchedFunction(NamedTuple):
    """A derivative of an expression, ready to be called with many points.

    Attributes
    ----------
    expression : Expression
        Of one point.
    run : PointsExecutable or Chunks
        Number by number, a row of points for each; or on arrays with an axis of points.
    alone : GraphPlan or None
        Number by number the plan of one point.
    inner : Tree
        How the arguments that are differentiated nest.
    check : bool
        Look for NaN and infinity.
    with_value : bool
    """

    expression: Expression
    run: PointsExecutable | Chunks[LiftedDerivative, SingleDerivative]
    alone: GraphPlan | None
    inner: Tree
    check: bool
    with_value: bool

    def __call__(self, points: Sequence[Array], /) -> Any:
        """Return the derivatives, nested, and the values before them where they are wanted."""
        given = [point.astype(self.expression.dtype, copy=False) for point in points]
        if self.check:
            check_points(self.expression, given)
        found = self.run(given)
        if self.check:
            check_results(found)
        count = len(found) - len(self.expression.outputs) * self.with_value
        blocks = nested(found[:count], self.expression.results, self.inner)
        return (self.expression.results.unflatten(found[count:]), blocks) if self.with_value else blocks

    def plan(self, count: int, /) -> GraphPlan:
        """Return the plan for so many points: of those taken at a time, or number by number of one.

        Its peak is that for all points, with the results.
        """
        if isinstance(self.run, PointsExecutable):
            assert self.alone is not None, "number by number there is a plan of one point"
            return replace(self.alone, peak=self.run.peak(count))
        return replace(self.run.run_for(max(count, 1)).plan, peak=self.run.peak(count))


def batched_function(
    expression: Expression,
    options: FunctionOptions,
    wanted: Wanted,
    home: Backend = CPU,
    /,
    *,
    with_value: bool,
) -> BatchedFunction:
    """Return a derivative of an expression for many points.

    Raises
    ------
    OptionError
        ``structured=True``, which is for one point only.
    SizeError
        The gradient of a function that does not give one number.
    """
    if wanted == "gradient":
        expect_number(expression)
    if options.structured:
        raise OptionError("structured at many points at once", "leave it out, or differentiate point by point")
    shapes = [expression.nodes[k].shape for k in expression.outputs]
    tails = [expression.nodes[k].shape for k in expression.inputs_of(options.argnums)]
    blocks: list[Shape] = [tail if wanted == "gradient" else head + tail for head in shapes for tail in tails]
    every = blocks + shapes * with_value
    backend, found = chosen_backend(home, options.device, expression.dtype), None
    options = options._replace(pricing=priced_on(backend, options.pricing, options.device))
    backend = tuned(backend, options.pricing.profile)
    if backend.device.kind == "cpu":  # numbers one by one are for the host
        found = many_points_derivative(expression, options, with_value=with_value)
    run: PointsExecutable | Chunks[LiftedDerivative, SingleDerivative]
    if found is not None:
        run = PointsExecutable(found.program, expression.dtype, every)
    else:
        run = Chunks(
            lambda count: lifted_derivative(expression, options, count, backend, with_value=with_value),
            lambda memory: single_derivative(expression, options, home, memory, with_value=with_value),
            every,
            expression.dtype,
            options.memory,
            home=home,
            backend=backend,
            profile=options.pricing.profile,
        )
    inner = inner_tree(expression, options.argnums)
    return BatchedFunction(expression, run, None if found is None else found.plan, inner, options.check, with_value)


def check_points(expression: Expression, points: Sequence[Array], /) -> None:
    """Look at the value of every node at one point after the other.

    Raises
    ------
    NonFiniteError
        Naming the first point with NaN or infinity, and the node.
    CheckError
        See `check_values`.
    """
    count = points[0].shape[0]
    for point in range(count):
        try:
            check_values(expression, [array[point] for array in points])
        except NonFiniteError as error:
            raise NonFiniteError(f"{error.what} at point {point} of {count}", error.cure) from None


def check_results(found: Sequence[Array], /) -> None:
    """Look at derivatives at many points.

    Raises
    ------
    NonFiniteError
        Naming the first point with NaN or infinity.
    """
    for array in found:
        count = array.shape[0]
        is_finite = kernels_of(array).xp.isfinite(array).reshape(count, -1).all(axis=1)
        if not bool(is_finite.all()):
            raise NonFiniteError(
                f"NaN or infinity in the derivative at point {int(is_finite.argmin())} of {count}",
                "differentiate at that point alone with check=True, which names the node",
            )
