"""The Hessian of the wine network, and training by it, as plain text and as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jacchain.report.layout import bytes_text, count_text, field, ratio_text, table
from jacchain.report.text import check_text

if TYPE_CHECKING:
    from jacchain.workloads.newton import Course
    from jacchain.workloads.wine_hessian import WineHessian, WineNetwork

SCHEMA: Final = "jacchain.wine-hessian/v1"
TRAINING_SCHEMA: Final = "jacchain.newton/v1"

SHOWN: Final = (0, 10, 20, 30, 40, 50)
"""Steps whose losses are shown, besides the last."""


def hessian_text(found: "WineHessian", /) -> str:
    """Return the plan, all planners in multiplications and milliseconds, the eigenvalues, and the check."""
    network, plan, first = found.network, found.plan, found.laps[0]
    rows = [("planner", "multiplications", "ratio", "milliseconds", "ratio")]
    for lap in found.laps:
        slower = None if lap.milliseconds is None or not first.milliseconds else lap.milliseconds / first.milliseconds
        time = "-" if lap.milliseconds is None else f"{lap.milliseconds:.3g}"
        ratios = ratio_text(lap.flops, plan.flops), "-" if slower is None else f"{slower:.2f}"
        rows.append((lap.planner, count_text(lap.flops), ratios[0], time, ratios[1]))
    size = network.point.size
    lines = [
        f"wine-hessian: Hessian of the mean squared error by all weights ({size} x {size})",
        f"  {_network(network)}",
        "",
        field("order", " ".join(map(str, plan.order)) or "no order of vertices"),
        field("because", plan.reason),
        field("peak", bytes_text(plan.peak)),
        "",
        *table(rows),
        *(f"\n{field(lap.planner, lap.obstacle, indent=22)}" for lap in found.laps if lap.obstacle),
        "",
        field("counted", _counted(found)),
        field("spectrum", _spectrum(found)),
        field("symmetric", "to the last bit" if found.is_symmetric else "NO"),
    ]
    return "\n".join([*lines, *([check_text(found.difference)] if found.difference else [])])


def _network(network: "WineNetwork") -> str:
    wines, inputs = network.features.shape
    return f"{inputs}-{network.hidden}-1 with tanh and without biases, {wines} wines, {network.point.dtype}"


def _counted(found: "WineHessian") -> str:
    """Return what one call multiplied, and why that may be less than was planned."""
    said = f"{count_text(found.counted)} multiplications"
    if found.counted == found.plan.flops:
        return said
    why = "what is constant is multiplied once and kept, and some symmetric products have a cheaper way"
    return f"{said} in one call, fewer than planned: {why}" if found.counted < found.plan.flops else said


def _spectrum(found: "WineHessian") -> str:
    values = found.eigenvalues
    tiny = np.abs(values).max() * values.size * np.finfo(values.dtype).eps
    signs = int((values < -tiny).sum()), int((values > tiny).sum())
    return f"{values[0]:.4g} to {values[-1]:.4g}: {signs[0]} negative, {signs[1]} positive"


def hessian_to_json(found: "WineHessian", /) -> str:
    """Return the same as one JSON document of schema ``jacchain.wine-hessian/v1``."""
    plan, difference = found.plan, found.difference
    document = {
        "schema": SCHEMA,
        **_described(found.network),
        "planner": plan.planner,
        "flops": plan.flops,
        "counted": found.counted,
        "peak": plan.peak,
        "reason": plan.reason,
        "planners": {
            lap.planner: {"flops": lap.flops, "milliseconds": lap.milliseconds, "obstacle": lap.obstacle}
            for lap in found.laps
        },
        "eigenvalues": [float(found.eigenvalues[0]), float(found.eigenvalues[-1])],
        "symmetric": found.is_symmetric,
        "check": None if difference is None else {**difference._asdict(), "agrees": difference.agrees},
    }
    return json.dumps(document, indent=2)


def _described(network: "WineNetwork") -> Mapping[str, Any]:
    wines, inputs = network.features.shape
    return {"workload": "wine-hessian", "sizes": [inputs, network.hidden, 1], "wines": wines}


def newton_text(network: "WineNetwork", newton: "Course", descent: "Course", /) -> str:
    """Return two courses of training side by side: after steps of the one, and when as much time had passed."""
    rows = [("steps", "milliseconds", newton.method, "steps", descent.method)]
    for step in sorted({*(k for k in SHOWN if k < newton.steps), newton.steps}):
        at = _place(descent.seconds, newton.seconds[step])
        time = f"{1000 * newton.seconds[step]:.1f}"
        rows.append((f"{step}", time, f"{newton.losses[step]:.3g}", f"{at:,}", f"{descent.losses[at]:.3g}"))
    better = "a lower loss than" if newton.losses[-1] < descent.losses[-1] else "NO lower loss than"
    lines = [
        f"wine-hessian: all {network.point.size} weights trained by {newton.method} with products of the Hessian",
        f"  {_network(network)}",
        "",
        *table(rows),
        "",
        field("products", f"{newton.products:,} of the Hessian with a vector, {newton.gradients:,} gradients"),
        field("result", f"{better} the best of gradient descent in the same time"),
    ]
    return "\n".join(lines)


def _place(times: Sequence[float], wanted: float) -> int:
    """Return the last step that was done by then."""
    return max(k for k, time in enumerate(times) if time <= wanted)


def newton_to_json(network: "WineNetwork", newton: "Course", descent: "Course", /) -> str:
    """Return the same as one JSON document of schema ``jacchain.newton/v1``, with all losses of the Newton steps."""
    courses = [
        {
            "method": course.method,
            "steps": course.steps,
            "seconds": course.seconds[-1],
            "gradients": course.gradients,
            "products": course.products,
            "loss": course.losses[-1],
        }
        for course in (newton, descent)
    ]
    document = {
        "schema": TRAINING_SCHEMA,
        **_described(network),
        "courses": courses,
        "losses": list(newton.losses),
        "seconds": list(newton.seconds),
    }
    return json.dumps(document, indent=2)
