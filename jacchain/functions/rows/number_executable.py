"""A program of single numbers in Python's floats: one function for each result."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import cast, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.functions.rows.row_executable import RowExecutable
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.rows.row_writer import TAKE, kind
from jacchain.functions.scalar.python_code import compiled, python_code
from jacchain.functions.scalar.scalar_program import ScalarProgram
from jacchain.functions.scalar.steps import INPUT, ScalarStep, StepWriter

ByInputs = Callable[[Sequence[Sequence[float]]], list[float]]
"""Gives a result's numbers, given those of each input."""


@final
class NumberExecutable:
    """A program of single numbers, compiled to Python: set the inputs, then ask for results.

    It computes in double precision and rounds the results. Where Python's arithmetic raises an exception, rows of one
    number do the work instead, which give infinity or NaN.

    Parameters
    ----------
    program : RowProgram
        All of its steps are of one number.
    codes : dict of str to callable
        For each result the function of a sequence for each input that returns its numbers.
    """

    def __init__(self, program: RowProgram, codes: dict[str, ByInputs], /) -> None:
        self.program = program
        nodes, dtype = program.expression.nodes, program.expression.dtype
        self._codes = codes
        self._inputs: list[list[float]] = [[0.0] * length for length in program.lengths]
        self._shapes = [nodes[k].shape for k in program.expression.inputs]
        self._fresh: set[str] = set()
        self._arrays = {name: np.empty(program.results[name].size, dtype) for name in codes}
        self._results = {name: array.view() for name, array in self._arrays.items()}
        for view in self._results.values():
            view.flags.writeable = False
        self._rows: RowExecutable | None = None

    def set_input(self, position: int, numbers: Array, /) -> None:
        """Take an argument's array, and mark as stale what depends on it."""
        self._inputs[position] = numbers.tolist() if numbers.ndim == 1 else numbers.reshape(-1).tolist()
        self._fresh.clear()

    def result(self, name: str, /) -> Array:
        """Return a result at the inputs that were set: flat, read-only, and overwritten at the next point."""
        if name not in self._fresh:
            try:
                self._arrays[name][:] = self._codes[name](self._inputs)
            except (ArithmeticError, ValueError):
                self._arrays[name][:] = self._by_rows(name)
            self._fresh.add(name)
        return self._results[name]

    def _by_rows(self, name: str) -> Array:
        if self._rows is None:
            self._rows = RowExecutable(self.program)
        dtype = self.program.expression.dtype
        for position, (numbers, shape) in enumerate(zip(self._inputs, self._shapes, strict=True)):
            self._rows.set_input(position, np.array(numbers, dtype).reshape(shape))
        with np.errstate(all="ignore"):
            return self._rows.result(name)


def number_executable(program: RowProgram, /) -> NumberExecutable | None:
    """Return a program of single numbers compiled to Python, or None where Python lacks a function that it needs."""
    codes: dict[str, ByInputs] = {}
    for name in program.results:
        source = python_code(of_numbers(program, name))  # of one sequence of all inputs
        if source is None:
            return None
        codes[name] = cast(ByInputs, compiled(_of_arrays(source, program.lengths)))
    return NumberExecutable(program, codes)


def of_numbers(program: RowProgram, name: str, /) -> ScalarProgram:
    """Return the straight-line program of one result, of all inputs one after the other."""
    starts = [0, *accumulate(program.lengths)]
    written = program.results[name]
    needed = _needed(program.steps, written.rows)
    writer, made = StepWriter(), dict[int, int]()
    for k in needed:
        step = program.steps[k]
        if step.function == INPUT:
            if program.lengths[int(step.number)] == 1:
                made[k] = writer.input(starts[int(step.number)])
        elif kind(step.function) == TAKE:
            argument = int(program.steps[step.operands[0]].number)
            made[k] = writer.input(starts[argument] + program.routes.of(step.function)[0].start)
        else:
            made[k] = writer.copy(step, [made[i] for i in step.operands])
    numbers = [writer.constant(0.0)] * written.size
    signs = written.is_negative or [False] * len(written.rows)
    for row, to, is_negative in zip(written.rows, written.routes, signs, strict=True):
        numbers[to.start] = writer.step("negative", (made[row],)) if is_negative else made[row]
    return ScalarProgram(tuple(writer.steps), starts[-1], tuple(numbers))


def _of_arrays(source: str, lengths: Sequence[int]) -> str:
    """Return the source of a function of one sequence for each input instead of one for all."""
    head, _, body = source.partition("\n    ")
    if not sum(lengths):
        return source
    names, _, rest = body.partition("\n")
    left = iter(names.removesuffix(" = point").split(", "))
    parts = ["".join(f"{next(left).strip(',')}, " for _ in range(length)) for length in lengths]
    unpacked = ", ".join(f"({part.strip()})" for part in parts)
    return f"{head}\n    {unpacked}, = point\n{rest}"


def _needed(steps: Sequence[ScalarStep], rows: Sequence[int]) -> list[int]:
    found = set(rows)
    for k in reversed(range(len(steps))):
        if k in found:
            found.update(steps[k].operands)
    return sorted(found)
