"""A recorded function: operations on earlier values, in topological order, and what they depend on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array, run
from jacchain.errors import OptionError, SizeError, TraceError
from jacchain.execution.backend import home_of, kernels_of
from jacchain.execution.operation import Applied, Operation, OperationFacts, Shape, ValueView
from jacchain.model.layer import as_point
from jacchain.model.primitive import Primitive
from jacchain.model.tree import Tree, flatten
from jacchain.planning.graph import Edge, Graph, Vertex
from jacchain.planning.link import Link

WIDTH: Final = 80
"""Columns of a listing."""


def facts_of(operation: Operation, shapes: tuple[Shape, ...], /) -> OperationFacts:
    """Return the facts of an operation for given shapes of its inputs; those of primitives are found once.

    Other operations hold layers and steps with arrays of their own, which should not be kept by this.
    """
    return _facts_of((operation, shapes)) if isinstance(operation, Primitive) else operation.facts(shapes)


@lru_cache(maxsize=1 << 11)
def _facts_of(asked: tuple[Operation, tuple[Shape, ...]]) -> OperationFacts:
    operation, shapes = asked
    return operation.facts(shapes)


@final
@dataclass(frozen=True, eq=False)
class Expression:
    """What one call of a function did with its arguments.

    Attributes
    ----------
    nodes : tuple of Applied
        Inputs, constants and operations; every operand comes before what it is an operand of.
    inputs : tuple of int
        The nodes of the arguments' arrays, in the order of the flattened arguments.
    outputs : tuple of int
        The nodes of the results' arrays; one may stand there twice, and may be an input or a constant.
    dtype : dtype
        Of every number in it.
    arguments : Tree
        How the arguments nest: a tuple of one tree each.
    results : Tree
        How the result nests.
    name : str
        What listings and messages call the function.
    """

    nodes: tuple[Applied, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    dtype: "np.dtype[Any]"
    arguments: Tree
    results: Tree
    name: str = "function"

    def facts(self, node: int, /) -> OperationFacts:
        """Return the facts of a node that is an operation."""
        operation, operands, *_ = self.nodes[node]
        if operation is None:
            raise AssertionError(f"node {node} is no operation")
        return facts_of(operation, tuple(self.nodes[k].shape for k in operands))

    def inputs_of(self, argnums: int | Sequence[int], /) -> tuple[int, ...]:
        """Return the input nodes of one argument or several, counted from 0 or, if negative, from the end."""
        count, chosen = len(self.arguments.children), argnums if isinstance(argnums, Sequence) else (argnums,)
        if not count:
            raise OptionError(f"{self.name} has no argument to differentiate with respect to", "give it one")
        starts = [0]
        for child in self.arguments.children:
            starts.append(starts[-1] + child.count)
        found: list[int] = []
        for number in chosen:
            if not -count <= number < count:
                raise OptionError(f"argnums {number} of {count} arguments", f"give a number below {count}")
            found += self.inputs[starts[number % count] : starts[number % count + 1]]
        return tuple(found)

    def graph(self, argnums: int | Sequence[int] | None = None, /) -> Graph:
        """Return the graph of the derivatives of all results with respect to all arguments, or to some."""
        chosen = self.inputs if argnums is None else self.inputs_of(argnums)
        return differentiable(self, chosen, self.outputs).graph

    def __call__(self, *arguments: object) -> Any:
        """Return the results at other arguments of the same nesting and shapes, node by node."""
        leaves, tree = flatten(arguments, "the arguments")
        if tree != self.arguments:
            raise TraceError(
                f"{self.name} was traced with other arguments: {len(leaves)} arrays are given, not {len(self.inputs)}",
                "nest the arguments as in the trace, or trace again",
            )
        backend = home_of(leaves)
        arrays = [backend.place(np.asarray(leaf)) if isinstance(leaf, float) else as_point(leaf) for leaf in leaves]
        for node, array in zip(self.inputs, arrays, strict=True):
            if array.shape != self.nodes[node].shape:
                raise SizeError(
                    f"{self.nodes[node].name} has shape {array.shape}, but {self.name} was traced with "
                    f"{self.nodes[node].shape}",
                    "trace again for other shapes",
                )
        with backend.active():
            values = self.values([array.astype(self.dtype, copy=False) for array in arrays])
        return self.results.unflatten([values[k] for k in self.outputs])

    def values(self, inputs: Iterable[Array], /) -> list[NDArray[Any]]:
        """Return the value of every node, given those of the inputs, on the device that these lie on."""
        inputs = list(inputs)
        place = home_of(inputs).place
        found: list[Array] = [None if node.constant is None else place(node.constant) for node in self.nodes]
        for k, array in zip(self.inputs, inputs, strict=True):
            found[k] = array
        for k, (operation, operands, *_) in enumerate(self.nodes):
            if operation is not None:
                found[k] = evaluated(operation, tuple(found[i] for i in operands))
        return found

    def __str__(self) -> str:
        """Return a listing: one line for each node, and one for the result."""
        return "\n".join(_lines(self))


def evaluated(operation: Operation, xs: tuple[Array, ...], /) -> Array:
    """Return the value of an operation, or a view where it is one of its input."""
    facts = facts_of(operation, tuple(x.shape for x in xs))
    if facts.view and isinstance(operation, ValueView):
        return operation.value_view(xs[0])
    kernels, dtype = kernels_of(xs[0]), xs[0].dtype
    y = kernels.xp.empty(facts.output, dtype)
    run(operation.value_calls(kernels, xs, y, kernels.xp.empty(facts.scratch, dtype)))
    return y


@final
class Differentiable(NamedTuple):
    """The graph of an expression's derivatives, and where each of its edges comes from.

    Attributes
    ----------
    graph : Graph
        Its vertices are node numbers.
    places : tuple of (int, int)
        For each edge its head's node and the position of the operand in it.
    """

    graph: Graph
    places: tuple[tuple[int, int], ...]


def differentiable(expression: Expression, inputs: Sequence[int], outputs: Sequence[int], /) -> Differentiable:
    """Return the graph of the derivatives of some nodes with respect to others.

    It has the nodes that depend on the inputs and that the outputs depend on, through local Jacobians that are not zero
    everywhere; one edge for each operand, so that two uses of one value by one node are two parallel edges; and the
    inputs and outputs themselves. Every pair of an output and an input is requested. An input may be any node: what it
    is made of does not count.
    """
    dependent, wanted = set(inputs), set(outputs)
    found: list[tuple[int, int, int, Link]] = []
    for node, applied in enumerate(expression.nodes):
        if applied.operation is None or node in inputs or dependent.isdisjoint(applied.operands):
            continue
        local = expression.facts(node).locals
        for position, operand in enumerate(applied.operands):
            facts = local[position]
            if operand in dependent and facts is not None:
                found.append((operand, node, position, facts.link))
                dependent.add(node)
    useful: set[int] = set()
    for operand, node, *_ in reversed(found):
        if node in wanted:
            wanted.add(operand)
    kept = [edge for edge in found if edge[1] in wanted]
    for operand, node, *_ in kept:
        useful |= {operand, node}
    edges = [Edge(operand, node, link) for operand, node, _, link in kept]
    vertices = sorted(useful | set(inputs) | set(outputs))
    sizes: dict[Vertex, int] = {node: prod(expression.nodes[node].shape) for node in vertices}
    requests = [(output, source) for output in dict.fromkeys(outputs) for source in dict.fromkeys(inputs)]
    return Differentiable(Graph(sizes, edges, requests), tuple((node, position) for _, node, position, _ in kept))


def _lines(expression: Expression) -> Iterable[str]:
    nodes = expression.nodes
    texts = [_text(k, node) for k, node in enumerate(nodes)]
    shapes = [str(node.shape) if node.shape else "number" for node in nodes]
    widest = max((len(shape) for shape in shapes), default=0)
    room = max(WIDTH - 2 - widest, 20)
    column = min(max((len(text) for text in texts), default=0), room)
    for text, shape in zip(texts, shapes, strict=True):
        yield f"{_shortened(text, room):<{column}}  {shape}"
    yield _shortened(f"return {', '.join(f'%{k}' for k in expression.outputs)}", WIDTH)


def _text(k: int, node: Applied) -> str:
    if node.operation is not None:
        operands = [f"%{i}" for i in node.operands]
        if len(operands) > 8:
            operands[4:-2] = [f"… {len(operands) - 6} more …"]
        return f"%{k} = {node.operation.name} {' '.join(operands)}"
    if node.constant is None:
        return f"%{k} = input {node.name}"
    return f"%{k} = constant {node.constant:.6g}" if not node.shape else f"%{k} = constant"


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"
