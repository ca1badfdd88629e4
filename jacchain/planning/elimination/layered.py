"""Graphs as chains of block Jacobians from layer to layer, in the cheapest bracketing of each chain."""

from typing import Final, NamedTuple, final

from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.layer_prices import BLOCKS, BlockPrices, DensePrices, Prices
from jacchain.planning.elimination.layers import Cutting, cuttings
from jacchain.planning.elimination.outcome import cost
from jacchain.planning.elimination.part import Edges
from jacchain.planning.elimination.partial import formed, initial
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.subsets import too_many

LOOKED_AT: Final = 5_000_000
"""Blocks of layers between two intervals that are looked at before the planner gives up: some seconds."""

Splits = dict[tuple[int, int], int]
"""Where each interval of layers is split."""


def bracketed(prices: Prices, count: int, /) -> Splits:
    """Return where the intervals of a chain of so many steps are split in the cheapest bracketing."""
    best = {(k, k + 1): 0 for k in range(count)}
    splits: Splits = {}
    for width in range(2, count + 1):
        for low in range(count - width + 1):
            high = low + width
            least, at = -1, low
            for middle in range(low + 1, high):
                found = best[low, middle] + best[middle, high]
                if least < 0 or found < least:
                    found += prices.price(low, middle, high)
                    if least < 0 or found < least:
                        least, at = found, middle
            best[low, high], splits[low, high] = least, at
            prices.settle(low, at, high)
    return splits


@final
class Chained(NamedTuple):
    """What the cheapest bracketing of a chain leaves, the order in which vertices were joined, and its layers."""

    edges: Edges
    order: tuple[int, ...]
    flops: int
    layers: int


def layered(problem: Problem, /, *, limit: int = LOOKED_AT) -> Chained:
    """Return the cheapest bracketing of all chains of layers that a graph is cut into.

    On each chain the dynamic program of chains is exact where all links are dense: the blocks that an interval has do
    not depend on how it is bracketed. Where links have structures, what the cheapest split makes is kept. Links that
    could be applied without being formed are formed first.

    Parameters
    ----------
    problem : Problem
    limit : int
        How much is looked at; finer chains are taken where it allows them.

    Raises
    ------
    InfeasibleError
        Not even the coarsest chains are within the limit.

    Examples
    --------
    >>> from jacchain.planning.elimination.problem import prepared
    >>> from jacchain.planning.graph import Edge, Graph
    >>> edges = [Edge("x", "s"), Edge("s", "t"), Edge("s", "y"), Edge("t", "y")]
    >>> found = layered(prepared(Graph({"x": 9, "s": 4, "t": 2, "y": 1}, edges)))
    >>> found.flops, found.order, found.layers
    (44, (2, 1), 5)
    """
    if not problem.arcs:
        return Chained({}, (), 0, 1)
    best: Chained | None = None
    share = limit // 6 if problem.is_dense else limit // 24
    for cutting in cuttings(problem, limit=share):
        try:
            found = _chained(problem, cutting, limit // 6)
        except InfeasibleError:
            continue
        best = found if best is None or found.flops < best.flops else best
    if best is None:
        raise too_many(problem, BLOCKS)
    return best


def _chained(problem: Problem, cutting: Cutting, limit: int) -> Chained:
    """Return the cheapest bracketing of one chain."""
    links = {arc.link: formed(problem, initial(problem, arc.link)) for arc in problem.arcs}
    blocks = BlockPrices(problem, cutting, links, limit=limit)
    count = len(cutting.steps)
    splits = bracketed(DensePrices(problem, cutting) if problem.is_dense else blocks, count)
    last: dict[int, int] = {}
    for place, (low, high) in enumerate(_intervals(splits, count)):
        middle = splits[low, high]
        if (low, high) not in blocks.blocks:
            blocks.settle(low, middle, high)
        for vertex in cutting.layers[middle]:
            if blocks.blocks[low, middle].joins(vertex, blocks.blocks[middle, high]):
                last[vertex] = place
    interior = set(problem.interior)
    order = tuple(sorted(interior, key=lambda vertex: (last.get(vertex, -1), vertex)))
    whole = blocks.blocks[0, count].into
    edges: Edges = {(tail, head): (made,) for head, row in sorted(whole.items()) for tail, made in sorted(row.items())}
    return Chained(edges, order, cost([made for (made,) in edges.values()]), count + 1)


def _intervals(splits: Splits, count: int) -> list[tuple[int, int]]:
    """Return the intervals of a bracketing that are split, inner ones first."""
    found = []
    waiting = [(0, count)]
    while waiting:
        low, high = waiting.pop()
        if high - low > 1:
            found.append((low, high))
            waiting += [(low, splits[low, high]), (splits[low, high], high)]
    return found[::-1]
