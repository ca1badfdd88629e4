"""What a plan holds at its fullest, and the order of its steps that keeps that small."""

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from jacchain.algebra.structure import stored
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent, operands


class Extent(NamedTuple):
    """A piece of storage: its size, and the first and last step at which it must hold its values."""

    size: int
    first: int
    last: int


def states(chain: Chain, /) -> int:
    """Return the numbers of all states that local Jacobians, tangents and adjoints are taken at."""
    return sum(link.inputs for link in chain.links if not link.borrowed)


def held(chain: Chain, node: Node, /) -> int:
    """Return the numbers that the result of a node takes."""
    if isinstance(node, Local) and node.mode == "given" and chain.links[node.link].borrowed:
        return 0
    return stored(node.structure)


def taped(chain: Chain, node: Node, /) -> int:
    """Return the numbers that a node holds besides its operands and its result while it is formed: a tape."""
    match node:
        case Adjoint(_, link):
            return chain.links[link].tape
        case Local(link, "adjoint"):
            return chain.links[link].tape
        case _:
            return 0


class Order(NamedTuple):
    """An order of the nodes of a tree by their numbers, and the numbers that are held at the fullest moment."""

    places: tuple[int, ...]
    need: int


def arrange(chain: Chain, nodes: Sequence[Node], root: int, /) -> tuple[tuple[Node, ...], int]:
    """Return the nodes of a tree in the order that needs the least storage, and that need in numbers.

    The result is an array of its own, for which there is room from the beginning.
    """
    found = order_of(chain, nodes, root, is_result=True)
    place = {old: new for new, old in enumerate(found.places)}
    return tuple(moved(nodes[k], place) for k in found.places), found.need


def order_of(
    chain: Chain,
    nodes: Sequence[Node],
    root: int,
    /,
    *,
    lent: Collection[int] = (),
    spine: Collection[int] = (),
    is_result: bool = False,
) -> Order:
    """Return the order of a tree that needs the least storage.

    Each subtree is finished before the next begins, and of two operands the one that needs more beyond what it leaves
    behind goes first (Sethi and Ullman's rule for trees with sizes). Local Jacobians come just before their use. What
    is `lent` is there already: it is not among the nodes returned, nor counted. What is on the `spine` goes first. For
    the result, which is an array of its own, there is room from the beginning.
    """
    need, kept = [0] * len(nodes), [held(chain, node) for node in nodes]
    for k in lent:
        kept[k] = 0
    first_right = [False] * len(nodes)
    for k, node in enumerate(nodes):
        found = operands(node)
        if k in lent:
            continue
        below = need[found[0]] if found else 0
        if len(found) == 2:
            left, right = found
            first_right[k] = need[right] - kept[right] > need[left] - kept[left]
            if k in spine:
                first_right[k] = right in spine
            one, two = (right, left) if first_right[k] else (left, right)
            below = max(need[one], kept[one] + need[two])
        read = taped(chain, node) + sum(kept[operand] for operand in found)
        need[k] = max(below, read + kept[k])
        if is_result and k == root:
            need[k] = max(below, read) + kept[k]
    order: list[int] = []
    waiting = [root]
    while waiting:  # last first, then turned round
        k = waiting.pop()
        if k in lent:
            continue
        order.append(k)
        found = operands(nodes[k])
        waiting += reversed(found) if len(found) == 2 and first_right[k] else found
    return Order(tuple(reversed(order)), need[root])


def moved(node: Node, place: Mapping[int, int], /) -> Node:
    """Return a node whose operands stand elsewhere."""
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
        insort(placed, (offset, offset + size, first, last))
    return tuple(offsets), max((end for _, end, _, _ in placed), default=0)
