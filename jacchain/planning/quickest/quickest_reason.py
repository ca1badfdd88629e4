"""What predicted time has to do with an order, in words."""

from jacchain.planning.quickest.fits import GAIN


def kept_reason(reason: str, profile: str, /, *, is_exact: bool) -> str:
    """Return the reason of the order of least multiplications, where it is kept: of all orders, or of those tried."""
    others = "no other" if is_exact else "none of the others tried"
    what = f"{others} is predicted {100 * GAIN:.0f} % quicker by the profile {profile}"
    return f"{reason}; the order of least multiplications: {what}"


def huge_reason(reason: str, /) -> str:
    """Return the reason of an order of sizes or costs for which there are no times in floating point."""
    return f"{reason}; ordered by multiplications, as sizes beyond 10^90 have no predicted seconds"


def long_reason(reason: str, links: int, /) -> str:
    """Return the reason of an order of a chain that is too long to be planned by seconds."""
    return f"{reason}; {links:,} links are ordered by multiplications, too many for seconds"


def quicker_reason(
    seconds: float, flops: int, known_seconds: float, known_flops: int, profile: str, how: str = "", /
) -> str:
    """Return why an order was taken in place of that of least multiplications.

    Examples
    --------
    >>> quicker_reason(8e-6, 108, 1e-5, 100, "X")
    '20 % fewer seconds than the order of least multiplications by the profile X, though 8 % more multiplications'
    >>> quicker_reason(8e-6, 100, 1e-5, 100, "X")
    '20 % fewer seconds than the order of least multiplications by the profile X, with as many multiplications'
    """
    saved = f"{_percent(known_seconds - seconds, known_seconds)} fewer seconds"
    if flops == known_flops:
        more = "with as many multiplications"
    elif 0 < known_flops < flops:
        more = f"though {_percent(flops - known_flops, known_flops)} more multiplications"
    else:
        more = f"with {flops:,} multiplications in place of {known_flops:,}"
    return f"{saved} than the order of least multiplications by the profile {profile}, {more}{how}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2g} %" if part < whole else f"{100 * part / whole:,.0f} %"
