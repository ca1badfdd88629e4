"""Writes the page of supported functions from the tables; a test sees that the page is current.

Run as ``python docs/supported.py`` after a change of the tables.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jacchain.model.numpy_functions import SECTIONS
from jacchain.model.scipy_functions import SCIPY_FUNCTIONS
from jacchain.model.supported import Supported

PAGE = Path(__file__).parent / "reference" / "supported-functions.md"

BEGIN = "<!-- from here on made by docs/supported.py -->"
END = "<!-- to here -->"


def page(text: str) -> str:
    """Return the page with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """Return all sections, one below the other."""
    parts = [_section(title, _named(rows)) for title, rows in SECTIONS.items()]
    parts.append(_section("Of scipy.special", ((name, row.note) for name, row in SCIPY_FUNCTIONS.items())))
    return "\n".join(parts)


def _named(rows: Mapping[Callable[..., Any], Supported]) -> Iterable[tuple[str, str]]:
    for function, row in rows.items():
        module = getattr(function, "__module__", "numpy") or "numpy"
        yield f"{module.removeprefix('numpy').lstrip('.')}.{function.__name__}".lstrip("."), row.note


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a section: a list of what needs no note, and a table of notes."""
    plain, noted = [], {}
    for name, note in rows:
        if note:
            noted.setdefault(note, []).append(name)
        else:
            plain.append(name)
    lines = [f"### {title}", ""]
    if plain:
        lines += [_wrapped(", ".join(f"`{name}`" for name in plain) + "."), ""]
    if noted:
        lines += ["| functions | note |", "| --- | --- |"]
        lines += [f"| {', '.join(f'`{name}`' for name in names)} | {_shown(note)} |" for note, names in noted.items()]
        lines.append("")
    return "\n".join(lines)


def _shown(note: str) -> str:
    """Return a note as text: a default of a kink's field says what it is."""
    match note.partition(": "):
        case ("at zero", _, value):
            return f"a kink: derivative {float(value):g} at 0"
        case ("at tie", _, value):
            return f"a kink: at a tie the first argument has {float(value):g} of the derivative"
        case _:
            return note


def _wrapped(text: str, width: int = 120) -> str:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".lstrip()
    return "\n".join([*lines, line])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
