"""Figures as plain text of at most 100 columns."""

from collections.abc import Sequence

from benchmarks.contender import Role
from benchmarks.race import Times, ratio
from benchmarks.row import Measured
from benchmarks.target import Verdict

COLUMNS: tuple[tuple[Role, str], ...] = (
    ("jacchain", "jacchain"),
    ("jacchain out=", "(out=)"),
    ("plain", "plain"),
    ("out=", "out="),
    ("jax", "jax"),
    ("torch", "torch"),
)

NAME = 17
"""Columns for the name of a row."""

UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6))


def duration(seconds: float, /) -> str:
    """Return a time in the unit that suits it: 1.23 ms."""
    unit, scale = next((pair for pair in UNITS if seconds >= pair[1]), UNITS[-1])
    value = seconds / scale
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def details(found: Measured, /) -> str:
    """Return the table of one row: all its contenders."""
    ours = next((times for times in found.times if times.contender.role == "jacchain"), None)
    lines = [f"{found.row.name}: {found.row.title}"]
    lines.append(f"  {'':38}{'median':>10}{'minimum':>10}{'rounds':>8}{'jacchain/it':>13}{'quartiles':>15}")
    for times in found.times:
        name = times.contender.name
        cells = f"{duration(times.median):>10}{duration(times.minimum):>10}{len(times.known):>8}"
        if ours is not None and times is not ours:
            middle, low, high = ratio(ours, times)
            cells += f"{middle:>13.3f}{f'{low:.3f}-{high:.3f}':>15}"
        lines.append(f"  {name:38}{cells}")
    lines += [f"  {name}: wrong result, not timed" for name in found.wrong]
    lines += [f"  {_sentence(verdict)}" for verdict in found.verdicts]
    lines += [f"  {note}" for note in found.row.notes(found.times)]
    return "\n".join(lines)


def _sentence(verdict: Verdict) -> str:
    """Return a verdict as a line."""
    met = "met" if verdict.met else "missed"
    middle, low, high = verdict.found
    if not verdict.against:
        return f"{met}: {verdict.target.judged} takes {duration(middle)}, wanted {verdict.wanted}"
    relation = "as fast as" if verdict.target.is_speedup else "the time of"
    figure = f"{middle:.3f} ({low:.3f}-{high:.3f}; of minima {verdict.minima:.3f})"
    return f"{met}: {figure} x {relation} {verdict.against}\n  {'':{len(met)}}  wanted {verdict.wanted}"


def summary(rows: Sequence[Measured], /) -> str:
    """Return the table of all rows: median times of the fastest of each kind, ratios, targets, verdicts."""
    heads = "".join(f"{head:>9}" for _, head in COLUMNS)
    lines = [f"{'work':{NAME}}{heads}{'ratio':>9}{'target':>11}  ", f"{'':{NAME}}{'':18}{'NumPy':>9}{'NumPy':>9}"]
    for found in rows:
        best = [_best(found.times, role) for role, _ in COLUMNS]
        cells = "".join(f"{text:>9}" for text in best)
        name = found.row.name
        if len(name) >= NAME and any(best):  # a line of its own
            lines.append(name)
            name = ""
        if not found.verdicts:
            lines.append(f"{name:{NAME}}{cells}")
        for k, verdict in enumerate(found.verdicts):
            is_first = k == 0 and any(best)
            start = f"{name:{NAME}}{cells}" if is_first else _continued(found.row.name, verdict)
            figure = f"{verdict.found.median:.3f}" if verdict.against else duration(verdict.found.median)
            lines.append(f"{start}{figure:>9}{verdict.wanted:>11}  {'met' if verdict.met else 'missed'}")
    return "\n".join(line.rstrip() for line in lines)


def _continued(name: str, verdict: Verdict) -> str:
    against = f"  {name}: against {verdict.against}" if verdict.against else f"  {verdict.target.judged}"
    return f"{against:71}"


def _best(times: Sequence[Times], role: Role) -> str:
    found = [each.median for each in times if each.contender.role == role]
    return duration(min(found)) if found else ""
