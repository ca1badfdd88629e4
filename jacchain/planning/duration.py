"""Times in words."""

from typing import Final

UNITS: Final = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


def duration(seconds: float, /) -> str:
    """Return a time to three digits in the unit that suits it.

    Examples
    --------
    >>> duration(1.2345), duration(0.02), duration(3.21e-5), duration(4e-8)
    ('1.23 s', '20 ms', '32.1 µs', '0.04 µs')
    """
    unit, scale = next((pair for pair in UNITS if seconds >= pair[1]), UNITS[-1])
    return f"{seconds / scale:.3g} {unit}"


def predicted_text(seconds: float | None, /) -> str:
    """Return what stands before the peak of a plan that was predicted.

    Examples
    --------
    >>> predicted_text(0.02), predicted_text(None)
    ('predicted 20 ms, ', '')
    """
    return "" if seconds is None else f"predicted {duration(seconds)}, "
