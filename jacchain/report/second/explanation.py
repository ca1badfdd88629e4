"""A plan for the Hessian of a chain explained: its steps with what they hold, and where all modes spend their work."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from jacchain.planning.second.chains.chain_plan import ChainHessianPlan
from jacchain.planning.second.chains.storage import held_numbers
from jacchain.report.layout import count_text, field, ratio_text, share_text, table
from jacchain.report.second.steps import hessian_step_rows, hessian_steps_text
from jacchain.report.second.text import hessian_facts, hessian_head, kind_shares

SCHEMA: Final = "jacchain.hessian-explanation/v1"


def hessian_explanation_text(plan: ChainHessianPlan, modes: Mapping[str, ChainHessianPlan], /) -> str:
    """Return why a plan is as it is: the reason, the modes with the shares of their work, the steps, and remarks.

    `modes` are the plans that it is compared with, by name.
    """
    rows: list[tuple[str, ...]] = [("planner", "multiplications", "ratio", "J·J", "J·H", "H[J]")]
    for name, found in {plan.planner: plan, **modes}.items():
        rows.append((name, count_text(found.flops), ratio_text(found.flops, plan.flops), *kind_shares(found.nodes)))
    lines = [*hessian_head(plan), field("cost", f"{plan.flops:,} multiplications"), *hessian_facts(plan), ""]
    lines += [*table(rows, gap=2), "", *hessian_steps_text(plan)]
    remarks = [*_remarks(plan)]
    return "\n".join([*lines, *(["", *remarks] if remarks else [])])


def hessian_explanation_json(plan: ChainHessianPlan, modes: Mapping[str, ChainHessianPlan], /) -> str:
    """Return the same as one JSON document, the plan's own document in it."""
    document = {
        "schema": SCHEMA,
        "plan": json.loads(plan.to_json()),
        "held_bytes": [held * plan.itemsize for held in held_numbers(plan.nodes)],
        "modes": {name: {"flops": found.flops, "bracketing": found.bracketing} for name, found in modes.items()},
        "remarks": [" ".join(line.split()) for line in _remarks(plan)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _remarks(plan: ChainHessianPlan) -> Iterator[str]:
    rows = hessian_step_rows(plan)
    if plan.flops and len(rows) > 4:
        most = max(rows, key=lambda row: row.node.flops)
        share = share_text(most.node.flops, plan.flops)
        yield field(most.name, f"is the costliest step: {share} of the multiplications")
        fullest = max(rows, key=lambda row: row.held)
        yield field(fullest.name, "is where the most is held")
    linear = [k for k, link in enumerate(plan.chain.links, 1) if link.is_linear]
    if linear:
        which = ", ".join(f"F{k}" for k in linear[:8]) + (f" and {len(linear) - 8:,} more" if len(linear) > 8 else "")
        yield field("linear", f"{which}: no second derivative")
