"""Programs on a device other than the host: called with arrays of either, the result lies where the point does."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls
from jacchain.algebra.rule import Operand
from jacchain.errors import DeviceError
from jacchain.execution.assembly import Assembly
from jacchain.execution.backend import CPU, Backend
from jacchain.execution.graph.run import GraphExecutable, Result
from jacchain.execution.operation import Applied
from jacchain.execution.program import Program
from jacchain.execution.run import KEPT, Counted, Executable
from jacchain.execution.source import Facts, Source

QUEUES = 4
"""Queues of work that buffers are kept for; the oldest goes first."""


class _Buffered(Protocol):
    """What holds buffers."""

    def release(self) -> None:
        """Drop them."""


R = TypeVar("R", bound=_Buffered)


class Queues(Generic[R]):
    """One runner for every queue of a device, as the work of one does not wait for that of another.

    What is exhausted memory gives its buffers back, so that the next call finds all of it.
    """

    def __init__(self, make: Callable[[], R], backend: Backend, /) -> None:
        self.make = make
        self.backend = backend
        self.runs: dict[int, R] = {}

    def current(self) -> R:
        """Return the runner of the current queue, on the active device."""
        queue = self.backend.queue()
        found = self.runs.get(queue)
        if found is None:
            while len(self.runs) >= QUEUES:
                self.runs.pop(next(iter(self.runs)), None)
            found = self.runs[queue] = self.make()
        return found

    def release(self) -> None:
        """Drop all buffers."""
        for found in tuple(self.runs.values()):
            found.release()

    def on_device(self, work: Callable[[R], Any], /) -> Any:
        """Return the result of some work with the runner of the current queue."""
        try:
            with self.backend.active():
                return work(self.current())
        except DeviceError:
            self.release()
            raise


@final
class OnDevice:
    """A program bound to its layers on a device; see `Executable` for what is in common.

    A point and seeds of the host are brought to the device, and the result back, once each.
    """

    def __init__(self, make: Callable[[], Executable], backend: Backend, /) -> None:
        self.backend = backend
        self.queues = Queues(make, backend)
        first = make()  # without buffers, which are made with the first call
        self.program: Program = first.program
        self.dtype = first.dtype
        self.shape = first.shape
        self.accept = first.accept

    def __call__(
        self,
        point: Array,
        /,
        *,
        seeds: dict[str, Array] | None = None,
        out: Array | None = None,
        check: bool = False,
    ) -> Array:
        """Return the Jacobian at a point; `out` lies on the host or on the device."""
        if out is not None:
            self.accept(out, self.shape)
        target = out if out is None or self.backend.owns(out) else None
        is_host = isinstance(point if out is None else out, np.ndarray)

        def work(run: Executable) -> Array:
            found = run(point, seeds=seeds, out=target, check=check)
            return self.backend.fetch(found, out) if is_host else found

        return self.queues.on_device(work)

    def slices(self, point: Array, starts: Sequence[int], /, *, check: bool = False) -> Iterator[Array]:
        """Yield the slices of the Jacobian, on the device; it is active as long as that lasts."""
        return self.queues.current().slices(point, starts, check=check)

    def count(self, point: Array, /, *, seeds: dict[str, Array] | None = None) -> Counted:
        """Run once with every multiplication of products counted and every buffer weighed."""
        found: Counted = self.queues.on_device(lambda run: run.count(point, seeds=seeds))
        return found

    def release(self) -> None:
        """Drop the buffers; the next call makes them anew."""
        self.queues.release()


@final
class GraphOnDevice:
    """The program of a branching graph on a device; see `GraphExecutable` for what is in common.

    Arguments of the host are brought to the device, and where all are of the host, the results back, once each.
    """

    def __init__(self, make: Callable[[], GraphExecutable], backend: Backend, /) -> None:
        self.backend = backend
        self.queues = Queues(make, backend)
        first = make()  # without buffers, which are made with the first call
        self.program: Program = first.program
        self.dtype = first.dtype
        self.results: tuple[Result, ...] = first.results

    def __call__(self, arguments: Sequence[Array], /, *, check: bool = False) -> Array:
        """Return one flat array that holds all results."""
        is_host = all(isinstance(argument, np.ndarray) for argument in arguments)

        def work(run: GraphExecutable) -> Array:
            found = run(arguments, check=check)
            return self.backend.fetch(found) if is_host else found

        return self.queues.on_device(work)

    def operands(self, flat: Array, /) -> list[Operand]:
        """Return the results as matrices, on the device or the host like the array that holds them."""
        is_host = isinstance(flat, np.ndarray)

        def work(run: GraphExecutable) -> list[Operand]:
            fetch = self.backend.fetch
            return [
                Operand(structure, tuple(a if isinstance(a, np.ndarray) else fetch(a) for a in arrays))
                if is_host
                else Operand(structure, arrays)
                for structure, arrays in run.operands(flat)
            ]

        found: list[Operand] = self.queues.on_device(work)
        return found

    def count(self, arguments: Sequence[Array], /) -> Counted:
        """Run once with every multiplication of products counted and every buffer weighed."""
        found: Counted = self.queues.on_device(lambda run: run.count(arguments))
        return found

    def release(self) -> None:
        """Drop the buffers; the next call makes them anew."""
        self.queues.release()


def executable(
    program: Program,
    sources: Sequence[Source],
    facts: Sequence[Facts],
    dtype: "np.dtype[Any]",
    shape: tuple[int, ...],
    /,
    *,
    prologue: Calls = (),
    backend: Backend = CPU,
    kept: int = KEPT,
) -> Executable | OnDevice:
    """Return a program bound to its layers; see `Executable`.

    Raises
    ------
    DeviceError
        Steps that several workers share, on a device.
    """

    def make() -> Executable:
        return Executable(program, sources, facts, dtype, shape, prologue=prologue, backend=backend, kept=kept)

    if backend.device.kind == "cpu":
        return make()
    if program.lanes:
        raise DeviceError(
            f"workers share the steps on the host, but the arithmetic is done on {backend.device}",
            "leave workers= out, or use device='cpu'",
        )
    return OnDevice(make, backend)


def graph_executable(
    program: Program,
    nodes: Sequence[Applied],
    inputs: Sequence[int],
    dtype: "np.dtype[Any]",
    /,
    *,
    backend: Backend = CPU,
    assemblies: Sequence[Assembly] = (),
) -> GraphExecutable | GraphOnDevice:
    """Return a program bound to the nodes of an expression; see `GraphExecutable`."""

    def make() -> GraphExecutable:
        return GraphExecutable(program, nodes, inputs, dtype, backend=backend, assemblies=assemblies)

    return make() if backend.device.kind == "cpu" else GraphOnDevice(make, backend)
