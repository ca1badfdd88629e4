"""``jacchain doctor``."""

import click

from jacchain.cli.command import Command
from jacchain.cli.group import main_group
from jacchain.cli.output import echo, styled


@main_group.command(
    "doctor",
    cls=Command,
    short_help="Show what this machine, its devices and the profile are.",
    examples=("jacchain doctor", "jacchain doctor --json"),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor_command(as_json: bool) -> None:
    """Show versions, BLAS and its threads, devices, the profile in use and its age, and what is installed besides."""
    from jacchain.execution.calibration.diagnosis import diagnosis
    from jacchain.report.diagnosis import diagnosis_json, diagnosis_text

    found = diagnosis()
    echo(diagnosis_json(found) if as_json else styled(diagnosis_text(found)))
