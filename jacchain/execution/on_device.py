"""Programs on a device other than the host: called with arrays of either, the result lies where the point does."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls
from jacchain.algebra.rule import Operand
from jacchain.errors import DeviceError, OptionError
from jacchain.execution.assembly import Assembly
from jacchain.execution.backend import CPU, Backend
from jacchain.execution.graph.run import GraphExecutable, Result
from jacchain.execution.operation import Applied
from jacchain.execution.program import Program
from jacchain.execution.queues import Queues
from jacchain.execution.run import KEPT, Counted, Executable
from jacchain.execution.source import Facts, Source


@final
class OnDevice:
    """A program bound to its layers on a device; see `Executable` for what is in common.

    A point and seeds of the host are brought to the device, and the result back, once each.

    Parameters
    ----------
    make : callable
        Returns a program of its own, for one queue.
    backend : Backend
    otherwise : Executable, optional
        What runs on the host from when the device refuses, for want of memory or of a function.
    """

    def __init__(
        self, make: Callable[[], Executable], backend: Backend, otherwise: Executable | None = None, /
    ) -> None:
        self.backend = backend
        self.queues = Queues(make, backend)
        self.otherwise = otherwise
        self.is_refused = False
        first = self.queues.current()  # without buffers, which are made with the first call
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

        if self.otherwise is None or not is_host:
            return self.queues.on_device(work)
        if not self.is_refused:
            try:
                return self.queues.on_device(work)
            except (DeviceError, OptionError):
                self.is_refused = True
        return self.otherwise(point, seeds=seeds, out=out, check=check)

    def slices(self, point: Array, starts: Sequence[int], /, *, check: bool = False) -> Generator[Array]:
        """Yield the slices of the Jacobian, on the device; it is active as long as that lasts."""
        return self.queues.current().slices(point, starts, check=check)

    def count(self, point: Array, /, *, seeds: dict[str, Array] | None = None) -> Counted:
        """Run once with every multiplication of products counted and every buffer weighed."""
        if self.otherwise is not None and self.is_refused:
            return self.otherwise.count(point, seeds=seeds)
        found: Counted = self.queues.on_device(lambda run: run.count(point, seeds=seeds))
        return found

    def release(self) -> None:
        """Drop the buffers; the next call makes them anew, and tries the device again."""
        self.is_refused = False
        self.queues.release()
        if self.otherwise is not None:
            self.otherwise.release()


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
    again: Callable[[], tuple[Sequence[Source], Calls]] | None = None,
    otherwise: Executable | None = None,
) -> Executable | OnDevice:
    """Return a program bound to its layers; see `Executable`, and of a device's `OnDevice`.

    Parameters
    ----------
    again : callable, optional
        Returns the layers with converted parameters of their own, and the calls that refresh these: what refreshes them
        in one queue does not wait for another queue that still reads them.

    Raises
    ------
    DeviceError
        Steps that several workers share, on a device.
    """
    given = [(sources, prologue)]

    def make() -> Executable:
        if again is None or not prologue:
            mine, calls = sources, prologue
        else:  # the first takes what was converted already
            mine, calls = given.pop() if given else again()
        return Executable(program, mine, facts, dtype, shape, prologue=calls, backend=backend, kept=kept)

    if backend.device.kind == "cpu":
        return make()
    if program.lanes:
        raise DeviceError(
            f"workers share the steps on the host, but the arithmetic is done on {backend.device}",
            "leave workers= out, or use device='cpu'",
        )
    return OnDevice(make, backend, otherwise)


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
