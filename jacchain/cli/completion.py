"""``jacchain completion``."""

from typing import Final

import click

from jacchain.cli.command import Command, CommandLineError
from jacchain.cli.group import main_group

SHELLS: Final = ("bash", "zsh", "fish")


@main_group.command(
    "completion",
    cls=Command,
    short_help="Print a shell's completion script.",
    examples=('eval "$(jacchain completion bash)"',),
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the script that completes jacchain's words in a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise CommandLineError(f"no completion for {shell}", f"use one of {', '.join(SHELLS)}")
    click.echo(kind(main_group, {}, "jacchain", "_JACCHAIN_COMPLETE").source())
