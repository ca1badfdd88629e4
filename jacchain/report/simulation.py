"""The Jacobian of a simulation as plain text, and as one JSON document of schema ``jacchain.simulation/v1``."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.report.graphs.text import graph_facts, graph_head
from jacchain.report.layout import bytes_text, count_text, field, ratio_text, table
from jacchain.report.text import check_text

if TYPE_CHECKING:
    from jacchain.algebra.kernels import Array
    from jacchain.workloads.differences import Difference
    from jacchain.workloads.race import Lap
    from jacchain.workloads.simulation import Simulation

SCHEMA = "jacchain.simulation/v1"


def simulation_text(
    simulation: "Simulation", laps: "Sequence[Lap]", result: "Array", difference: "Difference | None", /
) -> str:
    """Return the plan, the orders in multiplications and milliseconds, some values, and the check."""
    first = laps[0]
    assert isinstance(first.plan, GraphPlan)
    rows = [("order", "multiplications", "ratio", "peak", "milliseconds", "ratio")]
    for lap in laps:
        flops, slower = ratio_text(lap.predicted_flops, first.predicted_flops), lap.milliseconds / first.milliseconds
        peak, time = bytes_text(lap.predicted_peak), f"{lap.milliseconds:.3g}"
        rows.append((lap.planner, count_text(lap.predicted_flops), flops, peak, time, f"{slower:.2f}"))
    values = ", ".join(f"{value:.6g}" for value in result.reshape(-1)[:3].tolist())
    lines = [
        f"{simulation.name}: {simulation.title}",
        *(f"  {note}" for note in simulation.notes),
        "",
        *graph_head(first.plan),
        *graph_facts(first.plan)[1:],  # the peak stands in the table
        "",
        *table(rows),
        "",
        field("values", f"{values}, ..."),
        *([check_text(difference)] if difference else []),
    ]
    return "\n".join(lines)


def simulation_to_json(
    simulation: "Simulation", laps: "Sequence[Lap]", result: "Array", difference: "Difference | None", /
) -> str:
    """Return the same as JSON, with the plan and the whole Jacobian."""
    document = {
        "schema": SCHEMA,
        "workload": simulation.name,
        "dtype": str(result.dtype),
        "notes": list(simulation.notes),
        "jacobian": result.tolist(),
        "plan": json.loads(laps[0].plan.to_json()),
        "orders": {
            lap.planner: {
                "flops": lap.predicted_flops,
                "peak": lap.predicted_peak,
                "milliseconds": lap.milliseconds,
                "calls": lap.calls,
            }
            for lap in laps
        },
        "check": None if difference is None else {**difference._asdict(), "agrees": difference.agrees},
    }
    return json.dumps(document, indent=2)
