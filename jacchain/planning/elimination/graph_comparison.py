"""Every planner on the same graph."""

from typing import Final, NamedTuple, final

from jacchain.errors import InfeasibleError
from jacchain.planning.cost import Cost, ProfileLike
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import fitting, plan_graph
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.planning.graph import Graph
from jacchain.planning.limits import as_bytes

TRIED: Final = 40
"""Interior vertices up to which the exact planner runs beside the others, unless `auto` has settled it already."""


@final
class GraphRival(NamedTuple):
    """One planner's plan of a graph, or what stood in its way: a limit, or more orders than can be tried."""

    planner: str
    plan: GraphPlan | None
    obstacle: str | None
    is_skipped: bool = False


def compare_graph_planners(
    graph: Graph,
    /,
    *,
    seconds: float = 1.0,
    seed: int = 0,
    unit_free: bool = False,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    itemsize: int = 8,
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
) -> tuple[GraphRival, ...]:
    """Return what every planner makes of a graph: auto, and then the others in their own order.

    Options are those of `plan_graph`. `optimal` is skipped where it is likely to take long, and then in vain.

    Raises
    ------
    OptionError
        As `plan_graph` does. A planner without an order is no error.

    Examples
    --------
    >>> from jacchain.planning.graph import Edge
    >>> edges = [Edge("x", "s"), Edge("s", "t"), Edge("s", "y"), Edge("t", "y")]
    >>> graph = Graph({"x": 9, "s": 4, "t": 2, "y": 1}, edges)
    >>> [(rival.planner, rival.plan and rival.plan.flops) for rival in compare_graph_planners(graph)][:3]
    [('auto', 44), ('forward', 126), ('reverse', 44)]
    """
    limit = None if memory is None else as_bytes(memory)
    found: list[GraphRival] = []
    for name in dict.fromkeys(["auto", *GRAPH_PLANNERS]):
        obstacle = _too_many(found[0].plan) if name == "optimal" else None
        if obstacle is not None:
            found.append(GraphRival(name, None, obstacle, is_skipped=True))
            continue
        try:
            made = plan_graph(
                graph,
                planner=name,
                seconds=seconds,
                seed=seed,
                unit_free=unit_free,
                tape_limit=tape_limit,
                itemsize=itemsize,
                cost=cost,
                profile=profile,
            )
            found.append(GraphRival(name, fitting(made, limit), None))
        except InfeasibleError as error:
            found.append(GraphRival(name, None, error.what))
    return tuple(found)


def _too_many(plan: GraphPlan | None) -> str | None:
    """Return why not all orders are compared, given the plan of `auto`, or None where they are."""
    if plan is None or plan.lower_bound == plan.flops or len(plan.order) <= TRIED:
        return None
    return f"{len(plan.order):,} interior vertices have too many orders to compare beside the others"
