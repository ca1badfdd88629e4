"""Running a program for one chunk of points after the other, each leaving its blocks where they belong."""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls, run
from jacchain.execution.backend import Backend
from jacchain.execution.bind import Binding, Group
from jacchain.execution.count import CountingKernels
from jacchain.execution.fusion import fused
from jacchain.execution.program import Program
from jacchain.execution.queues import Queues
from jacchain.execution.run import Counted, accept, apart, kept_within
from jacchain.execution.source import Shape
from jacchain.prepared import Prepared

COPIED: Final = 1 << 17
"""Bytes of a chunk's blocks up to which they are copied to their place; above, calls that write there are cheaper."""

REMEMBERED: Final = 256
"""Chunks whose calls are kept with the array that they write to."""

BOUND: Final = 4
"""Programs that stay bound for other numbers of points, to the same buffers."""


class Piece(NamedTuple):
    """A program for so many points at once, and its layers."""

    program: Program
    ready: Prepared
    points: int

    @property
    def result_shape(self) -> Shape:
        """The blocks of the points, as a stack of matrices."""
        structure = self.program.registers[self.program.result].structure
        return (self.points, structure.rows // self.points, structure.columns // self.points)

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks."""
        return self.program.result_bytes

    @property
    def is_copied(self) -> bool:
        """Whether blocks are made in the workspace first."""
        return self.nbytes <= COPIED

    def flops(self, chunks: int, /) -> int:
        """Return the multiplications for so many chunks: what does not depend on the points is made once."""
        steps = self.program.instructions
        once = sum(step.flops for step in steps[: self.program.once])
        return (once if chunks else 0) + chunks * sum(step.flops for step in steps[self.program.once :])


Pieces = Callable[[int], Piece]
"""Returns the program for so many points at once."""


class _Span(NamedTuple):
    """The first and last points of a chunk."""

    start: int
    stop: int

    @property
    def points(self) -> int:
        """How many."""
        return self.stop - self.start


@final
class _Kept:
    """A result, and the calls that fill it, for each chunk."""

    __slots__ = ("array", "calls", "idle")

    def __init__(self, array: Array, calls: list[Calls]) -> None:
        self.array = array
        self.calls = calls
        self.idle = -1  # references, counted when whoever made this holds none

    def is_free(self, backend: Backend) -> bool:
        """Whether nobody but the calls refers to the array or a view of it."""
        return 0 <= self.idle == backend.references(self.array)


class _Bound(NamedTuple):
    """A piece bound to buffers, and where its blocks are copied an array for them and the calls that fill it."""

    binding: Binding
    blocks: Array
    tail: Calls


@final
class _Workspace:
    """Buffers for one run at a time, shared by the pieces for one number of points."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.bound: dict[int, _Bound] = {}
        self.count = 0
        self.spans: list[_Span] = []
        self.kept: list[_Kept] = []

    @property
    def nbytes(self) -> int:
        """Bytes held besides results."""
        held: int = sum(bound.blocks.nbytes for bound in self.bound.values() if bound.blocks is not None)
        return held + max((bound.binding.nbytes for bound in self.bound.values()), default=0)

    def turn_to(self, count: int, spans: list[_Span], pieces: Sequence[Piece], *, others: int) -> None:
        """Bind the pieces for so many points, the one that needs the most first; so many others stay bound."""
        self.count, self.spans, self.kept = 0, spans, []
        wanted = [piece.points for piece in pieces]
        unwanted = [points for points in self.bound if points not in wanted]
        for points in unwanted[: max(0, len(unwanted) - others)]:
            del self.bound[points]
        held = max((bound.binding.nbytes for bound in self.bound.values()), default=0)
        if held < max(piece.program.workspace for piece in pieces):
            self.bound = {}
        memory = next((bound.binding.memory for bound in self.bound.values()), None)
        for piece in sorted(pieces, key=lambda piece: -piece.program.workspace):
            if piece.points not in self.bound:
                self.bound[piece.points] = self._bind(piece, memory)
            memory = self.bound[piece.points].binding.memory
        self.count = count

    def _bind(self, piece: Piece, memory: Array) -> _Bound:
        ready = piece.ready
        binding = Binding(piece.program, ready.sources, ready.facts, ready.dtype, self.backend, memory=memory)
        if not piece.is_copied:
            return _Bound(binding, None, ())
        blocks = self.backend.kernels.xp.empty(piece.result_shape, ready.dtype)
        return _Bound(binding, blocks, _calls(binding, blocks))


@final
class _Held:
    """What is held for one queue of work: programs for layers whose converted parameters are its own, and buffers."""

    __slots__ = ("idle", "piece", "ready")

    def __init__(self, piece: Pieces, ready: Prepared) -> None:
        self.piece = piece
        self.ready = ready
        self.idle: list[_Workspace] = []

    def release(self) -> None:
        """Drop the buffers."""
        self.idle.clear()


def _counted(counting: CountingKernels, groups: Iterable[Group]) -> int:
    """Run groups, and return what their products cost, and their local Jacobians by what is stated of these."""
    total = 0
    for group in groups:
        before = counting.multiplications
        run(group.calls)
        match group.instruction.op:
            case "multiply" | "blocks":
                total += counting.multiplications - before
            case "local":
                total += group.instruction.flops
            case _:
                pass
    return total


def _popped(idle: list[_Workspace]) -> _Workspace | None:
    try:
        return idle.pop()  # at once, whatever other threads do
    except IndexError:
        return None


def _calls(binding: Binding, result: Array) -> Calls:
    """Return the calls that write the blocks into a result, as few as may be."""
    return fused(binding.backend.kernels, tuple(call for group in binding.tail(result) for call in group.calls))


@final
class Chunks:
    """Programs for chunks of points, ready to be called with any number of points of one shape and dtype.

    Calls may overlap in threads: each takes a workspace of its own, and gives it back. What is bound and which results
    are kept for reuse is for the last number of points.

    Parameters
    ----------
    piece : callable
        The program for so many points at once.
    size : int
        Points of a chunk; the last one may be smaller.
    ready : Prepared
        The layers at one point.
    shape : tuple of int
        Of the result at one point.
    backend : Backend
        Where the arithmetic is done.
    memory : int, optional
        Bytes that may be held, results kept for reuse among them.
    again : callable
        Returns programs and layers for one more queue of the device's work, with converted parameters of their own.
    """

    def __init__(
        self,
        piece: Pieces,
        size: int,
        ready: Prepared,
        shape: Shape,
        backend: Backend,
        /,
        *,
        memory: int | None = None,
        again: Callable[[], tuple[Pieces, Prepared]],
    ) -> None:
        given = [(piece, ready)]
        self.queues = Queues(lambda: _Held(*(given.pop() if given else again())), backend)
        self.piece = piece
        self.size = size
        self.ready = ready
        self.shape = shape
        self.backend = backend
        self.memory = memory

    def pieces(self, count: int, piece: Pieces | None = None, /) -> tuple[Piece, ...]:
        """Return what so many points are made by: most chunks by one program, a smaller last one by its own."""
        found = piece or self.piece
        return tuple(found(points) for points in dict.fromkeys(span.points for span in self._spans(count)))

    def flops(self, count: int, /) -> int:
        """Return the predicted multiplications for so many points."""
        sizes = [span.points for span in self._spans(count)]
        return sum(piece.flops(sizes.count(piece.points)) for piece in self.pieces(count))

    def beside(self, count: int, /) -> int:
        """Return the predicted bytes of workspace and converted parameters."""
        pieces = self.pieces(count)
        copies = sum(piece.nbytes for piece in pieces if piece.is_copied)
        return copies + max(piece.program.workspace + piece.program.extra for piece in pieces)

    def peak(self, count: int, /) -> int:
        """Return the predicted bytes of all that is held, with the result."""
        return self.beside(count) + self._nbytes(count)

    def __call__(self, points: Array, out: Array | None, /, *, check: bool = False) -> Array:
        """Return the derivatives at points of shape (count, …), in `out` or where the points lie."""
        assert not check, "checks take one point after the other"
        if out is not None:
            accept(out, (len(points), *self.shape), self.ready.dtype, self.backend)
            points = apart(points, out)
        return self.queues.on_device(lambda held: self._made(held, points, out))

    def _made(self, held: _Held, points: Array, out: Array | None) -> Array:
        idle, refresh = held.idle, held.ready.refresh
        workspace = _popped(idle) or _Workspace(self.backend)
        if workspace.count != len(points):
            self._turn(workspace, len(points), held.piece)
        try:
            run(refresh)
            if out is not None or not self.backend.owns(points):
                if self.memory is not None:
                    workspace.kept = []
                shape = (len(points), *self.shape)
                out = np.empty(shape, self.ready.dtype) if out is None else out
                self._run(workspace, points, out, [])
                return out
            kept = self._free(workspace)
            self._run(workspace, points, kept.array, kept.calls)
            return kept.array.view()
        finally:
            if idle:  # calls no longer overlap as they did
                workspace.kept = []
            if not idle or self.memory is None:
                idle.append(workspace)

    def tally(self, points: Array, /) -> Counted:
        """Run once with every multiplication of products counted and every buffer weighed."""
        counting, total, latest = CountingKernels(self.backend.kernels), 0, 0
        count = len(points)
        with self.backend.active():
            workspace = _Workspace(self.backend.with_kernels(counting, counting))
            self._turn(workspace, count, self.piece)
            run(self.ready.refresh)
            for span in workspace.spans:
                binding, blocks, _ = workspace.bound[span.points]
                if blocks is None:
                    shape = self.piece(span.points).result_shape
                    blocks = self.backend.kernels.xp.empty(shape, binding.dtype)
                self.backend.place(points[span.start : span.stop].reshape(binding.point.shape), binding.point)
                first = binding.program.once if span.points == latest else 0
                total += _counted(counting, [*binding.groups[first:], *binding.tail(blocks)])
                latest = span.points
        extra = max(piece.program.extra for piece in self.pieces(count))
        return Counted(total, workspace.nbytes + extra + self._nbytes(count))

    def release(self) -> None:
        """Drop the buffers; the next call makes them anew."""
        self.queues.release()

    def forget(self) -> None:
        """Drop the results kept for reuse; under a limit of memory the buffers too."""
        if self.memory is not None:
            self.release()
        for held in tuple(self.queues.runs.values()):
            for workspace in tuple(held.idle):
                workspace.kept = []

    def _nbytes(self, count: int) -> int:
        """Return the bytes of the result."""
        return count * prod(self.shape) * self.ready.dtype.itemsize

    def _turn(self, workspace: _Workspace, count: int, piece: Pieces) -> None:
        others = BOUND if self.memory is None else 0
        workspace.turn_to(count, self._spans(count), self.pieces(count, piece), others=others)

    def _spans(self, count: int) -> list[_Span]:
        return [_Span(start, min(start + self.size, count)) for start in range(0, count, self.size)]

    def _run(self, workspace: _Workspace, points: Array, result: Array, calls: list[Calls]) -> None:
        """Fill a result; `calls` are those of its chunks, where they are known."""
        place, latest = self.backend.place, 0
        copy = place if self.backend.owns(result) else self.backend.fetch
        for number, span in enumerate(workspace.spans):
            binding, blocks, tail = workspace.bound[span.points]
            if span.points != latest:
                run(binding.once)
                latest = span.points
            start, stop = span
            place(points[start:stop].reshape(binding.point.shape), binding.point)
            run(binding.head)
            if calls:
                run(calls[number])
            elif blocks is not None:
                run(tail)
                copy(blocks.reshape(span.points, *self.shape), result[start:stop])
            else:
                self._straight(binding, result[start:stop], copy)

    def _straight(self, binding: Binding, part: Array, copy: Any) -> None:
        """Make the blocks of a chunk in their place, or where that is no place for them beside it."""
        if self.backend.owns(part) and part.flags.c_contiguous and getattr(part.flags, "aligned", True):
            run(_calls(binding, part))
            return
        fresh = self.backend.kernels.xp.empty(part.shape, part.dtype)
        run(_calls(binding, fresh))
        copy(fresh, part)

    def _free(self, workspace: _Workspace) -> _Kept:
        """Return a result that nobody holds."""
        for kept in workspace.kept:
            if kept.is_free(self.backend):
                return kept
        fits = kept_within(self.memory, self.peak(workspace.count), self._nbytes(workspace.count))
        workspace.kept = workspace.kept[1 - fits :] if fits > 1 else []  # before there is one more
        fresh = self._fresh(workspace)
        fresh.idle = self.backend.references(fresh.array)
        workspace.kept = [*workspace.kept, fresh]
        return fresh

    def _fresh(self, workspace: _Workspace) -> _Kept:
        array = self.backend.kernels.xp.empty((workspace.count, *self.shape), self.ready.dtype)
        calls: list[Calls] = []
        spans = workspace.spans
        if len(spans) <= REMEMBERED and workspace.bound[spans[0].points].blocks is None:
            parts = ((workspace.bound[span.points].binding, array[span.start : span.stop]) for span in spans)
            calls = [_calls(binding, part) for binding, part in parts]
        return _Kept(array, calls)
