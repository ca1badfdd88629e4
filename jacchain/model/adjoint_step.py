"""The adjoint of one step of a repetition as a function that can be differentiated again."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from jacchain.model.expression import Expression
from jacchain.model.step_program import replayed
from jacchain.model.tape import Tape
from jacchain.model.trace import trace


@lru_cache(maxsize=8)
def adjoint_step(step: Expression, active: tuple[bool, ...], /) -> Expression:
    """Return (weights, inputs) ↦ weights · J of a step: a tape that is itself traced.

    Its derivative along tangents of both is that of an adjoint sweep over the step: forward over reverse.

    Parameters
    ----------
    step : Expression
    active : tuple of bool
        The inputs that are differentiated with respect to; some output must depend on one.

    Returns
    -------
    Expression
        Its arguments are a weight for each of the step's outputs, of that shape, and then the step's inputs; its
        results the adjoints of the active inputs.

    Examples
    --------
    >>> step = trace(lambda carry: carry * carry, 1.0)
    >>> adjoint_step(step, (True,))([2.0], [3.0])
    [array(12.)]
    """

    def adjoints(weights: Sequence[Any], inputs: Sequence[Any]) -> Any:
        tape = Tape(dtype=step.dtype)
        moved = [tape.variable(x) if moves else x for x, moves in zip(inputs, active, strict=True)]
        terms = [np.sum(u * y) for u, y in zip(weights, replayed(step, moved), strict=True)]
        return tape.gradient(
            sum(terms[1:], start=terms[0]), [x for x, moves in zip(moved, active, strict=True) if moves]
        )

    weights, inputs = (
        [np.zeros(step.nodes[k].shape, step.dtype) for k in nodes] for nodes in (step.outputs, step.inputs)
    )
    return trace(adjoints, weights, inputs)
