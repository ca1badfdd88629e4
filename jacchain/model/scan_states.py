"""The states of a repetition as a value of their own, which what comes out and all derivatives are made of."""

from dataclasses import dataclass
from typing import Final, final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.execution.operation import OperationFacts, Shape
from jacchain.model.expression import Expression
from jacchain.model.scan_layout import ScanLayout, contiguous, write_at
from jacchain.model.step_program import BoundStep, value_program

MOST: Final = 1 << 21
"""Numbers of all states up to which they are kept; beyond, they are computed anew for what needs them."""


@final
@dataclass(frozen=True, eq=False)
class ScanStates:
    """What each step of a repetition is given of what is carried, and then what comes out of it, in one flat array.

    Nothing is differentiated through it: the repetition itself, which is given this, states how what comes out moves
    with what goes in.

    Parameters
    ----------
    step : Expression
    layout : ScanLayout
    """

    step: Expression
    layout: ScanLayout

    @property
    def name(self) -> str:
        """What messages call it."""
        return "states"

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: whatever moves is the repetition's to say."""
        return OperationFacts(output=(self.layout.stored + self.layout.outputs,), locals=tuple(None for _ in shapes))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that repeats the step and stores what it is given."""
        layout = self.layout
        inputs, copied = contiguous(kernels, xs)
        step = BoundStep(value_program(self.step), kernels)
        ahead = layout.steps(kernels, step.inputs, inputs)
        states, (last, outputs) = layout.states(y), layout.split(y[layout.stored :])

        kept = list(zip(states, [*layout.beginning(inputs)], step.values, step.inputs, strict=False))
        made = [(rows, value.reshape(-1)) for rows, value in zip(outputs, step.values[layout.carried :], strict=True)]

        def repeat() -> None:
            for rows, first, _, _ in kept:
                rows[0] = first
            for t in range(layout.length):
                for rows, _, _, target in kept:
                    if target is not None:
                        target[...] = rows[t]
                write_at(ahead, t)
                step.run()
                if t + 1 < layout.length:
                    for rows, _, value, _ in kept:
                        rows[t + 1] = value
                for rows, value in made:
                    rows[t] = value
            for target, value in zip(last, step.values, strict=False):
                target[...] = value.reshape(-1)

        return (*copied, (repeat, ()))

    def local_calls(self, _kernels: Kernels, _k: int, _xs: Arrays, _y: Array, _out: Operand, _s: Array, /) -> Calls:
        """Return nothing, which is never asked for: nothing is differentiated through the states."""
        raise AssertionError("states have no local Jacobian")
