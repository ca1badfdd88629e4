"""Repetition as one operation: one step's structure, however many steps."""

from dataclasses import dataclass
from math import prod
from typing import final

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense
from jacchain.execution.operation import CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.band import BandedStep, banded
from jacchain.model.band_sweep import multiplications
from jacchain.model.expression import Expression
from jacchain.model.primitive import refuse_shapes
from jacchain.model.scan_band import BandedScan
from jacchain.model.scan_layout import ScanLayout, Source, contiguous, known, write, write_at
from jacchain.model.step_program import BoundStep, Direction, StepProgram, step_program, value_program
from jacchain.model.stored import store_symmetric
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, eq=False)
class Scan:
    """A step applied again and again to what it carries along.

    The operands are flat: what derivatives are taken with respect to, and then the rest if there is any. The value is
    flat too: what is carried in the end, and then the outputs of all steps, one after the other for each output. Its
    local Jacobian is applied, never formed: tangents go forward with the steps; adjoints go backward over the states,
    which are stored. Both run the step's own planned program again and again. So is its curvature: tangents of that
    sweep go backward with it.

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
    is_stored : bool
        A last operand is what `ScanStates` leaves.
    """

    step: Expression
    length: int
    sources: tuple[Source, ...]
    carried: int
    is_stored: bool = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return "scan"

    @property
    def layout(self) -> ScanLayout:
        """Where everything lies."""
        sizes = tuple(prod(self.step.nodes[k].shape) for k in self.step.outputs)
        return ScanLayout(self.sources, self.carried, sizes, self.length)

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: tangents and adjoints cost as often as there are steps what the step's program costs."""
        layout = self.layout
        wanted = [layout.numbers(is_active=True), layout.numbers(is_active=False)]
        kept = [(layout.stored + layout.outputs,)] if self.is_stored else []
        if list(shapes) != [*((size,) for size in wanted if size), *kept]:
            refuse_shapes(self.name, shapes, f"give {wanted[0]} and {wanted[1]} numbers")
        outputs = layout.outputs
        costs = self._costs()
        if costs is None:  # whatever moves, a step gives the same, as one of signs does
            return OperationFacts(output=(outputs,), locals=tuple(None for _ in shapes))
        link = Link(
            wanted[0],
            outputs,
            tangent_cost=self.length * costs[0],
            adjoint_cost=self.length * costs[1],
            tape=0 if self.is_stored else layout.stored,
            name=self.name,
        )
        local = LocalFacts(link=link, reads=tuple(range(len(shapes))))
        return OperationFacts(
            output=(outputs,),
            locals=(local, *(None for _ in shapes[1:])),
            curvatures=self._curvatures(wanted[0], local.reads),
        )

    def _costs(self) -> tuple[int, int] | None:
        """Return the multiplications of a step's product with a tangent and an adjoint; None where it is zero."""
        band = self._band()
        if band is not None:
            return multiplications(band), multiplications(band)
        tangents = self._program("tangents", 1)
        return (tangents.flops, self._program("adjoints", 1).flops) if any(tangents.kept) else None

    def _curvatures(self, size: int, reads: tuple[int, ...]) -> tuple[CurvatureFacts, ...] | None:
        """Return what is known of u·∂²f: nothing where an operation of the step that moves does not state its own."""
        moving = {k for k, is_active in zip(self.step.inputs, self.layout.active, strict=True) if is_active}
        is_linear = True
        for node, (_, operands, *_) in enumerate(self.step.nodes):
            if moving.isdisjoint(operands):
                continue
            stated = self.step.facts(node).curvatures
            if stated is None:
                return None
            is_linear &= not any({operands[one.first], operands[one.second]} <= moving for one in stated)
            moving.add(node)
        if is_linear:
            return ()
        whole = Dense(size, size)
        return (CurvatureFacts(first=0, second=0, structure=whole, reads=reads, applies=True, scratch=size * size),)

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that repeats the step, or copies what came out of it."""
        if self.is_stored:
            return ((kernels.copyto, (y, xs[-1][self.layout.stored :])),)
        inputs, copied = contiguous(kernels, xs)
        step = BoundStep(value_program(self.step), kernels)
        ahead = self.layout.steps(kernels, step.inputs, inputs)
        states, outputs = self.layout.split(y)

        def repeat() -> None:
            write(step.inputs, self.layout.beginning(inputs))
            for t in range(self.length):
                write_at(ahead, t)
                step.run()
                write(step.inputs, step.values[: self.carried])
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
        inputs, copied = contiguous(kernels, xs)
        band = self._band()
        if band is not None:
            states = self.layout.states(inputs[-1]) if self.is_stored else None
            ahead_band = BandedScan(self.step, self.layout, band, kernels, inputs).tangents(v, out, states)
            return (*copied, (ahead_band, ()))
        step = BoundStep(self._program("tangents", v.shape[1]), kernels)
        seeds, points = step.inputs[1 : 1 + sum(self.layout.active)], step.inputs[1 + sum(self.layout.active) :]
        ahead = [*self.layout.steps(kernels, points, inputs), *self.layout.seeds(kernels, seeds, v)]
        first = [v[source.start : source.start + source.size] for source in self.sources[: self.carried]]
        states, outputs = self.layout.split(out)

        def repeat() -> None:
            write(points, self.layout.beginning(inputs))
            write(seeds, first)
            for t in range(self.length):
                write_at(ahead, t)
                step.run()
                write(points, step.values[: self.carried])
                write(seeds, step.derivatives[: self.carried])
                for rows, tangents in zip(outputs, step.derivatives[self.carried :], strict=True):
                    rows[t] = 0 if tangents is None else tangents
            for state, tangents in zip(states, step.derivatives, strict=False):
                state[...] = 0 if tangents is None else tangents

        return (*copied, (repeat, ()))

    def adjoint_calls(self, kernels: Kernels, _k: int, xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the calls that repeat the step and store what it carries, and then go back over that."""
        inputs, copied = contiguous(kernels, xs)
        stored: Calls = ()
        if self.is_stored:
            states = self.layout.states(inputs[-1])
        else:
            states = [kernels.xp.empty((self.length, *s.shape), out.dtype) for s in self.sources[: self.carried]]
            stored = (self._stored(kernels, inputs, states),)
        band = self._band()
        if band is not None:
            back_band = BandedScan(self.step, self.layout, band, kernels, inputs).adjoints(u, out, states)
            return (*copied, *stored, (back_band, ()))
        step = BoundStep(self._program("adjoints", u.shape[0]), kernels)
        weights, points = step.inputs[: len(self.layout.sizes)], step.inputs[len(self.layout.sizes) :]
        last, given = self.layout.split(u.T)
        before = [*self.layout.steps(kernels, points, inputs), *known(points, states)]
        before += known(weights[self.carried :], [rows.swapaxes(1, 2) for rows in given])
        firsts, targets = self.layout.targets(out)

        def back() -> None:
            out[...] = 0
            write(weights, [adjoints.T for adjoints in last])
            for t in reversed(range(self.length)):
                write_at(before, t)
                step.run()
                write(weights, step.derivatives[: self.carried])
                for target, adjoints in zip(targets, step.derivatives[self.carried :], strict=True):
                    if adjoints is not None:
                        at = target[:, t if target.shape[1] == self.length else 0]
                        at += adjoints
            for target, adjoints in zip(firsts, step.derivatives, strict=False):
                target[...] = 0 if adjoints is None else adjoints

        return (*copied, *stored, (back, ()))

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, _y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that form u·∂²f, by bends of unit tangents."""
        (target,) = out.arrays
        made = scratch[: target.size].reshape(target.shape)
        calls = self._bends(kernels, xs, u, kernels.xp.eye(len(target), dtype=target.dtype), made)
        return (*calls, (store_symmetric, (out, Operand(out.structure, (made,)))))

    def curvature_views(self, _pair: tuple[int, int], _u: Array, /) -> Arrays:
        """Return nothing, which is never asked for: the curvature of a repetition is computed."""
        raise AssertionError("scan has no view as its curvature")

    def bend_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, _y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls that write (u·∂²f) v."""
        return self._bends(kernels, xs, u, v[:, None], out[:, None])

    def _bends(self, kernels: Kernels, xs: Arrays, u: Array, v: Array, out: Array) -> Calls:
        from jacchain.model.scan_curvature import bend_calls  # loads tapes, which few need

        return bend_calls(self.step, self.layout, kernels, xs, u, v, out)

    def _stored(self, kernels: Kernels, inputs: Arrays, states: list[Array]) -> Call:
        """Return the call that repeats the step and stores what each step is given of what is carried."""
        step = BoundStep(value_program(self.step), kernels)
        ahead = self.layout.steps(kernels, step.inputs, inputs)

        def store() -> None:
            carried = self.layout.beginning(inputs)
            for t in range(self.length):
                for rows, state in zip(states, carried, strict=True):
                    rows[t] = state
                write(step.inputs, carried)
                write_at(ahead, t)
                step.run()
                carried = step.values[: self.carried]

        return store, ()

    def _band(self) -> BandedStep | None:
        return banded(self.step, self.layout.active)

    def _program(self, direction: Direction, count: int) -> StepProgram:
        return step_program(self.step, self.layout.active, direction, count)
