"""Plans of second order as documents of schema ``jacchain.ladder-plan/v1``, in JSON."""

import json
from typing import Any, Final, assert_never

from jacchain.algebra.structure import stored
from jacchain.planning.graph_document import graph_entries
from jacchain.planning.node import (
    Add,
    Adjoint,
    Bend,
    Congruence,
    Curvature,
    Local,
    Multiply,
    SecondNode,
    Seed,
    Tangent,
    Transpose,
)
from jacchain.planning.second.hessian_plan import HessianPlan
from jacchain.planning.second.storage import read

HESSIAN_PLAN_SCHEMA: Final = "jacchain.ladder-plan/v1"


def hessian_plan_to_json(plan: HessianPlan, /) -> str:
    """Return a plan as one JSON document of schema ``jacchain.ladder-plan/v1``.

    Steps name edges, curvatures and earlier steps by their numbers; results are one step or null for each pair of
    inputs, the first not after the second.
    """
    ladder = plan.ladder
    document = {
        "schema": HESSIAN_PLAN_SCHEMA,
        "planner": plan.planner,
        "flops": plan.flops,
        "peak": plan.peak,
        "order": list(plan.order),
        "reason": plan.reason,
        "baselines": {name: {"flops": baseline.flops} for name, baseline in plan.baselines.items()},
        "steps": [_step(node, plan.itemsize) for node in plan.nodes],
        "pairs": [list(pair) for pair in ladder.pairs],
        "results": list(plan.roots),
        "gradient": list(plan.gradient),
        **graph_entries(ladder.graph),
        "curves": [
            {"first": curve.first, "second": curve.second, "structure": str(curve.structure)} for curve in ladder.curves
        ],
        "itemsize": plan.itemsize,
        "seconds": plan.seconds,
        "seed": plan.seed,
        "unit_free": plan.unit_free,
    }
    return json.dumps(document, indent=2)


def _step(node: SecondNode, itemsize: int) -> dict[str, Any]:
    op, source = _operation(node)
    return {
        "op": op,
        "source": source,
        "operands": list(read(node)),
        "structure": str(node.structure),
        "flops": node.flops,
        "bytes": stored(node.structure) * itemsize,
    }


def _operation(node: SecondNode) -> tuple[str, int | None]:
    """Return what a step is called, and the edge, curvature or input that it is of."""
    match node:
        case Local(-1):
            return "identity", None
        case Local(link, mode):
            return ("local" if mode == "given" else f"accumulate-{mode}"), link
        case Tangent(link):
            return "tangent", link
        case Adjoint(_, link):
            return "adjoint", link
        case Curvature(curve):
            return "curvature", curve
        case Bend(curve, is_mirrored=is_mirrored):
            return "bend-mirrored" if is_mirrored else "bend", curve
        case Seed(source):
            return "seed", source
        case Multiply() | Add() | Transpose() | Congruence():
            return type(node).__name__.lower(), None
        case _:
            assert_never(node)
