"""Running the program of a branching graph: arguments are copied in, and all results come out of one array."""

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, run
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import stored
from jacchain.errors import NonFiniteError
from jacchain.execution.assembly import Assembly
from jacchain.execution.backend import CPU, Backend
from jacchain.execution.bind import Group, cut
from jacchain.execution.count import CountingKernels
from jacchain.execution.graph.bind import GraphBinding
from jacchain.execution.operation import Applied
from jacchain.execution.program import Program
from jacchain.execution.run import Counted, Workspace, is_copied


class Result(NamedTuple):
    """Where a result lies: its first number in the array of all results, or what it is if it is constant."""

    first: int
    last: int
    register: int


@final
class GraphExecutable:
    """A program bound to the nodes of an expression, ready to be called with arguments of fixed shapes and dtype.

    Calls may overlap in threads or nest: each takes a workspace of its own, and gives it back.

    Parameters
    ----------
    program : Program
    nodes : sequence of Applied
    inputs : sequence of int
        The nodes that the arguments go to.
    dtype : dtype
    assemblies : sequence of Assembly
        What the program's instructions "assemble" put together.
    """

    def __init__(
        self,
        program: Program,
        nodes: Sequence[Applied],
        inputs: Sequence[int],
        dtype: "np.dtype[Any]",
        /,
        *,
        backend: Backend = CPU,
        assemblies: Sequence[Assembly] = (),
    ) -> None:
        self.program = program
        self.assemblies = tuple(assemblies)
        self.nodes = tuple(nodes)
        self.inputs = tuple(inputs)
        self.dtype = dtype
        self.backend = backend
        self.length = program.result_bytes // program.itemsize
        self.is_copied = is_copied(program, backend)
        self.is_host = backend.device.kind == "cpu"
        self.idle: list[Workspace[GraphBinding]] = []  # made with the first call
        self.results = tuple(self._result(register) for register in program.results)

    def __call__(self, arguments: Sequence[Array], /, *, check: bool = False) -> Array:
        """Return one flat array that holds all results; `operands` finds them in it.

        Parameters
        ----------
        arguments : sequence of arrays
            Of the inputs' shapes, of the backend's device or of the host; they are converted to the program's dtype.
        check : bool
            Look for NaN and infinity after every step and name the node.
        """
        workspace = self._taken()
        try:
            binding = workspace.binding
            self._fill(binding, arguments)
            if check:
                return self._checked(binding)
            run(binding.head)
            slot = workspace.slot()
            run(slot.calls)
            return slot.array.copy() if self.is_copied else slot.array.view()
        finally:
            self.idle.append(workspace)

    def into(self, arguments: Sequence[Array], result: Array, /) -> None:
        """Run with the results left in the caller's contiguous array, to which the last calls are bound anew."""
        workspace = self._taken()
        try:
            self._fill(workspace.binding, arguments)
            run(workspace.binding.head)
            for group in workspace.binding.tail(result):
                run(group.calls)
        finally:
            self.idle.append(workspace)

    def _fill(self, binding: GraphBinding, arguments: Sequence[Array]) -> None:
        """Copy in what a run depends on."""
        if self.is_host:
            for k, point in binding.targets:
                point[...] = arguments[k]
            return
        for k, point in binding.targets:
            self.backend.place(arguments[k], point)

    def operands(self, flat: Array, /) -> list[Operand]:
        """Return the results as matrices: views of the flat array, and copies of what is constant."""
        registers = self.program.registers
        return [
            cut(registers[found.register].structure, flat[found.first : found.last])
            if found.first >= 0
            else self._constant(found.register)
            for found in self.results
        ]

    def _result(self, register: int) -> Result:
        structure, storage = self.program.registers[register]
        if storage < 0:
            return Result(-1, -1, register)
        first = (-1 - self.program.storages[storage].offset) // self.program.itemsize
        return Result(first, first + stored(structure), register)

    def _constant(self, register: int) -> Operand:
        workspace = self._taken()
        self.idle.append(workspace)
        found = workspace.binding.values[register]
        return Operand(found.structure, tuple(array.copy() for array in found.arrays))

    def count(self, arguments: Sequence[Array], /) -> Counted:
        """Run once with every multiplication of products counted and every buffer weighed."""
        counting = CountingKernels(self.backend.kernels)
        binding = self._binding(self.backend.with_kernels(counting, counting))
        result = self._empty()
        self._fill(binding, arguments)
        total = 0
        for group in [*binding.groups, *binding.tail(result)]:
            before = counting.multiplications
            run(group.calls)
            match group.instruction.op:
                case "multiply" | "add" | "expand" | "half" | "gram" | "pairs" | "layered":
                    total += counting.multiplications - before
                case "local" | "tangent" | "adjoint" | "accumulate":
                    total += group.instruction.flops
                case _:
                    pass
        return Counted(total, binding.nbytes + result.nbytes + self.program.extra + self.program.tape)

    def release(self) -> None:
        """Drop the buffers; the next call makes them anew."""
        self.idle.clear()

    def _empty(self) -> Array:
        return self.backend.kernels.xp.empty(self.length, self.dtype)

    def _binding(self, backend: Backend) -> GraphBinding:
        return GraphBinding(self.program, self.nodes, self.inputs, self.dtype, backend, self.assemblies)

    def _taken(self) -> Workspace[GraphBinding]:
        try:
            return self.idle.pop()
        except IndexError:
            return Workspace(self._binding(self.backend), (self.length,))

    def _checked(self, binding: GraphBinding) -> Array:
        result, isfinite = self._empty(), self.backend.kernels.xp.isfinite
        for group in [*binding.groups, *binding.tail(result)]:
            with np.errstate(all="ignore"):  # what it would warn of is found below
                run(group.calls)
            for array in group.arrays:
                if not isfinite(array).all():
                    raise NonFiniteError(f"NaN or infinity in {self._described(group)}", "look at what goes into it")
        return result

    def _described(self, group: Group) -> str:
        step = group.instruction
        if step.op == "point":
            return f"argument {int(step.mode) + 1}"
        if step.source < 0:
            return "a product or sum of local Jacobians"
        what = "the value" if step.op == "value" else "a local Jacobian"
        return f"{what} of node %{step.source} ({self.program.layers[step.source]})"
