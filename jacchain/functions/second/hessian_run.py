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
from jacchain.execution.backend import CPU, Backend
from jacchain.execution.graph.lower import Place
from jacchain.execution.graph.run import GraphExecutable
from jacchain.execution.on_device import GraphOnDevice, graph_executable
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
    run: GraphExecutable | GraphOnDevice
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
        with self.run.backend.active():
            return self._cut(flat)

    def _cut(self, flat: Array) -> list[list[Array]]:
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


@final
class PlannedHessian(NamedTuple):
    """The Hessian of one node with respect to inputs, planned.

    Attributes
    ----------
    expression : Expression
        Its one result is the node.
    sources : tuple of int
        The input nodes.
    every : tuple of Tap
        What the expression takes out of them.
    order : SecondOrder
    plan : HessianPlan
    """

    expression: Expression
    sources: tuple[int, ...]
    every: tuple[Tap, ...]
    order: SecondOrder
    plan: HessianPlan

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Those that are not the node itself."""
        return tuple(tap for tap in self.every if tap.node not in self.expression.outputs)

    def assemblies(self, *, is_sparse: bool) -> tuple[Assembly, ...]:
        """Return how the blocks of taps make up those of the inputs, for one half of all pairs."""
        return _assemblies(self.expression, self.sources, self.taps, self.order, self.plan, is_sparse=is_sparse)

    def run(self, *, is_sparse: bool = False, with_gradient: bool = False, backend: Backend = CPU) -> HessianRun:
        """Return it lowered and bound; see `hessian_run`."""
        expression, sources, plan = self.expression, self.sources, self.plan
        assemblies = self.assemblies(is_sparse=is_sparse)
        nodes, values = plan.nodes, tuple[int, ...]()
        if with_gradient:
            rows = list(zip(self.taps, plan.gradient, strict=False))
            if len(self.taps) < len(self.every):  # the output is itself a part of an input
                nodes = (*nodes, Local(-1, "given", Identity(1), 0))
                rows = [(tap, len(nodes) - 1) for tap in self.every if tap.node in expression.outputs]
            assemblies += _gradients(expression, sources, rows)
            values = expression.outputs
        program = lower_second(
            SecondRequest(nodes, assemblies, values),
            expression.nodes,
            expression.inputs,
            [Place(*place) for place in self.order.locals],
            [CurvePlace(*place) for place in self.order.curves],
            itemsize=expression.dtype.itemsize,
        )
        run = graph_executable(
            program, expression.nodes, expression.inputs, expression.dtype, backend=backend, assemblies=assemblies
        )
        sizes = tuple(prod(expression.nodes[k].shape) for k in sources)
        return HessianRun(plan, run, sources, sizes)


def hessian_run(
    expression: Expression,
    sources: Sequence[int],
    output: int,
    options: FunctionOptions,
    /,
    *,
    is_sparse: bool = False,
    with_gradient: bool = False,
    backend: Backend = CPU,
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
    backend : Backend
        Where it is computed.

    Raises
    ------
    OptionError
        A node on the way states no curvature.
    """
    found = planned_hessian(expression, sources, output, options, with_gradient=with_gradient)
    return found.run(is_sparse=is_sparse, with_gradient=with_gradient, backend=backend)


def planned_hessian(
    expression: Expression,
    sources: Sequence[int],
    output: int,
    options: FunctionOptions,
    /,
    *,
    with_gradient: bool = False,
) -> PlannedHessian:
    """Return the Hessian of one node with respect to inputs, planned; see `hessian_run`."""
    expression = replace(expression, outputs=(output,))
    every = tuple(taps(expression, sources))
    # without a tap nothing bends: the plan is one of the output with respect to itself
    order = second_order(expression, [tap.node for tap in every if tap.node != output] or [output], output)
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
    return PlannedHessian(expression, tuple(sources), every, order, plan)


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
