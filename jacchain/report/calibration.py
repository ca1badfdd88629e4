"""What a calibration found, in a few lines."""

import json
import textwrap
from collections.abc import Sequence

from jacchain.execution.calibration.calibrate import Calibration
from jacchain.execution.calibration.verification import Verification
from jacchain.planning.pricing.curve import Curve
from jacchain.planning.pricing.profile import Machine, Rates

WIDTH = 80
PEAK = 512
THIN = 16
NEAR = 1 << 14
LARGE = 1 << 20
POOR = 0.25
"""Median error above which a profile is called bad."""


def machine_text(machine: Machine, /) -> str:
    """Return a machine in one line.

    Examples
    --------
    >>> machine_text(Machine("Xeon", 2, "Linux", "openblas 0.3", 1, "2.1", "0.1"))
    'Xeon, 2 cores, openblas 0.3 with 1 thread, NumPy 2.1'
    """
    threads = f" with {_counted(machine.threads, 'thread')}" if machine.threads else ""
    blas = f"{machine.blas or 'unknown BLAS'}{threads}"
    device = "" if machine.device == "cpu" else f", {machine.device}"
    return f"{machine.processor}, {_counted(machine.cores, 'core')}, {blas}, NumPy {machine.numpy}{device}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def figures(rates: Rates, /) -> dict[str, float | None]:
    """Return the figures of a table: billions of multiply-adds and of bytes in a second, microseconds.

    What lies beyond all sizes that were measured is None.
    """
    grid, copied = rates.grid, 2 * rates.itemsize
    thin = PEAK * PEAK * THIN
    is_large = grid.sizes[-1] >= PEAK
    return {
        "products": PEAK**3 / grid.at(PEAK, PEAK, PEAK) / 1e9 if is_large else None,
        "thin": thin / grid.at(PEAK, PEAK, THIN) / 1e9 if is_large else None,
        "thin_plain": thin / grid.at(PEAK, PEAK, THIN, plain=True) / 1e9 if is_large else None,
        "call": rates.call * 1e6,
        "run": rates.run * 1e6,
        "near": _rate(rates["copy"], NEAR, copied / 1e9),
        "far": _rate(rates["copy"], LARGE, copied / 1e9),
        "tanh": _rate(rates["tanh"], NEAR, 1e-6),
    }


def _rate(curve: Curve, size: int, each: float) -> float | None:
    return each * size / curve.at(size) if size <= curve.sizes[-1] else None


ROWS = (
    ("products", f"products of {PEAK}x{PEAK} by {PEAK}x{PEAK}", "10⁹ multiply-adds/s"),
    ("thin", f"products of {PEAK}x{PEAK} by {PEAK}x{THIN}", "10⁹ multiply-adds/s"),
    ("thin_plain", "  the same as NumPy makes them", "10⁹ multiply-adds/s"),
    ("call", "one call", "µs"),
    ("run", "one run, besides its calls", "µs"),
    ("near", "copies in the cache", "GB/s"),
    ("far", "copies of megabytes", "GB/s"),
    ("tanh", "hyperbolic tangents", "10⁶ numbers/s"),
)


def calibration_text(found: Calibration, place: str, /) -> str:
    """Return what a calibration found as text of 80 columns, and where it was stored."""
    profile = found.profile
    lines = [*textwrap.wrap(machine_text(profile.machine), WIDTH), ""]
    lines.append(f"{'':36}" + "".join(f"{rates.dtype:>11}" for rates in profile.rates))
    tables = [figures(rates) for rates in profile.rates]
    for name, what, unit in ROWS:
        lines.append(f"{what:36}" + "".join(_cell(table[name]) for table in tables) + f"  {unit}")
    lines += ["", *_verdicts(profile.rates, found.verifications), f"stored in {place}"]
    return "\n".join(lines)


def _cell(figure: float | None) -> str:
    if figure is None:
        return f"{'-':>11}"
    return f"{figure:>11,.0f}" if figure >= 100 else f"{figure:>11.3g}"


def _verdicts(rates: Sequence[Rates], verifications: Sequence[Verification]) -> list[str]:
    said = [
        f"{each.dtype}: {len(found.predictions)} chains predicted with a median error of {found.median_error:.0%}, "
        f"rank correlation {found.rank_correlation:.2f}"
        for each, found in zip(rates, verifications, strict=True)
    ]
    if any(found.median_error > POOR for found in verifications):
        said += [f"-> errors above {POOR:.0%}: measure again with more --seconds or on an idle machine"]
    return said


def calibration_json(found: Calibration, place: str, /) -> str:
    """Return the same as one JSON document."""
    rates = [
        {
            "dtype": each.dtype,
            **figures(each),
            "median_error": verified.median_error,
            "rank_correlation": verified.rank_correlation,
            "chains": [prediction._asdict() for prediction in verified.predictions],
        }
        for each, verified in zip(found.profile.rates, found.verifications, strict=True)
    ]
    machine = found.profile.machine._asdict()
    return json.dumps({"name": found.profile.name, "machine": machine, "rates": rates, "stored": place}, indent=2)
