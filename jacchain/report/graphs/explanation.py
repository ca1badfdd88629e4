"""A plan of a branching graph explained: its vertices in their order, its steps, and what decided."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from textwrap import wrap
from typing import Final

from jacchain.algebra.structure import Dense
from jacchain.planning.elimination.eliminations import eliminations, graph_depth, held_bytes
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.node import Add, Local, Multiply
from jacchain.report.graphs.steps import GraphStepRow, eliminations_text, graph_step_rows, graph_steps_text
from jacchain.report.graphs.text import graph_facts, graph_head, vertex_text
from jacchain.report.layout import WIDTH, bytes_text, field, share_text

GRAPH_EXPLANATION_SCHEMA: Final = "jacchain.graph-explanation/v1"

NOTES: Final = 6
"""Remarks that are shown at most."""


def graph_explanation_text(plan: GraphPlan, /) -> str:
    """Return why a plan is as it is: the reason, the vertices in their order, the steps, and remarks."""
    lines = [*graph_head(plan), field("cost", _cost(plan)), *graph_facts(plan)]
    vertices, steps = eliminations_text(plan), graph_steps_text(plan)
    lines += ["", *vertices] if vertices else []
    lines += ["", *steps] if plan.nodes else []
    rows = graph_step_rows(plan)
    if rows and max(row.held for row in rows) != plan.peak:
        note = "(held: by the sizes alone; the plan's program also holds values, and works in place: its peak is "
        lines += wrap(f"{note}{bytes_text(plan.peak)})", WIDTH)
    remarks = [*islice(_remarks(plan, rows), NOTES)]
    return "\n".join([*lines, *(["", *remarks] if remarks else [])])


def graph_explanation_json(plan: GraphPlan, /) -> str:
    """Return the same as one JSON document of schema ``jacchain.graph-explanation/v1``, the plan's own in it."""
    document = {
        "schema": GRAPH_EXPLANATION_SCHEMA,
        "plan": json.loads(plan.to_json()),
        "depth": graph_depth(plan),
        "eliminations": [found._asdict() for found in eliminations(plan)],
        "held_bytes": list(held_bytes(plan)),
        "remarks": [" ".join(line.split()) for line in _remarks(plan, graph_step_rows(plan))],
    }
    return json.dumps(document, indent=2)


def _cost(plan: GraphPlan) -> str:
    products = sum(not isinstance(node, Add | Local) for node in plan.nodes)
    sums = sum(isinstance(node, Add) for node in plan.nodes)
    work = f"{products:,} product{'s' if products != 1 else ''}, {sums:,} sum{'s' if sums != 1 else ''}"
    return f"{plan.flops:,} multiplications: {work}; of {graph_depth(plan):,} each needs the one before"


def _remarks(plan: GraphPlan, rows: Sequence[GraphStepRow]) -> Iterator[str]:
    """Yield a line for what the sizes, a structure or sharing decided."""
    yield from _costliest(plan)
    yield from _fullest(plan, rows)
    yield from _forbidden(plan)
    yield from _structured(plan, rows)


def _costliest(plan: GraphPlan) -> Iterator[str]:
    found = [row for row in eliminations(plan) if row.vertex is not None]
    if len(found) > 2 and plan.flops:
        most = max(found, key=lambda row: row.flops)
        share = share_text(most.flops, plan.flops)
        assert most.vertex is not None
        yield field(vertex_text(most.vertex), f"is the costliest to eliminate: {share} of the multiplications")


def _fullest(plan: GraphPlan, rows: Sequence[GraphStepRow]) -> Iterator[str]:
    if len(rows) > 4 and max(row.held for row in rows) == plan.peak:
        most = max(rows, key=lambda row: row.held)
        yield field(most.name, f"is where the most is held: {bytes_text(most.held)}")


def _forbidden(plan: GraphPlan) -> Iterator[str]:
    limit = plan.tape_limit
    if limit is None:
        return
    over = [
        f"F{k}"
        for k, edge in enumerate(plan.graph.edges, 1)
        if edge.link is not None and edge.link.adjoint_cost is not None and edge.link.tape > limit
    ]
    if over:
        which = ", ".join(over[:6]) + (f" and {len(over) - 6:,} more" if len(over) > 6 else "")
        yield field("tapes", f"no adjoints of {which}: their tapes exceed the limit of {limit:,} numbers")


def _structured(plan: GraphPlan, rows: Sequence[GraphStepRow]) -> Iterator[str]:
    """Yield the products that structure makes cheaper than dense ones, the largest saving first."""
    found = []
    for row in rows:
        if isinstance(row.node, Multiply):
            left, right = plan.nodes[row.node.left].structure, plan.nodes[row.node.right].structure
            dense = left.rows * left.columns * right.columns
            if row.node.flops < dense:
                kinds = [kind for kind in (left, right) if not isinstance(kind, Dense)]
                found.append((dense - row.node.flops, dense, row, kinds))
    for _, dense, row, kinds in sorted(found, key=lambda entry: -entry[0]):
        times = f"{dense // row.node.flops:,} times fewer" if row.node.flops else "no"
        cause = " and ".join(dict.fromkeys(str(kind).split()[0] for kind in kinds))
        yield field(row.name, f"takes {times} multiplications because an operand is {cause}")
