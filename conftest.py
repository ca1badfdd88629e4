"""Every Python and console block of README and docs runs; pytest itself runs the doctests of the package."""

import os
import shlex
from contextlib import ExitStack
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE


def run_console(example: Example) -> str | None:
    """Run the `$ jacchain …` lines of a console block and compare what they print; other commands are not run."""
    from jacchain.cli import main_group

    commands = ("\n" + example.parsed).split("\n$ ")[1:]
    for block in commands:
        line, _, wanted = block.partition("\n")
        words = shlex.split(line, comments=True)
        if words[0] != "jacchain":
            continue
        result = CliRunner().invoke(main_group, words[1:], prog_name="jacchain", catch_exceptions=False)
        if not OutputChecker().check_output(wanted.rstrip() + "\n", result.output.rstrip() + "\n", FLAGS):
            return f"{line}\nwanted:\n{wanted}\ngot:\n{result.output}"
    return None


def forget_profiles(namespace: dict[str, Any]) -> None:
    """Let a page be read with the shipped profiles, whatever was measured on this machine."""
    from jacchain.planning.pricing import store

    held = namespace["_held"] = ExitStack()
    held.enter_context(patch.object(store, "cache_directory", lambda: Path("nowhere")))
    held.enter_context(patch.dict(os.environ))
    os.environ.pop(store.VARIABLE, None)


def remember_profiles(namespace: dict[str, Any]) -> None:
    """Undo that."""
    namespace["_held"].close()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=FLAGS), CodeBlockParser("console", run_console)],
    patterns=["*.md"],
    setup=forget_profiles,
    teardown=remember_profiles,
).pytest()
