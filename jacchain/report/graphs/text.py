"""Plans of branching graphs as plain text of at most 80 columns."""

from collections.abc import Iterable, Sequence
from typing import Final

from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.graph import Graph, Vertex
from jacchain.planning.plan import Baseline, Plan
from jacchain.report.layout import bytes_text, count_text, field, ratio_text, share_text, table
from jacchain.report.predicted import predicted_cells, predicted_heads, predicted_lines

SHOWN: Final = 24
"""Vertices or requests of a list that are shown at most."""

NAME: Final = 16
"""Letters of a vertex' name that are shown at most."""


def graph_plan_text(plan: GraphPlan, /) -> str:
    """Return a plan with its costs, its rivals and its reason.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Edge
    >>> edges = [Edge("x", "s"), Edge("s", "t"), Edge("s", "y"), Edge("t", "y")]
    >>> print(graph_plan_text(plan_graph(Graph({"x": 9, "s": 4, "t": 2, "y": 1}, edges))))
    graph     4 vertices, 4 edges
    inputs    x(9)
    outputs   y(1)
    interior  s(4), t(2)
    order     t s
    because   reverse and greedy elimination are as cheap as any found; no order of
              vertices is cheaper
    peak      392 B
    <BLANKLINE>
    planner     multiplications   ratio
    auto                     44    1.00
    forward                 126    2.86
    reverse                  44    1.00
    markowitz                44    1.00
    """
    return "\n".join([*graph_head(plan), *graph_facts(plan), "", *table(rival_rows(plan))])


def rival_rows(plan: Plan | GraphPlan, /) -> list[tuple[str, ...]]:
    """Return the rows of a table of what a plan costs, and what its rivals would, under their heads.

    With the predicted times, and the ratios to the plan's, where they are known.
    """
    costs = {plan.planner: Baseline(plan.flops, plan.seconds)}
    costs |= {name: baseline for name, baseline in plan.baselines.items() if name != plan.planner}
    rows: list[tuple[str, ...]] = [("planner", "multiplications", "ratio", *predicted_heads(plan.seconds))]
    for name, (flops, seconds) in costs.items():
        times = predicted_cells(seconds, plan.seconds)
        rows.append((name, count_text(flops), ratio_text(flops, plan.flops), *times))
    return rows


def graph_head(plan: GraphPlan, /) -> list[str]:
    """Return the graph, what is requested, the order and the reason."""
    lines = [*graph_lines(plan.graph, plan.order), field("order", order_text(plan))]
    return [*lines, field("because", plan.reason)]


def graph_lines(graph: Graph, interior: Sequence[Vertex] = (), /) -> list[str]:
    """Return the sizes of a graph, and what is requested of it."""
    outputs, inputs = (list(dict.fromkeys(pair[k] for pair in graph.requests)) for k in (0, 1))
    lines = [
        field("graph", _counts(graph, {*outputs, *inputs, *interior} if interior else None)),
        field("inputs", _sized(graph, inputs)),
        field("outputs", _sized(graph, outputs)),
    ]
    if len(set(graph.requests)) < len(outputs) * len(inputs):
        pairs = [f"{vertex_text(output)} by {vertex_text(source)}" for output, source in graph.requests]
        lines.append(field("requests", _listed(pairs)))
    inner = set(interior)
    if inner:
        lines.append(field("interior", _sized(graph, [vertex for vertex in graph.sizes if vertex in inner])))
    return lines


def _counts(graph: Graph, used: set[Vertex] | None) -> str:
    vertices, edges = len(graph.sizes), len(graph.edges)
    text = f"{vertices:,} vert{'ices' if vertices != 1 else 'ex'}, {edges:,} edge{'s' if edges != 1 else ''}"
    idle = 0 if used is None else vertices - len(used)
    return text + (f"; {idle:,} vert{'ices are' if idle != 1 else 'ex is'} on no request's way" if idle else "")


def _sized(graph: Graph, vertices: Sequence[Vertex]) -> str:
    """Return vertices with their sizes; of many scalars only the names."""
    if vertices and all(graph.sizes[vertex] == 1 for vertex in vertices) and len(vertices) > 1:
        return _listed([vertex_text(vertex) for vertex in vertices], f"{len(vertices):,} of size 1: ")
    return _listed([f"{vertex_text(vertex)}({graph.sizes[vertex]:,})" for vertex in vertices])


def _listed(texts: Sequence[str], start: str = "") -> str:
    """Return a list in words; of a long one its ends."""
    if len(texts) > SHOWN:
        half = SHOWN // 2
        texts = [*texts[:half], f"… {len(texts) - 2 * half:,} more …", *texts[-half:]]
    return start + (", ".join(texts) or "none")


def order_text(plan: GraphPlan, /) -> str:
    """Return the vertices in the order in which they are eliminated; of many those at the ends."""
    names = [vertex_text(vertex) for vertex in plan.order]
    if len(names) > 4 * SHOWN:
        half = 2 * SHOWN
        return f"{' '.join(names[:half])} … {len(names) - 2 * half:,} more … {' '.join(names[-half:])}"
    return " ".join(names) or "nothing to eliminate"


def vertex_text(vertex: Vertex, /, most: int = NAME) -> str:
    """Return the name of a vertex without blanks; of a long one its ends.

    Examples
    --------
    >>> vertex_text(7), vertex_text("a rather long name of 7")
    ('7', 'a_rathe…ame_of_7')
    """
    text = "_".join(str(vertex).split())
    return text if len(text) <= most else f"{text[: (most - 1) // 2]}…{text[-(most // 2) :]}"


def span_names(pairs: Iterable[tuple[Vertex, Vertex]], /, most: int = NAME) -> list[str]:
    """Return a name of its own for each Jacobian of a head by a tail: those of one pair are numbered from the second.

    Examples
    --------
    >>> span_names([("x", "y"), ("x", "s"), ("x", "y")])
    ['y:x', 's:x', 'y:x#2']
    """
    seen: dict[str, int] = {}
    found, texts = [], {}  # type: tuple[list[str], dict[Vertex, str]]
    for tail, head in pairs:
        for vertex in (tail, head):
            if vertex not in texts:
                texts[vertex] = vertex_text(vertex, most)
        name = f"{texts[head]}:{texts[tail]}"
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def graph_facts(plan: GraphPlan, /) -> list[str]:
    """Return what a plan holds, how it counts, and how far it can be from the best."""
    lines = [*predicted_lines(plan), field("peak", bytes_text(plan.peak))]
    if plan.tape_limit is not None:
        lines.append(field("tapes", f"of at most {plan.tape_limit:,} numbers"))
    if plan.unit_free:
        lines.append(field("counted", "without products by an identity or a negation"))
    if plan.planner == "search":
        lines.append(field("search", f"up to {plan.search_seconds:g} s, from seed {plan.seed}"))
    if plan.lower_bound and plan.lower_bound < plan.flops:
        gap = share_text(plan.flops - plan.lower_bound, plan.lower_bound)
        lines.append(field("bound", f"no order can go below {plan.lower_bound:,}: the gap is at most {gap}"))
    return lines
