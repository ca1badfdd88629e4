"""The tree of a plan's steps, cut to what fits: the costliest parts are opened first, the others stay closed."""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple, final

from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent, operands
from jacchain.planning.plan import Plan, names


@final
class Branch(NamedTuple):
    """A step of an outline: how deep it stands, whether it is the last operand at each level, whether it is open."""

    node: int
    lasts: tuple[bool, ...]
    is_open: bool


@final
class Weights(NamedTuple):
    """Of every step with all that it is made of: the number of steps, and their multiplications."""

    steps: tuple[int, ...]
    flops: tuple[int, ...]


def weights(nodes: Sequence[Node], /) -> Weights:
    """Return the weights of every step."""
    steps: list[int] = []
    flops: list[int] = []
    for node in nodes:
        found = operands(node)
        steps.append(1 + sum(steps[k] for k in found))
        flops.append(node.flops + sum(flops[k] for k in found))
    return Weights(tuple(steps), tuple(flops))


def opened(nodes: Sequence[Node], most: int, deepest: int, /) -> frozenset[int]:
    """Return the steps to open so that at most about `most` are shown, none deeper than `deepest`.

    Those with the costliest parts come first; among equals, the earlier one in the order of the steps.
    """
    flops = weights(nodes).flops
    root = len(nodes) - 1
    waiting = [(-flops[root], root, 0)]
    found: set[int] = set()
    shown = 1
    while waiting:
        _, k, level = heappop(waiting)
        below = operands(nodes[k])
        if not below or level >= deepest or shown + len(below) > most:
            continue
        found.add(k)
        shown += len(below)
        for operand in below:
            heappush(waiting, (-flops[operand], operand, level + 1))
    return frozenset(found)


def outline(nodes: Sequence[Node], /, *, most: int, deepest: int) -> list[Branch]:
    """Return the branches of the tree, each before its operands, the upper operand first.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> [(branch.node, branch.lasts) for branch in outline(plan([3, 2, 1]).nodes, most=9, deepest=9)]
    [(2, ()), (0, (False,)), (1, (True,))]
    """
    chosen = opened(nodes, most, deepest)
    found: list[Branch] = []
    waiting: list[tuple[int, tuple[bool, ...]]] = [(len(nodes) - 1, ())]
    while waiting:
        k, lasts = waiting.pop()
        below = operands(nodes[k])
        found.append(Branch(k, lasts, k in chosen or not below))
        if k in chosen:
            last = len(below) - 1
            waiting += [(operand, (*lasts, place == last)) for place, operand in reversed([*enumerate(below)])]
    return found


def short_bracketing(plan: Plan, /, *, most: int = 40) -> tuple[str, bool]:
    """Return the bracketing of a plan, and whether it is whole.

    Of a long one, parts stay closed and stand by their names: P9:4 is the product of the links 9 to 4.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> short_bracketing(plan([1, 2, 3, 4, 5]), most=3)
    ('(J4 P3:1)', False)
    """
    nodes = plan.nodes
    if len(nodes) <= 2 * most:
        return plan.bracketing, True
    called, chosen = names(nodes), opened(nodes, most, most)
    tokens: list[str] = []
    waiting: list[int | str] = [len(nodes) - 1]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, str):
            tokens.append(entry)
        elif entry not in chosen:
            tokens.append(called[entry])
        else:
            waiting += reversed(_bracket(nodes[entry]))
    return "".join(tokens), False


def _bracket(node: Node) -> tuple[int | str, ...]:
    match node:
        case Local(link):
            return (f"J{link + 1}",)
        case Multiply(left, right):
            return ("(", left, " ", right, ")")
        case Tangent(link, right):
            return (f"(T{link + 1} ", right, ")")
        case Adjoint(left, link):
            return ("(", left, f" A{link + 1})")
