"""The Hessian of one number of an expression: planned, lowered, bound, and its blocks put in their places."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement
from math import prod
from typing import NamedTuple, final

from jacchain.algebra.kernels import Array
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.structure import Identity
from jacchain.execution.assembly import Assembly, Part
from jacchain.execution.graph.lower import Place
from jacchain.execution.graph.run import GraphExecutable
from jacchain.execution.program import Program
from jacchain.execution.run import Counted
from jacchain.execution.second.lower import CurvePlace, SecondRequest, lower_second
from jacchain.functions.options import FunctionOptions
from jacchain.model.expression import Expression
from jacchain.model.second_order import SecondOrder, Tap, second_order, taps
from jacchain.planning.node import Local
from jacchain.planning.second.hessian_plan import HessianPlan
from jacchain.planning.second.planner import plan_second


@final
class Taylor(NamedTuple):
    """A function to second order: its value, a flat gradient for every source, and for every pair a block."""

    value: Array
    gradients: list[Array]
    blocks: list[list[Array]]


@final
@dataclass(frozen=True, eq=False)
class HessianRun:
    """The blocks of a Hessian, ready to be computed.

    Attributes
    ----------
    planned : HessianPlan
        Without what the textbook modes cost.
    run : GraphExecutable
        Its results are the blocks of one half, row by row, and then, if they are wanted, the gradients and the value.
    sources : tuple of int
        The input nodes that the Hessian is with respect to.
    sizes : tuple of int
        Of these.
    """

    planned: HessianPlan
    run: GraphExecutable
    sources: tuple[int, ...]
    sizes: tuple[int, ...]

    @cached_property
    def plan(self) -> HessianPlan:
        """The plan, with what the textbook modes cost; its peak is that of the program."""
        known = self.planned
        found = plan_second(
            known.ladder,
            planner=known.planner,
            seconds=known.seconds,
            seed=known.seed,
            unit_free=known.unit_free,
            itemsize=known.itemsize,
            gradient=bool(known.gradient),
        )
        return replace(found, peak=self.program.peak)

    @property
    def program(self) -> Program:
        """The program."""
        return self.run.program

    def count(self, arguments: Sequence[Array], /) -> Counted:
        """Run once and return the multiplications and bytes that it really took."""
        return self.run.count(arguments)

    def blocks(self, arguments: Sequence[Array], /, *, check: bool = False) -> list[list[Array]]:
        """Return all blocks as dense matrices: for every source one for every source."""
        return self._blocks(self.run(arguments, check=check))

    def taylor(self, arguments: Sequence[Array], /, *, check: bool = False) -> Taylor:
        """Return the value, the gradients and all blocks, if these are what is run."""
        flat = self.run(arguments, check=check)
        *gradients, value = self.run.results[len(halves(len(self.sources))) :]
        return Taylor(flat[value.first], [flat[place.first : place.last] for place in gradients], self._blocks(flat))

    def _blocks(self, flat: Array) -> list[list[Array]]:
        count = len(self.sources)
        found: dict[tuple[int, int], Array] = {}
        for place, (i, j) in zip(self.run.results, halves(count), strict=False):
            found[i, j] = flat[place.first : place.last].reshape(self.sizes[i], self.sizes[j])
            if i != j:
                found[j, i] = found[i, j].T.copy()
        return [[found[i, j] for j in range(count)] for i in range(count)]

    def matrices(self, arguments: Sequence[Array], /, *, check: bool = False) -> list[list[Matrix]]:
        """Return all blocks as sparse matrices."""
        operands = self.run.operands(self.run(arguments, check=check))
        count = len(self.sources)
        found: dict[tuple[int, int], Matrix] = {}
        for operand, (i, j) in zip(operands, halves(count), strict=True):
            found[i, j] = Matrix(operand.structure, operand.arrays)
            if i != j:
                found[j, i] = found[i, j].T
        return [[found[i, j] for j in range(count)] for i in range(count)]


def halves(count: int, /) -> list[tuple[int, int]]:
    """Return the pairs of inputs whose blocks are computed; the others are mirror images."""
    return list(combinations_with_replacement(range(count), 2))


def hessian_run(
    expression: Expression,
    sources: Sequence[int],
    output: int,
    options: FunctionOptions,
    /,
    *,
    is_sparse: bool = False,
    with_gradient: bool = False,
) -> HessianRun:
    """Return the Hessian of one node with respect to inputs, planned, lowered and bound.

    Parameters
    ----------
    expression : Expression
    sources : sequence of int
        Input nodes.
    output : int
        A node of one number.
    options : FunctionOptions
        Of them the planner, its seconds and its seed count.
    is_sparse : bool
        The blocks are left as sparse matrices.
    with_gradient : bool
        The gradients and the value come out too; they share the sweeps.

    Raises
    ------
    OptionError
        A node on the way states no curvature.
    """
    expression = replace(expression, outputs=(output,))
    every = taps(expression, sources)
    found = tuple(tap for tap in every if tap.node != output)
    # without a tap nothing bends: the plan is one of the output with respect to itself
    order = second_order(expression, [tap.node for tap in found] or [output], output)
    plan = plan_second(
        order.ladder,
        planner=options.planner,
        seconds=options.seconds,
        seed=options.seed,
        unit_free=True,
        itemsize=expression.dtype.itemsize,
        gradient=with_gradient,
        baselines=False,
    )
    assemblies = _assemblies(expression, sources, found, order, plan, is_sparse=is_sparse)
    nodes, values = plan.nodes, tuple[int, ...]()
    if with_gradient:
        rows = list(zip(found, plan.gradient, strict=False))
        if len(found) < len(every):  # the output is itself a part of an input
            nodes = (*nodes, Local(-1, "given", Identity(1), 0))
            rows = [(tap, len(nodes) - 1) for tap in every if tap.node == output]
        assemblies += _gradients(expression, sources, rows)
        values = (output,)
    program = lower_second(
        SecondRequest(nodes, assemblies, values),
        expression.nodes,
        expression.inputs,
        [Place(*place) for place in order.locals],
        [CurvePlace(*place) for place in order.curves],
        itemsize=expression.dtype.itemsize,
    )
    run = GraphExecutable(program, expression.nodes, expression.inputs, expression.dtype, assemblies=assemblies)
    sizes = tuple(prod(expression.nodes[k].shape) for k in sources)
    return HessianRun(plan, run, tuple(sources), sizes)


def _gradients(
    expression: Expression, sources: Sequence[int], rows: Sequence[tuple[Tap, int | None]]
) -> tuple[Assembly, ...]:
    """Return how the rows of taps make up the gradients with respect to the inputs."""
    return tuple(
        Assembly(
            1,
            prod(expression.nodes[source].shape),
            tuple(Part(row, None, tap.places) for tap, row in rows if row is not None and tap.source == source),
        )
        for source in sources
    )


def _assemblies(
    expression: Expression,
    sources: Sequence[int],
    found: Sequence[Tap],
    order: SecondOrder,
    plan: HessianPlan,
    /,
    *,
    is_sparse: bool,
) -> tuple[Assembly, ...]:
    """Return how the blocks of taps make up those of the inputs."""
    parts: dict[tuple[int, int], list[Part]] = {}
    numbers = {source: k for k, source in enumerate(sources)}
    for (a, b), root in zip(order.ladder.pairs, plan.roots, strict=True):
        if root is None or not found:
            continue
        one, other = found[a], found[b]
        i, j = numbers[one.source], numbers[other.source]
        if i <= j:
            parts.setdefault((i, j), []).append(Part(root, one.places, other.places))
        if (i == j and a != b) or i > j:
            parts.setdefault((j, i), []).append(Part(root, other.places, one.places, is_turned=True))
    sizes = [prod(expression.nodes[k].shape) for k in sources]
    return tuple(
        Assembly(sizes[i], sizes[j], tuple(parts.get((i, j), ())), is_sparse=is_sparse, is_symmetric=i == j)
        for i, j in halves(len(sources))
    )
