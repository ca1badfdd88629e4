"""Printing, and writing files that are whole or not there."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import NamedTemporaryFile
from typing import Final, TextIO

import click

from jacchain.errors import FileError

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


def write_whole(path: str, content: bytes, /) -> None:
    """Write a file by way of a temporary one beside it, so that it is never half written.

    Raises
    ------
    FileError
        The place cannot be written to; what stood there is left as it was.
    """
    target = os.path.realpath(path)
    try:
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):  # a device or a pipe
            with open(target, "wb") as stream:
                stream.write(content)
            return
        with NamedTemporaryFile(dir=os.path.dirname(target), prefix=".jacchain-", delete=False) as stream:
            try:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
                os.chmod(stream.name, _mode(target))
                os.replace(stream.name, target)
            except BaseException:
                with suppress(OSError):
                    os.unlink(stream.name)
                raise
    except OSError as error:
        cure = "give a file in a folder that can be written"
        raise FileError(f"cannot write {path}: {error.strerror}", cure) from None


def _mode(target: str) -> int:
    """Return the permissions of the file that is replaced, or those that a new one would have."""
    if os.path.exists(target):
        return stat.S_IMODE(os.stat(target).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
