"""A straight-line program for many points at once: every step is one call on a row of points."""

from collections.abc import Sequence
from functools import cached_property, partial
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Call, Calls, Kernels, run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.execution.operation import Shape
from jacchain.functions.scalar.python_code import Compiled, compiled, python_code
from jacchain.functions.scalar.registers import registers
from jacchain.functions.scalar.scalar_program import ScalarProgram
from jacchain.functions.scalar.steps import CONSTANT, INPUT, ScalarStep
from jacchain.model.layer import constant
from jacchain.model.primitives.formula import SPECIAL

ROW: Final = 1 << 14
"""Bytes of a row: a whole workspace stays in the second-level cache, and calls are few enough."""

KEPT: Final = 4
"""Lengths of rows that are kept ready."""

FEW: Final = 8
"""Points below which each is taken through the program in Python's floats, as a call on a row has a fixed price."""


class Bound(NamedTuple):
    """A program bound to rows of some length.

    Attributes
    ----------
    inputs, results : array
        Of a row for every number that goes in, and that comes out.
    calls : tuple of calls
    """

    inputs: Array
    results: Array
    calls: Calls


def bound(program: ScalarProgram, length: int, dtype: "np.dtype[Any]", kernels: Kernels = NUMPY, /) -> Bound:
    """Return a program bound to rows of so many points."""
    steps, results = program.steps, program.results
    used = registers(steps, results)
    xp = kernels.xp
    inputs, made = xp.empty((program.inputs, length), dtype), xp.empty((len(results), length), dtype)
    work, mask = xp.empty((used.height, length), dtype), xp.empty(length, bool)
    arrays: list[Array] = []
    calls: list[Call] = []
    for k, step in enumerate(steps):
        match step.function:
            case "input":
                arrays.append(inputs[int(step.number)])
            case "constant":
                arrays.append(constant(kernels, step.number, made))
            case _:
                arrays.append(made[results.index(k)] if k in results else work[used.rows[k]])
                calls += _calls(kernels, step, [arrays[i] for i in step.operands], arrays[k], mask)
    for place, k in enumerate(results):
        if steps[k].function == CONSTANT:
            kernels.fill(steps[k].number, made[place])
        elif steps[k].function == INPUT or results.index(k) != place:
            calls.append((kernels.copyto, (made[place], arrays[k])))
    return Bound(inputs, made, tuple(calls))


def _calls(kernels: Kernels, step: ScalarStep, operands: Sequence[Array], out: Array, mask: Array) -> Calls:
    xp = kernels.xp
    match step.function:
        case "where":
            chosen, first, second = operands
            return (
                (xp.not_equal, (chosen, constant(kernels, 0, out), mask)),
                (kernels.copyto, (out, second)),
                (partial(xp.copyto, where=mask), (out, first)),
            )
        case "maximum" | "minimum" as name:  # NumPy deprecates their third positional argument
            return ((partial(getattr(xp, name), out=out), tuple(operands)),)
        case name:
            return ((kernels.special(name) if name in SPECIAL else getattr(xp, name), (*operands, out)),)


@final
class PointsExecutable:
    """A straight-line program, ready to be called with arrays of points.

    Calls may overlap in threads: each takes rows of its own, and gives them back.

    Parameters
    ----------
    program : ScalarProgram
    dtype : dtype
    blocks : sequence of tuple of int
        The shapes of the arrays, for one point, that the program's results make up one after the other.

    Examples
    --------
    >>> from jacchain.functions.scalar.steps import ScalarStep
    >>> steps = ScalarStep("input", (), 0), ScalarStep("multiply", (0, 0))
    >>> square = PointsExecutable(ScalarProgram(steps, 1, (1,)), np.dtype(float), [()])
    >>> square([np.arange(4.0)])
    [array([0., 1., 4., 9.])]
    """

    def __init__(self, program: ScalarProgram, dtype: "np.dtype[Any]", blocks: Sequence[Shape], /) -> None:
        self.program = program
        self.dtype = dtype
        self.blocks = tuple(blocks)
        self._idle: dict[int, list[Bound]] = {}

    def __call__(self, arguments: Sequence[Array], /) -> list[Array]:
        """Return the blocks at many points.

        Parameters
        ----------
        arguments : sequence of arrays
            The program's inputs: the first axis counts the points, the numbers of the others are inputs row by row.

        Returns
        -------
        list of arrays
            Of the number of points, followed by the block's shape.
        """
        count = len(arguments[0])
        found = [np.empty((count, *shape), self.dtype) for shape in self.blocks]
        if count == 0:
            return found
        points = [np.reshape(argument, (count, -1)) for argument in arguments]
        if count < FEW and self.in_floats is not None and self._one_by_one(self.in_floats, points, found):
            return found
        parts, length = self._parts(count)
        rows = self._taken(length)
        for part in range(parts):
            first = min(part * length, count - length)  # the last part takes some points a second time
            self._run(rows, points, found, slice(first, first + length))
        self._idle.setdefault(length, []).append(rows)
        return found

    @cached_property
    def in_floats(self) -> Compiled | None:
        """The program for one point, or None where Python lacks a function that it needs."""
        source = python_code(self.program)
        return None if source is None else compiled(source)

    def peak(self, count: int, /) -> int:
        """Return the bytes of the results at so many points, and of the rows."""
        height = registers(self.program.steps, self.program.results).height
        numbers = self.program.inputs + len(self.program.results) + height
        results = sum(map(prod, self.blocks)) * count
        return (numbers * self._parts(max(count, 1))[1] + results) * self.dtype.itemsize

    def _parts(self, count: int) -> tuple[int, int]:
        """Return in how many parts so many points are taken, and the points of each."""
        parts = -(-count // max(ROW // self.dtype.itemsize, 1))
        return parts, -(-count // parts)

    def _one_by_one(self, program: Compiled, points: Sequence[Array], found: Sequence[Array]) -> bool:
        """Fill in the blocks of one point after the other; return whether Python's arithmetic raised no exception."""
        made = np.empty((len(points[0]), len(self.program.results)), self.dtype)
        try:
            for k, row in enumerate(zip(*(point.tolist() for point in points), strict=True)):
                made[k] = program(row[0] if len(row) == 1 else [number for part in row for number in part])
        except (ArithmeticError, ValueError):  # rows give infinity or NaN
            return False
        first = 0
        for block, shape in zip(found, self.blocks, strict=True):
            last = first + prod(shape)
            block.reshape(len(made), last - first)[...] = made[:, first:last]
            first = last
        return True

    def release(self) -> None:
        """Drop the rows; the next call makes them anew."""
        self._idle.clear()

    def _run(self, rows: Bound, points: Sequence[Array], found: Sequence[Array], at: slice) -> None:
        first = 0
        for point in points:
            last = first + point.shape[1]
            rows.inputs[first:last] = point[at].T
            first = last
        run(rows.calls)
        first = 0
        for block, shape in zip(found, self.blocks, strict=True):
            last = first + prod(shape)
            block[at].reshape(at.stop - at.start, last - first)[...] = rows.results[first:last].T
            first = last

    def _taken(self, length: int) -> Bound:
        try:
            return self._idle[length].pop()
        except (KeyError, IndexError):
            while len(self._idle) >= KEPT:
                self._idle.pop(next(iter(self._idle)), None)
            return bound(self.program, length, self.dtype)
