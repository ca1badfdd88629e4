"""A plan explained: its tree, its steps with what they hold, and why it is so."""

import json
from collections.abc import Iterator
from itertools import islice
from textwrap import wrap
from typing import Final

from jacchain.algebra.structure import Dense
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.node import Multiply, operands
from jacchain.planning.plan import Plan, names
from jacchain.planning.profile import depth, made, profile
from jacchain.report.gantt import gantt_text
from jacchain.report.graphs.explanation import graph_explanation_json, graph_explanation_text
from jacchain.report.layout import WIDTH, bytes_text, field, share_text
from jacchain.report.steps import steps_text
from jacchain.report.text import facts, head
from jacchain.report.tree import tree_text

SCHEMA: Final = "jacchain.explanation/v1"

NOTES: Final = 6
"""Remarks on single steps that are shown at most."""


def explanation_text(plan: Plan | GraphPlan, /) -> str:
    """Return why a plan is as it is: the reason, the tree, the steps, and remarks on the steps that matter."""
    if isinstance(plan, GraphPlan):
        return graph_explanation_text(plan)
    lines = [*head(plan), *_costs(plan), *facts(plan), "", *tree_text(plan), "", *steps_text(plan)]
    lines += _program_note(plan)
    remarks = [*islice(_remarks(plan), NOTES)]
    if remarks:
        lines += ["", *remarks]
    if plan.schedule is not None:
        lines += ["", *gantt_text(plan, plan.schedule)]
    return "\n".join(lines)


def explanation_json(plan: Plan | GraphPlan, /) -> str:
    """Return the same as one JSON document, the plan's own document in it.

    Its schema is ``jacchain.explanation/v1``, or ``jacchain.graph-explanation/v1`` for the plan of a graph.
    """
    if isinstance(plan, GraphPlan):
        return graph_explanation_json(plan)
    document = {
        "schema": SCHEMA,
        "plan": json.loads(plan.to_json()),
        "depth": depth(plan.nodes),
        "held_bytes": dict(zip(names(plan.nodes), profile(plan), strict=True)),
        "remarks": [" ".join(line.split()) for line in _remarks(plan)],
    }
    return json.dumps(document, indent=2)


def _costs(plan: Plan) -> list[str]:
    steps = depth(plan.nodes)
    one_by_one = f"{steps:,} step{'s' if steps != 1 else ''} one after the other"
    return [field("cost", f"{plan.flops:,} multiplications, {one_by_one} at the longest")]


def _program_note(plan: Plan) -> list[str]:
    """Return how the peak of a program differs from what the steps would hold by themselves."""
    if max(profile(plan)) == plan.peak:
        return []
    note = (
        "(held: by the sizes alone; the plan's program frees states early, works in place and has workspace: its peak "
    )
    return wrap(f"{note}is {bytes_text(plan.peak)})", WIDTH)


def _remarks(plan: Plan) -> Iterator[str]:
    """Yield a line for the steps at which the sizes, a structure or a limit decided."""
    called = names(plan.nodes)
    yield from _waist(plan, called)
    yield from _once(plan, called)
    yield from _costliest(plan, called)
    yield from _fullest(plan, called)
    yield from _forbidden(plan)
    yield from _structured(plan, called)


def _waist(plan: Plan, called: list[str]) -> Iterator[str]:
    whole = made(plan)
    root, narrow = plan.nodes[-1], min(whole.sizes)
    if not isinstance(root, Multiply) or len(whole) < 3:
        return
    inner = plan.nodes[root.right].structure.rows
    if inner == narrow and inner < min(whole.sizes[0], whole.sizes[-1]):
        yield field(called[-1], f"joins {called[root.left]} and {called[root.right]} at the waist of {inner:,}")


def _costliest(plan: Plan, called: list[str]) -> Iterator[str]:
    work = [node.flops for node in plan.nodes]
    if plan.slicing is not None:  # all slices together cost in proportion to their sizes
        length = plan.slicing.length(plan.chain)
        work[plan.once :] = [flops * length // plan.slicing.size for flops in work[plan.once :]]
    most = max(range(len(work)), key=work.__getitem__)
    if any(work) and len(work) > 3:
        share = share_text(work[most], sum(work))
        yield field(called[most], f"is the costliest step: {share} of the multiplications")


def _once(plan: Plan, called: list[str]) -> Iterator[str]:
    """Yield what is made once for all slices and kept."""
    kept = sorted({k for node in plan.nodes[plan.once :] for k in operands(node) if k < plan.once})
    if kept:
        which = ", ".join(called[k] for k in kept[:6]) + (f" and {len(kept) - 6:,} more" if len(kept) > 6 else "")
        yield field("once", f"{which}: made once and kept, since it does not depend on the slice")


def _fullest(plan: Plan, called: list[str]) -> Iterator[str]:
    if plan.schedule is not None or len(plan.nodes) < 4:
        return
    held = profile(plan)
    if max(held) != plan.peak:
        return
    most = max(range(len(held)), key=held.__getitem__)
    limit = "" if plan.memory is None else f", {share_text(held[most], plan.memory)} of the memory limit"
    yield field(called[most], f"is where the most is held: {bytes_text(held[most])}{limit}")


def _forbidden(plan: Plan) -> Iterator[str]:
    limit = plan.tape_limit
    if limit is None:
        return
    over = [k + 1 for k, link in enumerate(plan.chain.links) if link.adjoint_cost is not None and link.tape > limit]
    if over:
        which = ", ".join(f"F{k}" for k in over[:6]) + (f" and {len(over) - 6:,} more" if len(over) > 6 else "")
        yield field("tapes", f"no adjoints of {which}: their tapes exceed the limit of {limit:,} numbers")


def _structured(plan: Plan, called: list[str]) -> Iterator[str]:
    """Yield the products that structure makes cheaper than dense ones, the largest saving first."""
    found = []
    for k, node in enumerate(plan.nodes):
        if isinstance(node, Multiply):
            left, right = plan.nodes[node.left].structure, plan.nodes[node.right].structure
            dense = left.rows * left.columns * right.columns
            if node.flops < dense:
                found.append((dense - node.flops, k, dense, [s for s in (left, right) if not isinstance(s, Dense)]))
    for _, k, dense, kinds in sorted(found, key=lambda entry: (-entry[0], entry[1])):
        times = f"{dense // plan.nodes[k].flops:,} times fewer" if plan.nodes[k].flops else "no"
        cause = " and ".join(dict.fromkeys(str(kind).split()[0] for kind in kinds))
        yield field(called[k], f"takes {times} multiplications because an operand is {cause}")
