"""Lines, tables and numbers of plain text, at most 80 columns wide where single numbers allow it."""

import csv
from collections.abc import Mapping, Sequence
from decimal import Decimal
from io import StringIO
from textwrap import fill
from typing import Any, Final

WIDTH: Final = 80
INDENT: Final = 10


def planners_csv(columns: Sequence[str], entries: Mapping[str, Mapping[str, Any]], /) -> str:
    """Return what is known of planners as comma-separated values, one planner a row, numbers in full.

    Examples
    --------
    >>> print(planners_csv(["flops", "peak"], {"forward": {"flops": 6, "peak": None}}))
    planner,flops,peak
    forward,6,
    """
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["planner", *columns])
    for planner, entry in entries.items():
        cells = [entry.get(name) for name in columns]
        writer.writerow([planner, *("" if cell is None else cell for cell in cells)])
    return stream.getvalue().rstrip("\n")


def table(rows: Sequence[Sequence[str]], /, *, left: Sequence[int] = (0,), gap: int = 3) -> list[str]:
    r"""Return rows as lines: the columns `left` to the left, the others to the right.

    Examples
    --------
    >>> print(*table([("a", "number"), ("second", "1")]), sep="\n")
    a         number
    second         1
    """
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    widths[0] = max(widths[0], INDENT - gap)
    return [
        (" " * gap)
        .join(
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        .rstrip()
        for row in rows
    ]


def field(name: str, text: str, /, *, indent: int = INDENT) -> str:
    """Return a named line, wrapped under itself."""
    start = f"{name.ljust(indent - 1)} "
    return fill(text, WIDTH, initial_indent=start, subsequent_indent=" " * indent, break_on_hyphens=False)


def shortened(text: str, most: int, /) -> str:
    """Return a text of at most so many characters, with a sign where it is cut.

    Examples
    --------
    >>> shortened("block-diagonal", 8), shortened("dense", 8)
    ('block-d…', 'dense')
    """
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def bytes_text(count: int, /) -> str:
    """Return a number of bytes in decimal units.

    Examples
    --------
    >>> bytes_text(999), bytes_text(24384)
    ('999 B', '24.4 kB')
    """
    size, units = Decimal(count), ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    unit = 0
    while size >= Decimal("999.95") and unit < len(units) - 1:
        size, unit = size / 1000, unit + 1
    if unit == 0:
        return f"{count} B"
    return f"{size:,.1f} {units[unit]}" if size < 10**6 else f"{size:.1e} {units[unit]}"


def count_text(flops: int | None, /) -> str:
    """Return a number of multiplications, or that there is no order."""
    return "infeasible" if flops is None else f"{flops:,}"


def ratio(flops: int, least: int, /) -> float | None:
    """Return how many times more than the least; None where that is no finite number.

    Examples
    --------
    >>> ratio(30, 20), ratio(30, 0)
    (1.5, None)
    """
    try:
        return flops / least
    except (ZeroDivisionError, OverflowError):
        return None


def ratio_text(flops: int | None, least: int, /) -> str:
    """Return how many times more than the least.

    Examples
    --------
    >>> ratio_text(30, 20), ratio_text(20, 20), ratio_text(None, 20)
    ('1.50', '1.00', '-')
    """
    if flops is None:
        return "-"
    if flops == least:
        return "1.00"
    return f"{Decimal(flops) / Decimal(least):,.2f}" if least else "inf"


def share_text(part: int, whole: int, /) -> str:
    """Return a part in per cent.

    Examples
    --------
    >>> share_text(1, 3), share_text(1, 1), share_text(0, 0)
    ('33.3 %', '100 %', '0 %')
    """
    if not part:
        return "0 %"
    return "100 %" if part == whole else f"{100 * Decimal(part) / Decimal(whole):.1f} %"
