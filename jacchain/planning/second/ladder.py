"""The ladder graph: what a Hessian is a sum of paths in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, final

from jacchain.algebra.pattern import transpose
from jacchain.algebra.structure import Structure
from jacchain.errors import OptionError, SizeError
from jacchain.planning.graph import Edge, Graph, Vertex
from jacchain.planning.link import Link


class Curve(NamedTuple):
    """The curvature r·∂²f of a vertex with respect to two of its operands.

    Attributes
    ----------
    first, second : int
        Two edges of the graph into the vertex, by number, or twice the same. With a = tail of the first and b = tail of
        the second it is a matrix of d_a × d_b that stands for itself and, unless the edges are the same, its mirror
        image: two edges of one tail add C + Cᵀ to what that vertex has.
    structure : Structure
        Of d_a rows and d_b columns; symmetric where the edges are the same.
    """

    first: int
    second: int
    structure: Structure


@final
@dataclass(frozen=True, slots=True, init=False)
class Ladder:
    """A graph of first derivatives with the curvatures of its vertices: the Hessian of one number.

    With r_v the derivative of the output with respect to vertex v, the Hessian is Σ_v (∂v)ᵀ (r_v·∂²v) (∂v), the sum
    over all paths from x to x̄ in the graph of edges a → v (J), v̄ → ā (Jᵀ) and a → b̄ (curvatures); see `unfolded`.

    Parameters
    ----------
    graph : Graph
        All its requests are for one output of size 1; their inputs are what the Hessian is with respect to, in order.
    curves : iterable of Curve
        What is not there is zero.
    is_quotient : bool
        Every vertex counts as one number but stands for any, so that a matrix of 1 × 1 is not its own transpose.

    Raises
    ------
    SizeError, OptionError
        The output is not one number; curves that do not fit the graph.

    Examples
    --------
    >>> from jacchain.algebra.structure import Dense, Diagonal
    >>> graph = Graph({"x": 3, "s": 4, "y": 1}, [Edge("x", "s"), Edge("s", "y")], [("y", "x")])
    >>> ladder = Ladder(graph, [Curve(0, 0, Dense(3, 3)), Curve(1, 1, Diagonal(4))])
    >>> ladder.output, ladder.inputs
    ('y', ('x',))
    """

    graph: Graph
    curves: tuple[Curve, ...]
    is_quotient: bool

    def __init__(self, graph: Graph, curves: Iterable[Curve], /, *, is_quotient: bool = False) -> None:
        outputs = {output for output, _ in graph.requests}
        if len(outputs) != 1:
            raise OptionError(
                f"the requests are for {len(outputs)} outputs", "weight the outputs, so that there is one"
            )
        output = next(iter(outputs))
        if graph.sizes[output] != 1:
            raise SizeError(f"the output has {graph.sizes[output]} numbers", "weight them, so that there is one")
        found = tuple(curves)
        for number, curve in enumerate(found):
            _check(graph, number, curve)
        object.__setattr__(self, "graph", graph)
        object.__setattr__(self, "curves", found)
        object.__setattr__(self, "is_quotient", is_quotient)

    @property
    def output(self) -> Vertex:
        """The vertex whose second derivatives are wanted."""
        return self.graph.requests[0][0]

    @property
    def inputs(self) -> tuple[Vertex, ...]:
        """The vertices with respect to which."""
        return tuple(source for _, source in self.graph.requests)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The blocks of one half of the Hessian: pairs of inputs by number, the first not after the second."""
        count = len(self.graph.requests)
        return tuple((a, b) for a in range(count) for b in range(a, count))

    def link(self, edge: int, /) -> Link:
        """Return the link of an edge."""
        found = self.graph.edges[edge].link
        assert found is not None, "the edges of a graph have links"
        return found

    def tails(self, curve: Curve, /) -> tuple[Vertex, Vertex]:
        """Return the two operands of a curvature."""
        return self.graph.edges[curve.first].tail, self.graph.edges[curve.second].tail


def _check(graph: Graph, number: int, curve: Curve) -> None:
    if not all(0 <= edge < len(graph.edges) for edge in (curve.first, curve.second)):
        raise OptionError(f"curve {number} is of edges {curve.first} and {curve.second}", "number the graph's edges")
    first, second = graph.edges[curve.first], graph.edges[curve.second]
    if first.head != second.head:
        raise OptionError(
            f"curve {number} is of edges into {first.head!r} and {second.head!r}", "give two edges into one vertex"
        )
    sizes = graph.sizes[first.tail], graph.sizes[second.tail]
    if (curve.structure.rows, curve.structure.columns) != sizes:
        raise SizeError(
            f"curve {number} is {curve.structure}, but its operands have {sizes[0]} and {sizes[1]} numbers",
            "give a structure of their sizes",
        )


Rung = tuple[str, Vertex]
"""A vertex of the unfolded ladder: ("s", v) for a value, ("r", v) for the adjoint of one."""


class Unfolded(NamedTuple):
    """The ladder as a graph of its own.

    Attributes
    ----------
    graph : Graph
        Vertices are numbers: k for the value of the ladder's k-th vertex, and n + k for its adjoint.
    sources : tuple of (str, int)
        For each edge what it is: ("local", edge), ("transpose", edge), ("curve", number) or ("mirror", number).
    """

    graph: Graph
    sources: tuple[tuple[str, int], ...]


def unfolded(ladder: Ladder, /) -> Unfolded:
    """Return the graph with values and adjoints as vertices, whose path sums are the blocks of the Hessian.

    Examples
    --------
    >>> from jacchain.algebra.structure import Diagonal
    >>> graph = Graph({"x": 3, "s": 4, "y": 1}, [Edge("x", "s"), Edge("s", "y")], [("y", "x")])
    >>> found = unfolded(Ladder(graph, [Curve(1, 1, Diagonal(4))]))
    >>> [source for source in found.sources], found.graph.requests
    ([('local', 0), ('transpose', 0), ('curve', 0)], ((3, 0),))
    """
    graph = ladder.graph
    numbers = {vertex: k for k, vertex in enumerate(graph.sizes)}
    count = len(numbers)
    edges: list[Edge] = []
    sources: list[tuple[str, int]] = []
    for k, edge in enumerate(graph.edges):
        if edge.head == ladder.output:
            continue  # the adjoint of the output is 1, and its value bends nothing
        tail, head, link = numbers[edge.tail], numbers[edge.head], ladder.link(k)
        edges += [Edge(tail, head, link), Edge(count + head, count + tail, _turned(link))]
        sources += [("local", k), ("transpose", k)]
    for k, curve in enumerate(ladder.curves):
        a, b = (numbers[tail] for tail in ladder.tails(curve))
        bent = curve.structure
        edges.append(Edge(b, count + a, Link(bent.columns, bent.rows, structure=bent)))
        sources.append(("curve", k))
        if curve.first != curve.second:
            turned = transpose(curve.structure)
            edges.append(Edge(a, count + b, Link(turned.columns, turned.rows, structure=turned)))
            sources.append(("mirror", k))
    sizes: dict[Vertex, int] = {}
    for half in (0, count):
        sizes |= {half + k: size for k, size in enumerate(graph.sizes.values())}
    inputs = [numbers[vertex] for vertex in ladder.inputs]
    requests = [(count + inputs[a], inputs[b]) for a, b in ladder.pairs]
    return Unfolded(Graph(sizes, edges, requests), tuple(sources))


def _turned(link: Link) -> Link:
    """Return the link of the transposed local Jacobian: tangents become adjoints."""
    is_explicit = link.is_explicit
    return Link(
        link.outputs,
        link.inputs,
        structure=transpose(link.local) if is_explicit else None,
        accumulate_cost=link.accumulate_cost,
        tangent_cost=link.adjoint_cost,
        adjoint_cost=link.tangent_cost,
        tape=link.tape,
        borrowed=link.borrowed,
        name=link.name,
    )
