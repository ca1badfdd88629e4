"""Whether a plan's results are what was asked for: sums over all paths."""

from typing import Final

from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.problem import topological
from jacchain.planning.graph import Vertex
from jacchain.planning.node import Add, Adjoint, Local, Multiply, Tangent

PRIME: Final = 2**61 - 1


def path_sums(plan: GraphPlan, /) -> tuple[bool, ...]:
    """Return for each request whether its result is the sum over all paths of the products of their edges.

    Both sides are polynomials in the edges. They are compared at one fixed point modulo 2**61 - 1, where different
    ones agree with a probability of about their degree in 2**61 (Schwartz and Zippel).

    Examples
    --------
    >>> from dataclasses import replace
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Edge, Graph
    >>> found = plan_graph(Graph({"x": 4, "s": 1, "y": 3}, [Edge("x", "s"), Edge("s", "y"), Edge("x", "y")]))
    >>> path_sums(found), path_sums(replace(found, roots=(0,)))
    ((True,), (False,))
    """
    weights = [pow(0x9E3779B97F4A7C15 * (k + 1) + 0xD1B54A32D192ED03, 5, PRIME) for k in range(len(plan.graph.edges))]
    made: list[int] = []
    for node in plan.nodes:
        match node:
            case Local(link):
                made.append(weights[link] if link >= 0 else 1)
            case Multiply(left, right):
                made.append(made[left] * made[right] % PRIME)
            case Tangent(link, right):
                made.append(weights[link] * made[right] % PRIME)
            case Adjoint(left, link):
                made.append(made[left] * weights[link] % PRIME)
            case Add(left, right):
                made.append((made[left] + made[right]) % PRIME)
    onward: dict[Vertex, list[tuple[Vertex, int]]] = {}
    for edge, weight in zip(plan.graph.edges, weights, strict=True):
        onward.setdefault(edge.tail, []).append((edge.head, weight))
    order = topological(plan.graph)
    wanted = {source: _from(source, order, onward) for source in {source for _, source in plan.graph.requests}}
    return tuple(
        wanted[source].get(output, 0) == (0 if root is None else made[root])
        for root, (output, source) in zip(plan.roots, plan.graph.requests, strict=True)
    )


def _from(source: Vertex, order: list[Vertex], onward: dict[Vertex, list[tuple[Vertex, int]]]) -> dict[Vertex, int]:
    """Return the sums over all paths from a vertex to every other one."""
    found = {source: 1}
    for vertex in order:
        here = found.get(vertex)
        if here is not None:
            for head, weight in onward.get(vertex, ()):
                found[head] = (found.get(head, 0) + here * weight) % PRIME
    return found
