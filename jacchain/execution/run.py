"""Running a program: one call copies the point in, does the arithmetic, and hands the Jacobian out."""

import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls, run
from jacchain.errors import NonFiniteError, SizeError
from jacchain.execution.backend import CPU, Backend
from jacchain.execution.bind import Binding, Group
from jacchain.execution.count import CountingKernels
from jacchain.execution.program import Program
from jacchain.execution.source import Facts, Source

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


@final
class _Slot:
    """An array for results, and the calls that fill it."""

    __slots__ = ("array", "calls", "idle")

    def __init__(self, binding: Binding, shape: tuple[int, ...]) -> None:
        rows, columns = binding.program.registers[binding.program.result].structure.rows, -1
        self.array: Array = binding.backend.kernels.xp.empty(shape, binding.dtype)
        self.calls: Calls = _flatten(binding.tail(self.array.reshape(rows, columns)))
        self.idle = _references(self)

    def is_free(self) -> bool:
        """Whether nobody but the slot and its calls refers to the array or a view of it."""
        return _references(self) == self.idle


def _references(slot: _Slot) -> int:
    return sys.getrefcount(slot.array) if COUNTS_REFERENCES else -1


COUNTS_REFERENCES: Final = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether reference counts tell reliably that an array is not in use; where not, every large result is fresh."""


def _flatten(groups: list[Group]) -> Calls:
    return tuple(call for group in groups for call in group.calls)


@final
class _Workspace:
    """A binding with its result slots; used by one run at a time."""

    def __init__(self, binding: Binding, shape: tuple[int, ...]) -> None:
        self.binding = binding
        self.shape = shape
        self.slots = [_Slot(binding, shape)]

    def slot(self) -> _Slot:
        """Return a slot whose array nobody holds."""
        if COUNTS_REFERENCES:
            for slot in self.slots:
                if slot.is_free():
                    return slot
        fresh = _Slot(self.binding, self.shape)
        self.slots = [*self.slots, fresh][-KEPT:]
        return fresh


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
    ) -> None:
        self.program = program
        self.sources = tuple(sources)
        self.facts = tuple(facts)
        self.dtype = dtype
        self.shape = shape
        self.prologue = prologue
        self.backend = backend
        self.is_small = program.result_bytes <= SMALL
        self.idle: list[_Workspace] = []  # made with the first call

    def __call__(
        self, point: Array, /, *, seeds: dict[str, Array] | None = None, out: Array | None = None, check: bool = False
    ) -> Array:
        """Return the Jacobian at a point.

        Parameters
        ----------
        point : array
        seeds : dict, optional
            Arrays for "tangents" and "adjoints", 2-D.
        out : array, optional
            Receives the result, and is returned.
        check : bool
            Look for NaN and infinity after every step and name the layer.
        """
        if out is not None:
            self._accept(out)
        try:
            workspace = self.idle.pop()
        except IndexError:
            workspace = self._workspace()
        try:
            binding = workspace.binding
            self._fill(binding, point, seeds)
            if check:
                return self._checked(binding, out)
            run(binding.head)
            if out is not None:
                return self._into(workspace, out)
            slot = workspace.slots[0] if self.is_small else workspace.slot()
            run(slot.calls)
            return slot.array.copy() if self.is_small else slot.array.view()
        finally:
            self.idle.append(workspace)

    def count(self, point: Array, /, *, seeds: dict[str, Array] | None = None) -> Counted:
        """Run once with every multiplication of products counted and every buffer weighed."""
        counting = CountingKernels(self.backend.kernels)
        binding = self._binding(Backend(self.backend.name, counting, counting))
        self._fill(binding, point, seeds)
        result = self.backend.kernels.xp.empty(self.shape, self.dtype)
        total = 0
        for group in [*binding.groups, *binding.tail(result.reshape(self._matrix_shape()))]:
            before = counting.multiplications
            run(group.calls)
            if group.instruction.op in ("multiply", "expand"):
                total += counting.multiplications - before
            elif group.instruction.op in ("tangent", "adjoint", "accumulate"):
                total += self._sweep_cost(group)
        return Counted(total, binding.nbytes + result.nbytes + self.program.extra)

    def _sweep_cost(self, group: Group) -> int:
        """Return what the calls of a sweep cost: each is one tangent or one adjoint of the layer."""
        step = group.instruction
        link = self.facts[step.source].link
        by_tangents = step.op == "tangent" or step.mode == "tangent"
        return len(group.calls) * ((link.tangent_cost if by_tangents else link.adjoint_cost) or 0)

    def _matrix_shape(self) -> tuple[int, int]:
        structure = self.program.registers[self.program.result].structure
        return structure.rows, structure.columns

    def _binding(self, backend: Backend) -> Binding:
        return Binding(self.program, self.sources, self.facts, self.dtype, backend)

    def _workspace(self) -> _Workspace:
        return _Workspace(self._binding(self.backend), self.shape)

    def _fill(self, binding: Binding, point: Array, seeds: dict[str, Array] | None) -> None:
        """Copy in what a run depends on, and refresh converted parameters."""
        self.backend.kernels.copyto(binding.point, point)
        for name, seed in (seeds or {}).items():
            self.backend.kernels.copyto(binding.seeds[name], seed)
        run(self.prologue)

    def _accept(self, out: Array) -> None:
        """Refuse an array that cannot take the result."""
        if not isinstance(out, np.ndarray):
            raise SizeError(f"out is {out!r}", "give an array of the result's shape and dtype")
        if out.shape != self.shape or out.dtype != self.dtype:
            raise SizeError(
                f"out is {out.dtype} of shape {out.shape}, but the result is {self.dtype} of shape {self.shape}",
                "give an array of the result's shape and dtype",
            )
        if not out.flags.writeable:
            raise SizeError("out is read-only", "give an array that can be written to")

    def _into(self, workspace: _Workspace, out: Array) -> Array:
        if out.nbytes <= COPIED or not out.flags.c_contiguous:
            slot = workspace.slots[0] if self.is_small else workspace.slot()
            run(slot.calls)
            out[...] = slot.array
        else:
            run(_flatten(workspace.binding.tail(out.reshape(self._matrix_shape()))))
        return out

    def _checked(self, binding: Binding, out: Array | None) -> Array:
        result = self.backend.kernels.xp.empty(self.shape, self.dtype)
        self._check_values(binding.point)
        for group in [*binding.groups, *binding.tail(result.reshape(self._matrix_shape()))]:
            with np.errstate(all="ignore"):  # what it would warn of is found below
                run(group.calls)
            for array in group.arrays:
                if not np.isfinite(array).all():
                    what, cure = self._described(group)
                    raise NonFiniteError(f"NaN or infinity in {what}", cure)
        if out is not None:
            out[...] = result
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
