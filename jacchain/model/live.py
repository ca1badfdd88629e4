"""How many numbers forward and reverse mode hold at their fullest moments."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple, Protocol, final

from jacchain.execution.operation import Operation, Shape
from jacchain.planning.link import as_size


class Recorded(Protocol):
    """A step of a recorded function: an operation on earlier steps; an input or a constant without one."""

    @property
    def operation(self) -> Operation | None:
        """What was applied."""

    @property
    def operands(self) -> tuple[int, ...]:
        """The numbers of the steps that it was applied to."""

    @property
    def shape(self) -> Shape:
        """Of its value."""


@final
class Live(NamedTuple):
    """Numbers held at the fullest moment.

    Attributes
    ----------
    forward : int
        Values and tangents, each from when it is made until its last use.
    reverse : int
        All values, and the adjoints from when something is first added to them until they are passed on.
    itemsize : int
        Bytes of a number.
    """

    forward: int
    reverse: int
    itemsize: int = 8

    def __str__(self) -> str:
        forward, reverse = self.forward * self.itemsize, self.reverse * self.itemsize
        return (
            f"forward mode holds {self.forward:,} numbers ({forward:,} bytes), "
            f"reverse mode {self.reverse:,} ({reverse:,} bytes)"
        )


def live_numbers(
    steps: Sequence[Recorded],
    outputs: Sequence[int],
    /,
    *,
    tangents: int = 1,
    adjoints: int = 1,
    itemsize: int = 8,
) -> Live:
    """Return what forward and reverse mode hold, evaluating and passing on step by step.

    Inputs and outputs are held throughout, constants are not counted, and a view counts as a value of its own.

    Parameters
    ----------
    steps : sequence
        In topological order: ``expression.nodes``, or the entries of a tape.
    outputs : sequence of int
        The steps wanted.
    tangents, adjoints : int
        How many at once.
    itemsize : int
        Bytes of a number.

    Raises
    ------
    SizeError
        A count that is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.model.trace import trace
    >>> expression = trace(lambda x: np.sum(np.tanh(np.sin(x))), np.ones(100))
    >>> print(live_numbers(expression.nodes, expression.outputs))
    forward mode holds 600 numbers (4,800 bytes), reverse mode 501 (4,008 bytes)
    """
    tangents, adjoints = as_size(tangents, "the number of tangents"), as_size(adjoints, "the number of adjoints")
    moving = _moving(steps)
    sizes = {k: prod(steps[k].shape) for k in moving}
    forward = _forward(steps, outputs, {k: (1 + tangents) * size for k, size in sizes.items()})
    reverse = _reverse(steps, outputs, sizes, adjoints)
    return Live(forward, reverse, as_size(itemsize, "the bytes of a number"))


def _moving(steps: Sequence[Recorded]) -> list[int]:
    """Return the inputs and what depends on them."""
    found: set[int] = set()
    for k, step in enumerate(steps):
        is_input = step.operation is None and getattr(step, "constant", None) is None
        if is_input or not found.isdisjoint(step.operands):
            found.add(k)
    return sorted(found)


def _forward(steps: Sequence[Recorded], outputs: Sequence[int], held: Mapping[int, int]) -> int:
    """Return the fullest moment when every step is freed after its last use."""
    last = {k: k for k in held}
    for k in held:
        last.update({i: k for i in steps[k].operands if i in held})
    last.update({k: len(steps) for k in held if k in outputs or steps[k].operation is None})
    inputs = [k for k in held if steps[k].operation is None]
    here = most = sum(held[k] for k in inputs)
    for k in held:
        if steps[k].operation is not None:
            here += held[k]
            most = max(most, here)
        here -= sum(held[i] for i in {*steps[k].operands, k} if i in held and last[i] == k)
    return most


def _reverse(steps: Sequence[Recorded], outputs: Sequence[int], sizes: Mapping[int, int], adjoints: int) -> int:
    """Return the fullest moment of the pass back, when all values are still there."""
    live = {k for k in outputs if k in sizes}
    values = sum(sizes.values())
    most = values + adjoints * sum(sizes[k] for k in live)
    for k in reversed(sizes):
        if k in live and steps[k].operation is not None:
            live |= {i for i in steps[k].operands if i in sizes}
            most = max(most, values + adjoints * sum(sizes[i] for i in live))
            live.remove(k)
    return most
