"""A step on a tape."""

from typing import Any, Literal, NamedTuple, final

from jacchain.execution.operation import Operation, Shape
from jacchain.model.local_jacobian import LocalJacobian


@final
class Entry(NamedTuple):
    """A step: an operation on earlier entries, with its value and its local Jacobians there.

    Attributes
    ----------
    operation : Operation or None
        None for an input, and for a constant.
    operands : tuple of int
        Earlier entries.
    value : array, or another overloaded value
    locals : tuple
        The local Jacobian for each operand; None for a constant operand, and where it is zero everywhere. Where values
        are overloaded, True in its place: then it is applied in operations that leave a record of their own.
    name : str
    constant : array, or another overloaded value, or None
        The value of a constant.
    """

    operation: Operation | None
    operands: tuple[int, ...]
    value: Any
    locals: tuple[LocalJacobian | Literal[True] | None, ...] = ()
    name: str = ""
    constant: Any = None

    @property
    def shape(self) -> Shape:
        """Of the value."""
        return tuple(self.value.shape)
