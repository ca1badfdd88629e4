"""A plan told by its vertices: which products and sums the elimination of each one took."""

from typing import NamedTuple, final

from jacchain.planning.elimination.graph_plan import GraphPlan, held, read
from jacchain.planning.elimination.spans import Span, spans
from jacchain.planning.graph import Vertex
from jacchain.planning.node import Add, Local


@final
class Elimination(NamedTuple):
    """An eliminated vertex: the products that join what meets there, the sums that these go into, and their cost.

    With `vertex` None it is what belongs to no vertex: forming local Jacobians, and adding parallel edges.
    """

    vertex: Vertex | None
    products: int
    sums: int
    flops: int


def eliminations(plan: GraphPlan, /) -> tuple[Elimination, ...]:
    """Return the eliminations of a plan in their order, and first what belongs to none, if there is such.

    A sum belongs to the later one of the two vertices whose products it adds. Their multiplications add up to the
    plan's.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Edge, Graph
    >>> edges = [Edge("x", "s"), Edge("s", "t"), Edge("s", "y"), Edge("t", "y")]
    >>> for found in eliminations(plan_graph(Graph({"x": 9, "s": 4, "t": 2, "y": 1}, edges))):
    ...     print(*found)
    t 1 1 8
    s 1 0 36
    """
    place = {vertex: k for k, vertex in enumerate(plan.order)}
    products, sums, flops = [0] * (len(place) + 1), [0] * (len(place) + 1), [0] * (len(place) + 1)
    owners: list[int] = []  # of each node the place of its vertex, or -1
    for node, span in zip(plan.nodes, plan_spans(plan), strict=True):
        if isinstance(node, Add):
            owner = max(owners[k] for k in read(node))
            sums[owner] += 1
        else:
            owner = -1 if span.through is None else place.get(span.through, -1)
            products[owner] += not isinstance(node, Local)
        flops[owner] += node.flops
        owners.append(owner)
    rows = [Elimination(vertex, products[k], sums[k], flops[k]) for k, vertex in enumerate(plan.order)]
    rest = Elimination(None, products[-1], sums[-1], flops[-1])
    return (rest, *rows) if any(rest[1:]) else tuple(rows)


def plan_spans(plan: GraphPlan, /) -> tuple[Span, ...]:
    """Return what each node of a plan is between."""
    return spans(plan.graph, plan.nodes, plan.roots)


def held_bytes(plan: GraphPlan, /) -> tuple[int, ...]:
    """Return the bytes held during every step of a plan, in the order of its steps; the largest is its peak.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Edge, Graph
    >>> found = plan_graph(Graph({"x": 4, "s": 1, "y": 3}, [Edge("x", "s"), Edge("s", "y"), Edge("x", "y")]))
    >>> held_bytes(found), found.peak
    ((96, 120, 152, 248, 288), 288)
    """
    return tuple(numbers * plan.itemsize for numbers in held(plan.graph, plan.nodes, plan.roots))


def graph_depth(plan: GraphPlan, /) -> int:
    """Return the number of steps on the longest path to a result; local Jacobians that cost nothing are no steps."""
    found: list[int] = []
    for node in plan.nodes:
        below = max((found[k] for k in read(node)), default=0)
        found.append(below + (0 if isinstance(node, Local) and not node.flops else 1))
    return max(found, default=0)
