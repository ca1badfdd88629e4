"""Printing, and showing that work goes on."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import click

PLAIN: Final = {
    "→": "->",
    "⊗": "(x)",
    "…": "...",
    "├": "|",
    "│": "|",
    "└": "`",
    "█": "#",
    "·": ".",
}
"""What stands for a sign that the output cannot show."""


def echo(text: str, /) -> None:
    """Print text, with plain signs where the output's encoding lacks the right ones."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        for sign, plain in PLAIN.items():
            text = text.replace(sign, plain)
    click.echo(text)


def styled(text: str, /) -> str:
    """Return text with its first words bold, where a terminal shows it and colour is welcome."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    lines = []
    for line in text.split("\n"):
        word, gap, rest = line.partition(" ")
        lines.append(click.style(word, bold=True) + gap + rest if word and gap else line)
    return "\n".join(lines)


@contextmanager
def progress(what: str, stream: TextIO | None = None, *, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Show on a terminal, once a second has passed, that work goes on, and how much of so many ticks is done."""
    from time import monotonic

    shown = stream or sys.stderr
    if not shown.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    start = monotonic()
    with Progress(console=Console(file=shown), transient=True, disable=False) as bar:
        task = bar.add_task(what, total=total, visible=False)

        def tick() -> None:
            bar.update(task, advance=1, visible=monotonic() - start > 1)

        yield tick
