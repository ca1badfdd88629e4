"""``jacchain calibrate``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

from jacchain.cli.command import Command, CommandLineError, completing
from jacchain.cli.group import main_group
from jacchain.cli.output import echo, styled

LEAST: Final = 5.0
"""Seconds below which too little is measured for a profile that predicts anything."""


@main_group.command(
    "calibrate",
    cls=Command,
    short_help="Measure this machine, so that plans are chosen by seconds.",
    examples=(
        "jacchain calibrate                     a minute; kept in the cache directory",
        "jacchain calibrate --seconds 20 -o here.json",
        "jacchain calibrate --device cuda",
        "OPENBLAS_NUM_THREADS=1 jacchain calibrate",
    ),
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="NAME",
    shell_complete=completing("cpu", "cuda"),
    help="cpu, cuda, or a numbered one such as cuda:1.",
)
@click.option("-o", "--output", metavar="FILE", help="Store the profile there.  [default: the cache directory]")
@click.option(
    "--seconds", type=float, default=60.0, show_default=True, metavar="S", help=f"To take, about; {LEAST:g} at least."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def calibrate_command(device: str, output: str | None, seconds: float, as_json: bool) -> None:
    """Measure what products, elementwise functions, copies and calls take on this machine, for float64 and float32.

    The profile is used wherever seconds are planned: cost="seconds", --cost seconds. It holds for the number of
    threads that the BLAS takes now; set that as you will work. At the end chains that were not part of it are
    predicted and measured.
    """
    if not LEAST <= seconds < float("inf"):
        raise CommandLineError(f"--seconds is {seconds:g}", f"give at least {LEAST:g}, better 60")
    if output in ("", "-"):
        raise CommandLineError(f"--output is {output!r}, not a file", "leave it out to store in the cache directory")
    from jacchain.execution.backend import as_device, backend_at
    from jacchain.execution.calibration.calibrate import calibrate
    from jacchain.planning.pricing.store import check_place, place, save
    from jacchain.report.calibration import calibration_json, calibration_text

    asked = as_device(device)
    if asked == "auto":
        raise CommandLineError("--device auto", "name the device to measure: cpu, cuda, or cuda:1")
    backend = backend_at(asked)
    path = place(device) if output is None else output
    check_place(path)
    with _bar(f"measuring {asked}") as progress:
        found = calibrate(backend, seconds=seconds, progress=progress)
    stored = str(save(found.profile, path))
    echo(calibration_json(found, stored) if as_json else styled(calibration_text(found, stored)))


@contextmanager
def _bar(what: str) -> Iterator[Callable[[float], None]]:
    """Show on a terminal how much of the work, from 0 to 1, is done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)
