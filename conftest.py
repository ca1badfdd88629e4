"""Every Python and console block of README and docs runs; pytest itself runs the doctests of the package."""

import shlex
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker

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


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=FLAGS), CodeBlockParser("console", run_console)],
    patterns=["*.md"],
).pytest()
