"""Where a problem was run and why, in lines of text."""

from typing import TYPE_CHECKING

from jacchain.report.layout import field

if TYPE_CHECKING:
    from jacchain.workloads.placement import Placement


def device_lines(found: "Placement", /) -> list[str]:
    """Return where a problem was run, what a card is predicted to take for it, and from where on that would be less."""
    forecast = found.forecast
    kind = "" if found.is_measured else ", predicted and not measured"
    launching, arithmetic, copying = map(_time, (forecast.launching, forecast.arithmetic, forecast.copying))
    return [
        field("device", f"{found.device}, {found.milliseconds:.3g} ms measured: {_reason(found)}"),
        field("card", f"{found.card}{kind}: {_time(forecast.device)}, against {_time(forecast.host)} on the cpu"),
        field("launches", f"{forecast.launches} take {launching}, the arithmetic {arithmetic}, copies {copying}"),
    ]


def _reason(found: "Placement") -> str:
    """Return why it was run there."""
    ratio = found.forecast.device / found.forecast.host
    if ratio >= 1:
        reason = f"a card is predicted to take {ratio:.2g} times as long"
    else:
        reason = f"a card is predicted to be {1 / ratio:.2g} times quicker"
    if found.hidden is not None:
        reason += f", and to be quicker from about {found.hidden:,} hidden units on"
    if found.device == "cpu" and found.forecast.is_worth:
        reason += "; none was asked for, or none can be used here"
    return reason


def _time(seconds: float) -> str:
    """Return seconds in a unit that suits them."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
