"""What a Hessian needs for arguments of some shapes: made when first asked for, then kept."""

from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import SizeError
from jacchain.execution.backend import CPU, Backend, chosen_backend
from jacchain.execution.operation import Shape
from jacchain.functions.check import check_values
from jacchain.functions.options import FunctionOptions
from jacchain.functions.prepared_function import inner_tree
from jacchain.functions.second.hessian_run import HessianRun, hessian_run
from jacchain.functions.second.number_run import NumberRun, number_run
from jacchain.functions.second.product_run import ProductRun, product_run
from jacchain.functions.second.weighted import Weighted, weighted
from jacchain.model.expression import Expression
from jacchain.model.layer import as_point_beside
from jacchain.model.tree import LEAF, Tree, flatten
from jacchain.planning.second.hessian_plan import HessianPlan


@final
class PreparedHessian:
    """The second derivatives of an expression: of its one number, or of its results with weights.

    Parameters
    ----------
    expression : Expression
    options : FunctionOptions
    home : Backend
        Where the arguments lie.
    """

    def __init__(self, expression: Expression, options: FunctionOptions, home: Backend = CPU, /) -> None:
        self.expression = expression
        self.options = options
        self.home = home
        self.backend = chosen_backend(home, options.device, expression.dtype)
        self.sources = tuple(dict.fromkeys(expression.inputs_of(options.argnums)))
        self.inner = inner_tree(expression, options.argnums)
        self.shapes: tuple[Shape, ...] = tuple(expression.nodes[k].shape for k in expression.outputs)

    @property
    def is_number(self) -> bool:
        """Whether the result is one number."""
        return len(self.shapes) == 1 and prod(self.shapes[0]) == 1

    @cached_property
    def summed(self) -> Weighted:
        """The weighted sum of the results."""
        return weighted(self.expression)

    @cached_property
    def alone(self) -> HessianRun | NumberRun:
        """The Hessian of the one number that the results are: number by number where they are few, else on arrays."""
        if self.backend.device.kind != "cpu":  # numbers one by one are for the host
            return self._on_arrays()
        return number_run(self.expression, self.options, self._on_arrays) or self._on_arrays()

    def _on_arrays(self) -> HessianRun:
        return self._run(self.expression, self.expression.outputs[0], is_sparse=self.options.structured)

    def _run(
        self, expression: Expression, output: int, *, is_sparse: bool = False, with_gradient: bool = False
    ) -> HessianRun:
        return hessian_run(
            expression,
            self.sources,
            output,
            self.options,
            is_sparse=is_sparse,
            with_gradient=with_gradient,
            backend=self.backend,
        )

    @cached_property
    def expansion(self) -> HessianRun:
        """The value, the gradient and the Hessian of the one number that the results are."""
        return self._run(self.expression, self.expression.outputs[0], with_gradient=True)

    @cached_property
    def with_weights(self) -> HessianRun:
        """The Hessian of the weighted sum."""
        return self._run(self.summed.expression, self.summed.output, is_sparse=self.options.structured)

    @cached_property
    def product(self) -> ProductRun:
        """The product of the weighted sum's Hessian with a vector."""
        return product_run(self.summed.expression, self.sources, self.summed.output, self.backend)

    @cached_property
    def product_alone(self) -> ProductRun:
        """The product of the one number's Hessian with a vector."""
        return product_run(self.expression, self.sources, self.expression.outputs[0], self.backend)

    @property
    def plan(self) -> HessianPlan:
        """The plan of the one number's Hessian, or of that of the weighted sum."""
        return self.alone.plan if self.is_number else self.with_weights.plan

    def hessian(self, leaves: Sequence[Array], weights: Any, /, *, check: bool) -> Any:
        """Return the Hessian nested like the arguments twice; without weights for every result, nested like these."""
        self._check(leaves, check=check)
        if weights is not None:
            return self._blocks(self.with_weights, [*leaves, *self._as_weights(weights)], (), check=check)
        if self.is_number:
            return self._nested([self._blocks(self.alone, leaves, self.shapes[0], check=check)])
        if self.options.structured:
            given = sum(map(prod, self.shapes))
            raise SizeError(
                f"{self.expression.name} gives {given} numbers, whose second derivatives are no matrix",
                "give weights, one for each",
            )
        return self._tensor(leaves, check=check)

    def taylor(self, leaves: Sequence[Array], /, *, check: bool) -> tuple[Any, Any, Any]:
        """Return the value, the gradient and the Hessian, nested like the arguments and twice like these."""
        self._expect_number()
        self._check(leaves, check=check)
        value, gradients, rows = self.expansion.taylor(leaves, check=check)
        shapes = [self.expression.nodes[k].shape for k in self.sources]
        gradient = [row.reshape(shape) for row, shape in zip(gradients, shapes, strict=True)]
        blocks = [
            self.inner.unflatten([block.reshape(a + b) for block, b in zip(row, shapes, strict=True)])
            for row, a in zip(rows, shapes, strict=True)
        ]
        return float(value), self.inner.unflatten(gradient), self.inner.unflatten(blocks)

    def times(self, leaves: Sequence[Array], vector: Any, weights: Any, /, *, check: bool) -> Any:
        """Return the product of the Hessian with a vector, nested like the arguments."""
        directions = self._as_directions(vector)
        self._check(leaves, check=check)
        if weights is None:
            self._expect_number()
            rows = self.product_alone(leaves, directions, check=check)
        else:
            rows = self.product([*leaves, *self._as_weights(weights)], directions, check=check)
        shapes = [self.expression.nodes[k].shape for k in self.sources]
        return self.inner.unflatten([row.reshape(shape) for row, shape in zip(rows, shapes, strict=True)])

    def _blocks(self, run: HessianRun | NumberRun, arguments: Sequence[Array], head: Shape, /, *, check: bool) -> Any:
        """Return the blocks of one number, nested like the arguments, twice."""
        if self.options.structured:
            return self.inner.unflatten([self.inner.unflatten(row) for row in run.matrices(arguments, check=check)])
        shapes = [self.expression.nodes[k].shape for k in self.sources]
        rows = [
            [block.reshape(head + a + b) for block, b in zip(row, shapes, strict=True)]
            for row, a in zip(run.blocks(arguments, check=check), shapes, strict=True)
        ]
        return self.inner.unflatten([self.inner.unflatten(row) for row in rows])

    def _nested(self, found: list[Any]) -> Any:
        return self.expression.results.unflatten(found)

    def _tensor(self, leaves: Sequence[Array], /, *, check: bool) -> Any:
        """Return the second derivatives of every number of the results: those with unit weights."""
        shapes = [self.expression.nodes[k].shape for k in self.sources]
        dtype = self.expression.dtype
        weights = [np.zeros(shape, dtype) for shape in self.shapes]
        found: list[Any] = []
        for shape, weight in zip(self.shapes, weights, strict=True):
            made = [[self._empty((prod(shape), *a, *b), dtype) for b in shapes] for a in shapes]
            flat = weight.reshape(-1)
            for k in range(flat.size):
                flat[k] = 1
                blocks = self.with_weights.blocks([*leaves, *weights], check=check)
                flat[k] = 0
                for row, given in zip(made, blocks, strict=True):
                    for target, block in zip(row, given, strict=True):
                        target[k] = block.reshape(target.shape[1:])
            rows = [
                [block.reshape(shape + a + b) for block, b in zip(row, shapes, strict=True)]
                for row, a in zip(made, shapes, strict=True)
            ]
            found.append(self.inner.unflatten([self.inner.unflatten(row) for row in rows]))
        return self._nested(found)

    def _empty(self, shape: Shape, dtype: "np.dtype[Any]") -> Array:
        """Return an array where the arguments lie."""
        with self.home.active():
            return self.home.kernels.xp.empty(shape, dtype)

    def _check(self, leaves: Sequence[Array], /, *, check: bool) -> None:
        """Look at the value of every node, and at what layers state of their derivatives."""
        if check:
            check_values(self.expression, leaves)

    def _expect_number(self) -> None:
        if not self.is_number:
            given = f"shape {self.shapes[0]}" if len(self.shapes) == 1 else f"{len(self.shapes)} arrays"
            raise SizeError(f"{self.expression.name} gives {given}, not one number", "give weights of that shape")

    def _as_weights(self, weights: Any) -> list[Array]:
        return _like(weights, self.expression.results, self.shapes, self._beside, "the weights", "f(x)")

    def _as_directions(self, vector: Any) -> list[Array]:
        shapes = [self.expression.nodes[k].shape for k in self.sources]
        return _like(vector, self.inner, shapes, self._beside, "the vector v", "x")

    def _beside(self, value: Any, what: str) -> Array:
        """Return an array of the expression's dtype where the arguments lie."""
        return as_point_beside(value, self.home, what).astype(self.expression.dtype, copy=False)


def _like(
    nested_: Any, tree: Tree, shapes: Sequence[Shape], beside: Callable[[Any, str], Array], what: str, like: str
) -> list[Array]:
    """Return the arrays of something that nests like something else, of the same shapes and in the same place."""
    found, other = ([nested_], LEAF) if tree == LEAF else flatten(nested_, what)
    if other != tree:
        raise SizeError(f"the nesting of {what} is not that of {like}", "give arrays nested in the same way")
    arrays = [beside(one, what) for one in found]
    for array, shape in zip(arrays, shapes, strict=True):
        if array.shape != shape:
            raise SizeError(f"shape {array.shape} of {what}, but {like} has shape {shape}", f"give shape {shape}")
    return arrays
