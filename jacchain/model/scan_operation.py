"""Repetition as one operation: one step's structure, however many steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple, final

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.execution.operation import LocalFacts, OperationFacts, Shape
from jacchain.model.expression import Expression
from jacchain.model.primitive import refuse_shapes
from jacchain.model.step_program import BoundStep, Direction, StepProgram, step_program, value_program
from jacchain.planning.link import Link


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
@dataclass(frozen=True, eq=False)
class Scan:
    """A step applied again and again to what it carries along.

    The operands are flat: what derivatives are taken with respect to, and then the rest if there is any. The value is
    flat too: what is carried in the end, and then the outputs of all steps, one after the other for each output. Its
    local Jacobian is applied, never formed: tangents go forward with the steps; adjoints go backward over the states,
    which are stored. Both run the step's own planned program again and again.

    Parameters
    ----------
    step : Expression
        Of what is carried, what is given at each step, and parameters, to what is carried on and the outputs.
    length : int
        How many steps.
    sources : tuple of Source
        For each input of the step; what is carried comes first and is active.
    carried : int
        How many arrays are carried.
    """

    step: Expression
    length: int
    sources: tuple[Source, ...]
    carried: int

    @property
    def name(self) -> str:
        """What messages call it."""
        return "scan"

    @property
    def active(self) -> tuple[bool, ...]:
        """Which inputs of the step derivatives are taken with respect to."""
        return tuple(source.is_active for source in self.sources)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of each output of a step, what is carried first."""
        return tuple(prod(self.step.nodes[k].shape) for k in self.step.outputs)

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: tangents and adjoints cost as often as there are steps what the step's program costs."""
        wanted = [self._numbers(is_active=True), self._numbers(is_active=False)]
        if list(shapes) != [(size,) for size in wanted if size]:
            refuse_shapes(self.name, shapes, f"give {wanted[0]} and {wanted[1]} numbers")
        state = sum(self.sizes[: self.carried])
        outputs = state + self.length * sum(self.sizes[self.carried :])
        link = Link(
            wanted[0],
            outputs,
            tangent_cost=self.length * self._program("tangents", 1).flops,
            adjoint_cost=self.length * self._program("adjoints", 1).flops,
            tape=self.length * state,
            name=self.name,
        )
        local = LocalFacts(link=link, reads=tuple(range(len(shapes))))
        return OperationFacts(output=(outputs,), locals=(local, *(None for _ in shapes[1:])))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that repeats the step."""
        inputs, copied = _contiguous(kernels, xs)
        step = BoundStep(value_program(self.step), kernels)
        ahead = self._steps(kernels, step.inputs, inputs)
        states, outputs = self._split(y)

        def repeat() -> None:
            _write(step.inputs, self._beginning(inputs))
            for t in range(self.length):
                _write_at(ahead, t)
                step.run()
                _write(step.inputs, step.values[: self.carried])
                for rows, value in zip(outputs, step.values[self.carried :], strict=True):
                    rows[t] = value.reshape(-1)
            for state, value in zip(states, step.values, strict=False):
                state[...] = value.reshape(-1)

        return (*copied, (repeat, ()))

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, _y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the calls that form the local Jacobian, by unit tangents."""
        (target,) = out.arrays
        return self.tangent_calls(kernels, k, xs, kernels.xp.eye(target.shape[1], dtype=target.dtype), target)

    def tangent_calls(self, kernels: Kernels, _k: int, xs: Arrays, v: Array, out: Array, /) -> Calls:
        """Return the call that repeats the step's product with tangents."""
        inputs, copied = _contiguous(kernels, xs)
        step = BoundStep(self._program("tangents", v.shape[1]), kernels)
        seeds, points = step.inputs[1 : 1 + sum(self.active)], step.inputs[1 + sum(self.active) :]
        ahead = [*self._steps(kernels, points, inputs), *self._seeds(kernels, seeds, v)]
        first = [v[source.start : source.start + source.size] for source in self.sources[: self.carried]]
        states, outputs = self._split(out)

        def repeat() -> None:
            _write(points, self._beginning(inputs))
            _write(seeds, first)
            for t in range(self.length):
                _write_at(ahead, t)
                step.run()
                _write(points, step.values[: self.carried])
                _write(seeds, step.derivatives[: self.carried])
                for rows, tangents in zip(outputs, step.derivatives[self.carried :], strict=True):
                    rows[t] = 0 if tangents is None else tangents
            for state, tangents in zip(states, step.derivatives, strict=False):
                state[...] = 0 if tangents is None else tangents

        return (*copied, (repeat, ()))

    def adjoint_calls(self, kernels: Kernels, _k: int, xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the calls that repeat the step and store what it carries, and then go back over that."""
        inputs, copied = _contiguous(kernels, xs)
        states = [kernels.xp.empty((self.length, *s.shape), out.dtype) for s in self.sources[: self.carried]]
        step = BoundStep(self._program("adjoints", u.shape[0]), kernels)
        weights, points = step.inputs[: len(self.sizes)], step.inputs[len(self.sizes) :]
        last, given = self._split(u.T)
        before = [*self._steps(kernels, points, inputs), *_known(points, states)]
        before += _known(weights[self.carried :], [rows.swapaxes(1, 2) for rows in given])
        firsts, targets = self._targets(out)

        def back() -> None:
            out[...] = 0
            _write(weights, [adjoints.T for adjoints in last])
            for t in reversed(range(self.length)):
                _write_at(before, t)
                step.run()
                _write(weights, step.derivatives[: self.carried])
                for target, adjoints in zip(targets, step.derivatives[self.carried :], strict=True):
                    if adjoints is not None:
                        at = target[:, t if target.shape[1] == self.length else 0]
                        at += adjoints
            for target, adjoints in zip(firsts, step.derivatives, strict=False):
                target[...] = 0 if adjoints is None else adjoints

        return (*copied, self._stored(kernels, inputs, states), (back, ()))

    def _stored(self, kernels: Kernels, inputs: Arrays, states: list[Array]) -> Call:
        """Return the call that repeats the step and stores what each step is given of what is carried."""
        step = BoundStep(value_program(self.step), kernels)
        ahead = self._steps(kernels, step.inputs, inputs)

        def store() -> None:
            carried = self._beginning(inputs)
            for t in range(self.length):
                for rows, state in zip(states, carried, strict=True):
                    rows[t] = state
                _write(step.inputs, carried)
                _write_at(ahead, t)
                step.run()
                carried = step.values[: self.carried]

        return store, ()

    def _program(self, direction: Direction, count: int) -> StepProgram:
        return step_program(self.step, self.active, direction, count)

    def _numbers(self, *, is_active: bool) -> int:
        """Return how many numbers the first operand has, or the second."""
        return sum(
            source.size * (self.length if source.is_stepped else 1)
            for source in self.sources
            if source.is_active is is_active
        )

    def _beginning(self, inputs: Arrays) -> list[Array]:
        """Return what is carried into the first step."""
        return [_one(inputs[0], source) for source in self.sources[: self.carried]]

    def _steps(self, kernels: Kernels, points: Sequence[Array], inputs: Arrays) -> list["_Rows"]:
        """Return what is written before each step of what is not carried."""
        rows = [
            self._of_all_steps(kernels, inputs[0 if source.is_active else 1], source)
            for source in self.sources[self.carried :]
        ]
        return _known(points[self.carried :], rows)

    def _seeds(self, kernels: Kernels, seeds: Sequence[Array], v: Array) -> list["_Rows"]:
        """Return the tangents that are written before each step, of what is not carried."""
        moving = [source for source in self.sources[self.carried :] if source.is_active]
        return _known(seeds[self.carried :], [self._of_all_steps(kernels, v, source) for source in moving])

    def _of_all_steps(self, kernels: Kernels, numbers: Array, source: Source) -> Array:
        """Return the rows of a source, one for each step; a parameter's are all the same."""
        shape = (self.length, *source.shape, *numbers.shape[1:])
        if source.is_stepped:
            return numbers[source.start : source.start + self.length * source.size].reshape(shape)
        return kernels.xp.broadcast_to(_one(numbers, source), shape)

    def _split(self, rows: Array) -> tuple[list[Array], list[Array]]:
        """Return views of what belongs to what is carried in the end, and to each output, step by step."""
        found, start = [], 0
        for k, size in enumerate(self.sizes):
            count = size if k < self.carried else self.length * size
            found.append(rows[start : start + count])
            start += count
        outputs = [part.reshape(self.length, -1, *rows.shape[1:]) for part in found[self.carried :]]
        return found[: self.carried], outputs

    def _targets(self, out: Array) -> tuple[list[Array], list[Array]]:
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


class _Rows(NamedTuple):
    """What is written into a buffer before each step: one row for each."""

    target: Array
    rows: Array


def _known(targets: Sequence[Array], rows: Sequence[Array]) -> list[_Rows]:
    """Return the pairs of those targets that are there."""
    return [_Rows(*pair) for pair in zip(targets, rows, strict=False) if pair[0] is not None]


def _one(numbers: Array, source: Source) -> Array:
    """Return a source that is the same in all steps, or that of the first, in its shape."""
    return numbers[source.start : source.start + source.size].reshape((*source.shape, *numbers.shape[1:]))


def _write(targets: Sequence[Array], arrays: Sequence[Array]) -> None:
    """Write arrays into those buffers that are there; None is zero."""
    for target, array in zip(targets, arrays, strict=False):
        if target is not None:
            target[...] = 0 if array is None else array.reshape(target.shape)


def _write_at(pairs: Sequence[_Rows], t: int) -> None:
    """Write what a step is given."""
    for target, rows in pairs:
        target[...] = rows[t]


def _contiguous(kernels: Kernels, xs: Arrays) -> tuple[Arrays, Calls]:
    """Return contiguous inputs, and the calls that make them so."""
    found, calls = list(xs), list[Call]()
    for k, x in enumerate(xs):
        if not x.flags.c_contiguous:
            found[k] = kernels.xp.empty(x.shape, x.dtype)
            calls.append((kernels.copyto, (found[k], x)))
    return tuple(found), tuple(calls)
