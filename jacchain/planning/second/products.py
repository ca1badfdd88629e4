"""The product of a Hessian with one vector: two sweeps forwards and two backwards, whatever the sizes."""

from graphlib import TopologicalSorter
from typing import NamedTuple, final

from jacchain.algebra.addition import addition
from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Identity, Structure, is_unit
from jacchain.planning.graph import Vertex
from jacchain.planning.node import Add, Adjoint, Bend, Local, Multiply, SecondNode, Seed, Tangent
from jacchain.planning.second.ladder import Ladder
from jacchain.planning.second.storage import read


class HessianProduct(NamedTuple):
    """Nodes that make H v, a row for each input, given a direction of each.

    Attributes
    ----------
    nodes : tuple of SecondNode
    roots : tuple of int or None
        For each input the number of its row; None where it is zero everywhere.
    """

    nodes: tuple[SecondNode, ...]
    roots: tuple[int | None, ...]

    @property
    def flops(self) -> int:
        """Multiplications."""
        return sum(node.flops for node in self.nodes)


def hessian_product(ladder: Ladder, /) -> HessianProduct:
    """Return the nodes of H v: forward over reverse with one tangent.

    With v_s the tangent and r_s the adjoint of a vertex, q_a = Σ q_s J_sa + Σ (r_s·∂²s)_ab v_b, backwards from the
    output (Pearlmutter, *Fast exact multiplication by the Hessian*, 1994).

    Examples
    --------
    >>> from jacchain.algebra.structure import Diagonal
    >>> from jacchain.planning.graph import Edge, Graph
    >>> from jacchain.planning.second.ladder import Curve
    >>> graph = Graph({"x": 3, "s": 4, "y": 1}, [Edge("x", "s"), Edge("s", "y")], [("y", "x")])
    >>> found = hessian_product(Ladder(graph, [Curve(1, 1, Diagonal(4))]))
    >>> found.flops  # J v, then (r·∂²f) v, then that times J
    28
    """
    graph, writer = ladder.graph, _Nodes([])
    into: dict[Vertex, list[int]] = {vertex: [] for vertex in graph.sizes}
    order = TopologicalSorter[Vertex](dict.fromkeys(graph.sizes, ()))
    for k, edge in enumerate(graph.edges):
        into[edge.head].append(k)
        order.add(edge.head, edge.tail)
    vertices = list(order.static_order())
    bends: dict[Vertex, list[int]] = {}
    for number, curve in enumerate(ladder.curves):
        bends.setdefault(graph.edges[curve.first].head, []).append(number)
    tangents: dict[Vertex, int] = {
        vertex: writer.put(Seed(k, Dense(graph.sizes[vertex], 1))) for k, vertex in enumerate(ladder.inputs)
    }
    for vertex in vertices:
        terms = [writer.tangent(ladder, k, tangents[graph.edges[k].tail]) for k in into[vertex]]
        if terms and vertex != ladder.output:
            tangents[vertex] = writer.total(terms)
    rows, seconds = {ladder.output: [writer.put(Local(-1, "given", Identity(1), 0))]}, dict[Vertex, list[int]]()
    for vertex in reversed(vertices):
        row = writer.total(rows[vertex]) if vertex in rows else None
        second = writer.total(seconds[vertex]) if vertex in seconds else None
        for number in bends.get(vertex, ()):
            curve = ladder.curves[number]
            a, b = ladder.tails(curve)
            assert row is not None, "what bends lies on a way to the output"
            seconds.setdefault(a, []).append(writer.bend(ladder, number, row, tangents[b], is_mirrored=False))
            if curve.first != curve.second:
                seconds.setdefault(b, []).append(writer.bend(ladder, number, row, tangents[a], is_mirrored=True))
        for k in into[vertex]:
            tail = graph.edges[k].tail
            if row is not None:
                rows.setdefault(tail, []).append(writer.adjoint(ladder, k, row))
            if second is not None:
                seconds.setdefault(tail, []).append(writer.adjoint(ladder, k, second))
    roots = [writer.total(seconds[vertex]) if vertex in seconds else None for vertex in ladder.inputs]
    return _pruned(writer.nodes, roots)


@final
class _Nodes(NamedTuple):
    """Nodes being written."""

    nodes: list[SecondNode]

    def put(self, node: SecondNode) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def structure(self, node: int) -> Structure:
        return self.nodes[node].structure

    def multiply(self, left: int, right: int) -> int:
        a, b = self.structure(left), self.structure(right)
        if isinstance(a, Identity) or isinstance(b, Identity):
            return right if isinstance(a, Identity) else left
        made = product(a, b)
        return self.put(Multiply(left, right, made.structure, 0 if is_unit(a) or is_unit(b) else made.cost))

    def total(self, terms: list[int]) -> int:
        found = terms[0]
        for term in terms[1:]:
            made = addition(self.structure(found), self.structure(term))
            found = self.put(Add(found, term, made.structure, made.cost))
        return found

    def tangent(self, ladder: Ladder, edge: int, vector: int) -> int:
        link = ladder.link(edge)
        if link.is_explicit and link.tangent_cost is None:
            return self.multiply(self.put(Local(edge, "given", link.local, link.accumulate_cost or 0)), vector)
        if link.tangent_cost is None:  # adjoints only
            cost = link.outputs * (link.adjoint_cost or 0)
            return self.multiply(self.put(Local(edge, "adjoint", Dense(link.outputs, link.inputs), cost)), vector)
        return self.put(Tangent(edge, vector, Dense(link.outputs, 1), link.tangent_cost))

    def adjoint(self, ladder: Ladder, edge: int, row: int) -> int:
        link = ladder.link(edge)
        if link.is_explicit and link.adjoint_cost is None:
            return self.multiply(row, self.put(Local(edge, "given", link.local, link.accumulate_cost or 0)))
        if link.adjoint_cost is None:  # tangents only
            cost = link.inputs * (link.tangent_cost or 0)
            return self.multiply(row, self.put(Local(edge, "tangent", Dense(link.outputs, link.inputs), cost)))
        return self.put(Adjoint(row, edge, Dense(1, link.inputs), link.adjoint_cost))

    def bend(self, ladder: Ladder, number: int, row: int, tangent: int, *, is_mirrored: bool) -> int:
        structure = ladder.curves[number].structure
        rows, columns = structure.rows, structure.columns
        size, length = (columns, rows) if is_mirrored else (rows, columns)
        factors = (Dense(1, length), structure) if is_mirrored else (structure, Dense(length, 1))
        return self.put(Bend(number, row, tangent, is_mirrored, Dense(1, size), product(*factors).cost))


def _pruned(nodes: list[SecondNode], roots: list[int | None]) -> HessianProduct:
    """Return the nodes that the roots need, equal ones once."""
    needed = {root for root in roots if root is not None}
    for k in reversed(range(len(nodes))):
        if k in needed:
            needed.update(read(nodes[k]))
    numbers: dict[int, int] = {}
    known: dict[tuple[type, SecondNode], int] = {}  # tuples of other types may be equal
    kept: list[SecondNode] = []
    for k in sorted(needed):
        node = renumbered(nodes[k], numbers)
        key = type(node), node
        if key not in known:
            known[key] = len(kept)
            kept.append(node)
        numbers[k] = known[key]
    return HessianProduct(tuple(kept), tuple(None if root is None else numbers[root] for root in roots))


def renumbered(node: SecondNode, numbers: dict[int, int], /) -> SecondNode:
    """Return a node that reads others by new numbers."""
    match node:
        case Multiply(left, right) | Add(left, right):
            return node._replace(left=numbers[left], right=numbers[right])
        case Tangent(_, right):
            return node._replace(right=numbers[right])
        case Adjoint(left):
            return node._replace(left=numbers[left])
        case Bend(_, adjoint, tangent):
            return node._replace(adjoint=numbers[adjoint], tangent=numbers[tangent])
        case Local() | Seed():
            return node
        case _:
            raise AssertionError(f"{node} is no step of a product with a vector")
