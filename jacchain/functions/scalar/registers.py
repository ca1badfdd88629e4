"""Which row of a workspace holds the numbers of each step of a straight-line program."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from jacchain.functions.scalar.steps import CONSTANT, INPUT, ScalarStep

LATE: Final = frozenset({"where"})
"""Functions that still read after they have begun to write."""


class Registers(NamedTuple):
    """The rows of a workspace.

    Attributes
    ----------
    rows : tuple of int
        For each step its row; -1 for constants, and for inputs and results, which have rows of their own.
    height : int
        How many rows there are.
    """

    rows: tuple[int, ...]
    height: int


def registers(steps: Sequence[ScalarStep], results: Sequence[int], /) -> Registers:
    """Return rows for steps; each is free again after the last step that reads it.

    Examples
    --------
    >>> steps = [ScalarStep("input", (), 0)] + [ScalarStep("sin", (k,)) for k in range(3)]
    >>> registers(steps, [3])
    Registers(rows=(-1, 0, 0, -1), height=1)
    """
    last = {i: k for k, step in enumerate(steps) for i in step.operands}
    apart = {*results, *(k for k, step in enumerate(steps) if step.function in (INPUT, CONSTANT))}
    rows: list[int] = []
    free: list[int] = []
    count = 0
    for k, step in enumerate(steps):
        ending = [rows[i] for i in dict.fromkeys(step.operands) if last[i] == k and rows[i] >= 0]
        if step.function not in LATE:
            free += ending
        if k in apart:
            rows.append(-1)
        elif free:
            rows.append(free.pop())
        else:
            rows.append(count)
            count += 1
        if step.function in LATE:
            free += ending
    return Registers(tuple(rows), count)
