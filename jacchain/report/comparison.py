"""All planners side by side: as text, as JSON, and as comma-separated values."""

import json
from collections.abc import Sequence
from typing import Any, Final

from jacchain.planning.comparison import Rival
from jacchain.planning.graph import Chain
from jacchain.planning.plan import Plan
from jacchain.planning.profile import depth
from jacchain.report.layout import bytes_text, count_text, field, planners_csv, ratio, ratio_text, table
from jacchain.report.predicted import predicted_cells, predicted_entry, predicted_heads, quickest_seconds
from jacchain.report.text import chain_text

SCHEMA: Final = "jacchain.comparison/v1"


def comparison_text(chain: Chain, rivals: Sequence[Rival], /) -> str:
    r"""Return a table of all planners, the first of which the ratios are to, and what stood in the others' way.

    Examples
    --------
    >>> from jacchain.planning.comparison import compare_planners
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> chain = chain_of_sizes([9, 2, 9, 9])
    >>> print(comparison_text(chain, compare_planners(chain)).partition("\nreverse")[0])
    chain     9 → 2 → 9 → 9 (3 links)
    <BLANKLINE>
    planner         multiplications   ratio     peak   depth
    optimal                     324    1.00   1.7 kB       2
    forward                     891    2.75   2.1 kB       2
    """
    least, quickest = _least(rivals), quickest_seconds(rivals)
    columns = ["planner", "multiplications", "ratio", *predicted_heads(quickest), "peak", "depth"]
    scheduled = any(rival.plan is not None and rival.plan.schedule is not None for rival in rivals)
    is_sliced = any(rival.plan is not None and rival.plan.slicing is not None for rival in rivals)
    rows = [[*columns, *(["makespan"] if scheduled else []), *(["slices"] if is_sliced else [])]]
    for rival in rivals:
        cells = _cells(rival, least, quickest)
        extra = _extra(rival.plan, scheduled=scheduled, is_sliced=is_sliced)
        rows.append([rival.planner, *cells, *extra])
    lines = [field("chain", chain_text(chain)), "", *table(rows)]
    stuck = [(rival.planner, rival.obstacle) for rival in rivals if rival.obstacle is not None]
    indent = max((len(name) + 2 for name, _ in stuck), default=0)
    obstacles = [field(name, obstacle, indent=indent) for name, obstacle in stuck]
    return "\n".join([*lines, *(["", *obstacles] if obstacles else [])])


def _least(rivals: Sequence[Rival]) -> int:
    return min((rival.plan.flops for rival in rivals if rival.plan is not None), default=0)


def _cells(rival: Rival, least: int, quickest: float | None) -> list[str]:
    found = rival.plan
    if found is None:
        return ["skipped" if rival.is_skipped else "infeasible", "-", *predicted_cells(None, quickest), "-", "-"]
    peak, steps = bytes_text(found.peak), f"{depth(found.nodes):,}"
    times = predicted_cells(found.seconds, quickest)
    return [count_text(found.flops), ratio_text(found.flops, least), *times, peak, steps]


def _extra(found: Plan | None, *, scheduled: bool, is_sliced: bool) -> list[str]:
    cells = []
    if scheduled:
        cells.append("-" if found is None else f"{found.makespan:,}")
    if is_sliced:
        count = 1 if found is None or found.slicing is None else found.slicing.count(found.chain)
        cells.append("-" if found is None else f"{count:,}")
    return cells


def comparison_json(chain: Chain, rivals: Sequence[Rival], /) -> str:
    """Return a comparison as one JSON document of schema ``jacchain.comparison/v1``."""
    least = _least(rivals)
    document = {
        "schema": SCHEMA,
        "sizes": list(chain.sizes),
        "planners": {rival.planner: _entry(rival, least) for rival in rivals},
    }
    return json.dumps(document, indent=2)


def _entry(rival: Rival, least: int) -> dict[str, Any]:
    found = rival.plan
    if found is None:
        return {"flops": None, "status": "skipped" if rival.is_skipped else "infeasible", "obstacle": rival.obstacle}
    return {
        "flops": found.flops,
        "status": "planned",
        "obstacle": None,
        "ratio": ratio(found.flops, least),
        "peak": found.peak,
        "depth": depth(found.nodes),
        "makespan": found.makespan,
        "lower_bound": found.lower_bound,
        "workers": None if found.schedule is None else found.schedule.workers,
        "chunk_size": found.chunk_size,
        "chunk_axis": None if found.slicing is None else found.slicing.axis,
        "bracketing": found.bracketing,
        "reason": found.reason,
        **predicted_entry(found),
    }


def comparison_csv(rivals: Sequence[Rival], /) -> str:
    """Return a comparison as comma-separated values, one planner a row, numbers in full."""
    columns: tuple[str, ...] = (
        "flops",
        "ratio",
        "peak",
        "depth",
        "makespan",
        "lower_bound",
        "chunk_size",
        "status",
        "obstacle",
    )
    least = _least(rivals)
    if quickest_seconds(rivals) is not None:
        columns = (*columns[:2], "predicted_seconds", *columns[2:])
    return planners_csv(columns, {rival.planner: _entry(rival, least) for rival in rivals})
