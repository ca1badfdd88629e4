"""What a row of the product table is, and one of the table of sums."""

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


def always(_left: Any, _right: Any) -> bool:
    """Accept every pair of the two types."""
    return True


class Rule(NamedTuple):
    """How one pair of structures multiplies.

    `accepts` tells whether the rule is for these two; where it is, `result` gives the structure of the product, `cost`
    counts scalar multiplications, and `apply` returns the calls that fill the result; `scratch` is how many numbers of
    workspace they need; `in_place` names the operand whose storage the result may take over.
    """

    result: Callable[[Any, Any], Structure]
    cost: Callable[[Any, Any], int]
    apply: Callable[[Kernels, Operand, Operand, Operand, Array], Calls]
    scratch: Callable[[Any, Any], int] = nothing
    in_place: str = ""
    accepts: Callable[[Any, Any], bool] = always


class SumRule(NamedTuple):
    """One way to add a pair of structures.

    `accepts` tells whether the way is open to these two; where it is, `result` gives the structure of the sum, and
    `apply` returns the calls that fill it; `scratch` is how many numbers of workspace they need; `in_place` names the
    operand whose storage the result may take over. `cost` counts multiplications: there are none, but where A⊗B with
    two dense factors has to be written out.
    """

    accepts: Callable[[Any, Any], bool]
    result: Callable[[Any, Any], Structure]
    apply: Callable[[Kernels, Operand, Operand, Operand, Array], Calls]
    scratch: Callable[[Any, Any], int] = nothing
    in_place: str = ""
    cost: Callable[[Any, Any], int] = nothing


class Price(NamedTuple):
    """What the product of two structures costs, and the rule that makes it; known without forming its structure."""

    cost: int
    rule: Rule


class Product(NamedTuple):
    """The predicted product of two structures, by the rule that makes it."""

    structure: Structure
    cost: int
    scratch: int
    rule: Rule


class Sum(NamedTuple):
    """The predicted sum of two structures, by the rule that makes it."""

    structure: Structure
    cost: int
    scratch: int
    rule: SumRule


def full(left: Structure, right: Structure) -> Dense:
    """Return the dense structure of a product."""
    return Dense(left.rows, right.columns)
