"""Plans carried out on scattered diagonals: every node of a plan becomes steps on rows."""

from collections.abc import Sequence
from typing import NamedTuple, assert_never, final

from jacchain.functions.rows.row_values import RowValues
from jacchain.functions.rows.scattered import (
    NotRowsError,
    Scattered,
    added,
    congruent,
    diagonal,
    in_order,
    multiplied,
    transposed,
)
from jacchain.planning.elimination.problem import UNIT
from jacchain.planning.node import (
    Add,
    Adjoint,
    Bend,
    Congruence,
    Curvature,
    Local,
    Multiply,
    SecondNode,
    Seed,
    Tangent,
    Transpose,
)


@final
class Origin(NamedTuple):
    """Where the links and curvatures of a planned graph come from.

    Attributes
    ----------
    locals : sequence of (int, int)
        For each edge its head's node and the position of the operand in it.
    curves : sequence of (int, int, int)
        For each curvature the node and the positions of two operands.
    """

    locals: Sequence[tuple[int, int]]
    curves: Sequence[tuple[int, int, int]] = ()


def replayed(values: RowValues, nodes: Sequence[SecondNode], origin: Origin, /) -> list[Scattered]:
    """Return the matrix of every node of a plan.

    Raises
    ------
    NotRowsError
        One has many more entries than the rows that it is made of.
    """
    writer, found = values.writer, list[Scattered]()
    for node in nodes:
        match node:
            case Local(link) if link == UNIT:
                found.append(diagonal(writer.number(1.0), node.structure.rows))
            case Local(link):
                found.append(values.local(*origin.locals[link]))
            case Curvature(curve, adjoint):
                vertex, *pair = origin.curves[curve]
                row = in_order(writer, found[adjoint])
                found.append(values.curvature(vertex, (pair[0], pair[1]), row))
            case Multiply(left, right):
                found.append(multiplied(writer, found[left], found[right]))
            case Add(left, right):
                found.append(added(writer, [found[left], found[right]]))
            case Transpose(operand):
                found.append(transposed(found[operand]))
            case Congruence(middle, factor):
                found.append(congruent(writer, found[middle], found[factor]))
            case Tangent() | Adjoint() | Seed() | Bend():
                raise NotRowsError
            case _:
                assert_never(node)
    return found
