"""A run as one JSON document of schema ``jacchain.run/v1``."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jacchain.algebra.kernels import Array
    from jacchain.workloads.differences import Difference
    from jacchain.workloads.placement import Placement
    from jacchain.workloads.problem import Problem
    from jacchain.workloads.race import Lap

SCHEMA = "jacchain.run/v1"


def run_to_json(
    problem: "Problem",
    laps: "Sequence[Lap]",
    result: "Array",
    difference: "Difference | None",
    where: "Placement | None" = None,
    /,
) -> str:
    """Return a run as JSON: for every order the predicted and counted costs and the milliseconds of a call."""
    document = {
        "schema": SCHEMA,
        "workload": problem.name,
        "dtype": str(result.dtype),
        "shape": list(result.shape),
        "values": result.reshape(-1)[:3].tolist(),
        "plan": json.loads(laps[0].plan.to_json()),
        "orders": {lap.planner: _lap(lap) for lap in laps},
        "device": None if where is None else {**where._asdict(), "forecast": where.forecast._asdict()},
        "check": None if difference is None else {**difference._asdict(), "agrees": difference.agrees},
    }
    return json.dumps(document, indent=2)


def _lap(lap: "Lap") -> dict[str, int | float]:
    return {
        "flops": lap.predicted_flops,
        "counted_flops": lap.counted_flops,
        "peak": lap.predicted_peak,
        "counted_peak": lap.counted_peak,
        "milliseconds": lap.milliseconds,
        "calls": lap.calls,
    }
