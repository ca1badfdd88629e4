"""The figures as one JSON document."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.race import Times
from benchmarks.row import Measured
from benchmarks.target import Verdict


def to_json(machine: Mapping[str, str], rows: Sequence[Measured], /) -> str:
    """Return the machine, and every row with the times of its rounds in seconds."""
    found = {"schema": "jacchain.benchmarks/v1", "machine": dict(machine), "rows": [_row(row) for row in rows]}
    return json.dumps(found, indent=1) + "\n"


def _row(found: Measured) -> dict[str, Any]:
    return {
        "name": found.row.name,
        "title": found.row.title,
        "contenders": [_contender(times) for times in found.times],
        "targets": [_verdict(verdict) for verdict in found.verdicts],
        "wrong": found.wrong,
        "notes": found.row.notes(found.times),
    }


def _contender(times: Times) -> dict[str, Any]:
    return {
        "name": times.contender.name,
        "role": times.contender.role,
        "median": times.median,
        "minimum": times.minimum,
        "calls": times.calls,
        "rounds": list(times.rounds),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "judged": verdict.target.judged,
        "against": verdict.against,
        "target": verdict.wanted,
        "found": verdict.found.median,
        "quartiles": [verdict.found.low, verdict.found.high],
        "minima": verdict.minima,
        "met": verdict.met,
    }
