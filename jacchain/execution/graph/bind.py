"""Binding the program of a branching graph: its instructions become calls on fixed buffers."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, final

from jacchain.algebra.addition import add_calls, addition
from jacchain.algebra.expand import expand_calls
from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels, run
from jacchain.algebra.layered import layered_calls, pair_calls
from jacchain.algebra.product import multiply_calls, product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Diagonal, Identity, Kronecker, array_shapes
from jacchain.algebra.symmetric import half_calls, mirror_entries, scaled_gram_calls, transpose_calls
from jacchain.execution.assembly import Assembly
from jacchain.execution.backend import Backend
from jacchain.execution.bind import Group, cut, first_touching_result, flat
from jacchain.execution.fusion import fused, in_place
from jacchain.execution.operation import (
    VALUE,
    Applied,
    CurvedOperation,
    FreeOperation,
    LocalFacts,
    LocalView,
    OperationFacts,
    ValueView,
)
from jacchain.execution.program import Instruction, Program, is_view
from jacchain.execution.symmetric_steps import predicted


class _Local(NamedTuple):
    """The local Jacobian that an instruction is about: of an operand of a node."""

    node: Applied
    operand: int
    facts: LocalFacts


def pair_of(step: Instruction, /) -> tuple[int, int]:
    """Return the two operands that a curvature is with respect to."""
    first, _, second = step.mode.partition(":")[0].partition(",")
    return int(first), int(second)


@final
class GraphBinding:
    """Buffers for one run at a time, and the calls that work on them.

    What has no storage in the program is constant: it is made here, once. The instructions before the first that
    touches the results are bound once (`head`); those from there on are bound to the array that the results go into.
    """

    def __init__(
        self,
        program: Program,
        nodes: Sequence[Applied],
        inputs: Sequence[int],
        dtype: Any,
        backend: Backend,
        assemblies: Sequence[Assembly] = (),
        /,
    ) -> None:
        self.program = program
        self.assemblies = assemblies
        self.nodes = nodes
        self.inputs = inputs
        self.dtype = dtype
        self.backend = backend
        self.memory = backend.workspace(program.workspace, dtype)
        self.turn = first_touching_result(program)
        self.points: dict[int, Array] = {}
        self.values: dict[int, Operand] = {}
        self.states: dict[int, Array] = {}
        self.facts: dict[int, OperationFacts] = {}
        self.groups = [self._group(step, None) for step in program.instructions[: self.turn]]
        rest = {k for step in program.instructions[self.turn :] for k in step.operands}.union(program.results)
        # what is constant and only went into other constants is not kept
        registers = program.registers
        self.values = {k: found for k, found in self.values.items() if registers[k].storage >= 0 or k in rest}
        self.targets = tuple(self.points.items())
        self.head = fused(backend.kernels, tuple(call for group in self.groups for call in group.calls))

    @property
    def nbytes(self) -> int:
        """Bytes of workspace that are really held."""
        return int(self.memory.nbytes)

    def tail(self, result: Array, /) -> list[Group]:
        """Return the rest of the program, bound to the contiguous array that receives the results."""
        values, states = self.values, self.states
        self.values, self.states = values.copy(), states.copy()
        groups = [self._group(step, result.reshape(-1)) for step in self.program.instructions[self.turn :]]
        # what views the result is not kept: who holds the array is found by counting references
        constant = {k for k, found in self.values.items() if self.program.registers[k].storage < 0}
        self.values, self.states = values | {k: self.values[k] for k in constant}, states
        return groups

    def _group(self, step: Instruction, result: Array) -> Group:
        register = self.program.registers[step.result]
        if is_view(step):
            return Group(step, (), self._view(step))
        if register.storage < 0:
            self._make_constant(step)
            return Group(step, (), ())
        kernels = self.backend.kernels
        if self.program.storages[register.storage].offset < 0:
            kernels = self.backend.result_kernels
        out = self._operand(step.result, result)
        scratch = self._scratch(step, result)
        self.values[step.result] = out
        calls = in_place(self.backend, self._calls(kernels, step, out, scratch))
        return Group(step, calls, out.arrays)

    def _make_constant(self, step: Instruction) -> None:
        """Make what does not depend on the point."""
        xp, structure = self.backend.kernels.xp, self.program.registers[step.result].structure
        if step.op == "constant":
            numbers = self.backend.place(self.nodes[step.source].constant)
            self.states[step.result] = numbers
            self.values[step.result] = Operand(structure, (numbers.reshape(-1, 1),))
            return
        if step.op == "local" and (views := self._local_views(step)) is not None:
            self.values[step.result] = Operand(structure, views)
            return
        out = Operand(structure, tuple(xp.empty(shape, self.dtype) for shape in array_shapes(structure)))
        calls = self._calls(self.backend.kernels, step, out, xp.empty(self._scratch_length(step), self.dtype))
        run(in_place(self.backend, calls))
        if isinstance(structure, Diagonal) and (numbers := self.backend.fetch(out.arrays[0])).min() == numbers.max():
            # a constant multiple of the identity: broadcast, so that NumPy takes it for the number that it is
            out = Operand(structure, (xp.broadcast_to(out.arrays[0][:1], (structure.size,)),))
        self.values[step.result] = out

    def _local_views(self, step: Instruction) -> Arrays | None:
        """Return the arrays of a local Jacobian that is made of what it reads, where these have the right shapes."""
        local = self._local(step)
        operation = local.node.operation
        if not local.facts.view or not isinstance(operation, LocalView) or not local.facts.link.is_explicit:
            return None
        xs, y = self._read(step)
        if local.facts.view == "contiguous" and not all(a.flags.c_contiguous for a in (*xs, y) if a is not None):
            return None
        return operation.local_views(local.operand, xs, y)

    def _view(self, step: Instruction) -> Arrays:
        structure = self.program.registers[step.result].structure
        if step.op != "view":
            self.values[step.result] = Operand(structure, self._second_view(step))
            return self.values[step.result].arrays
        if step.mode == "":
            operation, node = self.nodes[step.source].operation, self.nodes[step.source]
            x = self.states[step.operands[0]]
            if isinstance(operation, ValueView) and self._facts(step.source).view == "strided":
                self.states[step.result] = operation.value_view(x)
            else:
                self.states[step.result] = x.reshape(node.shape)
            self.values[step.result] = Operand(structure, ())
            return ()
        local = self._local(step)
        operation = local.node.operation
        assert isinstance(operation, LocalView)
        arrays = operation.local_views(local.operand, *self._read(step))
        if not isinstance(structure, Kronecker):  # products take the others' numbers one after the other
            assert all(array.flags.c_contiguous for array in arrays), f"{operation.name} gives a strided {structure}"
        self.values[step.result] = Operand(structure, arrays)
        return arrays

    def _second_view(self, step: Instruction) -> Arrays:
        """Return the arrays of a transpose, or of a curvature, that is what it reads seen otherwise."""
        if step.op == "transpose":
            return tuple(array.swapaxes(-1, -2) for array in self.values[step.operands[0]].arrays)
        operation = self.nodes[step.source].operation
        assert isinstance(operation, CurvedOperation)
        views = operation.curvature_views(pair_of(step), self._adjoint(step.operands[0]))
        shapes = array_shapes(self.program.registers[step.result].structure)
        return tuple(view.reshape(shape) for view, shape in zip(views, shapes, strict=True))

    def _adjoint(self, register: int) -> Array:
        """Return the numbers of a row, one after the other."""
        structure, arrays = self.values[register]
        if arrays:
            return arrays[0].reshape(-1)
        return self.backend.kernels.xp.full(1, 1 if isinstance(structure, Identity) else -1, self.dtype)

    def _second_calls(self, kernels: Kernels, step: Instruction, out: Operand, scratch: Array) -> Calls:
        """Return the calls of what only programs of second order do."""
        match step.op:
            case "curvature" | "bend":
                return self._curved_calls(kernels, step, out, scratch)
            case "transpose":
                return transpose_calls(kernels, self.values[step.operands[0]], out)
            case "gram":
                factor, scale = (self.values[k].arrays[0] for k in step.operands)
                return scaled_gram_calls(kernels, factor, scale[:1], out.arrays[0])
            case "pairs":
                return pair_calls(kernels, self.values[step.operands[0]].arrays[0], out.arrays[0], scratch)
            case "layered":
                pairs, diagonal, (p, _) = (self.values[k] for k in step.operands)
                return layered_calls(kernels, p, pairs.arrays[0], diagonal.arrays[0], out.arrays[0], scratch)
            case "mirror":
                source = self.values[step.operands[0]]
                is_moved = not kernels.xp.may_share_memory(out.arrays[0], source.arrays[0])
                moved = ((kernels.copyto, (out.arrays[0], source.arrays[0])),) if is_moved else ()
                return moved + mirror_entries(kernels, out, scratch)
            case "half":
                factor, other = (self.values[k].arrays[0] for k in step.operands)
                return half_calls(kernels, factor, other, out.arrays[0])
            case "assemble":
                number, _, mirrored = step.mode.partition(":")
                parts = [self.values[k] for k in step.operands]
                return self.assemblies[int(number)].calls(kernels, parts, out, scratch, is_mirrored=bool(mirrored))
            case op:
                raise AssertionError(f"{op} takes no calls")

    def _curved_calls(self, kernels: Kernels, step: Instruction, out: Operand, scratch: Array) -> Calls:
        """Return the calls of an operation's curvature, or of the product of that with a vector."""
        node, pair = self.nodes[step.source], pair_of(step)
        curvatures = self._facts(step.source).curvatures
        assert isinstance(node.operation, CurvedOperation)
        assert curvatures is not None
        facts = next(one for one in curvatures if (one.first, one.second) == tuple(sorted(pair)))
        xs, y = self._states(len(node.operands), facts.reads, step.operands)
        row = self._adjoint(step.operands[len(facts.reads)])
        if step.op == "curvature":
            return node.operation.curvature_calls(kernels, pair, xs, y, row, out, scratch)
        vector = self.values[step.operands[-1]].arrays[0].reshape(-1)
        return node.operation.bend_calls(kernels, pair, xs, y, row, vector, out.arrays[0].reshape(-1))

    def _facts(self, source: int) -> OperationFacts:
        if source not in self.facts:
            node = self.nodes[source]
            assert node.operation is not None
            self.facts[source] = node.operation.facts(tuple(self.nodes[i].shape for i in node.operands))
        return self.facts[source]

    def _local(self, step: Instruction) -> _Local:
        k = int(step.mode.rpartition(":")[2])
        facts = self._facts(step.source).locals[k]
        assert facts is not None
        return _Local(self.nodes[step.source], k, facts)

    def _read(self, step: Instruction) -> tuple[Arrays, Array]:
        """Return the inputs and the value that a local Jacobian reads; None for those that it does not."""
        local = self._local(step)
        return self._states(len(local.node.operands), local.facts.reads, step.operands)

    def _states(self, count: int, reads: Sequence[int], registers: Sequence[int]) -> tuple[Arrays, Array]:
        xs: list[Array] = [None] * count
        y: Array = None
        for i, register in zip(reads, registers, strict=False):
            if i == VALUE:
                y = self.states[register]
            else:
                xs[i] = self.states[register]
        return tuple(xs), y

    def _calls(self, kernels: Kernels, step: Instruction, out: Operand, scratch: Array) -> Calls:
        match step.op:
            case "point":
                shape = self.nodes[self.inputs[int(step.mode)]].shape
                self.states[step.result] = self.points[int(step.mode)] = out.arrays[0].reshape(shape)
                return ()
            case "multiply":
                left, right = (self.values[k] for k in step.operands)
                return multiply_calls(kernels, left, right, out, scratch)
            case "add":
                left, right = (self.values[k] for k in step.operands)
                return add_calls(kernels, left, right, out, scratch)
            case "expand":
                return self._expand_calls(kernels, step, out)
            case "value":
                return self._value_calls(kernels, step, out, scratch)
            case "local" | "unit" if not out.arrays:  # an identity has no numbers
                return ()
            case "local":
                local = self._local(step)
                assert local.node.operation is not None
                return local.node.operation.local_calls(kernels, local.operand, *self._read(step), out, scratch)
            case "tangent" | "adjoint" | "accumulate":
                return self._sweep_calls(kernels, step, out)
            case _:
                return self._second_calls(kernels, step, out, scratch)

    def _value_calls(self, kernels: Kernels, step: Instruction, out: Operand, scratch: Array) -> Calls:
        node = self.nodes[step.source]
        assert node.operation is not None
        y = self.states[step.result] = out.arrays[0].reshape(node.shape)
        return node.operation.value_calls(kernels, tuple(self.states[k] for k in step.operands), y, scratch)

    def _expand_calls(self, kernels: Kernels, step: Instruction, out: Operand) -> Calls:
        (k,) = step.operands
        if k in self.states:  # a value, in any strides
            return ((kernels.copyto, (out.arrays[0].reshape(self.states[k].shape), self.states[k])),)
        return expand_calls(kernels, self.values[k].structure, self.values[k].arrays, out.arrays[0])

    def _sweep_calls(self, kernels: Kernels, step: Instruction, out: Operand) -> Calls:
        """Return the calls of an operation that is applied without forming its local Jacobian."""
        local, target = self._local(step), out.arrays[0]
        operation, (xs, _) = local.node.operation, self._read(step)
        assert isinstance(operation, FreeOperation)
        is_tangent = "tangent" in (step.op, step.mode.partition(":")[0])
        if step.op == "accumulate":  # tangents of unit columns, or adjoints of unit rows
            seed = self.backend.units(target.shape[1 if is_tangent else 0], self.dtype)
        else:
            seed = self.values[step.operands[-1]].arrays[0]
        apply = operation.tangent_calls if is_tangent else operation.adjoint_calls
        return apply(kernels, local.operand, xs, seed, target)

    def _scratch_length(self, step: Instruction) -> int:
        """Return the numbers of workspace that an instruction asks for."""
        match step.op:
            case "multiply":
                left, right = (self.program.registers[k].structure for k in step.operands)
                return product(left, right).scratch
            case "add":
                left, right = (self.program.registers[k].structure for k in step.operands)
                return addition(left, right).scratch
            case "value":
                return self._facts(step.source).scratch
            case "local":
                return self._local(step).facts.scratch
            case "curvature":
                curvatures = self._facts(step.source).curvatures or ()
                return max(one.scratch for one in curvatures)
            case "half" | "gram" | "pairs" | "layered" | "mirror" as op:
                known = predicted(op, [self.program.registers[k].structure for k in step.operands])
                return 0 if known is None else known.scratch
            case "assemble":
                structures = [self.program.registers[k].structure for k in step.operands]
                return self.assemblies[int(step.mode.partition(":")[0])].scratch(structures)
            case _:
                return 0

    def _scratch(self, step: Instruction, result: Array) -> Array:
        return None if step.scratch < 0 else self._flat(step.scratch, self._scratch_length(step), result)

    def _flat(self, storage: int, count: int, result: Array) -> Array:
        return flat(self.program.storages[storage], self.memory, self.dtype, count, result)

    def _operand(self, register: int, result: Array) -> Operand:
        structure, storage = self.program.registers[register]
        shapes = array_shapes(structure)
        return cut(structure, self._flat(storage, sum(map(prod, shapes)), result))
