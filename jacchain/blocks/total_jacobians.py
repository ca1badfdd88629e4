"""The Jacobians of a graph of blocks, by output and input."""

from collections.abc import Iterator, Mapping
from typing import Any, final, overload

from jacchain.execution.graph.run import GraphExecutable
from jacchain.execution.program import Program
from jacchain.execution.run import Counted
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.graph import Vertex


@final
class TotalJacobians(Mapping[Vertex, Mapping[Vertex, Any]]):
    """Total Jacobians by output and input: ``found["Y"]["Z"]``, or ``found["Y", "Z"]``. Made by `compose`.

    Attributes
    ----------
    plan : GraphPlan
        The order of multiplications, with its cost, its peak and what other orders cost. The program may take fewer:
        it makes equal products once.
    run : GraphExecutable or None
        The program, bound to the blocks; None where nothing has to be computed.
    """

    __slots__ = ("_found", "plan", "run")

    def __init__(
        self, found: Mapping[Vertex, Mapping[Vertex, Any]], plan: GraphPlan, run: GraphExecutable | None, /
    ) -> None:
        self._found = found
        self.plan = plan
        self.run = run

    @property
    def program(self) -> Program | None:
        """The instructions that were run; None where nothing has to be computed."""
        return None if self.run is None else self.run.program

    def count(self) -> Counted:
        """Run once more with every multiplication counted and every buffer weighed."""
        return Counted(0, 0) if self.run is None else self.run.count(())

    @overload
    def __getitem__(self, key: tuple[Vertex, Vertex], /) -> Any: ...
    @overload
    def __getitem__(self, key: Vertex, /) -> Mapping[Vertex, Any]: ...
    def __getitem__(self, key: Vertex | tuple[Vertex, Vertex], /) -> Any:
        """Return the Jacobians of an output by input, or one of them.

        Raises
        ------
        KeyError
            It was not asked for.
        """
        match key:
            case (output, source):
                return self._found[output][source]
            case tuple():
                raise KeyError(key)
            case _:
                return self._found[key]

    def __iter__(self) -> Iterator[Vertex]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __str__(self) -> str:
        inputs = next(iter(self._found.values()))
        return f"{', '.join(map(str, self))} from {', '.join(map(str, inputs))}\n{self.plan}"
