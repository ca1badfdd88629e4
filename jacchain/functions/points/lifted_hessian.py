"""The Hessian of an expression at a fixed number of points at once, on arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from jacchain.algebra.kernels import Array, run
from jacchain.algebra.lifted import blocks_calls, falls_apart
from jacchain.execution.backend import CPU, Backend, kernels_of
from jacchain.execution.operation import Applied, Shape
from jacchain.execution.program import Program
from jacchain.functions.options import FunctionOptions
from jacchain.functions.second.hessian_run import HessianRun, halves, hessian_run
from jacchain.model.expression import Expression
from jacchain.model.lift import lift
from jacchain.model.primitives.reduction import Sum


@final
@dataclass(frozen=True, eq=False)
class LiftedHessian:
    """The blocks of the Hessian of one number at `count` points: for every source one for every source.

    Σ_b f(x_b) has a block-diagonal Hessian with the Hessians of f, whose structure tells where they are.

    Attributes
    ----------
    run : HessianRun
        Of the sum over the points.
    count : int
        Points.
    """

    run: HessianRun
    count: int

    @property
    def program(self) -> Program:
        """The program."""
        return self.run.program

    def views(self, _points: Sequence[Array], _shapes: Sequence[Shape], /) -> None:
        """Return None: sparse matrices are not handed out as they are."""

    def write(self, points: Sequence[Array], targets: Sequence[Array], /) -> None:
        """Write the blocks at some points into contiguous arrays whose first axis counts them."""
        executable, number = self.run.run, len(self.run.sizes)
        sizes = tuple(size // self.count for size in self.run.sizes)
        operands = executable.operands(executable(points))
        for (structure, arrays), (i, j) in zip(operands, halves(number), strict=False):
            target = targets[i * number + j].reshape(self.count, sizes[i], sizes[j])
            run(blocks_calls(kernels_of(target), structure, arrays, self.count, target))
            if i != j:
                targets[j * number + i].reshape(self.count, sizes[j], sizes[i])[...] = target.swapaxes(1, 2)


def lifted_hessian(
    expression: Expression,
    sources: Sequence[int],
    output: int,
    options: FunctionOptions,
    count: int,
    backend: Backend = CPU,
    /,
) -> LiftedHessian | None:
    """Return the Hessian of one node at so many points at once, planned, lowered and bound.

    Parameters
    ----------
    expression : Expression
        Of one point.
    sources : sequence of int
        Input nodes.
    output : int
        A node of one number.
    options : FunctionOptions
        Of them the planner, its seconds and its seed count.
    count : int
        Points.
    backend : Backend
        Where the arithmetic is done.

    Returns
    -------
    LiftedHessian or None
        None where some product of matrices loses sight of the points.

    Raises
    ------
    OptionError
        A node on the way states no curvature.
    """
    found = _run(expression, sources, output, options, count, backend)
    results = zip(found.program.results, halves(len(sources)), strict=False)
    is_apart = all(falls_apart(found.program.registers[k].structure, count) for k, _ in results)
    return LiftedHessian(found, count) if is_apart else None


def _run(
    expression: Expression,
    sources: Sequence[int],
    output: int,
    options: FunctionOptions,
    count: int,
    backend: Backend,
) -> HessianRun:
    lifted = lift(replace(expression, outputs=(output,)), count)
    total = len(lifted.nodes)
    whole = replace(lifted, nodes=(*lifted.nodes, Applied(Sum(), lifted.outputs, ())), outputs=(total,))
    places = [lifted.inputs[expression.inputs.index(source)] for source in sources]
    return hessian_run(whole, places, total, options, is_sparse=True, backend=backend)


def hessian_shapes(expression: Expression, sources: Sequence[int], /) -> list[Shape]:
    """Return the shapes of the blocks of a Hessian: for every source one for every source."""
    shapes = [expression.nodes[k].shape for k in sources]
    return [a + b for a in shapes for b in shapes]
