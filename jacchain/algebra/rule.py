"""What a row of the product table is."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.structure import Dense, Structure


class Operand(NamedTuple):
    """A structure and the arrays that hold its numbers."""

    structure: Any
    arrays: Arrays


def nothing(_left: Any, _right: Any) -> int:
    """Return 0: the cost of passing a matrix through."""
    return 0


class Rule(NamedTuple):
    """How one pair of structures multiplies.

    `result` gives the structure of the product, or None where the rule declines; `cost` counts scalar multiplications;
    `apply` returns the calls that fill the result; `scratch` is how many numbers of workspace they need; `in_place`
    names the operand whose storage the result may take over.
    """

    result: Callable[[Any, Any], Structure | None]
    cost: Callable[[Any, Any], int]
    apply: Callable[[Kernels, Operand, Operand, Operand, Array], Calls]
    scratch: Callable[[Any, Any], int] = nothing
    in_place: str = ""


class Product(NamedTuple):
    """The predicted product of two structures, by the rule that makes it."""

    structure: Structure
    cost: int
    scratch: int
    rule: Rule


def full(left: Structure, right: Structure) -> Dense:
    """Return the dense structure of a product."""
    return Dense(left.rows, right.columns)
