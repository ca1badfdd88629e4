"""A straight-line program for many points at once: every step is one call on a row of points."""

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Call, Calls, Kernels, run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.execution.operation import Shape
from jacchain.functions.scalar.registers import registers
from jacchain.functions.scalar.scalar_program import ScalarProgram
from jacchain.functions.scalar.steps import CONSTANT, INPUT, ScalarStep
from jacchain.model.layer import constant
from jacchain.model.primitives.formula import SPECIAL

ROW: Final = 1 << 14
"""Bytes of a row: a whole workspace stays in the second-level cache, and calls are few enough."""

KEPT: Final = 4
"""Lengths of rows that are kept ready."""


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
        most = max(ROW // self.dtype.itemsize, 1)
        parts = -(-count // most)
        length = -(-count // parts)
        rows = self._taken(length)
        for part in range(parts):
            first = min(part * length, count - length)  # the last part takes some points a second time
            self._run(rows, points, found, slice(first, first + length))
        self._idle.setdefault(length, []).append(rows)
        return found

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
            block[at].reshape(-1, last - first)[...] = rows.results[first:last].T
            first = last

    def _taken(self, length: int) -> Bound:
        try:
            return self._idle[length].pop()
        except (KeyError, IndexError):
            while len(self._idle) >= KEPT:
                self._idle.pop(next(iter(self._idle)), None)
            return bound(self.program, length, self.dtype)
