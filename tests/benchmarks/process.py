"""The command line as a whole process."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.contender import Contender
from benchmarks.row import Row
from benchmarks.target import Target

PLAN = ("plan", "--dims", "13,16,1")


def row(*, peers: bool) -> Row:
    """Return the row of `jacchain plan` against starting Python."""
    ours, bare, start = "jacchain plan --dims 13,16,1", "python -c pass", "python -c 'import numpy'"
    contenders = [
        Contender(bare, "plain", partial(_run, sys.executable, "-c", "pass"), answer=None),
        Contender(ours, "jacchain", partial(_run, *_jacchain(), *PLAN), answer=None),
        Contender(start, "other", partial(_run, sys.executable, "-c", "import numpy"), answer=None),
    ]
    return Row("process", f"{ours}, whole process", contenders, [Target(ours, (), 0.3)])


def _jacchain() -> list[str]:
    """Return the installed command, or the module where the command is not beside this Python."""
    script = Path(sys.executable).with_name("jacchain")
    return [str(script)] if script.exists() else [sys.executable, "-c", "from jacchain.cli import main; main()"]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
