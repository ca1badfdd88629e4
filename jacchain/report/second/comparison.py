"""All planners of the Hessian of a chain side by side: as text, as JSON, and as comma-separated values."""

import json
from collections.abc import Sequence
from typing import Any, Final

from jacchain.planning.graph import Chain
from jacchain.planning.second.chains.comparison import HessianRival
from jacchain.report.layout import bytes_text, count_text, field, planners_csv, ratio, ratio_text, table
from jacchain.report.text import chain_text

SCHEMA: Final = "jacchain.hessian-comparison/v1"


def hessian_comparison_text(chain: Chain, rivals: Sequence[HessianRival], /) -> str:
    """Return a table of all planners, with ratios to the least, and what stood in the others' way."""
    least = _least(rivals)
    rows = [("planner", "multiplications", "ratio", "peak", "steps")]
    for rival in rivals:
        found = rival.plan
        if found is None:
            rows.append((rival.planner, "skipped", "-", "-", "-"))
        else:
            flops, peak = count_text(found.flops), bytes_text(found.peak)
            rows.append((rival.planner, flops, ratio_text(found.flops, least), peak, f"{len(found.nodes):,}"))
    stuck = [field(rival.planner, rival.obstacle, indent=12) for rival in rivals if rival.obstacle is not None]
    return "\n".join([field("chain", chain_text(chain)), "", *table(rows), *(["", *stuck] if stuck else [])])


def hessian_comparison_json(chain: Chain, rivals: Sequence[HessianRival], /) -> str:
    """Return a comparison as one JSON document of schema ``jacchain.hessian-comparison/v1``."""
    least = _least(rivals)
    document = {
        "schema": SCHEMA,
        "sizes": list(chain.sizes),
        "planners": {rival.planner: _entry(rival, least) for rival in rivals},
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def hessian_comparison_csv(rivals: Sequence[HessianRival], /) -> str:
    """Return a comparison as comma-separated values, one planner a row, numbers in full."""
    columns = ("flops", "ratio", "peak", "steps", "lower_bound", "status", "obstacle")
    least = _least(rivals)
    return planners_csv(columns, {rival.planner: _entry(rival, least) for rival in rivals})


def _least(rivals: Sequence[HessianRival]) -> int:
    return min((rival.plan.flops for rival in rivals if rival.plan is not None), default=0)


def _entry(rival: HessianRival, least: int) -> dict[str, Any]:
    found = rival.plan
    if found is None:
        return {"flops": None, "status": "skipped", "obstacle": rival.obstacle}
    return {
        "flops": found.flops,
        "status": "planned",
        "obstacle": None,
        "ratio": ratio(found.flops, least),
        "peak": found.peak,
        "steps": len(found.nodes),
        "lower_bound": found.lower_bound,
        "symmetric": found.symmetric,
        "bracketing": found.bracketing,
        "reason": found.reason,
    }
