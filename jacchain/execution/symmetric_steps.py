"""What the steps of symmetric products leave, and what they cost, given the structures that they read."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from jacchain.algebra.layered import column_pairs, layered_cost, layered_scratch, layered_structure
from jacchain.algebra.pattern import transpose
from jacchain.algebra.structure import Dense, Kronecker, Structure
from jacchain.algebra.symmetric import half_cost, mirror_scratch, scaled_gram_cost

SymmetricOp = Literal["transpose", "half", "gram", "pairs", "layered", "mirror"]


class Predicted(NamedTuple):
    """The structure of a result, the multiplications that it takes, and the numbers of workspace."""

    structure: Structure
    flops: int
    scratch: int = 0


def predicted(op: SymmetricOp, operands: Sequence[Structure], /) -> Predicted | None:
    """Return what a step leaves, or None where its operands are not what it takes.

    Examples
    --------
    >>> predicted("half", (Dense(10, 4), Dense(10, 4)))
    Predicted(structure=Dense(rows=4, columns=4), flops=160, scratch=0)
    """
    match op, operands:
        case "transpose", (a,):
            return Predicted(transpose(a), 0)
        case "mirror", (a,):
            return Predicted(a, 0, mirror_scratch(a))
        case "half", (Dense() as p, Dense() as t):
            return Predicted(Dense(p.columns, t.columns), half_cost(p))
        case "gram", (Dense() as p, _):
            return Predicted(Dense(p.columns, p.columns), scaled_gram_cost(p))
        case "pairs", (Kronecker() as p,):
            found = column_pairs(p)
            return Predicted(found, found.rows * found.columns, found.rows * found.columns)
        case "layered", (_, _, Kronecker() as p):
            return Predicted(layered_structure(p), layered_cost(p), layered_scratch(p))
        case _:
            return None
