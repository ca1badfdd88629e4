"""The ladder of an expression: its first derivatives and curvatures, and where each of them comes from."""

from collections.abc import Sequence
from math import prod
from typing import Final, NamedTuple, final

import numpy as np

from jacchain.algebra.distinct import distinct
from jacchain.algebra.kernels import Array
from jacchain.algebra.structure import Dense, Identity, Negation, Structure
from jacchain.errors import OptionError
from jacchain.model.expression import Expression, differentiable
from jacchain.model.layer import CURVATURE_CURE
from jacchain.model.primitive import Primitive
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.selection import Gather, Index
from jacchain.planning.graph import Edge, Graph, Vertex
from jacchain.planning.link import Link
from jacchain.planning.second.ladder import Curve, Ladder

SELECTIONS: Final = (Reshape, Transpose, Index, Gather)
"""What takes numbers out of an array, and computes nothing."""


@final
class Tap(NamedTuple):
    """Numbers of one input that a function uses: a node that is nothing but some of them.

    Attributes
    ----------
    node : int
    source : int
        The input node that they are from.
    places : array of int, or None
        For each of the node's numbers, row by row, its place in the flattened input; None for all of them in order.
    """

    node: int
    source: int
    places: Array | None


@final
class SecondOrder(NamedTuple):
    """A ladder of an expression's nodes, and where its edges and curvatures come from.

    Attributes
    ----------
    ladder : Ladder
        Its vertices are node numbers.
    locals : tuple of (int, int)
        For each edge its head's node and the position of the operand in it.
    curves : tuple of (int, int, int)
        For each curvature the node and the positions of two operands, the first not after the second.
    """

    ladder: Ladder
    locals: tuple[tuple[int, int], ...]
    curves: tuple[tuple[int, int, int], ...]


def second_order(
    expression: Expression, inputs: Sequence[int], output: int, /, *, is_quotient: bool = False
) -> SecondOrder:
    """Return the ladder of one node with respect to others.

    Parameters
    ----------
    expression : Expression
    inputs : sequence of int
        Nodes, be they the expression's inputs or what is made of these; what they are made of does not count.
    output : int
        A node of one number.
    is_quotient : bool
        Every vertex counts as one number, so that planning takes no time for large arrays: for functions whose
        arrays are all combined number by number.

    Raises
    ------
    OptionError
        A node on the way states no curvature.
    """
    found = differentiable(expression, inputs, [output])
    graph = quotient(found.graph) if is_quotient else found.graph
    edges = {place: k for k, place in enumerate(found.places)}
    curves: list[Curve] = []
    places: list[tuple[int, int, int]] = []
    for node in dict.fromkeys(node for node, _ in found.places):
        facts = expression.facts(node)
        if facts.curvatures is None:
            operation = expression.nodes[node].operation
            name = "" if operation is None else operation.name
            raise OptionError(f"{name} states no curvature (node %{node} of {expression.name})", CURVATURE_CURE)
        for one in facts.curvatures:
            if (node, one.first) in edges and (node, one.second) in edges:
                structure: Structure = Dense(1, 1) if is_quotient else one.structure
                curves.append(Curve(edges[node, one.first], edges[node, one.second], structure))
                places.append((node, one.first, one.second))
    return SecondOrder(Ladder(graph, curves, is_quotient=is_quotient), found.places, tuple(places))


def quotient(graph: Graph, /) -> Graph:
    """Return a graph with every vertex of size 1; units stay units."""
    sizes: dict[Vertex, int] = dict.fromkeys(graph.sizes, 1)
    edges = [Edge(edge.tail, edge.head, _one(edge.link)) for edge in graph.edges]
    return Graph(sizes, edges, graph.requests)


def _one(link: Link | None) -> Link:
    match None if link is None else link.local:
        case Identity():
            return Link(1, 1, structure="identity")
        case Negation():
            return Link(1, 1, structure="negation")
        case _:
            return Link(1, 1)


def taps(expression: Expression, inputs: Sequence[int], /) -> tuple[Tap, ...]:
    """Return the nodes that a function uses its inputs through: the inputs themselves, or selections of them.

    A selection without repetitions counts; what is selected twice, as by an index array, is left to the graph.
    """
    known: dict[int, Tap] = {k: Tap(k, k, None) for k in inputs}
    used: dict[int, None] = dict.fromkeys(k for k in expression.outputs if k in known)
    for node, (operation, operands, *_) in enumerate(expression.nodes):
        tap = known.get(operands[0]) if len(operands) == 1 else None
        selected = None if tap is None else _selected(expression, node, tap)
        if selected is not None:
            known[node] = selected
            if node in expression.outputs:
                used[node] = None
        elif operation is not None:
            used |= dict.fromkeys(k for k in operands if k in known)
    return tuple(known[k] for k in sorted(used))


def _selected(expression: Expression, node: int, tap: Tap) -> Tap | None:
    """Return the tap that a node makes of another one."""
    operation, (operand,), *_ = expression.nodes[node]
    if not isinstance(operation, SELECTIONS) or not isinstance(operation, Primitive):
        return None
    if isinstance(operation, Reshape):
        return Tap(node, tap.source, tap.places)
    shape = expression.nodes[operand].shape
    numbers = np.arange(prod(shape), dtype=np.float64).reshape(shape)
    moved = operation.value(numbers).reshape(-1).astype(np.intp)
    if len(distinct(moved)) < len(moved):
        return None
    return Tap(node, tap.source, moved if tap.places is None else tap.places[moved])
