"""A run of a nonlinear program as plain text, and as one JSON document of schema ``jacchain.lagrangian/v1``."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from jacchain.report.layout import field, table

if TYPE_CHECKING:
    from jacchain.interop.solving import Solved
    from jacchain.lagrangian.lagrangian import Lagrangian
    from jacchain.workloads.differences import Difference
    from jacchain.workloads.nonlinear.figures import Figure
    from jacchain.workloads.nonlinear.program import NonlinearProgram

SCHEMA = "jacchain.lagrangian/v1"


class NonlinearRun(NamedTuple):
    """What a run found; no solutions where no solver is there, no differences where none were asked for."""

    program: "NonlinearProgram"
    lagrangian: "Lagrangian"
    seconds: float
    """That making the Lagrangian took: recording, planning and the structure."""
    figures: "Sequence[Figure]"
    solutions: "Sequence[Solved]"
    missing: str
    """How to install a solver, where none is there."""
    differences: "Mapping[str, Difference]"


def nonlinear_text(run: NonlinearRun, /) -> str:
    """Return the sizes, the time of each call, the solutions, and the check."""
    program, lagrangian = run.program, run.lagrangian
    lines = [
        f"{program.name}: {program.title}",
        field("", program.source, indent=3),
        "",
        *str(lagrangian).split("\n"),
        f"  made in   {run.seconds:.3g} s, once: recording, planning, structure",
        "",
        *table([("result", "shape", "nonzeros", "microseconds"), *map(_row, run.figures)]),
        "(a call at a new point each time; of ∇²L the lower triangle)",
        "",
    ]
    if run.solutions:
        rows = [("solver", "second derivatives", "iterations", "objective", "")]
        for one in run.solutions:
            word = "optimum" if one.optimal else "solved" if one.success else "NOT SOLVED"
            rows.append((one.solver, one.curvature, f"{one.iterations:,}", f"{one.objective:.10g}", word))
        lines += table(rows, left=(0, 1, 4))
    else:
        lines.append(field("solver", f"none is installed; {run.missing}"))
    if run.differences:
        lines += ["", *(_check(name, found) for name, found in run.differences.items())]
    return "\n".join(lines)


def _row(figure: "Figure") -> tuple[str, str, str, str]:
    sizes = " x ".join(f"{size:,}" for size in figure.shape)
    count = f"{figure.nonzeros:,}" if figure.nonzeros else ""
    return figure.name, sizes, count, f"{1e6 * figure.seconds:,.1f}"


def _check(name: str, found: "Difference") -> str:
    verdict = "agrees with" if found.agrees else "DIFFERS FROM"
    along = f"all {found.inputs}" if found.columns == found.inputs else f"{found.columns} random directions"
    sizes = f"largest difference {found.error:.1e} at a scale of {found.scale:.1e}"
    return field("check", f"{name} {verdict} central differences: {sizes} ({along})")


def nonlinear_to_json(run: NonlinearRun, /) -> str:
    """Return the same as JSON."""
    program, lagrangian = run.program, run.lagrangian
    document = {
        "schema": SCHEMA,
        "problem": program.name,
        "source": program.source,
        "variables": program.n,
        "constraints": program.m,
        "jacobian_nonzeros": lagrangian.jacobian_structure.nonzeros,
        "hessian_nonzeros": lagrangian.structure.nonzeros,
        "description": str(lagrangian),
        "seconds": run.seconds,
        "calls": {figure.name: figure.seconds for figure in run.figures},
        "optima": list(program.optima),
        "solutions": [
            {name: value for name, value in solved._asdict().items() if name != "x"} for solved in run.solutions
        ],
        "check": {name: {**found._asdict(), "agrees": found.agrees} for name, found in run.differences.items()} or None,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)
