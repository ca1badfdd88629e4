"""What a command line asks to be planned: a chain by its sizes or from a file, seeds, and limits."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, final

import click

from jacchain.cli.command import LIMITS, SEEDS, CommandLineError, as_usage, dims, together
from jacchain.errors import FileError
from jacchain.planning.comparison import Rival, compare_planners
from jacchain.planning.graph import Chain, seeded
from jacchain.planning.plan import Plan
from jacchain.planning.planner import as_chain, plan


@final
class Request(NamedTuple):
    """A chain and the conditions for its plan."""

    file: str | None
    dims: list[int] | None
    tangents: int | None
    adjoints: int | None
    tape_limit: int | None
    memory: int | None
    workers: int | None
    chunk_size: int | None

    def planned(self, planner: str, content: bytes | None = None, /) -> Plan:
        """Return a planner's plan of the chain, whose file may have been read already."""
        problem = self._problem(content)
        with as_usage():
            return plan(
                problem,
                planner=planner,
                tape_limit=self.tape_limit,
                memory=self.memory,
                workers=self.workers,
                chunk_size=self.chunk_size,
                tangents=self.tangents,
                adjoints=self.adjoints,
            )

    def planned_or_read(self, planner: str | None, /) -> Plan:
        """Return the plan of a plan file as it stands, or a planner's plan of a chain."""
        if self.file is None:
            return self.planned(planner or "optimal")
        content = read(self.file)
        if not _is_plan(content):
            return self.planned(planner or "optimal", content)
        if planner is not None or any(value is not None for value in self[1:]):
            raise CommandLineError(
                f"{self.file} is a plan already, and options to make one", "give the plan alone, or a chain"
            )
        return plan_from_file(self.file, content)

    def compared(self) -> tuple[Chain, tuple[Rival, ...]]:
        """Return the chain that is planned, and what every planner makes of it."""
        chain = as_chain(self._problem())
        with as_usage():
            rivals = compare_planners(
                chain,
                tape_limit=self.tape_limit,
                memory=self.memory,
                workers=self.workers,
                chunk_size=self.chunk_size,
                tangents=self.tangents,
                adjoints=self.adjoints,
            )
        return seeded(chain, tangents=self.tangents, adjoints=self.adjoints), rivals

    def traded(self, planner: str, /) -> tuple[Plan, ...]:
        """Return a planner's plans under ever smaller memory limits."""
        from jacchain.planning.tradeoff import tradeoff

        for name, value in (("--memory", self.memory), ("--workers", self.workers), ("--chunk-size", self.chunk_size)):
            if value is not None:
                raise CommandLineError(f"{name} where all memory limits are tried", f"leave out {name}")
        problem = self._problem()
        with as_usage():
            return tradeoff(
                problem,
                planner=planner,
                tape_limit=self.tape_limit,
                tangents=self.tangents,
                adjoints=self.adjoints,
            )

    def _problem(self, content: bytes | None = None, /) -> Chain:
        if (self.file is None) == (self.dims is None):
            raise CommandLineError(
                "no chain to plan" if self.file is None else "a FILE and --dims together",
                "give either --dims, such as --dims 13,16,1, or a chain file",
            )
        if self.file is None:
            return as_chain(self.dims or ())
        from jacchain.planning.document import chain_from_text

        found = read(self.file) if content is None else content
        return chain_from_text(found, source="standard input" if self.file == "-" else self.file)


def requested(command: Callable[..., Any], /) -> Callable[..., Any]:
    """Give a command FILE, --dims, seeds and limits; it is called with a Request."""

    def called(**options: Any) -> Any:
        asked = Request(*(options.pop(name) for name in Request._fields))
        return command(request=asked, **options)

    called.__doc__ = command.__doc__
    called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]  # click's own
    file = click.argument("file", required=False)
    decorated: Callable[..., Any] = together(file, dims("Sizes of the vertices of a dense chain."), SEEDS, LIMITS)(
        called
    )
    return decorated


def read(file: str, /) -> bytes:
    """Return what a file holds, or standard input for ``-``."""
    if file == "-":
        if sys.stdin is None:
            raise FileError("standard input is closed", "pipe a file into it")
        return sys.stdin.buffer.read()
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise FileError(
            f"cannot read {file}: {error.strerror}", "give the path of a file, or - to read it from a pipe"
        ) from None


def plan_from_file(file: str, content: bytes, /) -> Plan:
    """Return the plan of a plan file; errors name the file."""
    try:
        return Plan.from_json(content)
    except FileError as error:
        where = "standard input" if file == "-" else file
        raise FileError(f"{where}: {error.what}", error.cure) from None


def _is_plan(content: bytes) -> bool:
    """Whether a document says that it is a plan, of whatever version."""
    from jacchain.planning.document import decoded

    try:
        found = decoded(content, "the file")
    except FileError:
        return False  # reading it as a chain says what is wrong with it
    return isinstance(found, dict) and str(found.get("schema", "")).startswith("jacchain.plan/")
