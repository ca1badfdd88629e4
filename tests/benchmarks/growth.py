"""The growth of planning time: its exponent, and its picture."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.race import Times

Point = tuple[int, float]
"""Length of a chain, seconds."""


def lengths(times: Iterable[Times], series: str, /) -> list[Point]:
    """Return the median times of the contenders named "series n=…"."""
    split = [(found.contender.name.rpartition(" n="), found.median) for found in times]
    return [(int(n), seconds) for (name, _, n), seconds in split if name == series]


def exponent(points: Sequence[Point], /) -> float:
    """Return p of the power law n^p that fits best, by least squares of logarithms."""
    n, seconds = np.log(np.array(points, float)).T
    return float(np.polyfit(n, seconds, 1)[0])


def plot(rows: Sequence[Sequence[Times]], path: Path, /) -> str:
    """Draw all series of all rows into one PNG file, and return what to say about it."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "no plot: matplotlib is not installed"
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    for times in rows:
        names = dict.fromkeys(found.contender.name.rpartition(" n=")[0] for found in times)
        for name in filter(None, names):
            points = lengths(times, name)
            n, seconds = zip(*points, strict=True)
            axes.loglog(n, seconds, "o-", label=f"{name}: n^{exponent(points):.2f}")
    axes.set(xlabel="links", ylabel="seconds", title="Planning time of a chain")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, format="png", dpi=150)
    return f"plotted to {path}"
