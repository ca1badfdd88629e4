"""The order of a slice: what does not depend on the slice is made once and kept."""

from collections.abc import Sequence
from typing import NamedTuple, final

from jacchain.planning.graph import Chain
from jacchain.planning.memory import held, moved, order_of
from jacchain.planning.node import Local, Node, operands
from jacchain.planning.slicing import Axis, Slicing


@final
class Settled(NamedTuple):
    """How the order of a slice is carried out, what it costs, and the numbers it holds at the fullest moment."""

    nodes: tuple[Node, ...]
    """Those made once first."""
    once: int
    """How many of them are made once."""
    kept: tuple[int, ...]
    """Those of them that every slice reads."""
    flops_once: int
    flops_each: int
    need: int

    def flops(self, chain: Chain, slicing: Slicing, /) -> int:
        """Return the multiplications of all slices: each costs in proportion to its size."""
        return self.flops_once + self.flops_each * slicing.length(chain) // slicing.size


def settled(chain: Chain, axis: Axis, nodes: Sequence[Node], /) -> Settled:
    """Return how the order of a slice is carried out.

    The nodes that hold the sliced link make the spine. What is multiplied to the spine and costs something is made
    once and kept for all slices; what is free, such as a given local Jacobian, is formed again for each, just before
    its use. The need is all that is kept, and besides it the most that any of it takes while it is made, or that a
    slice takes. What the whole local Jacobian costs that slices are cut from is spent once.
    """
    root = len(nodes) - 1
    total = [0] * len(nodes)
    for k, node in enumerate(nodes):
        total[k] = node.flops + sum(total[operand] for operand in operands(node))
    spine = _spine(chain, axis, nodes)
    off = [k for node in spine for k in operands(nodes[node]) if k not in spine and total[k]]
    parts = {k: order_of(chain, nodes, k) for k in off}
    kept = {k: held(chain, nodes[k]) for k in off}
    off.sort(key=lambda k: kept[k] - parts[k].need)  # what takes most besides goes first
    each = order_of(chain, nodes, root, lent=set(off), spine=spine, is_result=True)
    places = [k for part in off for k in parts[part].places] + list(each.places)
    place = {old: new for new, old in enumerate(places)}
    result = held(chain, nodes[root])
    spent = sum(total[k] for k in off) + sum(nodes[k].flops for k in spine if isinstance(nodes[k], Local))
    return Settled(
        tuple(moved(nodes[k], place) for k in places),
        len(places) - len(each.places),
        tuple(place[k] for k in off),
        spent,
        total[root] - spent,
        result + sum(kept.values()) + max([each.need - result, *(parts[k].need - kept[k] for k in off)]),
    )


def _spine(chain: Chain, axis: Axis, nodes: Sequence[Node]) -> set[int]:
    """Return the nodes that hold the sliced link: the first one, or the last."""
    end = 0 if axis == "columns" else len(chain) - 1
    found = {k for k, node in enumerate(nodes) if isinstance(node, Local) and node.link == end}
    for k, node in enumerate(nodes):
        if found.intersection(operands(node)):
            found.add(k)
    return found
