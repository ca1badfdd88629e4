"""Binding: a program and its layers become calls on fixed buffers, so that a run is nothing but arithmetic."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, final

from jacchain.algebra.expand import expand_calls
from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.lifted import blocks_calls
from jacchain.algebra.product import multiply_calls, product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Structure, array_shapes
from jacchain.execution.backend import Backend
from jacchain.execution.fusion import fused, in_place
from jacchain.execution.program import Instruction, Program, Storage
from jacchain.execution.source import Borrowed, Computed, Facts, MatrixFree, Source


class Group(NamedTuple):
    """The calls of one instruction, and the arrays it leaves."""

    instruction: Instruction
    calls: Calls
    arrays: tuple[Array, ...]


@final
class Binding:
    """Buffers for one run at a time, and the calls that work on them.

    The instructions before the first that touches the result are bound once (`once` and `head`: what is run once for
    all slices, and the rest); those from there on are bound to the array that the result goes into (`tail`).
    """

    def __init__(
        self,
        program: Program,
        sources: Sequence[Source],
        facts: Sequence[Facts],
        dtype: Any,
        backend: Backend,
        /,
        *,
        memory: Array = None,
    ) -> None:
        self.program = program
        self.sources = sources
        self.facts = facts
        self.dtype = dtype
        self.backend = backend
        self.memory = backend.workspace(program.workspace, dtype) if memory is None else memory
        self.turn = first_touching_result(program)
        self.point: Array = None
        self.seeds: dict[str, Array] = {}
        self.start = [0]  # the first column or row of the slice being made
        self.values: dict[int, Operand] = {}
        self.groups = [self._group(step, None) for step in program.instructions[: self.turn]]
        self.once: Calls = tuple(call for group in self.groups[: program.once] for call in group.calls)
        each = self.groups[program.once :]
        head: Calls = () if program.lanes else tuple(call for group in each for call in group.calls)
        self.head = fused(backend.kernels, head)

    def set_slice(self, start: int, /) -> None:
        """Set the first column or row of the slice, and the unit columns or rows that it starts from."""
        self.start[0] = start
        kernels = self.backend.kernels
        for mode, seed in self.seeds.items():  # entry (start + k, k), or (k, start + k), is one
            rows, columns = seed.shape
            first, count = (start * columns, columns) if mode == "tangents" else (start, rows)
            step = columns + 1
            kernels.fill(0.0, seed)
            kernels.fill(1.0, seed.reshape(-1)[first : first + (count - 1) * step + 1 : step])

    @property
    def nbytes(self) -> int:
        """Bytes of workspace that are really held."""
        return int(self.memory.nbytes)

    def tail(self, result: Array, /) -> list[Group]:
        """Return the rest of the program, bound to the contiguous array that receives the Jacobian."""
        values = self.values
        self.values = values.copy()
        groups = [self._group(step, result.reshape(-1)) for step in self.program.instructions[self.turn :]]
        self.values = values  # what views the result is not kept: who holds the array is found by counting references
        return groups

    def _flat(self, storage: int, count: int, result: Array) -> Array:
        return flat(self.program.storages[storage], self.memory, self.dtype, count, result)

    def _operand(self, register: int, result: Array) -> Operand:
        structure, storage = self.program.registers[register]
        return cut(structure, self._flat(storage, sum(map(prod, array_shapes(structure))), result))

    def _group(self, step: Instruction, result: Array) -> Group:
        register = self.program.registers[step.result]
        if register.storage < 0:
            source = self.sources[step.source]
            assert isinstance(source, Borrowed)
            arrays = source.borrowed_arrays(self.facts[step.source].inputs)
            self.values[step.result] = Operand(register.structure, arrays)
            return Group(step, (), arrays)
        is_result = self.program.storages[register.storage].offset < 0
        kernels = self.backend.result_kernels if is_result else self.backend.kernels
        self.values[step.result] = out = self._operand(step.result, result)
        calls = in_place(self.backend, self._calls(kernels, step, out, result))
        return Group(step, calls, out.arrays)

    def _calls(self, kernels: Kernels, step: Instruction, out: Operand, result: Array) -> Calls:
        operands = [self.values[k] for k in step.operands]
        scratch = self._scratch(step, operands, result)
        match step.op:
            case "point":
                self.point = out.arrays[0].reshape(self.facts[0].inputs)
                return ()
            case "seed":
                self.seeds[step.mode] = out.arrays[0]
                return ()
            case "slice":
                return ((_slice, (kernels, self.start, operands[0].arrays[0], out.arrays[0], step.mode == "columns")),)
            case "multiply":
                return multiply_calls(kernels, operands[0], operands[1], out, scratch)
            case "expand":
                return expand_calls(kernels, operands[0].structure, operands[0].arrays, out.arrays[0])
            case "blocks":
                (whole,), points = operands, int(step.mode)
                stack = (points, whole.structure.rows // points, whole.structure.columns // points)
                return blocks_calls(kernels, *whole, points, out.arrays[0].reshape(stack))
            case _:
                return self._layer_calls(kernels, step, operands, out, scratch)

    def _layer_calls(
        self, kernels: Kernels, step: Instruction, operands: list[Operand], out: Operand, scratch: Array
    ) -> Calls:
        source, facts = self.sources[step.source], self.facts[step.source]
        if step.op == "local":
            assert isinstance(source, Computed)
            states = {name: operand.arrays[0] for name, operand in zip(facts.reads, operands, strict=True)}
            x = states["x"].reshape(facts.inputs) if "x" in states else None
            y = states["y"].reshape(facts.outputs) if "y" in states else None
            return source.local_calls(kernels, x, y, out, scratch)
        x, target = operands[0].arrays[0].reshape(facts.inputs), out.arrays[0]
        if step.op == "value":
            return source.value_calls(kernels, x, target.reshape(facts.outputs), scratch)
        assert isinstance(source, MatrixFree)
        apply = source.tangent_calls if "tangent" in (step.op, step.mode) else source.adjoint_calls
        if step.op == "accumulate":  # tangents of unit columns, or adjoints of unit rows
            size = target.shape[1] if step.mode == "tangent" else target.shape[0]
            return apply(kernels, x, self.backend.units(size, self.dtype), target)
        return apply(kernels, x, operands[1].arrays[0], target)

    def _scratch(self, step: Instruction, operands: list[Operand], result: Array) -> Array:
        """Return the workspace of an instruction, of exactly as many numbers as it asks for."""
        if step.scratch < 0:
            return None
        match step.op:
            case "multiply":
                count = product(operands[0].structure, operands[1].structure).scratch
            case "value":
                count = self.facts[step.source].value_scratch
            case _:
                count = self.facts[step.source].local_scratch
        return self._flat(step.scratch, count, result)


def flat(place: Storage, memory: Array, dtype: Any, count: int, result: Array, /) -> Array:
    """Return the 1-D array of so many numbers that a storage holds, in the workspace or in the result."""
    if place.offset < 0:
        first = (-1 - place.offset) // dtype.itemsize
        return result[first : first + count]
    first = place.offset // dtype.itemsize
    return memory[first : first + count]


def cut(structure: Structure, numbers: Array, /) -> Operand:
    """Return the matrix whose numbers lie in a 1-D array, one of its arrays after the other."""
    arrays, start = [], 0
    for shape in array_shapes(structure):
        arrays.append(numbers[start : start + prod(shape)].reshape(shape))
        start += prod(shape)
    return Operand(structure, tuple(arrays))


def _slice(kernels: Kernels, start: list[int], whole: Array, out: Array, columns: bool) -> None:
    """Copy the columns or rows of a slice out of a local Jacobian."""
    first = start[0]
    part = whole[:, first : first + out.shape[1]] if columns else whole[first : first + out.shape[0]]
    kernels.copyto(out, part)


def first_touching_result(program: Program, /) -> int:
    """Return the number of the first instruction that reads or writes the result's storage."""
    for place, step in enumerate(program.instructions):
        registers = [program.registers[k] for k in (step.result, *step.operands)]
        if any(r.storage >= 0 and program.storages[r.storage].offset < 0 for r in registers):
            return place
    return len(program.instructions)  # all of its results exist already
