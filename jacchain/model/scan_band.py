"""Tangents and adjoints of a repetition whose step has its Jacobian on a few diagonals."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels, run
from jacchain.model.band import BandedStep
from jacchain.model.band_sweep import AT_ONCE, BoundBand, rows_of_numbers
from jacchain.model.expression import Expression
from jacchain.model.scan_layout import Rows, ScanLayout, Source, known, one, write, write_at
from jacchain.model.step_program import BoundStep, value_program


@final
class Stride(NamedTuple):
    """Some steps one after the other, whose Jacobians are made at once.

    Attributes
    ----------
    start, length : int
        The first step, and how many.
    bound : BoundBand
        Their Jacobians; that of step t is number t - start.
    calls : sequence of pairs of Calls
        Of the product with each: those from even to odd buffers, and back.
    given : sequence of pairs of arrays
        Buffers, and what is written there before, of what is not carried.
    """

    start: int
    length: int
    bound: BoundBand
    calls: Sequence[tuple[Calls, Calls]]
    given: Sequence[tuple[Array, Array]]


@final
class BandedScan:
    """A repetition by the stretches of its step: first its states, then the Jacobians of several steps at once.

    What goes from step to step lies in rows, one for each tangent or adjoint, in two buffers that take turns.
    """

    def __init__(
        self, step: Expression, layout: ScanLayout, band: BandedStep, kernels: Kernels, inputs: Arrays
    ) -> None:
        self.step, self.layout, self.band, self.kernels, self.inputs = step, layout, band, kernels, inputs
        most = max(1, AT_ONCE // max(band.rows[: layout.carried]))
        parts = -(-layout.length // most)
        self._usual = -(-layout.length // parts)
        self._bounds = {
            count: BoundBand(band, kernels, count, inputs[0])
            for count in {self._usual, layout.length % self._usual or self._usual}
        }
        self._like = inputs[0]

    def tangents(self, v: Array, out: Array, stored: Sequence[Array] | None, /) -> Callable[[], None]:
        """Return the function that writes the product with tangents as columns, by the states if these are known."""
        layout, width = self.layout, v.shape[1]
        carried = [self._pair(width, size) for size in layout.sizes[: layout.carried]]
        others = [self._rows(width, size) for size in layout.sizes[layout.carried :]]
        fixed = [self._rows(width, source.size) if source.is_active else None for source in self._others()]
        strides = self._strides(
            lambda bound, at, turn: bound.tangent_calls(
                at, [*(pair[turn] for pair in carried), *fixed], [*(pair[1 - turn] for pair in carried), *others]
            )
        )
        seeds = [(target, self._seeds(v, source)) for target, source in zip(fixed, self._others(), strict=True)]
        ahead = [Rows(target, rows) for target, rows in seeds if target is not None]
        states, outputs = layout.split(out)
        value = BoundStep(value_program(self.step), self.kernels)
        given = layout.steps(self.kernels, value.inputs, self.inputs)
        first = [v[source.start : source.start + source.size].T for source in layout.sources[: layout.carried]]

        def repeat() -> None:
            write(value.inputs, layout.beginning(self.inputs))
            write([pair[0] for pair in carried], first)
            turn = 0
            for stride in strides:
                if stored is None:
                    self._store(stride, value, given)
                else:
                    end = stride.start + stride.length
                    write(stride.bound.inputs, [rows[stride.start : end] for rows in stored])
                _differentiate(stride)
                for at in range(stride.length):
                    t = stride.start + at
                    write_at(ahead, t)
                    run(stride.calls[at][turn])
                    turn = 1 - turn
                    for rows, made in zip(outputs, others, strict=True):
                        rows[t] = made.T
            for state, pair in zip(states, carried, strict=True):
                state[...] = pair[turn].T

        return repeat

    def adjoints(self, u: Array, out: Array, states: Sequence[Array], /) -> Callable[[], None]:
        """Return the function that writes the product with adjoints as rows, given what every step is given."""
        layout, width = self.layout, u.shape[0]
        carried = [self._pair(width, size) for size in layout.sizes[: layout.carried]]
        weights = [self._rows(width, size) for size in layout.sizes[layout.carried :]]
        others = [self._rows(width, source.size) if source.is_active else None for source in self._others()]
        strides = self._strides(
            lambda bound, at, turn: bound.adjoint_calls(
                at, [*(pair[turn] for pair in carried), *weights], [*(pair[1 - turn] for pair in carried), *others]
            )
        )
        last, given = layout.split(u.T)
        before = known(weights, [rows.swapaxes(1, 2) for rows in given])
        firsts, targets = layout.targets(out)
        sums = list(zip(targets, (made for made in others if made is not None), strict=True))

        def back() -> None:
            out[...] = 0
            write([pair[0] for pair in carried], [adjoints.T for adjoints in last])
            turn = 0
            for stride in reversed(strides):
                end = stride.start + stride.length
                write(stride.bound.inputs, [rows[stride.start : end] for rows in states])
                _differentiate(stride)
                for at in reversed(range(stride.length)):
                    t = stride.start + at
                    write_at(before, t)
                    run(stride.calls[at][turn])
                    turn = 1 - turn
                    for target, adjoints in sums:
                        part = target[:, t if target.shape[1] == layout.length else 0]
                        part += adjoints
            for target, pair in zip(firsts, carried, strict=True):
                target[...] = pair[turn]

        return back

    def _others(self) -> Sequence[Source]:
        """Return the inputs of the step that are not carried."""
        return self.layout.sources[self.layout.carried :]

    def _rows(self, width: int, size: int) -> Array:
        return rows_of_numbers(self._like, width, size)

    def _pair(self, width: int, size: int) -> tuple[Array, Array]:
        return self._rows(width, size), self._rows(width, size)

    def _strides(self, calls: Callable[[BoundBand, int, int], Calls]) -> list[Stride]:
        """Return all steps in strides of a usual length, and a shorter one in the end."""
        made = {
            count: [(calls(bound, at, 0), calls(bound, at, 1)) for at in range(count)]
            for count, bound in self._bounds.items()
        }
        found = []
        for start in range(0, self.layout.length, self._usual):
            count = min(self._usual, self.layout.length - start)
            bound = self._bounds[count]
            found.append(Stride(start, count, bound, made[count], self._given(bound, start, count)))
        return found

    def _seeds(self, v: Array, source: Source) -> Array:
        """Return the tangents of an input that is not carried, as rows, for every step."""
        if not source.is_active:
            return None
        if source.is_stepped:
            shape = (self.layout.length, source.size, v.shape[1])
            return v[source.start : source.start + self.layout.length * source.size].reshape(shape).swapaxes(1, 2)
        rows = v[source.start : source.start + source.size].T
        return self.kernels.xp.broadcast_to(rows, (self.layout.length, *rows.shape))

    def _store(self, stride: Stride, value: BoundStep, given: Sequence[Rows]) -> None:
        """Do the steps, and write what each of them is given of what is carried."""
        carried = self.layout.carried
        for at in range(stride.length):
            for rows, state in zip(stride.bound.inputs[:carried], value.inputs, strict=False):
                if rows is not None:
                    rows[at] = state
            write_at(given, stride.start + at)
            value.run()
            write(value.inputs, value.values[:carried])

    def _given(self, bound: BoundBand, start: int, count: int) -> list[tuple[Array, Array]]:
        """Return what some steps are given of what is not carried, with the buffers where it goes."""
        found = []
        for target, source in zip(bound.inputs[self.layout.carried :], self._others(), strict=True):
            if target is None:
                continue
            numbers = self.inputs[0 if source.is_active else 1]
            if source.is_stepped:
                first = source.start + start * source.size
                found.append((target, numbers[first : first + count * source.size].reshape(target.shape)))
            else:
                found.append((target, one(numbers, source)))
        return found


def _differentiate(stride: Stride) -> None:
    """Make what stands on the stretches, now that what is carried has been written."""
    for target, rows in stride.given:
        target[...] = rows
    stride.bound.run()
