"""What a plan of second order holds at its fullest moment."""

from collections.abc import Sequence
from itertools import chain
from typing import assert_never

from jacchain.algebra.product import product
from jacchain.algebra.structure import stored
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
from jacchain.planning.second.ladder import Ladder


def read(node: SecondNode, /) -> tuple[int, ...]:
    """Return the numbers of the nodes that a node reads.

    Examples
    --------
    >>> from jacchain.algebra.structure import Dense
    >>> read(Congruence(2, 0, Dense(3, 3), 60))
    (2, 0)
    """
    match node:
        case Local() | Seed():
            return ()
        case Multiply() | Add():
            return node.left, node.right
        case Tangent():
            return (node.right,)
        case Adjoint():
            return (node.left,)
        case Curvature():
            return (node.adjoint,)
        case Transpose():
            return (node.operand,)
        case Congruence():
            return node.middle, node.factor
        case Bend():
            return node.adjoint, node.tangent
        case _:
            assert_never(node)


def need(ladder: Ladder, nodes: Sequence[SecondNode], roots: Sequence[int | None], /) -> int:
    """Return the numbers held at the fullest moment: what is formed stays until its last use, results to the end.

    Transposes count as copies, and a congruence holds CP while it runs.
    """
    last = {k: k for k in range(len(nodes))}
    for k, node in enumerate(nodes):
        last.update(dict.fromkeys(read(node), k))
    last.update({root: len(nodes) for root in roots if root is not None})
    sizes = [0 if _is_borrowed(ladder, node) else stored(node.structure) for node in nodes]
    here = most = 0
    for k, node in enumerate(nodes):
        here += sizes[k]
        most = max(most, here + _passing(ladder, nodes, node))
        here -= sum(sizes[one] for one in {*read(node), k} if last[one] <= k)
    return most


def all_roots(roots: Sequence[int | None], gradient: Sequence[int | None], /) -> list[int | None]:
    """Return the results of a plan, in the order in which they are formed."""
    return list(chain(gradient, roots))


def _is_borrowed(ladder: Ladder, node: SecondNode) -> bool:
    return isinstance(node, Local) and node.link >= 0 and ladder.link(node.link).borrowed


def _passing(ladder: Ladder, nodes: Sequence[SecondNode], node: SecondNode) -> int:
    """Return the numbers held only while a node is formed: a tape, or the middle of a congruence."""
    if isinstance(node, Congruence):
        return stored(product(nodes[node.middle].structure, nodes[node.factor].structure).structure)
    is_swept = isinstance(node, Adjoint) or (isinstance(node, Local) and node.mode == "adjoint")
    return ladder.link(node.link).tape if is_swept and isinstance(node, Adjoint | Local) else 0
