"""What a plan holds at its fullest, and the order of its steps that keeps that small."""

from collections.abc import Sequence
from typing import NamedTuple

from jacchain.algebra.structure import stored
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent, operands


class Extent(NamedTuple):
    """A piece of storage: its size, and the first and last step at which it must hold its values."""

    size: int
    first: int
    last: int


def arrange(nodes: Sequence[Node], root: int, /) -> tuple[tuple[Node, ...], int]:
    """Return the nodes of a tree in the order that needs the least storage, and that need in numbers.

    Each subtree is finished before the next begins, and of two operands the one that needs more beyond what it leaves
    behind goes first (Sethi and Ullman's rule for trees with sizes). Local Jacobians come just before their use.
    """
    need, held = [0] * len(nodes), [stored(node.structure) for node in nodes]
    first_right = [False] * len(nodes)
    for k, node in enumerate(nodes):
        found = operands(node)
        if len(found) == 2:
            left, right = found
            first_right[k] = need[right] - held[right] > need[left] - held[left]
            one, two = (right, left) if first_right[k] else (left, right)
            need[k] = max(need[one], held[one] + need[two], held[one] + held[two] + held[k])
        else:
            need[k] = max([held[k] + sum(held[i] for i in found), *(need[i] for i in found)])
    order: list[int] = []
    waiting = [root]
    while waiting:  # last first, then turned round
        k = waiting.pop()
        order.append(k)
        found = operands(nodes[k])
        waiting += reversed(found) if len(found) == 2 and first_right[k] else found
    order.reverse()
    place = {old: new for new, old in enumerate(order)}
    return tuple(_moved(nodes[k], place) for k in order), need[root]


def _moved(node: Node, place: dict[int, int]) -> Node:
    match node:
        case Local():
            return node
        case Multiply(left, right, structure, flops):
            return Multiply(place[left], place[right], structure, flops)
        case Tangent(link, right, structure, flops):
            return Tangent(link, place[right], structure, flops)
        case Adjoint(left, link, structure, flops):
            return Adjoint(place[left], link, structure, flops)


def pack(extents: Sequence[Extent], /) -> tuple[tuple[int, ...], int]:
    """Return offsets that keep storage needed at the same time apart, and the total size.

    Greedy by size: the largest piece first, each in the lowest gap that is free for as long as it lives.

    Examples
    --------
    >>> pack([Extent(4, 0, 1), Extent(2, 1, 2), Extent(4, 2, 3)])
    ((0, 4, 0), 6)
    """
    offsets = [0] * len(extents)
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last
    for k in sorted(range(len(extents)), key=lambda k: (-extents[k].size, extents[k].first, k)):
        size, first, last = extents[k]
        if size == 0:
            continue
        offset = 0
        for start, end, begins, ends in placed:
            if begins <= last and first <= ends:
                if offset + size <= start:
                    break
                offset = max(offset, end)
        offsets[k] = offset
        placed.append((offset, offset + size, first, last))
        placed.sort()
    return tuple(offsets), max((end for _, end, _, _ in placed), default=0)
