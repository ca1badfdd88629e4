"""A plan for a branching graph: which partial derivatives to form from which, and what that costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from jacchain.algebra.structure import stored
from jacchain.planning.cost import Cost
from jacchain.planning.duration import predicted_text
from jacchain.planning.graph import Graph, Vertex
from jacchain.planning.node import Add, Adjoint, GraphNode, Local, Multiply, Tangent
from jacchain.planning.plan import Baselines

SHOWN = 12
"""Vertices of an order that are printed."""


@final
@dataclass(frozen=True, slots=True)
class GraphPlan:
    """An order of elimination for a graph, with its cost in multiplications and its peak storage in bytes.

    Nodes stand in the order in which they are formed. A `Local` of link k is that of ``graph.edges[k]``, one of link -1
    the identity of a vertex that is requested with respect to itself.

    Attributes
    ----------
    graph : Graph
        What was planned.
    planner : str
    nodes : tuple of GraphNode
    roots : tuple of int or None
        For each request the number of its node; None where no path joins the two vertices.
    flops, peak : int
        Multiplications; bytes of local Jacobians, products and results at the fullest moment.
    baselines : Baselines
        What forward, reverse and greedy elimination cost.
    reason : str
        Why this order, in one sentence.
    itemsize : int
        Bytes of a number.
    lower_bound : int
        Multiplications that no order of vertices goes below; a chain of layers may, and is then its own bound.
    order : tuple of vertex
        The interior vertices in the order in which they were eliminated.
    search_seconds : float
        What a search was given.
    seed : int
    unit_free : bool
        Products by an identity or a negation were not counted.
    tape_limit : int, optional
        The largest tape of an adjoint.
    cost : {"multiplications", "seconds"}
        What the order is the cheapest in.
    seconds : float, optional
        Predicted time of all nodes, where a profile was at hand; the values of operations are not counted.
    profile : str, optional
        Name of that profile.
    step_seconds : tuple of float
        Predicted time of each of the nodes; empty where nothing was predicted.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Edge
    >>> graph = Graph({"x": 4, "s": 1, "y": 3}, [Edge("x", "s"), Edge("s", "y"), Edge("x", "y")])
    >>> print(plan_graph(graph, planner="optimal"))
    optimal: s
    12 multiplications, peak 288 bytes
    because there is one interior vertex, so there is only one order
    """

    graph: Graph
    planner: str
    nodes: tuple[GraphNode, ...]
    roots: tuple[int | None, ...]
    flops: int
    peak: int
    baselines: Baselines
    reason: str
    itemsize: int = 8
    lower_bound: int = 0
    order: tuple[Vertex, ...] = ()
    search_seconds: float = 1.0
    seed: int = 0
    unit_free: bool = False
    tape_limit: int | None = None
    cost: Cost = "multiplications"
    seconds: float | None = None
    profile: str | None = None
    step_seconds: tuple[float, ...] = ()

    @property
    def elimination(self) -> str:
        """The order of the vertices as text."""
        return " ".join(map(str, self.order)) or "nothing to eliminate"

    def to_json(self) -> str:
        """Return the plan as one JSON document of schema ``jacchain.graph-plan/v1``."""
        from jacchain.planning.elimination.graph_document import graph_plan_to_json

        return graph_plan_to_json(self)

    @staticmethod
    def from_json(text: str | bytes, /) -> "GraphPlan":
        """Return the plan of a JSON document.

        Raises
        ------
        FileError
            Not JSON, another schema, or wrong at a stated place.
        """
        from jacchain.planning.elimination.graph_document import graph_plan_from_json

        return graph_plan_from_json(text)

    def __str__(self) -> str:
        names = [str(vertex) for vertex in self.order]
        if len(names) > SHOWN:
            names = [*names[: SHOWN - 1], f"… {names[-1]} ({len(names):,} vertices)"]
        return "\n".join(
            (
                f"{self.planner}: {' '.join(names) or 'nothing to eliminate'}",
                f"{self.flops:,} multiplications, {predicted_text(self.seconds)}peak {self.peak:,} bytes",
                f"because {self.reason}",
            )
        )


def read(node: GraphNode, /) -> tuple[int, ...]:
    """Return the numbers of the nodes that a node reads."""
    match node:
        case Local():
            return ()
        case Multiply(left, right) | Add(left, right):
            return left, right
        case Tangent(_, right):
            return (right,)
        case Adjoint(left):
            return (left,)


def need(graph: Graph, nodes: Sequence[GraphNode], roots: Sequence[int | None], /) -> int:
    """Return the numbers held at the fullest moment."""
    return max(held(graph, nodes, roots), default=0)


def held(graph: Graph, nodes: Sequence[GraphNode], roots: Sequence[int | None], /) -> list[int]:
    """Return the numbers held during every step: what is formed stays until its last use, results to the end."""
    last = {k: k for k in range(len(nodes))}
    for k, node in enumerate(nodes):
        last.update(dict.fromkeys(read(node), k))
    last.update({root: len(nodes) for root in roots if root is not None})
    sizes = [_held(graph, node) for node in nodes]
    here, found = 0, []
    for k, node in enumerate(nodes):
        here += sizes[k]
        found.append(here + _taped(graph, node))
        here -= sum(sizes[one] for one in {*read(node), k} if last[one] <= k)
    return found


def _held(graph: Graph, node: GraphNode) -> int:
    if isinstance(node, Local) and node.link >= 0:
        link = graph.edges[node.link].link
        if link is not None and link.borrowed:
            return 0
    return stored(node.structure)


def _taped(graph: Graph, node: GraphNode) -> int:
    """Return the numbers that an adjoint remembers while it runs."""
    number = node.link if isinstance(node, Adjoint) else -1
    if isinstance(node, Local) and node.mode == "adjoint":
        number = node.link
    link = graph.edges[number].link if number >= 0 else None
    return 0 if link is None else link.tape
