"""A training as plain text, and as one JSON document of schema ``jacchain.training/v1``."""

import json
from typing import TYPE_CHECKING

from jacchain.report.graphs.text import rival_rows
from jacchain.report.layout import bytes_text, field, table
from jacchain.report.text import check_text

if TYPE_CHECKING:
    from jacchain.workloads.wine_training import Scores, Trained

SCHEMA = "jacchain.training/v1"


def training_text(found: "Trained", /) -> str:
    """Return what was trained, how well it does on both sets of wines, the time of a step, and the gradient's plan."""
    settings, split, plan = found.settings, found.split, found.plan
    layers = _sizes(found)
    heads = ("", "training loss", "accuracy", "held-out loss", "accuracy")
    rows = [heads, _row("start", found.start), _row("end", found.end)]
    step = 1e6 * found.training.step_seconds
    lines = [
        f"wine: a network {'-'.join(map(str, layers))} trained with all its weights and biases",
        f"  {len(split.training.classes)} wines to train on, {len(split.held_out.classes)} held out, "
        f"wines as {settings.layout}, {settings.dtype}, seed {settings.seed}",
        f"  {settings.epochs:,} step{'s' if settings.epochs > 1 else ''} of {settings.optimizer} at rate "
        f"{found.rate:g}, loss: {settings.loss}",
        "",
        *table(rows),
        "",
        field("time", f"{step:.3g} us a step: the loss, its gradient and the optimizer"),
        field("gradient", f"of {_numbers(found):,} weights and biases in one plan, peak {bytes_text(plan.peak)}"),
        field("because", plan.reason),
        "",
        *table(rival_rows(plan)),
    ]
    return "\n".join([*lines, *(["", check_text(found.difference)] if found.difference else [])])


def _row(name: str, scores: "Scores") -> tuple[str, ...]:
    cells = [(f"{score.loss:.4f}", f"{100 * score.accuracy:.1f} %") for score in scores]
    return name, *cells[0], *cells[1]


def _sizes(found: "Trained") -> list[int]:
    axis = 1 if found.settings.layout == "columns" else 0
    first = found.training.parameters[0][0].shape[axis]
    return [first, *(bias.size for _, bias in found.training.parameters)]


def _numbers(found: "Trained") -> int:
    return sum(weight.size + bias.size for weight, bias in found.training.parameters)


def training_to_json(found: "Trained", /) -> str:
    """Return the same as JSON, with the losses of every step."""
    plan, difference = found.plan, found.difference
    document = {
        "schema": SCHEMA,
        "workload": "wine",
        "settings": {**found.settings._asdict(), "rate": found.rate},
        "sizes": _sizes(found),
        "wines": {"training": len(found.split.training.classes), "held_out": len(found.split.held_out.classes)},
        "start": _scores(found.start),
        "end": _scores(found.end),
        "losses": {
            "training": [*found.training.losses, found.end.training.loss],
            "held_out": list(found.held_out),
        },
        "step_seconds": found.training.step_seconds,
        "plan": {
            "planner": plan.planner,
            "flops": plan.flops,
            "peak": plan.peak,
            "reason": plan.reason,
            "baselines": {name: baseline.flops for name, baseline in plan.baselines.items()},
        },
        "check": None if difference is None else {**difference._asdict(), "agrees": difference.agrees},
    }
    return json.dumps(document, indent=2)


def _scores(scores: "Scores") -> dict[str, dict[str, float]]:
    return {"training": scores.training._asdict(), "held_out": scores.held_out._asdict()}
