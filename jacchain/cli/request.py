"""What a command line asks to be planned: a chain by its sizes, a chain or graph from a file, seeds, and limits."""

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, final

import click

from jacchain.cli.command import LIMITS, PRICES, SEARCHES, SEEDS, CommandLineError, as_usage, dims, orders, together
from jacchain.errors import FileError
from jacchain.planning.comparison import Rival, compare_planners
from jacchain.planning.cost import Cost
from jacchain.planning.elimination.chained import is_path
from jacchain.planning.elimination.graph_comparison import GraphRival, compare_graph_planners
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph, refuse_options
from jacchain.planning.graph import Chain, Graph, seeded
from jacchain.planning.plan import Plan
from jacchain.planning.planner import as_chain, plan

if TYPE_CHECKING:
    from jacchain.planning.second.chains.chain_plan import ChainHessianPlan

P = TypeVar("P", Plan, GraphPlan, "ChainHessianPlan")


@final
class ChainComparison(NamedTuple):
    """A chain, and what every planner makes of it."""

    problem: Chain
    rivals: tuple[Rival, ...]


@final
class GraphComparison(NamedTuple):
    """A graph, and what every planner makes of it."""

    problem: Graph
    rivals: tuple[GraphRival, ...]


@final
class Request(NamedTuple):
    """A chain or a graph, and the conditions for its plan; None where the command line says nothing."""

    file: str | None
    dims: list[int] | None
    tangents: int | None
    adjoints: int | None
    tape_limit: int | None
    memory: int | None
    workers: int | None
    chunk_size: int | None
    seconds: float | None
    seed: int | None
    unit_free: bool | None
    order: int | None
    both_halves: bool | None
    cost: Cost | None
    profile: str | None

    def planned(self, planner: str | None, content: bytes | None = None, /) -> Plan | GraphPlan:
        """Return a planner's plan of the chain or graph, whose file may have been read already."""
        self._refuse_second()
        problem = self.problem(content)
        asked = partial(
            plan,
            planner=planner,
            tape_limit=self.tape_limit,
            memory=self.memory,
            workers=self.workers,
            chunk_size=self.chunk_size,
            tangents=self.tangents,
            adjoints=self.adjoints,
            seconds=self._seconds,
            seed=self.seed or 0,
            unit_free=bool(self.unit_free),
            cost=self._cost,
            profile=self.profile,
        )
        with as_usage():
            return asked(problem)

    def planned_or_read(self, planner: str | None, content: bytes | None = None, /) -> Plan | GraphPlan:
        """Return the plan of a plan file as it stands, or a planner's plan of a chain or graph."""
        if self.file is None:
            return self.planned(planner)
        content = read(self.file) if content is None else content
        return self._read(content, planner) or self.planned(planner, content)

    def eliminated(self, planner: str | None, /) -> GraphPlan:
        """Return the plan of a graph, be it a path, as an order of elimination."""
        self._refuse_second()
        content = None if self.file is None else read(self.file)
        found = None if content is None else self._read(content, planner)
        if isinstance(found, GraphPlan):
            return found
        problem = None if found is not None else self.problem(content)
        if not isinstance(problem, Graph):
            raise CommandLineError(
                "a chain where a graph is drawn", "give a graph's file, or draw the tree of the chain"
            )
        with as_usage():
            refuse_options(self._of_chains)
            return plan_graph(
                problem,
                planner=planner or "auto",
                seconds=self._seconds,
                seed=self.seed or 0,
                unit_free=bool(self.unit_free),
                tape_limit=self.tape_limit,
                cost=self._cost,
                profile=self.profile,
            )

    def compared(self) -> ChainComparison | GraphComparison:
        """Return the chain or graph that is planned, and what every planner makes of it."""
        self._refuse_second()
        problem = self.problem()
        if isinstance(problem, Graph) and (self.unit_free or not is_path(problem)):
            with as_usage():
                refuse_options(self._of_chains)
                return GraphComparison(
                    problem,
                    compare_graph_planners(
                        problem,
                        seconds=self._seconds,
                        seed=self.seed or 0,
                        unit_free=bool(self.unit_free),
                        tape_limit=self.tape_limit,
                        memory=self.memory,
                        cost=self._cost,
                        profile=self.profile,
                    ),
                )
        chain = as_chain(problem)
        with as_usage():
            rivals = compare_planners(
                chain,
                tape_limit=self.tape_limit,
                memory=self.memory,
                workers=self.workers,
                chunk_size=self.chunk_size,
                tangents=self.tangents,
                adjoints=self.adjoints,
                cost=self._cost,
                profile=self.profile,
            )
        return ChainComparison(seeded(chain, tangents=self.tangents, adjoints=self.adjoints), rivals)

    def traded(self, planner: str, /) -> tuple[Plan, ...]:
        """Return a planner's plans under ever smaller memory limits."""
        from jacchain.planning.tradeoff import tradeoff

        given = {"--memory": self.memory, "--workers": self.workers, "--chunk-size": self.chunk_size}
        for name, value in (given | {"--cost": self.cost, "--profile": self.profile}).items():
            if value is not None:
                raise CommandLineError(f"{name} where all memory limits are tried", f"leave out {name}")
        self._refuse_second()
        problem = self.problem()
        with as_usage():
            return tradeoff(
                as_chain(problem),
                planner=planner,
                tape_limit=self.tape_limit,
                tangents=self.tangents,
                adjoints=self.adjoints,
            )

    @property
    def is_graph(self) -> bool:
        """Whether the file is a graph, or the plan of one."""
        content = b"" if self.file in (None, "-") else read(self.file or "")
        return _is_graph(content) or _schema(content).startswith("jacchain.graph-plan/")

    @property
    def is_second(self) -> bool:
        """Whether second derivatives are asked for."""
        return self.order == 2

    @property
    def _cost(self) -> Cost:
        return self.cost or "multiplications"

    @property
    def _seconds(self) -> float:
        return 1.0 if self.seconds is None else self.seconds

    @property
    def _of_chains(self) -> dict[str, object]:
        """The options given that graphs do not have."""
        own = {name: getattr(self, name) for name in ("workers", "chunk_size", "tangents", "adjoints")}
        return {name: value for name, value in own.items() if value is not None}

    def _read(self, content: bytes, planner: str | None) -> Plan | GraphPlan | None:
        """Return the plan of a plan file; None for another file."""
        schema = _schema(content)
        is_graph = schema.startswith("jacchain.graph-plan/")
        if not is_graph and not schema.startswith("jacchain.plan/"):
            return None
        file = self.file or "-"
        if planner is not None or any(value is not None for value in self[1:]):
            raise CommandLineError(
                f"{file} is a plan already, and options to make one", "give the plan alone, or a chain or graph"
            )
        return plan_of(GraphPlan, file, content) if is_graph else plan_of(Plan, file, content)

    def problem(self, content: bytes | None = None, /) -> Chain | Graph:
        """Return the chain or graph that is to be planned, whose file may have been read already."""
        if (self.file is None) == (self.dims is None):
            raise CommandLineError(
                "no chain to plan" if self.file is None else "a FILE and --dims together",
                "give either --dims, such as --dims 13,16,1, or the file of a chain or graph",
            )
        if self.file is None:
            self._refuse_searches()
            return as_chain(self.dims or ())
        found = read(self.file) if content is None else content
        source = "standard input" if self.file == "-" else self.file
        if _is_graph(found):
            from jacchain.planning.graph_document import graph_from_text

            return graph_from_text(found, source=source)
        from jacchain.planning.document import chain_from_text

        self._refuse_searches()
        return chain_from_text(found, source=source)

    def _refuse_second(self) -> None:
        """Raise the error of what is for plans of order 2 alone, or of such a plan where there is none."""
        if self.is_second:
            raise CommandLineError("--order 2 for what shows plans of order 1", "leave out --order")
        if self.both_halves is not None:
            raise CommandLineError("--both-halves for a plan of order 1", "leave it out, or give --order 2")

    def _refuse_searches(self) -> None:
        """Raise the error of options that a chain has no use for."""
        for name in ("seconds", "seed", "unit_free"):
            if getattr(self, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise CommandLineError(f"{option} for a chain", f"leave out {option}: it is for graphs")


def requested(command: Callable[..., Any], /, *, is_second: bool = True) -> Callable[..., Any]:
    """Give a command FILE, --dims, the order, seeds and limits; it is called with a Request."""

    def called(**options: Any) -> Any:
        asked = Request(*(options.pop(name) for name in Request._fields))
        return command(request=asked, **options)

    called.__doc__ = command.__doc__
    called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]  # click's own
    file = click.argument("file", required=False)
    sizes = dims("Sizes of the vertices of a dense chain.")
    decorated: Callable[..., Any] = together(
        file, sizes, orders(hidden=not is_second), SEEDS, LIMITS, SEARCHES, PRICES
    )(called)
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


def is_hessian_plan(content: bytes | None, /) -> bool:
    """Whether a file is the plan of a chain's Hessian."""
    return content is not None and _schema(content).startswith("jacchain.hessian-plan/")


def plan_of(kind: type[P], file: str, content: bytes, /) -> P:
    """Return the plan of a chain's or a graph's plan file; errors name the file."""
    try:
        return kind.from_json(content)
    except FileError as error:
        where = "standard input" if file == "-" else file
        raise FileError(f"{where}: {error.what}", error.cure) from None


@lru_cache(maxsize=1)  # one command asks several times what kind of document its file is
def _document(content: bytes) -> Mapping[str, object]:
    """Return the fields of a document; none if it is no document, as reading it as a chain says in full."""
    from jacchain.planning.document import decoded

    try:
        found = decoded(content, "the file")
    except FileError:
        return {}
    return found if isinstance(found, dict) else {}


def _schema(content: bytes) -> str:
    return str(_document(content).get("schema", ""))


def _is_graph(content: bytes) -> bool:
    """Whether a document says that it is a graph, of whatever version, or has the vertices of one."""
    found = _document(content)
    if "schema" in found:
        return str(found["schema"]).startswith("jacchain.graph/")
    return "vertices" in found
