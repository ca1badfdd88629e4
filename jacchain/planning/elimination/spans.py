"""What the nodes of a graph's plan are between: the Jacobian of which vertex with respect to which."""

from collections.abc import Sequence
from typing import NamedTuple, final

from jacchain.errors import OptionError
from jacchain.planning.graph import Graph, Vertex
from jacchain.planning.node import Add, Adjoint, GraphNode, Local, Multiply, Tangent


@final
class Span(NamedTuple):
    """The Jacobian of `head` with respect to `tail`; a product joined two at `through`, which is None for others."""

    tail: Vertex
    head: Vertex
    through: Vertex | None = None


def spans(graph: Graph, nodes: Sequence[GraphNode], roots: Sequence[int | None], /) -> tuple[Span, ...]:
    """Return the span of every node.

    Raises
    ------
    OptionError
        A node joins what does not meet, which no planner's does.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Edge
    >>> found = plan_graph(Graph({"x": 4, "s": 1, "y": 3}, [Edge("x", "s"), Edge("s", "y"), Edge("x", "y")]))
    >>> [f"{span.head}:{span.tail}" for span in spans(found.graph, found.nodes, found.roots)]
    ['y:x', 'y:s', 's:x', 'y:x', 'y:x']
    """
    itself = {
        root: output
        for root, (output, source) in zip(reversed(roots), reversed(graph.requests), strict=True)
        if root is not None and output == source
    }
    found: list[Span] = []
    for k, node in enumerate(nodes):
        match node:
            case Local(link):
                span = _edge(graph, link) if link >= 0 else Span(itself[k], itself[k])
            case Multiply(left, right):
                span = _joined(found[left], found[right])
            case Tangent(link, right):
                span = _joined(_edge(graph, link), found[right])
            case Adjoint(left, link):
                span = _joined(found[left], _edge(graph, link))
            case Add(left, right):
                if found[left][:2] != found[right][:2]:
                    raise OptionError(f"a sum of {_text(found[left])} and {_text(found[right])}", "add like to like")
                span = Span(*found[left][:2])
        found.append(span)
    return tuple(found)


def _edge(graph: Graph, number: int) -> Span:
    return Span(graph.edges[number].tail, graph.edges[number].head)


def _joined(left: Span, right: Span) -> Span:
    if left.tail != right.head:
        raise OptionError(f"a product of {_text(left)} and {_text(right)}", "join what meets at a vertex")
    return Span(right.tail, left.head, left.tail)


def _text(span: Span) -> str:
    return f"{span.head}:{span.tail}"
