"""Why a plan for the Hessian of a chain won, in one sentence."""

from collections.abc import Mapping, Sequence
from typing import Final

from jacchain.planning.graph import Chain
from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.node import ChainNode, Lift, Pull, Sum, Zero

MODES: Final = {
    "forward_over_forward": "forward over forward",
    "forward_over_reverse": "forward over reverse",
    "reverse_over_forward": "reverse over forward",
    "reverse_over_reverse": "reverse over reverse",
    "edge_pushing": "edge pushing",
    "waist": "bracketing at the narrowest vertices",
}
"""What the textbook orders are called in a sentence."""


def hessian_reason(
    chain: Chain,
    planner: str,
    nodes: Sequence[ChainNode],
    baselines: Mapping[str, int],
    lower_bound: int,
    /,
) -> str:
    """Return one sentence that says what an order saves, and where it meets.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> hessian_reason(chain_of_sizes([3, 2]), "optimal", (), {}, 0)
    'one link: its second derivative is given'
    """
    if nodes and isinstance(nodes[-1], Zero):
        return "every link is linear, so that the second derivative is zero"
    if len(chain) == 1:
        return "one link: its second derivative is given"
    if planner in MODES:
        return f"{MODES[planner]}, as asked for; 'optimal' may be cheaper"
    flops = sum(node.flops for node in nodes)
    sure = "; no order of sums of neighbouring terms is cheaper" if flops == lower_bound else ""
    four = {name: cost for name, cost in baselines.items() if "_over_" in name}
    least = min(four.values())
    best = next(MODES[name] for name, cost in four.items() if cost == least)
    if least <= flops:
        return f"{best} is as cheap as any order found{sure}"
    equal = next((MODES[name] for name, cost in baselines.items() if cost == flops), None)
    also = "" if equal is None else f"; {equal} costs as little"
    vertex = _meeting(nodes)
    place = "" if vertex is None else f"meets at d_{vertex} = {chain.sizes[vertex]:,}: "
    return f"{place}{_times(least, flops)} fewer multiplications than {best}, the best of the four modes{also}{sure}"


def _times(more: int, less: int) -> str:
    """Return a ratio to three digits, in full."""
    if not less:
        return "infinitely many times"
    return f"{more // less:,} times" if more >= 1000 * less else f"{more / less:.3g} times"


def _meeting(nodes: Sequence[ChainNode]) -> int | None:
    """Return the vertex at which the last Jacobian joins: the lower end of one lifted, the upper end of one pulled."""
    ends: list[tuple[int, int]] = []
    for node in nodes:
        match node:
            case Local(link):
                ends.append((link + 1, link))
            case Multiply(left, right):
                ends.append((ends[left][0], ends[right][1]))
            case _:
                ends.append((0, 0))
    waiting = [len(nodes) - 1]
    while waiting:
        node = nodes[waiting.pop(0)]
        match node:
            case Lift(left, _):
                return ends[left][1]
            case Pull(_, right, _):
                return ends[right][0]
            case Sum(left, right):
                waiting += [left, right]
            case _:
                continue
    return None
