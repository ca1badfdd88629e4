"""Where the numbers of a repetition lie: of what is carried, of what each step is given, and of parameters."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple, final

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.execution.operation import Shape


class Source(NamedTuple):
    """Where an input of the step comes from.

    Attributes
    ----------
    is_active : bool
        It is among the first operand's numbers, with respect to which there is a derivative, or the second's.
    start : int
        Its first number there.
    shape : tuple of int
        In one step.
    is_stepped : bool
        There is one for every step.
    """

    is_active: bool
    start: int
    shape: Shape
    is_stepped: bool

    @property
    def size(self) -> int:
        """Numbers in one step."""
        return prod(self.shape)


@final
class ScanLayout(NamedTuple):
    """How the flat operands and the flat value of a repetition divide.

    Attributes
    ----------
    sources : tuple of Source
        For each input of the step; what is carried comes first and is active.
    carried : int
        How many arrays are carried.
    sizes : tuple of int
        Numbers of each output of a step, what is carried first.
    length : int
        How many steps.
    """

    sources: tuple[Source, ...]
    carried: int
    sizes: tuple[int, ...]
    length: int

    @property
    def active(self) -> tuple[bool, ...]:
        """Which inputs of the step derivatives are taken with respect to."""
        return tuple(source.is_active for source in self.sources)

    @property
    def stored(self) -> int:
        """Numbers that all steps are given of what is carried."""
        return self.length * sum(self.sizes[: self.carried])

    @property
    def outputs(self) -> int:
        """Numbers that come out: what is carried in the end, and the outputs of all steps."""
        return sum(self.sizes[: self.carried]) + self.length * sum(self.sizes[self.carried :])

    def states(self, numbers: Array) -> list[Array]:
        """Return views of what all steps are given of what is carried, at the beginning of a flat array."""
        found, start = [], 0
        for source in self.sources[: self.carried]:
            count = self.length * source.size
            found.append(numbers[start : start + count].reshape(self.length, *source.shape))
            start += count
        return found

    def numbers(self, *, is_active: bool) -> int:
        """Return how many numbers the first operand has, or the second."""
        return sum(
            source.size * (self.length if source.is_stepped else 1)
            for source in self.sources
            if source.is_active is is_active
        )

    def beginning(self, inputs: Arrays) -> list[Array]:
        """Return what is carried into the first step."""
        return [one(inputs[0], source) for source in self.sources[: self.carried]]

    def steps(self, kernels: Kernels, points: Sequence[Array], inputs: Arrays) -> list["Rows"]:
        """Return what is written before each step of what is not carried."""
        rows = [
            self.of_all_steps(kernels, inputs[0 if source.is_active else 1], source)
            for source in self.sources[self.carried :]
        ]
        return known(points[self.carried :], rows)

    def seeds(self, kernels: Kernels, seeds: Sequence[Array], v: Array) -> list["Rows"]:
        """Return the tangents that are written before each step, of what is not carried."""
        moving = [source for source in self.sources[self.carried :] if source.is_active]
        return known(seeds[self.carried :], [self.of_all_steps(kernels, v, source) for source in moving])

    def of_all_steps(self, kernels: Kernels, numbers: Array, source: Source) -> Array:
        """Return the rows of a source, one for each step; a parameter's are all the same."""
        shape = (self.length, *source.shape, *numbers.shape[1:])
        if source.is_stepped:
            return numbers[source.start : source.start + self.length * source.size].reshape(shape)
        return kernels.xp.broadcast_to(one(numbers, source), shape)

    def split(self, rows: Array) -> tuple[list[Array], list[Array]]:
        """Return views of what belongs to what is carried in the end, and to each output, step by step."""
        found, start = [], 0
        for k, size in enumerate(self.sizes):
            count = size if k < self.carried else self.length * size
            found.append(rows[start : start + count])
            start += count
        outputs = [part.reshape(self.length, -1, *rows.shape[1:]) for part in found[self.carried :]]
        return found[: self.carried], outputs

    def targets(self, out: Array) -> tuple[list[Array], list[Array]]:
        """Return views of where the adjoints of what is carried go, and those of other inputs, step by step."""
        firsts, targets = list[Array](), list[Array]()
        for k, source in enumerate(self.sources):
            if not source.is_active:
                continue
            count = source.size * (self.length if source.is_stepped else 1)
            part = out[:, source.start : source.start + count]
            if k < self.carried:
                firsts.append(part)
            else:
                targets.append(part.reshape(len(out), -1, source.size))
        return firsts, targets


class Rows(NamedTuple):
    """What is written into a buffer before each step: one row for each."""

    target: Array
    rows: Array


def known(targets: Sequence[Array], rows: Sequence[Array]) -> list[Rows]:
    """Return the pairs of those targets that are there."""
    return [Rows(*pair) for pair in zip(targets, rows, strict=False) if pair[0] is not None]


def one(numbers: Array, source: Source) -> Array:
    """Return a source that is the same in all steps, or that of the first, in its shape."""
    return numbers[source.start : source.start + source.size].reshape((*source.shape, *numbers.shape[1:]))


def write(targets: Sequence[Array], arrays: Sequence[Array]) -> None:
    """Write arrays into those buffers that are there; None is zero."""
    for target, array in zip(targets, arrays, strict=False):
        if target is not None:
            target[...] = 0 if array is None else array.reshape(target.shape)


def write_at(pairs: Sequence[Rows], t: int) -> None:
    """Write what a step is given."""
    for target, rows in pairs:
        target[...] = rows[t]


def contiguous(kernels: Kernels, xs: Arrays) -> tuple[Arrays, Calls]:
    """Return contiguous inputs, and the calls that make them so."""
    found, calls = list(xs), list[Call]()
    for k, x in enumerate(xs):
        if not x.flags.c_contiguous:
            found[k] = kernels.xp.empty(x.shape, x.dtype)
            calls.append((kernels.copyto, (found[k], x)))
    return tuple(found), tuple(calls)
