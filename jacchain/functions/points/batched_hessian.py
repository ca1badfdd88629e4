"""Hessians of a function at many points at once."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any, final

from jacchain.algebra.kernels import Array
from jacchain.errors import OptionError, SizeError
from jacchain.execution.backend import CPU, Backend, chosen_backend
from jacchain.execution.operation import Shape
from jacchain.functions.batched import check_points, check_results
from jacchain.functions.options import FunctionOptions
from jacchain.functions.points.chunks import Chunks
from jacchain.functions.points.lifted_hessian import LiftedHessian, hessian_shapes, lifted_hessian
from jacchain.functions.points.one_by_one import SingleHessian, single_hessian
from jacchain.functions.points.points import as_points_beside
from jacchain.functions.points.row_points import points_of_hessian
from jacchain.functions.prepared_function import inner_tree
from jacchain.functions.scalar.many_points import PointsExecutable
from jacchain.functions.scalar.scalar_derivative import is_mostly_products
from jacchain.functions.scalar.scalarise import scalarised
from jacchain.functions.second.number_run import number_program
from jacchain.functions.second.weighted import weighted
from jacchain.model.expression import Expression
from jacchain.model.tree import flatten

Run = PointsExecutable | Chunks[LiftedHessian, SingleHessian]
"""Number by number, a row of points for each; or on arrays with an axis of points."""


@final
class BatchedHessian:
    """The second derivatives of an expression at many points: of its one number, or of its results with weights.

    Parameters
    ----------
    expression : Expression
        Of one point.
    options : FunctionOptions
    home : Backend
        Where the arguments lie.

    Raises
    ------
    OptionError
        ``structured=True``, which is for one point only.
    """

    def __init__(self, expression: Expression, options: FunctionOptions, home: Backend = CPU, /) -> None:
        if options.structured:
            raise OptionError("structured at many points at once", "leave it out, or differentiate point by point")
        self.expression = expression
        self.options = options
        self.home = home
        self.backend = chosen_backend(home, options.device, expression.dtype)
        self.sources = tuple(dict.fromkeys(expression.inputs_of(options.argnums)))
        self.inner = inner_tree(expression, options.argnums)
        self.shapes: tuple[Shape, ...] = tuple(expression.nodes[k].shape for k in expression.outputs)

    def __call__(self, points: Sequence[Array], weights: Any, /) -> Any:
        """Return the Hessians, nested like the arguments twice; without weights for every result, nested like these."""
        given = [point.astype(self.expression.dtype, copy=False) for point in points]
        if self.options.check:
            check_points(self.expression, given)
        if weights is not None:
            return self._nested(self._run(self.with_weights, [*given, *self._as_weights(weights, given)]), ())
        if len(self.shapes) == 1 and prod(self.shapes[0]) == 1:
            found = self._nested(self._run(self.alone, given), self.shapes[0])
            return self.expression.results.unflatten([found])
        return self._every(given)

    @cached_property
    def alone(self) -> Run:
        """The Hessians of the one number that the results are."""
        return self._made(self.expression, self.expression.outputs[0])

    @cached_property
    def with_weights(self) -> Run:
        """The Hessians of the weighted sum."""
        return self._made(*weighted(self.expression))

    def _made(self, expression: Expression, output: int) -> Run:
        expression = replace(expression, outputs=(output,))
        shapes, program = hessian_shapes(expression, self.sources), None
        if self.backend.device.kind == "cpu" and _is_scalar_code(expression):  # numbers one by one are for the host
            program = number_program(expression, self.options)
        if program is not None:
            return points_of_hessian(program, "hessian", shapes[0], expression.dtype)

        return Chunks(
            lambda count: lifted_hessian(expression, self.sources, output, self.options, count, self.backend),
            lambda _: single_hessian(expression, self.sources, output, self.options, self.backend),
            shapes,
            expression.dtype,
            self.options.memory,
            home=self.home,
            backend=self.backend,
        )

    def _run(self, run: Run, points: Sequence[Array]) -> list[Array]:
        found = run(points)
        if self.options.check:
            check_results(found)
        return found

    def _nested(self, blocks: Sequence[Array], head: Shape) -> Any:
        """Return the blocks of one number of the given shape, nested like the arguments, twice."""
        count = len(self.sources)
        shaped = [block.reshape(block.shape[:1] + head + block.shape[1:]) for block in blocks]
        rows = [self.inner.unflatten(shaped[k : k + count]) for k in range(0, count * count, count)]
        return self.inner.unflatten(rows)

    def _every(self, points: Sequence[Array]) -> Any:
        """Return the second derivatives of every number of the results: those with unit weights."""
        count, dtype, xp = points[0].shape[0], self.expression.dtype, self.home.kernels.xp
        tails, found = hessian_shapes(self.expression, self.sources), list[Any]()
        with self.home.active():
            weights = [xp.zeros((count, *shape), dtype) for shape in self.shapes]
            for shape, weight in zip(self.shapes, weights, strict=True):
                made = [xp.empty((count, *shape, *tail), dtype) for tail in tails]
                flat = weight.reshape(count, prod(shape))
                for k in range(prod(shape)):
                    flat[:, k] = 1
                    for target, block in zip(made, self._run(self.with_weights, [*points, *weights]), strict=True):
                        target.reshape(count, prod(shape), *block.shape[1:])[:, k] = block
                    flat[:, k] = 0
                found.append(self._nested(made, ()))
        return self.expression.results.unflatten(found)

    def _as_weights(self, weights: Any, points: Sequence[Array]) -> list[Array]:
        """Return the arrays of weights, one for every number of the results at every point."""
        leaves, tree = flatten((weights,), "the weights")
        if tree.children[0] != self.expression.results:
            raise SizeError("the nesting of the weights is not that of f(x)", "give arrays nested in the same way")
        count = points[0].shape[0]
        arrays = [as_points_beside(leaf, count, self.home, "the weights") for leaf in leaves]
        for array, shape in zip(arrays, self.shapes, strict=True):
            wanted = (count, *shape)
            if array.shape != wanted:
                raise SizeError(
                    f"shape {array.shape} of the weights, but f at these points has shape {wanted}",
                    f"give shape {wanted}",
                )
        return [array.astype(self.expression.dtype, copy=False) for array in arrays]


def _is_scalar_code(expression: Expression) -> bool:
    """Whether an expression can be written out number by number without most of it being products of matrices."""
    scalar = scalarised(expression)
    return scalar is not None and not is_mostly_products(scalar, expression)
