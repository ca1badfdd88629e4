"""Running a program: one call copies the point in, does the arithmetic, and hands the Jacobian out."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls, run
from jacchain.errors import DeviceError, NonFiniteError, SizeError
from jacchain.execution.adjoint_identity import check_adjoint
from jacchain.execution.backend import CPU, Backend, backend_of, home_of
from jacchain.execution.bind import Binding, Group
from jacchain.execution.count import CountingKernels
from jacchain.execution.fusion import fused
from jacchain.execution.program import Program
from jacchain.execution.remainder import remainder
from jacchain.execution.source import Facts, MatrixFree, Patterned, Source
from jacchain.execution.threads import Together

SMALL: Final = 1 << 14
"""Results of at most so many bytes are copied out; larger ones are handed out, and their memory is used again once
nobody holds them any more. A large fresh array costs a page fault for every 4 KiB."""

COPIED: Final = 1 << 20
"""Bytes up to which a result is copied into the caller's array; above, binding the calls to that array is cheaper."""

LOOK: Final = "look at that layer's parameters and at what goes into it"

KEPT: Final = 2
"""Large results kept for reuse: a caller that rebinds one name holds the last result while the next one is made."""


class Counted(NamedTuple):
    """What a run really did."""

    multiplications: int
    nbytes: int


class Bound(Protocol):
    """A program with its buffers, whose last calls are bound to the array that the result goes into."""

    program: Program
    backend: Backend
    dtype: Any
    groups: list[Group]

    def tail(self, result: Array, /) -> list[Group]:
        """Return the last groups, bound to a result."""


B = TypeVar("B", bound=Bound)


@final
class _Slot:
    """An array for results, and the calls that fill it."""

    __slots__ = ("array", "calls", "idle", "references")

    def __init__(self, binding: Bound, shape: tuple[int, ...]) -> None:
        self.array: Array = binding.backend.kernels.xp.empty(shape, binding.dtype)
        self.calls: Calls = _flatten(binding, binding.tail(self.array))
        self.references = binding.backend.references
        self.idle = self.references(self.array)

    def is_free(self) -> bool:
        """Whether nobody but the slot and its calls refers to the array or a view of it."""
        return self.idle == self.references(self.array) != -1


def kept_within(memory: int | None, peak: int, nbytes: int, /) -> int:
    """Return how many results of so many bytes are kept for reuse: one of them is in the peak, none beyond a limit."""
    return KEPT if memory is None else max(1, min(KEPT, 1 + (memory - peak) // max(1, nbytes)))


def writer(backend: Backend, /) -> Callable[[Array, Array], object]:
    """Return what copies an array, of the device or of the host, into one of the device."""
    if backend.device.kind == "cpu":
        return backend.kernels.copyto
    return lambda target, array: backend.place(array, target)


def _flatten(binding: Bound, tail: list[Group]) -> Calls:
    """Return the calls that follow the head; with lanes, one call that runs everything on threads."""
    if binding.program.lanes:
        groups = [*binding.groups, *tail]
        together = Together(binding.program, [g.instruction for g in groups], [g.calls for g in groups])
        return ((together, ()),)
    return fused(binding.backend.kernels, tuple(call for group in tail for call in group.calls))


def is_copied(program: Program, backend: Backend, /) -> bool:
    """Return whether results are copied out: small ones, of the host, as nothing else has page faults."""
    return backend.device.kind == "cpu" and program.result_bytes <= SMALL


@final
class Workspace(Generic[B]):
    """A binding with its result slots; used by one run at a time."""

    def __init__(self, binding: B, shape: tuple[int, ...], kept: int = KEPT) -> None:
        self.binding = binding
        self.shape = shape
        self.kept = kept
        self.is_copied = is_copied(binding.program, binding.backend)
        self.slots: list[_Slot] = []  # made when a result is not written into the caller's array

    def slot(self) -> _Slot:
        """Return a slot whose array nobody holds; a small result is copied out of the first one."""
        if self.slots and self.is_copied:
            return self.slots[0]
        for slot in self.slots:
            if slot.is_free():
                return slot
        self.slots = self.slots[1 - self.kept :] if self.kept > 1 else []  # before there is one more
        fresh = _Slot(self.binding, self.shape)
        self.slots = [*self.slots, fresh]
        return fresh


class _Part(NamedTuple):
    """What makes one slice: a binding, the array for it, and the calls that fill that."""

    binding: Binding
    array: Array
    calls: Calls


@final
class Executable:
    """A program bound to its layers, ready to be called with points of one shape and dtype.

    Calls may overlap in threads or nest: each takes a workspace of its own, and gives it back.

    Parameters
    ----------
    program : Program
    sources : sequence of Source
        The layers, in order of evaluation.
    facts : sequence of Facts
        For the shape of the point.
    dtype : dtype
    shape : tuple of int
        Shape of the result.
    prologue : calls
        What each run does first (refreshing converted parameters).
    kept : int
        Large results kept for reuse, at the most.
    """

    def __init__(
        self,
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
    ) -> None:
        self.program = program
        self.sources = tuple(sources)
        self.facts = tuple(facts)
        self.dtype = dtype
        self.shape = shape
        self.prologue = prologue
        self.backend = backend
        self.kept = kept
        self.rest = remainder(program)
        self.is_copied = is_copied(program, backend)
        self.put = writer(backend)
        self.idle: list[Workspace[Binding]] = []  # made with the first call

    def __call__(
        self,
        point: Array,
        /,
        *,
        seeds: dict[str, Array] | None = None,
        out: Array | None = None,
        check: bool = False,
    ) -> Array:
        """Return the Jacobian at a point.

        Parameters
        ----------
        point : array
            Of the backend's device, or of the host.
        seeds : dict, optional
            Arrays for "tangents" and "adjoints", 2-D.
        out : array of the backend's device, optional
            Receives the result, and is returned.
        check : bool
            Look for NaN and infinity after every step and name the layer.
        """
        if out is not None:
            self.accept(out, self.shape)
        workspace = self._taken()
        try:
            binding = workspace.binding
            run(self.prologue)
            self._fill(binding, point, seeds)
            if check:
                return self._checked(binding, out)
            run(binding.head)
            if out is not None:
                return self._into(workspace, out)
            slot = workspace.slot()
            run(slot.calls)
            return slot.array.copy() if self.is_copied else slot.array.view()
        finally:
            self.idle.append(workspace)

    def slices(self, point: Array, starts: Sequence[int], /, *, check: bool = False) -> Generator[Array]:
        """Yield the slices of the Jacobian at a point one after the other, all in the same array."""
        workspace = self._taken()
        try:
            slot = workspace.slot()
            run(self.prologue)
            # the caller's array may lie where slices are written to
            kept = point.copy() if self.backend.owns(point) else self.backend.place(point)
            for start in starts:
                part = self._part(workspace.binding, slot.array, slot.calls, start)
                self._fill(part.binding, kept, None)
                part.binding.set_slice(start)
                if check:
                    yield self._checked(part.binding, part.array)
                    continue
                if start == starts[0]:
                    run(part.binding.once)
                run(part.binding.head)
                run(part.calls)
                yield part.array
        finally:
            self.idle.append(workspace)

    def _part(self, binding: Binding, array: Array, calls: Calls, start: int) -> "_Part":
        """Return what makes the slice that begins at a column or row: the last one may be smaller."""
        slices = self.program.slices
        assert slices is not None
        if self.rest is None or start + slices.size <= slices.length:
            return _Part(binding, array, calls)
        structure = self.rest.registers[self.rest.result].structure
        shape = structure.rows, structure.columns
        small = array.reshape(-1)[: shape[0] * shape[1]].reshape(shape)
        rest = Binding(self.rest, self.sources, self.facts, self.dtype, binding.backend, memory=binding.memory)
        return _Part(rest, small, _flatten(rest, rest.tail(small)))

    def _taken(self) -> Workspace[Binding]:
        try:
            return self.idle.pop()
        except IndexError:
            return self._workspace()

    def count(self, point: Array, /, *, seeds: dict[str, Array] | None = None) -> Counted:
        """Run once with every multiplication of products counted and every buffer weighed."""
        counting = CountingKernels(self.backend.kernels)
        binding = self._binding(self.backend.with_kernels(counting, counting))
        result = self.backend.kernels.xp.empty(self.shape, self.dtype)
        run(self.prologue)
        self._fill(binding, point, seeds)
        tail, slices = binding.tail(result), self.program.slices
        total = self._counted(counting, binding.groups[: self.program.once])
        if slices is None:
            total += self._counted(counting, [*binding.groups[self.program.once :], *tail])
        for start in () if slices is None else slices.starts:
            part = self._part(binding, result, (), start)
            self._fill(part.binding, point, seeds)
            part.binding.set_slice(start)
            groups = tail if part.binding is binding else part.binding.tail(part.array)
            total += self._counted(counting, [*part.binding.groups[self.program.once :], *groups])
        return Counted(total, binding.nbytes + result.nbytes + self.program.extra + self.program.tape)

    def _counted(self, counting: CountingKernels, groups: Sequence[Group]) -> int:
        """Run groups, and return what their products and sweeps cost."""
        total = 0
        for group in groups:
            before = counting.multiplications
            run(group.calls)
            if group.instruction.op in ("multiply", "expand"):
                total += counting.multiplications - before
            elif group.instruction.op == "local":  # what is stated of it, as a user's function cannot be counted
                total += group.instruction.flops
            elif group.instruction.op in ("tangent", "adjoint", "accumulate"):
                total += self._sweep_cost(group)
        return total

    def _sweep_cost(self, group: Group) -> int:
        """Return what a sweep costs by the arrays it works on: its columns are tangents, or its rows adjoints."""
        step = group.instruction
        link = self.facts[step.source].link
        by_tangents = step.op == "tangent" or step.mode == "tangent"
        count = int(group.arrays[0].shape[1 if by_tangents else 0])
        return count * ((link.tangent_cost if by_tangents else link.adjoint_cost) or 0)

    def _binding(self, backend: Backend) -> Binding:
        return Binding(self.program, self.sources, self.facts, self.dtype, backend)

    def _workspace(self) -> Workspace[Binding]:
        return Workspace(self._binding(self.backend), self.shape, self.kept)

    def _fill(self, binding: Binding, point: Array, seeds: dict[str, Array] | None) -> None:
        """Copy in what a run depends on."""
        self.put(binding.point, point)
        for name, seed in (seeds or {}).items():
            self.put(binding.seeds[name], seed)

    def release(self) -> None:
        """Drop the buffers; the next call makes them anew."""
        self.idle.clear()

    def accept(self, out: Array, shape: tuple[int, ...], /) -> None:
        """Refuse an array that cannot take a result of a shape: one of the host, or of the backend's device."""
        accept(out, shape, self.dtype, self.backend)

    def _into(self, workspace: Workspace[Binding], out: Array) -> Array:
        is_host = isinstance(out, np.ndarray)
        if out.nbytes <= COPIED or not out.flags.c_contiguous or (is_host and not out.flags.aligned):
            slot = workspace.slot()
            run(slot.calls)
            self.backend.kernels.copyto(out, slot.array)
        else:
            tail = workspace.binding.tail(out.view(np.ndarray) if is_host else out)
            run(_flatten(workspace.binding, tail))
        return out

    def _checked(self, binding: Binding, out: Array | None) -> Array:
        isfinite, whole = self.backend.kernels.xp.isfinite, binding.program is self.program
        result = self.backend.kernels.xp.empty(self.shape, self.dtype) if whole else out
        self._check_values(binding.point)
        for group in [*binding.groups, *binding.tail(result)]:
            with np.errstate(all="ignore"):  # what it would warn of is found below
                run(group.calls)
            for array in group.arrays:
                if not isfinite(array).all():
                    what, cure = self._described(group)
                    raise NonFiniteError(f"NaN or infinity in {what}", cure)
        if out is not None:
            self.backend.kernels.copyto(out, result)
            return out
        return result

    def _check_values(self, point: Array) -> None:
        """Look for NaN and infinity in the value of every layer, also of those that the program does not need."""
        xp, x = self.backend.kernels.xp, point.copy()
        if not xp.isfinite(x).all():
            raise NonFiniteError("NaN or infinity in the input", "give finite numbers")
        for k, (source, facts) in enumerate(zip(self.sources, self.facts, strict=True), 1):
            y, scratch = xp.empty(facts.outputs, self.dtype), xp.empty(facts.value_scratch, self.dtype)
            with np.errstate(all="ignore"):  # what it would warn of is found below
                run(source.value_calls(self.backend.kernels, x, y, scratch))
            if not xp.isfinite(y).all():
                raise NonFiniteError(f"NaN or infinity in the value of layer {k} ({source.name})", LOOK)
            if isinstance(source, MatrixFree) and None not in (facts.link.tangent_cost, facts.link.adjoint_cost):
                check_adjoint(source, facts, self.backend.kernels, x, f"layer {k} ({source.name})")
            if isinstance(source, Patterned):
                source.check_pattern(x)
            x = y

    def _described(self, group: Group) -> tuple[str, str]:
        step = group.instruction
        if step.op in ("point", "seed"):
            what = {"tangents": "the tangent v", "adjoints": "the adjoint u"}.get(step.mode, "the input")
            return what, "give finite numbers"
        if step.source < 0:
            return "a product of local Jacobians", "scale the function or its input: their product overflows"
        what = "the value" if step.op == "value" else "the local Jacobian"
        where = f"layer {step.source + 1} ({self.sources[step.source].name})"
        return f"{what} of {where}", LOOK


def apart(points: Array, out: Array, /) -> Array:
    """Return points, copied where what is written to an array that lies on them would change those still to come."""
    home = backend_of(out)
    if home is None or not home.owns(points) or not home.kernels.xp.may_share_memory(points, out):
        return points
    return points.copy()


def accept(out: Array, shape: tuple[int, ...], dtype: Any, backend: Backend, /) -> None:
    """Refuse an array that cannot take a result of a shape: one of the host, or of the backend's device."""
    is_host = isinstance(out, np.ndarray)
    if not is_host and backend_of(out) is None:
        raise SizeError(f"out is {out!r}", "give an array of the result's shape and dtype")
    if not is_host and not backend.owns(out):
        raise DeviceError(
            f"out lies on {home_of([out]).device}, but the arithmetic is done on {backend.device}",
            "give an array of that device or a NumPy array",
        )
    if out.shape != shape or out.dtype != dtype:
        raise SizeError(
            f"out is {out.dtype} of shape {out.shape}, but the result is {dtype} of shape {shape}",
            "give an array of the result's shape and dtype",
        )
    if is_host and not out.flags.writeable:
        raise SizeError("out is read-only", "give an array that can be written to")
