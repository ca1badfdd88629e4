"""What an operation comes to that is no work, or the same as a simpler one."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from jacchain.execution.operation import Applied, Operation
from jacchain.model.primitives.binary import COMPARISONS, Binary, Extremum, Where
from jacchain.model.primitives.broadcast import Broadcast
from jacchain.model.primitives.placement import Concatenate, Stack
from jacchain.model.primitives.reduction import Max, Min
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.selection import Gather, Index
from jacchain.model.primitives.unary import Absolute, Unary


class Step(NamedTuple):
    """An operation on nodes; without an operation, its only operand itself."""

    operation: Operation | None
    operands: tuple[int, ...]


class Recorded(Protocol):
    """What is looked at: the nodes so far."""

    @property
    def nodes(self) -> Sequence[Applied]:
        """The nodes in topological order."""

    @property
    def masks(self) -> Collection[int]:
        """The nodes that hold 0 and 1 only, and are boolean in NumPy."""


def simpler(recorded: Recorded, operation: Operation, operands: tuple[int, ...], /) -> Step | None:
    """Return a simpler step with the same value, or None.

    A reshape or broadcast to the same shape and a transpose that moves nothing are dropped, two in a row become one,
    x·x is a square, and a mask compared with 0 is that mask.
    """
    first = recorded.nodes[operands[0]]
    match operation:
        case Reshape(shape) | Broadcast(shape) if shape == first.shape:
            return Step(None, operands)
        case Transpose(axes) if list(axes) == list(range(len(axes))):
            return Step(None, operands)
        case Unary("positive" | "conjugate"):
            return Step(None, operands)
        case Binary("multiply") if operands[0] == operands[1]:
            return Step(Unary("square"), operands[:1])
        case Binary("not_equal") if operands[0] in recorded.masks and _is_zero(recorded, operands[1]):
            return Step(None, operands[:1])
    match operation, first.operation:
        case (Reshape(), Reshape()) | (Broadcast(), Broadcast()):
            return Step(operation, first.operands)
        case Transpose(outer), Transpose(inner):
            return Step(Transpose(tuple(inner[axis] for axis in outer)), first.operands)
        case Unary("negative"), Unary("negative"):
            return Step(None, first.operands)
    return None


MASKS = ({*COMPARISONS} - {"floor_divide"}) | {"logical_not", "isfinite", "isinf", "isnan", "signbit"}
"""Names of what gives 0 and 1 only."""


def gives_mask(operation: Operation, are_masks: Sequence[bool], /) -> bool:
    """Return whether an operation's value is boolean in NumPy, given which of its operands are."""
    match operation:
        case Unary(function) | Binary(function) if function in MASKS:
            return True
        case Where():
            return all(are_masks[1:])
        case Reshape() | Broadcast() | Transpose() | Index() | Gather() | Concatenate() | Stack():
            return all(are_masks)
        case Extremum() | Absolute() | Max() | Min():
            return all(are_masks)
    return False


def _is_zero(recorded: Recorded, node: int) -> bool:
    operation, operands, _, constant, _ = recorded.nodes[node]
    if isinstance(operation, Reshape | Broadcast):
        return _is_zero(recorded, operands[0])
    return constant is not None and not constant.any()
