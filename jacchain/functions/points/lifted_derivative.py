"""The derivatives of an expression at a fixed number of points at once, on arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Final, NamedTuple, final

from jacchain.algebra.kernels import Array, run
from jacchain.algebra.lifted import blocks_calls, falls_apart
from jacchain.algebra.structure import BlockDiagonal, Dense, Diagonal, Structure
from jacchain.execution.backend import CPU, Backend, kernels_of
from jacchain.execution.graph.lower import Place, Request, lower_graph
from jacchain.execution.graph.run import GraphExecutable
from jacchain.execution.on_device import GraphOnDevice, graph_executable
from jacchain.execution.operation import Shape
from jacchain.execution.program import Program
from jacchain.functions.options import FunctionOptions
from jacchain.model.expression import Differentiable, Expression, differentiable
from jacchain.model.lift import lift
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph

COPIED: Final = 1 << 18
"""Bytes of results up to which they are copied to their place; above, binding the last calls to it is cheaper."""


class Block(NamedTuple):
    """One array of the derivative at a point: of one output with respect to one input.

    Attributes
    ----------
    result : int or None
        Which of the program's results it is made of; None where it is zero everywhere, or where `is_identity`.
    is_identity : bool
    rows, columns : int
        Numbers of the output and of the input at one point.
    """

    result: int | None
    is_identity: bool
    rows: int
    columns: int


@final
@dataclass(frozen=True, eq=False)
class LiftedDerivative:
    """The blocks of the Jacobian at `count` points, and the values where they are wanted.

    The Jacobian of the lifted expression is block-diagonal, and its structure tells where the blocks are.

    Attributes
    ----------
    plan : GraphPlan
        Of the lifted expression.
    run : GraphExecutable
    count : int
        Points.
    blocks : tuple of Block
        For every output, in order, one for every input.
    values : int
        How many values come after them.
    """

    plan: GraphPlan
    run: GraphExecutable | GraphOnDevice
    count: int
    blocks: tuple[Block, ...]
    values: int

    @property
    def program(self) -> Program:
        """The program."""
        return self.run.program

    @cached_property
    def is_direct(self) -> bool:
        """Whether every array is a part of what the program leaves, row by row as it is returned."""
        made = [block.result for block in self.blocks]
        if None in made or len(set(made)) < len(made):
            return False
        places = self.run.results
        structures = [self.program.registers[places[k].register].structure for k in made if k is not None]
        is_apart = len({place.register for place in places}) == len(places)
        return is_apart and all(place.first >= 0 for place in places) and all(map(self._is_direct, structures))

    @cached_property
    def is_alone(self) -> bool:
        """Whether one array on the host is all there is, so that the program may write it to its place."""
        return self.is_direct and len(self.blocks) + self.values == 1 and isinstance(self.run, GraphExecutable)

    def _is_direct(self, structure: Structure) -> bool:
        match structure:
            case BlockDiagonal(count):
                return count == self.count
            case Diagonal(size):
                return size == self.count
            case Dense():
                return self.count == 1
            case _:
                return False

    def views(self, points: Sequence[Array], shapes: Sequence[Shape], /) -> list[Array] | None:
        """Return the arrays as views of what a run leaves, or None where they are not direct."""
        if not self.is_direct:
            return None
        flat, every = self.run(points), self.run.results
        made = [every[block.result] for block in self.blocks if block.result is not None]
        places = made + list(every[len(every) - self.values :])
        return [flat[place.first : place.last].reshape(shape) for place, shape in zip(places, shapes, strict=True)]

    def write(self, points: Sequence[Array], targets: Sequence[Array], /) -> None:
        """Write the arrays at some points into contiguous arrays whose first axis counts them."""
        if self.is_alone and targets[0].nbytes > COPIED and targets[0].flags.aligned:
            assert isinstance(self.run, GraphExecutable)
            self.run.into(points, targets[0].reshape(-1))
            return
        if (views := self.views(points, [target.shape for target in targets])) is not None:
            for target, view in zip(targets, views, strict=True):
                target[...] = view
            return
        operands = self.run.operands(self.run(points))
        for block, target in zip(self.blocks, targets, strict=False):
            place = target.reshape(self.count, block.rows, block.columns)
            if block.result is None:
                place[...] = 0
                if block.is_identity:
                    target.reshape(self.count, -1)[:, :: block.columns + 1] = 1
            else:
                structure, arrays = operands[block.result]
                run(blocks_calls(kernels_of(place), structure, arrays, self.count, place))
        last = operands[len(operands) - self.values :]
        for operand, target in zip(last, targets[len(self.blocks) :], strict=True):
            target[...] = operand.arrays[0].reshape(target.shape)


def lifted_derivative(
    expression: Expression, options: FunctionOptions, count: int, backend: Backend = CPU, /, *, with_value: bool
) -> LiftedDerivative | None:
    """Return the derivatives of an expression at so many points at once, planned, lowered and bound.

    Parameters
    ----------
    expression : Expression
        Of one point.
    options : FunctionOptions
        Of them argnums, the planner, its seconds and its seed, and the tape limit count.
    count : int
        Points.
    backend : Backend
        Where the arithmetic is done.
    with_value : bool
        The values come out too.

    Returns
    -------
    LiftedDerivative or None
        None where some product of matrices loses sight of the points.
    """
    lifted = lift(expression, count)
    sources = lifted.inputs_of(options.argnums)
    found = differentiable(lifted, sources, lifted.outputs)
    plan = plan_graph(
        found.graph,
        planner=options.planner,
        seconds=options.seconds,
        seed=options.seed,
        unit_free=True,
        tape_limit=None if options.tape_limit is None else count * options.tape_limit,
        itemsize=lifted.dtype.itemsize,
        cost=options.pricing.cost,
        profile=options.pricing.profile,
    )
    made = _made(found, plan)
    values = lifted.outputs if with_value or not made else ()
    request = Request(plan.nodes, tuple(made.values()), values, is_dense=False)
    places = [Place(*place) for place in found.places]
    program = lower_graph(request, lifted.nodes, lifted.inputs, places, itemsize=lifted.dtype.itemsize)
    if not all(falls_apart(program.registers[k].structure, count) for k in program.results[: len(made)]):
        return None
    executable = graph_executable(program, lifted.nodes, lifted.inputs, lifted.dtype, backend=backend)
    numbers = {pair: number for number, pair in enumerate(made)}
    pairs = [(output, source) for output in lifted.outputs for source in sources]
    own = zip(pairs, _sizes(expression, options), strict=True)
    blocks = tuple(Block(numbers.get(pair), pair[0] == pair[1], *sizes) for pair, sizes in own)
    plan = replace(plan, peak=program.peak)
    return LiftedDerivative(plan, executable, count, blocks, len(lifted.outputs) * with_value)


def _made(found: Differentiable, plan: GraphPlan) -> dict[tuple[object, object], int]:
    """Return the requests that take work, with their nodes: those neither zero nor the identity."""
    pairs = zip(found.graph.requests, plan.roots, strict=True)
    return {pair: root for pair, root in pairs if root is not None and pair[0] != pair[1]}


def _sizes(expression: Expression, options: FunctionOptions) -> Iterable[tuple[int, int]]:
    """Yield how many numbers each output and each input have at one point."""
    for output in expression.outputs:
        for source in expression.inputs_of(options.argnums):
            yield prod(expression.nodes[output].shape), prod(expression.nodes[source].shape)
