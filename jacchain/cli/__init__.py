"""The command line: parse, call, print."""

import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import TextIO

import click

from jacchain.cli.calibrate import calibrate_command
from jacchain.cli.command import USAGE
from jacchain.cli.compare import compare_command
from jacchain.cli.completion import completion_command
from jacchain.cli.doctor import doctor_command
from jacchain.cli.explain import explain_command
from jacchain.cli.group import main_group
from jacchain.cli.plan import plan_command
from jacchain.cli.plot import plot_command
from jacchain.cli.run import run_command
from jacchain.errors import JacchainError, ProfileWarning

__all__ = [
    "calibrate_command",
    "compare_command",
    "completion_command",
    "doctor_command",
    "explain_command",
    "main",
    "main_group",
    "plan_command",
    "plot_command",
    "run_command",
]


def main() -> None:
    """Run the command line; every error is two lines and an exit code, and every warning about a profile two lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", ProfileWarning)
        warnings.showwarning = partial(_warn, warnings.showwarning)
        _run()


def _run() -> None:
    try:
        main_group.main(prog_name="jacchain", standalone_mode=False)
    except JacchainError as error:
        _fail(error.what, error.cure, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(USAGE)
    except click.UsageError as error:
        where = f"{error.ctx.command_path} --help" if error.ctx else "jacchain --help"
        _fail(error.format_message(), f"see {where}", USAGE)
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"cannot write the output: {error.strerror}", "free some space, or write elsewhere", 1)
    except MemoryError:
        _fail("not enough memory", "plan with a --memory limit, or run something smaller", 1)
    except Exception as error:
        _fail(f"{type(error).__name__}: {error}", "run again with 'jacchain --debug ...' to see where", 1)


def _warn(
    show: Callable[..., None],
    message: Warning | str,
    kind: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning: one about a profile as an error is shown, any other as Python does."""
    if issubclass(kind, ProfileWarning):
        what, _, cure = str(message).partition("\n")
        click.echo(f"warning: {what}\n  {cure}", err=True)
    else:
        show(message, kind, filename, lineno, file, line)


def _fail(what: str, cure: str, code: int) -> None:
    if "--debug" in sys.argv[1:]:
        import traceback

        traceback.print_exc()
    click.echo(f"error: {what}\n  {cure}", err=True)
    sys.exit(code)
