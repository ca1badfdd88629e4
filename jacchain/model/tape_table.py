"""The textbook's table of a tape."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.model.dual import Dual
from jacchain.model.entry import Entry
from jacchain.model.expression import WIDTH
from jacchain.model.tape import Variable


def table_lines(entries: Sequence[Entry], columns: Mapping[str, Sequence[Any]], /) -> list[str]:
    """Return a heading and one line for each entry, right-aligned numbers behind what was done."""
    rows = [(f"v{k}", _done(k, entry), *(_text(c[k]) for c in columns.values())) for k, entry in enumerate(entries)]
    heading = ("entry", "operation", *columns)
    cells = [heading, *rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(heading))]
    widths[2:] = [max(width, 9) for width in widths[2:]]
    room = WIDTH - widths[0] - sum(widths[2:]) - 2 * (len(widths) - 1)
    widths[1] = min(widths[1], max(room, 12))
    return [
        "  ".join(
            f"{_cut(cell, width):<{width}}" if k < 2 else f"{cell:>{width}}"
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _done(k: int, entry: Entry) -> str:
    if entry.operation is not None:
        return " ".join((entry.operation.name, *(f"v{i}" for i in entry.operands)))
    return "constant" if entry.constant is not None else entry.name or f"input {k}"


def _text(numbers: Any) -> str:
    """Return a number, or the first of several; of a dual number both parts, of another tape's variable its entry."""
    match numbers:
        case None:
            return "0"
        case Dual():
            return f"{_text(numbers.value)} + {_text(numbers.tangent)}ε"
        case Variable():
            return f"{_text(numbers.value)} (outer v{numbers.node})"
        case _:
            return _number_text(np.asarray(numbers))


def _number_text(numbers: Array) -> str:
    first = numbers.reshape(-1)[0] + 0  # no -0
    return f"{first:.6g}" if numbers.size == 1 else f"{first:.4g}, …"
