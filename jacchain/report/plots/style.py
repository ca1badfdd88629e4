"""What all pictures share: colours that a colour-blind reader can tell apart, sizes, number formats, saving."""

from io import BytesIO
from typing import TYPE_CHECKING, Final, Literal

from jacchain.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["png", "svg"]

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
GREEN: Final = "#009E73"
PINK: Final = "#CC79A7"
YELLOW: Final = "#E69F00"
GREY: Final = "#8C8C8C"
INK: Final = "#1A1A1A"

MODES: Final = {
    "multiply": BLUE,
    "tangent": GREEN,
    "adjoint": ORANGE,
    "by tangents": YELLOW,
    "by adjoints": PINK,
    "local": GREY,
}
"""Colours of how a step is done (Okabe and Ito's palette)."""

MEANINGS: Final = {
    "multiply": "product",
    "tangent": "tangents",
    "adjoint": "adjoints",
    "by tangents": "accumulated by tangents",
    "by adjoints": "accumulated by adjoints",
    "local": "local Jacobian",
}
"""What these are called in a legend."""

PREFIXES: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")


def figure(width: float, height: float, /) -> "Figure":
    """Return an empty figure of a size in inches.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("pictures need matplotlib", "pip install jacchain[plot]") from None
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def saved(drawn: "Figure", kind: Kind, /) -> bytes:
    """Return a figure as a PNG or SVG file; the same figure always gives the same bytes."""
    from matplotlib import rc_context

    stream = BytesIO()
    with rc_context({"svg.hashsalt": "jacchain", "svg.fonttype": "path"}):
        drawn.savefig(stream, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return stream.getvalue()


def real(count: int, /) -> float:
    """Return a count as a coordinate; counts beyond floating point stay at its edge.

    Examples
    --------
    >>> real(12), real(10**400)
    (12.0, 1e+300)
    """
    return float(min(count, 10**300))


def short(number: float, /, unit: str = "") -> str:
    """Return a number to three digits with a decimal prefix, and a unit.

    Examples
    --------
    >>> short(0), short(950), short(19_668_992), short(12_345, "B")
    ('0', '950', '19.7M', '12.3 kB')
    """
    size, prefix = float(min(number, 10**300)), 0
    while size >= 999.5 and prefix < len(PREFIXES) - 1:
        size, prefix = size / 1000, prefix + 1
    digits = f"{size:.3g}" if size < 1e6 else f"{size:.1e}"
    return f"{digits}{' ' if unit else ''}{PREFIXES[prefix]}{unit}"


def written(count: int, /) -> str:
    """Return a count in full, as far as it can be read.

    Examples
    --------
    >>> written(19_668_992), written(10**20)
    ('19,668,992', '100E')
    """
    return f"{count:,}" if count < 10**18 else short(count)


def titled(axes: "Axes", title: str, x: str, y: str, /) -> None:
    """Give axes a title and labels, and take away the lines that frame nothing."""
    axes.set_title(title, fontsize=11, loc="left", color=INK)
    axes.set_xlabel(x, fontsize=10)
    axes.set_ylabel(y, fontsize=10)
    axes.tick_params(labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def counted(axes: "Axes", which: Literal["x", "y"], /, unit: str = "") -> None:
    """Write the numbers of an axis with decimal prefixes."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _place: short(value, unit) if value >= 0 else ""))
    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator(6))
        return
    low, high = axis.get_view_interval()
    if high < 1000 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_formatter(NullFormatter())
