"""Comparisons of values that have numbers: they give plain booleans, on which code may branch."""

from typing import Any

from jacchain.algebra.kernels import Array
from jacchain.execution.operation import Operation
from jacchain.model.primitives.binary import Binary
from jacchain.model.primitives.unary import Unary
from jacchain.model.simpler import MASKS


def is_comparison(operation: Operation, /) -> bool:
    """Return whether an operation's value is a mask."""
    return isinstance(operation, Unary | Binary) and operation.function in MASKS


def as_mask(value: Array, /) -> Any:
    """Return a mask of 0 and 1 as a bool, or as an array of bool."""
    found = value != 0
    return found if found.shape else bool(found)
