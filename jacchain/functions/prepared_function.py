"""From an expression and options to something that can be called: planned, lowered and bound."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Diagonal, Identity
from jacchain.errors import InfeasibleError, SizeError
from jacchain.execution.backend import CPU, Backend, backend_of, kernels_of
from jacchain.execution.graph.lower import Place, Request, lower_graph
from jacchain.execution.graph.run import GraphExecutable
from jacchain.execution.on_device import GraphOnDevice, graph_executable
from jacchain.execution.operation import Shape
from jacchain.execution.program import Program
from jacchain.functions.options import FunctionOptions
from jacchain.functions.scalar.one_point import ScalarExecutable
from jacchain.model.expression import Differentiable, Expression, differentiable
from jacchain.model.tree import LEAF, Tree
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.graph import Vertex

Wanted = Literal["jacobian", "gradient"]

FRUGAL = ("search", "reverse", "forward", "markowitz")
"""The planners that are tried where the first one's order does not fit into the memory."""


class Piece(NamedTuple):
    """One block of a Jacobian: which of the program's results it is, its structure's size and its shape as an array."""

    result: int | None
    """None where it is zero everywhere, or where `is_identity`."""
    is_identity: bool
    rows: int
    columns: int
    shape: Shape


class Cut(NamedTuple):
    """Where an array lies among the numbers of all results, and its shape."""

    first: int
    last: int
    shape: Shape


@final
class PreparedFunction(NamedTuple):
    """A derivative of an expression, ready to be called.

    Attributes
    ----------
    expression : Expression
    plan : GraphPlan
    run : GraphExecutable, GraphOnDevice or ScalarExecutable
        On arrays, of the host or of a device, or number by number.
    pieces : tuple of Piece
        For every output, in order, one for every input.
    shapes : tuple of tuple of int
        Of the values, where they are wanted.
    """

    expression: Expression
    plan: GraphPlan
    run: GraphExecutable | GraphOnDevice | ScalarExecutable
    pieces: tuple[Piece, ...]
    shapes: tuple[Shape, ...]
    inner: Tree
    """How the arguments that are differentiated nest."""
    cuts: tuple[Cut, ...] | None
    """Where each block lies, and then each value, where all do and are dense."""

    def results(self, flat: Array, /, *, structured: bool) -> tuple[list[Array | Matrix], list[Array]]:
        """Return the blocks of the Jacobian and the values, given what a run leaves."""
        if self.cuts is not None:
            found = [flat[first:last].reshape(shape) for first, last, shape in self.cuts]
            return found[: len(self.pieces)], found[len(self.pieces) :]
        assert not isinstance(self.run, ScalarExecutable), "a straight-line program leaves dense blocks"
        operands = self.run.operands(flat)
        last = operands[len(operands) - len(self.shapes) :]
        values = [operand.arrays[0].reshape(shape) for operand, shape in zip(last, self.shapes, strict=True)]
        with (backend_of(flat) or CPU).active():
            return self._blocks(operands, kernels_of(flat).xp, structured=structured), values

    def nested(self, blocks: list[Array | Matrix], /) -> Any:
        """Return the blocks nested like the results, and within each like the arguments that are differentiated."""
        return nested(blocks, self.expression.results, self.inner)

    def _blocks(self, operands: Sequence[Operand], xp: Any, *, structured: bool) -> list[Array | Matrix]:
        taken: set[int] = set()
        found: list[Array | Matrix] = []
        for piece in self.pieces:
            if piece.result is None:
                found.append(_without_work(piece, xp, self.run.dtype, structured=structured))
                continue
            structure, arrays = operands[piece.result]
            if piece.result in taken:  # what is asked for twice is not one array
                arrays = tuple(array.copy() for array in arrays)
            taken.add(piece.result)
            found.append(Matrix(structure, arrays) if structured else arrays[0].reshape(piece.shape))
        return found


def _without_work(piece: Piece, xp: Any, dtype: "np.dtype[np.floating]", *, structured: bool) -> Array | Matrix:
    """Return a block that is zero everywhere, or the identity."""
    if not structured:
        block = xp.eye(piece.rows, dtype=dtype) if piece.is_identity else xp.zeros((piece.rows, piece.columns), dtype)
        return block.reshape(piece.shape)
    if piece.is_identity:
        return Matrix(Identity(piece.rows), ())
    if piece.rows == piece.columns:
        return Matrix(Diagonal(piece.rows), (xp.zeros(piece.rows, dtype),))
    return Matrix(Dense(piece.rows, piece.columns), (xp.zeros((piece.rows, piece.columns), dtype),))


def prepared_function(
    expression: Expression, options: FunctionOptions, /, *, wanted: Wanted, with_value: bool, backend: Backend = CPU
) -> PreparedFunction:
    """Return a derivative of an expression, planned, lowered and bound.

    Raises
    ------
    SizeError
        The gradient of a function that does not give one number.
    InfeasibleError
        No order that was tried fits into the memory.
    """
    if wanted == "gradient":
        expect_number(expression)
    inputs = expression.inputs_of(options.argnums)
    found = differentiable(expression, inputs, expression.outputs)
    values = expression.outputs if with_value else ()
    plan, program = _chosen(expression, found, values, options)
    run = graph_executable(program, expression.nodes, expression.inputs, expression.dtype, backend=backend)
    pieces = tuple(_pieces(expression, found, plan, inputs, wanted))
    shapes = tuple(expression.nodes[k].shape for k in values)
    cuts = None if options.structured else _cuts(run, pieces, shapes)
    inner = inner_tree(expression, options.argnums)
    return PreparedFunction(expression, replace(plan, peak=program.peak), run, pieces, shapes, inner, cuts)


def nested(blocks: Sequence[Any], outer: Tree, inner: Tree, /) -> Any:
    """Return the blocks of a Jacobian nested like the results, and within each like the arguments."""
    if outer == LEAF:
        return inner.unflatten(blocks)
    count = inner.count
    return outer.unflatten([inner.unflatten(blocks[k : k + count]) for k in range(0, len(blocks), count)])


def inner_tree(expression: Expression, argnums: int | tuple[int, ...], /) -> Tree:
    """Return how the arguments that are differentiated nest."""
    chosen = expression.arguments.children
    return chosen[argnums] if isinstance(argnums, int) else Tree(tuple, (), tuple(chosen[k] for k in argnums))


def _cuts(
    run: GraphExecutable | GraphOnDevice, pieces: Sequence[Piece], shapes: Sequence[Shape]
) -> tuple[Cut, ...] | None:
    """Return where all results lie, if each is an array of its own that the program makes."""
    numbers = [piece.result for piece in pieces if piece.result is not None]
    if len(set(numbers)) < len(pieces):
        return None
    numbers += range(len(run.results) - len(shapes), len(run.results))
    found = [run.results[number] for number in numbers]
    if len({place.register for place in found}) < len(found):
        return None
    every = [*(piece.shape for piece in pieces), *shapes]
    return tuple(Cut(place.first, place.last, shape) for place, shape in zip(found, every, strict=True))


def expect_number(expression: Expression, /) -> None:
    """Raise a SizeError if the result is not one number, so that there is no gradient."""
    shapes = [expression.nodes[k].shape for k in expression.outputs]
    if len(shapes) != 1 or any(length != 1 for length in shapes[0]):
        given = f"shape {shapes[0]}" if len(shapes) == 1 else f"{len(shapes)} arrays"
        raise SizeError(f"the gradient of {expression.name}, which gives {given}", "give one number, or use jacobian")


def _chosen(
    expression: Expression, found: Differentiable, values: tuple[int, ...], options: FunctionOptions
) -> tuple[GraphPlan, Program]:
    """Return the cheapest plan, or the cheapest of those tried that fits into the memory."""
    plan, program = _planned(expression, found, values, options, options.planner)
    if options.memory is None or program.peak <= options.memory:
        return plan, program
    tried = [(plan, program)]
    tried += [_planned(expression, found, values, options, name) for name in FRUGAL if name != options.planner]
    fitting = [pair for pair in tried if pair[1].peak <= options.memory]
    if not fitting:
        least = min(pair[1].peak for pair in tried)
        raise InfeasibleError(
            f"no order that was tried needs at most {options.memory:,} bytes",
            f"give memory={least} or more, or ask for the Jacobian of fewer outputs or arguments at a time",
        )
    return min(fitting, key=lambda pair: pair[0].flops if pair[0].seconds is None else pair[0].seconds)


def _planned(
    expression: Expression, found: Differentiable, values: tuple[int, ...], options: FunctionOptions, planner: str
) -> tuple[GraphPlan, Program]:
    itemsize = expression.dtype.itemsize
    plan = plan_graph(
        found.graph,
        planner=planner,
        seconds=options.seconds,
        seed=options.seed,
        unit_free=True,
        tape_limit=options.tape_limit,
        itemsize=itemsize,
        cost=options.pricing.cost,
        profile=options.pricing.profile,
    )
    roots = tuple(root for _, root in _made(found, plan))
    if not roots and not values:  # nothing depends on anything, but a program makes something
        values = expression.outputs[:1]
    request = Request(plan.nodes, roots, values, is_dense=not options.structured)
    places = [Place(*place) for place in found.places]
    return plan, lower_graph(request, expression.nodes, expression.inputs, places, itemsize=itemsize)


def _made(found: Differentiable, plan: GraphPlan) -> list[tuple[tuple[Vertex, Vertex], int]]:
    """Return the requests that take work, with their nodes: those neither zero nor the identity."""
    pairs = zip(found.graph.requests, plan.roots, strict=True)
    return [(pair, root) for pair, root in pairs if root is not None and pair[0] != pair[1]]


def _pieces(
    expression: Expression, found: Differentiable, plan: GraphPlan, inputs: Sequence[int], wanted: Wanted
) -> Iterable[Piece]:
    numbers = {pair: number for number, (pair, _) in enumerate(_made(found, plan))}
    for output in expression.outputs:
        for source in inputs:
            rows, columns = found.graph.sizes[output], found.graph.sizes[source]
            tail, head = expression.nodes[source].shape, expression.nodes[output].shape
            shape = tail if wanted == "gradient" else head + tail
            yield Piece(numbers.get((output, source)), output == source, rows, columns, shape)
