"""A program on rows bound to buffers."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np

from jacchain.algebra.kernels import Array, Call, Calls, run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.rows.row_registers import RowRegisters, empty, flat
from jacchain.functions.rows.row_writer import kind
from jacchain.functions.rows.stages import Stage, stages
from jacchain.functions.rows.step_calls import add_calls, put_calls, step_calls, sums_calls, view_of
from jacchain.functions.scalar.steps import CONSTANT, INPUT

APART: Final = frozenset({"take", "put", "sum", "sums", "counts", "where"})
"""What is not computed right into a result: it writes more than once, or not to all of its places."""


@final
class RowExecutable:
    """A program on rows with buffers of its own: set the inputs, then ask for results.

    Not for several threads at once: bind the program for each.

    Parameters
    ----------
    program : RowProgram

    Examples
    --------
    >>> from jacchain.functions.rows.programs import row_program
    >>> from jacchain.functions.rows.wanted import Wanted
    >>> from jacchain.model.trace import trace
    >>> expression = trace(lambda x: np.sum(x[1:] * x[:-1] ** 2), np.ones(4))
    >>> executable = RowExecutable(row_program(expression, {"hessian": Wanted("hessian", 0)}))
    >>> executable.set_input(0, np.array([1.0, 2.0, 3.0, 4.0]))
    >>> executable.result("hessian")
    array([4., 2., 6., 4., 8., 6.])
    """

    def __init__(self, program: RowProgram, /) -> None:
        self.program = program
        binding = _Binding(program)
        self._inputs = binding.inputs
        self._results = {name: _readonly(array) for name, array in binding.results.items()}
        bound = [(stage, calls) for stage, calls in binding.bound() if calls]
        for stage, calls in bound:
            if not stage.inputs:
                run(calls)
        left = [(1 << number, *one) for number, one in enumerate(one for one in bound if one[0].inputs)]
        self._parts = {
            name: tuple((bit, calls) for bit, stage, calls in left if name in stage.results) for name in program.results
        }
        self._needed = {name: sum(bit for bit, _ in parts) for name, parts in self._parts.items()}
        self._whole = {name: tuple(call for _, calls in parts for call in calls) for name, parts in self._parts.items()}
        self._dependent = tuple(
            sum(bit for bit, stage, _ in left if k in stage.inputs) for k in range(len(binding.inputs))
        )
        self._stale = sum(bit for bit, *_ in left)

    def set_input(self, position: int, numbers: Array, /) -> None:
        """Copy an argument's array, and mark as stale what depends on it."""
        self._inputs[position][...] = numbers
        self._stale |= self._dependent[position]

    def calls_due(self, name: str, /) -> int:
        """Return how many calls a result would take now; none, if nothing that it depends on has been set."""
        return sum(len(calls) for bit, calls in self._parts[name] if bit & self._stale)

    def result(self, name: str, /) -> Array:
        """Return a result at the inputs that were set: flat, read-only, and overwritten at the next point."""
        needed = self._needed[name]
        stale = self._stale & needed
        if stale == needed:
            for function, arguments in self._whole[name]:
                function(*arguments)
        elif stale:
            for bit, calls in self._parts[name]:
                if bit & stale:
                    run(calls)
        self._stale &= ~needed
        return self._results[name]


def _readonly(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


class _Binding:
    """The arrays of a program's steps, as they are found stage by stage."""

    def __init__(self, program: RowProgram) -> None:
        self.program = program
        self.dtype = program.expression.dtype
        nodes = program.expression.nodes
        self.inputs = tuple(np.empty(nodes[k].shape, self.dtype) for k in program.expression.inputs)
        self.given = [flat(array) for array in (*self.inputs, *program.constants)]
        self.results = {name: np.zeros(written.size, self.dtype) for name, written in program.results.items()}
        self.lengths = program.step_lengths
        self.stages = stages(program)
        self.arrays: list[Any] = [None] * len(program.steps)
        self.uses = Counter(k for step in program.steps for k in step.operands)
        self.uses.update(
            placing.write.row for stage in self.stages for placing in stage.placings if placing.write.row is not None
        )
        self.outside = self._outside()

    def bound(self) -> list[tuple[Stage, Calls]]:
        """Return the stages with their calls."""
        for k, step in enumerate(self.program.steps):
            if step.function == INPUT:
                self.arrays[k] = self.given[int(step.number)]
            elif step.function == CONSTANT:
                self.arrays[k] = np.full((), step.number, self.dtype)
        return [(stage, tuple(self._stage(stage))) for stage in self.stages]

    def _outside(self) -> set[int]:
        """Return the steps that other stages than their own read, through views of them too."""
        home = {k: number for number, stage in enumerate(self.stages) for k in stage.steps}
        found: set[int] = set()
        for number, stage in enumerate(self.stages):
            read = [i for k in stage.steps for i in self.program.steps[k].operands]
            read += [placing.write.row for placing in stage.placings if placing.write.row is not None]
            found.update(k for k in read if home.get(k, number) != number)
        for k in reversed(range(len(self.program.steps))):
            if k in found and self._is_view(k):
                found.update(self.program.steps[k].operands)
        return found

    def _is_view(self, k: int) -> bool:
        step = self.program.steps[k]
        return kind(step.function) == "take" and view_of(self.program.routes.of(step.function)[0])

    def _stage(self, stage: Stage) -> list[Call]:
        steps, calls = self.program.steps, list[Call]()
        straight = self._straight(stage)
        buffers = self._buffers(stage, straight)
        registers = RowRegisters(self.dtype, self._last_reads(stage))
        for place, k in enumerate(stage.steps):
            step = steps[k]
            operands = [self.arrays[i] for i in step.operands]
            if self._is_view(k):
                self.arrays[k] = flat(operands[0][self.program.routes.of(step.function)[0].as_slice])
                registers.see(k, step.operands[0])
                continue
            if k in straight:
                self.arrays[k] = straight[k]
            elif k in buffers:
                self.arrays[k] = buffers[k]
            elif k in self.outside:
                self.arrays[k] = empty(self.lengths[k], self.dtype)
            else:
                self.arrays[k] = registers.taken(k, place, step, self.lengths[k])
            calls += self._calls(k, operands, is_begun=k in buffers)
            registers.free(place)
        for result, write in stage.placings:
            if write.row is not None and write.row in straight:
                continue
            row = None if write.row is None else self.arrays[write.row]
            calls += add_calls(self.results[result], write, row)
        return calls

    def _last_reads(self, stage: Stage) -> dict[int, int]:
        """Return for each step of a stage the place of the last one that reads it, itself or through a view."""
        last: dict[int, int] = {}
        end = len(stage.steps)
        last.update({placing.write.row: end for placing in stage.placings if placing.write.row is not None})
        for place in reversed(range(end)):
            k = stage.steps[place]
            at = last.get(k, place) if self._is_view(k) else place
            for operand in self.program.steps[k].operands:
                last[operand] = max(last.get(operand, -1), at)
        return last

    def _straight(self, stage: Stage) -> dict[int, Array]:
        """Return the places in results that steps are computed right into, instead of being copied there."""
        found: dict[int, Array] = {}
        own = set(stage.steps)
        for result, (row, lanes, to, is_added, _, is_negative) in stage.placings:
            if row not in own or is_added or is_negative or self.uses[row] != 1 or not to.is_even or self._is_view(row):
                continue
            assert lanes is not None
            if lanes.is_identity and kind(self.program.steps[row].function) not in APART:
                found[row] = self.results[result][to.as_slice]
        return found

    def _buffers(self, stage: Stage, straight: dict[int, Array]) -> dict[int, Array]:
        """Return the arrays of rows that are put together, where the longest part is computed right into its place.

        That place is added to `straight`.
        """
        found: dict[int, Array] = {}
        for k in stage.steps:
            step = self.program.steps[k]
            if kind(step.function) != "put" or not self._is_begun(k, stage, straight):
                continue
            found[k] = np.empty(self.lengths[k], self.dtype)
            straight[step.operands[0]] = found[k][self.program.routes.of(step.function)[0].as_slice]
        return found

    def _is_begun(self, k: int, stage: Stage, straight: dict[int, Array]) -> bool:
        step = self.program.steps[k]
        first, routes = step.operands[0], self.program.routes.of(step.function)
        covered = np.zeros(self.lengths[k], bool)
        for to in routes:
            covered[to.places] = True
        is_own = first in stage.steps and first not in self.outside and first not in straight
        is_computed = kind(self.program.steps[first].function) not in APART
        return is_own and is_computed and self.uses[first] == 1 and view_of(routes[0]) and bool(covered.all())

    def _calls(self, k: int, operands: Sequence[Array], *, is_begun: bool) -> Calls:
        step, out = self.program.steps[k], self.arrays[k]
        routes = self.program.routes.of(step.function)
        match kind(step.function):
            case "take":
                return ((NUMPY.take, (operands[0], routes[0].places, out)),)
            case "put":
                return put_calls(operands, routes, out, is_begun=is_begun)
            case "sum":
                return ((np.add.reduce, (operands[0], 0, None, out, False)),)
            case "counts":
                return ((np.copyto, (out, np.bincount(routes[0].places, minlength=routes[0].size))),)
            case "sums":
                return sums_calls(operands[0], routes[0], out)
            case _:
                return step_calls(step.function, operands, out)
