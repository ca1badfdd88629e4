"""All planners of a graph side by side: as text, as JSON, and as comma-separated values."""

import json
from collections.abc import Sequence
from typing import Any, Final

from jacchain.planning.elimination.eliminations import graph_depth
from jacchain.planning.elimination.graph_comparison import GraphRival
from jacchain.planning.graph import Graph
from jacchain.report.graphs.text import graph_lines
from jacchain.report.layout import bytes_text, count_text, field, planners_csv, ratio, ratio_text, table
from jacchain.report.predicted import predicted_cells, predicted_entry, predicted_heads, quickest_seconds

GRAPH_COMPARISON_SCHEMA: Final = "jacchain.graph-comparison/v1"


def graph_comparison_text(graph: Graph, rivals: Sequence[GraphRival], /) -> str:
    r"""Return a table of all planners, with ratios to the least, and what stood in the others' way.

    Examples
    --------
    >>> from jacchain.planning.elimination.graph_comparison import compare_graph_planners
    >>> from jacchain.planning.graph import Edge
    >>> graph = Graph({"x": 9, "s": 4, "t": 2, "y": 1}, [Edge("x", "s"), Edge("s", "t"), Edge("t", "y")])
    >>> print(graph_comparison_text(graph, compare_graph_planners(graph)).partition("\nmarkowitz")[0])
    graph     4 vertices, 3 edges
    inputs    x(9)
    outputs   y(1)
    <BLANKLINE>
    planner      multiplications   ratio    peak   depth
    auto                      44    1.00   392 B       2
    forward                   90    2.05   512 B       2
    reverse                   44    1.00   392 B       2
    """
    least, quickest = _least(rivals), quickest_seconds(rivals)
    rows = [["planner", "multiplications", "ratio", *predicted_heads(quickest), "peak", "depth"]]
    rows += [[rival.planner, *_cells(rival, least, quickest)] for rival in rivals]
    stuck = [(rival.planner, rival.obstacle) for rival in rivals if rival.obstacle is not None]
    indent = max((len(name) + 2 for name, _ in stuck), default=0)
    obstacles = [field(name, obstacle, indent=indent) for name, obstacle in stuck]
    return "\n".join([*graph_lines(graph), "", *table(rows), *(["", *obstacles] if obstacles else [])])


def _least(rivals: Sequence[GraphRival]) -> int:
    return min((rival.plan.flops for rival in rivals if rival.plan is not None), default=0)


def _cells(rival: GraphRival, least: int, quickest: float | None) -> list[str]:
    found = rival.plan
    if found is None:
        return ["skipped" if rival.is_skipped else "infeasible", "-", *predicted_cells(None, quickest), "-", "-"]
    peak, steps = bytes_text(found.peak), f"{graph_depth(found):,}"
    times = predicted_cells(found.seconds, quickest)
    return [count_text(found.flops), ratio_text(found.flops, least), *times, peak, steps]


def graph_comparison_json(graph: Graph, rivals: Sequence[GraphRival], /) -> str:
    """Return a comparison as one JSON document of schema ``jacchain.graph-comparison/v1``."""
    least = _least(rivals)
    document = {
        "schema": GRAPH_COMPARISON_SCHEMA,
        "vertices": [{"name": vertex, "size": size} for vertex, size in graph.sizes.items()],
        "planners": {rival.planner: _entry(rival, least) for rival in rivals},
    }
    return json.dumps(document, indent=2)


def _entry(rival: GraphRival, least: int) -> dict[str, Any]:
    found = rival.plan
    if found is None:
        return {"flops": None, "status": "skipped" if rival.is_skipped else "infeasible", "obstacle": rival.obstacle}
    return {
        "flops": found.flops,
        "status": "planned",
        "obstacle": None,
        "ratio": ratio(found.flops, least),
        "peak": found.peak,
        "depth": graph_depth(found),
        "lower_bound": found.lower_bound,
        "order": list(found.order),
        "reason": found.reason,
        **predicted_entry(found),
    }


def graph_comparison_csv(rivals: Sequence[GraphRival], /) -> str:
    """Return a comparison as comma-separated values, one planner a row, numbers in full."""
    columns: tuple[str, ...] = ("flops", "ratio", "peak", "depth", "lower_bound", "status", "obstacle")
    least = _least(rivals)
    if quickest_seconds(rivals) is not None:
        columns = (*columns[:2], "predicted_seconds", *columns[2:])
    return planners_csv(columns, {rival.planner: _entry(rival, least) for rival in rivals})
