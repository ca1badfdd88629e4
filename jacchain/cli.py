"""The command line: parse, call, print."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from jacchain import __version__
from jacchain.errors import CheckError, FileError, JacchainError, unknown_name
from jacchain.planning.plan import Plan
from jacchain.planning.planner import PLANNERS, as_chain, plan

if TYPE_CHECKING:
    from jacchain.workloads.problem import Problem

USAGE: Final = 2
SHELLS: Final = ("bash", "zsh", "fish")


class _WithExamples:
    """Help that begins with examples."""

    examples: tuple[str, ...]

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what click writes."""
        with formatter.section("Examples"):
            formatter.write_text("\b\n" + "\n".join(self.examples))
        formatter.write_paragraph()
        super().format_help(ctx, formatter)  # type: ignore[misc]  # mixed into click commands only


class _Command(_WithExamples, click.Command):
    """A command whose help begins with examples."""


class _Group(_WithExamples, click.Group):
    """A group whose help begins with examples."""


class CommandLineError(JacchainError):
    """A command line that asks for something that does not exist."""

    exit_code = USAGE


@contextmanager
def _as_usage() -> Iterator[None]:
    """Turn an error about a value of the command line into a usage problem."""
    try:
        yield
    except JacchainError as error:
        raise CommandLineError(error.what, error.cure) from None


def _sizes(_ctx: click.Context, _option: click.Parameter, text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not re.fullmatch(r"[+-]?[0-9]{1,1000}", part):
            raise CommandLineError(
                f"{part!r} in --dims is not a whole number", "write sizes with commas, such as 13,16,1"
            )
    sizes = [int(part) for part in parts]
    with _as_usage():
        as_chain(sizes)
    return sizes


def _planner(_ctx: click.Context, _option: click.Parameter, name: str) -> str:
    if name not in PLANNERS:
        with _as_usage():
            unknown_name("planner", name, PLANNERS)
    return name


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator for several options."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _completing(*words: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a shell completion from fixed words."""
    return lambda _ctx, _parameter, start: [word for word in words if word.startswith(start)]


_shared = _options(
    click.option(
        "--planner",
        default="optimal",
        show_default=True,
        metavar="NAME",
        callback=_planner,
        shell_complete=_completing(*PLANNERS),
        help=f"One of {', '.join(PLANNERS)}.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    examples=(
        "jacchain plan --dims 13,16,1          the cheapest order for three sizes",
        "jacchain plan chain.json --json       the same for a file, as JSON",
        "jacchain run wine --check             run a real gradient and check it",
        'eval "$(jacchain completion bash)"    complete words in this shell',
    ),
)
@click.version_option(__version__, prog_name="jacchain", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main_group(debug: bool) -> None:
    """Find the cheapest order in which to accumulate a Jacobian, and run it."""


@main_group.command(
    "plan",
    cls=_Command,
    short_help="Plan a chain of sizes, or of a file.",
    examples=(
        "jacchain plan --dims 13,16,1",
        "jacchain plan --dims 784,256,32,256,784 --planner reverse",
        "jacchain plan --dims 784,256,32,256,784 --tangents 1",
        "jacchain plan chain.toml --json",
        "cat chain.json | jacchain plan -",
    ),
)
@click.argument("file", required=False)
@click.option("--dims", callback=_sizes, metavar="D0,D1,...", help="Sizes of the vertices of a dense chain.")
@click.option("--tangents", type=int, metavar="P", help="Plan the product with P tangents.")
@click.option("--adjoints", type=int, metavar="Q", help="Plan the product with Q adjoints.")
@_shared
def plan_command(
    file: str | None, dims: list[int] | None, tangents: int | None, adjoints: int | None, planner: str, as_json: bool
) -> None:
    """Plan the chain of the sizes, or of FILE: JSON or TOML of schema jacchain.chain/v1, - for standard input."""
    if (file is None) == (dims is None):
        raise CommandLineError(
            "no chain to plan" if file is None else "a FILE and --dims together",
            "give either --dims, such as --dims 13,16,1, or a chain file",
        )
    problem = dims if file is None else _read_chain(file)
    with _as_usage():
        for name, count in (("--tangents", tangents), ("--adjoints", adjoints)):
            if count is not None and count < 1:
                raise CommandLineError(f"{name} is {count}", "give a whole number of at least 1")
    found = plan(problem or (), planner=planner, tangents=tangents, adjoints=adjoints)
    _echo(found.to_json() if as_json else _plan_text(found))


@main_group.command(
    "run",
    cls=_Command,
    short_help="Run a built-in problem and time its orders.",
    examples=(
        "jacchain run wine --check",
        "jacchain run wine --hidden 1024 --planner forward",
        "jacchain run autoencoder --dims 2048,512,16,512,2048",
        "jacchain run chain --seed 7 --json",
    ),
)
@click.argument(
    "workload", metavar="wine|autoencoder|chain", shell_complete=_completing("wine", "autoencoder", "chain")
)
@click.option("--hidden", type=int, metavar="H", help="Hidden units of wine.  [default: 16]")
@click.option("--dims", callback=_sizes, metavar="D0,D1,...", help="Sizes of autoencoder or chain.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights.")
@click.option(
    "--dtype",
    metavar="float32|float64",
    shell_complete=_completing("float32", "float64"),
    help="Of all arrays.  [default: the workload's own]",
)
@click.option("--check", is_flag=True, help="Compare with central differences; exit code 4 if they differ.")
@_shared
def run_command(
    workload: str,
    hidden: int | None,
    dims: list[int] | None,
    seed: int,
    dtype: Any,
    check: bool,
    planner: str,
    as_json: bool,
) -> None:
    """Run a built-in problem by a planner, by forward and by reverse mode, timed in turn."""
    from jacchain.workloads.workload import Settings
    from jacchain.workloads.workload import workload as load

    with _as_usage():
        problem = load(workload, Settings(hidden, dims, seed, dtype))
    _echo(_run_json(problem, planner, check) if as_json else _run_text(problem, planner, check))


@main_group.command(
    "completion",
    cls=_Command,
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


def _read_chain(file: str) -> Any:
    from jacchain.planning.document import chain_from_text

    if file == "-":
        if sys.stdin is None:
            raise FileError("standard input is closed", "pipe a chain file into it")
        return chain_from_text(sys.stdin.buffer.read(), source="standard input")
    try:
        with open(file, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise FileError(
            f"cannot read {file}: {error.strerror}", "give the path of a chain file, or - to read it from a pipe"
        ) from None
    return chain_from_text(content, source=file)


PLAIN: Final = {"→": "->", "⊗": "(x)", "…": "..."}
"""What stands for a sign that the output cannot show."""


def _echo(text: str) -> None:
    """Print text, with plain signs where the output's encoding lacks the right ones."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        for sign, plain in PLAIN.items():
            text = text.replace(sign, plain)
    click.echo(text)


def _plan_text(found: Plan) -> str:
    from jacchain.report.text import plan_text

    return _styled(plan_text(found))


def _styled(text: str) -> str:
    """Return text with its first words bold, where a terminal shows it and colour is welcome."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    lines = []
    for line in text.split("\n"):
        word, gap, rest = line.partition(" ")
        lines.append(click.style(word, bold=True) + gap + rest if word and gap else line)
    return "\n".join(lines)


def _measured(problem: "Problem", planner: str, check: bool) -> tuple[Any, ...]:
    from jacchain.workloads.differences import compare
    from jacchain.workloads.race import race

    planners = list(dict.fromkeys([planner, "forward", "reverse"]))
    with _progress(f"running {problem.name}") as tick:
        laps = race(problem, planners, tick=tick)
        result = problem.derivative(planner)(problem.point)
        difference = compare(problem.function, problem.point, result) if check else None
    return laps, result, difference


def _run_text(problem: "Problem", planner: str, check: bool) -> str:
    from jacchain.report.text import run_text

    laps, result, difference = _measured(problem, planner, check)
    text = _styled(run_text(problem, laps, result.reshape(-1)[:3].tolist(), difference))
    _verdict(difference, text)
    return text


def _run_json(problem: "Problem", planner: str, check: bool) -> str:
    from jacchain.report.document import run_to_json

    laps, result, difference = _measured(problem, planner, check)
    text = run_to_json(problem, laps, result, difference)
    _verdict(difference, text)
    return text


def _verdict(difference: Any, text: str) -> None:
    if difference is not None and not difference.agrees:
        _echo(text)
        raise CheckError(
            f"the derivative differs from central differences by {difference.error:.1e}",
            "this is a defect of jacchain: please report it with the command you ran",
        )


@contextmanager
def _progress(what: str, stream: TextIO | None = None) -> Iterator[Callable[[], None]]:
    """Show on a terminal, once a second has passed, that work goes on."""
    from time import monotonic

    shown = stream or sys.stderr
    if not shown.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    start = monotonic()
    with Progress(console=Console(file=shown), transient=True, disable=False) as bar:
        task = bar.add_task(what, total=None, visible=False)

        def tick() -> None:
            bar.update(task, visible=monotonic() - start > 1)

        yield tick


def main() -> None:
    """Run the command line; every error is two lines and an exit code."""
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
    except Exception as error:
        _fail(f"{type(error).__name__}: {error}", "run again with 'jacchain --debug ...' to see where", 1)


def _fail(what: str, cure: str, code: int) -> None:
    if "--debug" in sys.argv[1:]:
        import traceback

        traceback.print_exc()
    click.echo(f"error: {what}\n  {cure}", err=True)
    sys.exit(code)
