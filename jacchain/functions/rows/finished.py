"""Results as they are written in the end: signs, zeros and far-apart places seen to."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from jacchain.functions.rows.placed import Written
from jacchain.functions.rows.route import Route, route
from jacchain.functions.rows.row_writer import RowWriter
from jacchain.functions.scalar.tidied import ScalarDraft

LONG: Final = 512
"""Lanes from which on rows are added up side by side before they are written to places apart."""

Results = Mapping[str, Written]


def without_zeros(results: Results, draft: ScalarDraft, /) -> dict[str, Written]:
    """Return results without rows of zeros to whose places others are written; rows number the draft's steps."""
    found: dict[str, Written] = {}
    for name, written in results.items():
        zeros = [draft.steps[row].function == "constant" and draft.steps[row].number == 0.0 for row in written.rows]
        covered = np.zeros(written.size, bool)
        for to, is_zero in zip(written.routes, zeros, strict=True):
            if not is_zero:
                covered[to.places] = True
        kept = [
            k
            for k, (to, is_zero) in enumerate(zip(written.routes, zeros, strict=True))
            if not (is_zero and covered[to.places].all())
        ]
        found[name] = _chosen(written, kept)
    return found


def side_by_side(results: Results, writer: RowWriter, /) -> dict[str, Written]:
    """Return results in which long rows that meet at evenly spaced places are added up before they are written."""
    return {name: _side_by_side(written, writer) for name, written in results.items()}


def _side_by_side(written: Written, writer: RowWriter) -> Written:
    apart: dict[tuple[int, int], list[int]] = {}
    for k, to in enumerate(written.routes):
        if to.is_even and to.step > 1 and to.count >= LONG:
            apart.setdefault((to.step, to.start % to.step), []).append(k)
    rows, routes = list(written.rows), list(written.routes)
    gone: set[int] = set()
    for (step, _), members in apart.items():
        if len(members) < 3 or not _meet([routes[k] for k in members]):
            continue
        first = min(routes[k].start for k in members)
        count = max((routes[k].start - first) // step + routes[k].count for k in members)
        inner = [route(count, routes[k].count, (routes[k].start - first) // step, 1) for k in members]
        rows.append(writer.put([rows[k] for k in members], inner))
        routes.append(route(written.size, count, first, step))
        gone.update(members)
    whole = written._replace(rows=tuple(rows), routes=tuple(routes))
    return _chosen(whole, [k for k in range(len(rows)) if k not in gone])


def _meet(routes: list[Route]) -> bool:
    """Whether the places of all routes overlap in a row, so that none stays without a number."""
    end = 0
    for to in sorted(routes, key=lambda to: to.start):
        if end and to.start >= end:
            return False
        end = max(end, to.start + to.step * to.count)
    return True


def _chosen(written: Written, kept: list[int]) -> Written:
    return written._replace(rows=tuple(written.rows[k] for k in kept), routes=tuple(written.routes[k] for k in kept))


def with_signs(results: Results, draft: ScalarDraft, /) -> dict[str, Written]:
    """Return results that subtract a row rather than add its negative, where nothing else needs that."""
    uses = Counter(k for step in draft.steps for k in step.operands)
    uses.update(row for written in results.values() for row in written.rows)

    def unsigned(row: int) -> tuple[int, bool]:
        step = draft.steps[row]
        return (step.operands[0], True) if step.function == "negative" and uses[row] == 1 else (row, False)

    found: dict[str, Written] = {}
    for name, written in results.items():
        signed = [unsigned(row) for row in written.rows]
        found[name] = written._replace(
            rows=tuple(row for row, _ in signed), is_negative=tuple(is_negative for _, is_negative in signed)
        )
    return found


def all_rows(results: Results, /) -> Iterator[int]:
    """Yield the rows of all results."""
    for written in results.values():
        yield from written.rows


def renumbered(results: Results, rows: tuple[int, ...], /) -> dict[str, Written]:
    """Return results with their rows replaced by others, in the same order."""
    left = iter(rows)
    return {name: written._replace(rows=tuple(next(left) for _ in written.rows)) for name, written in results.items()}
