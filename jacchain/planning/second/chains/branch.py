"""The cheapest choice of all: branch and bound over which products of Jacobians are made."""

from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Final, NamedTuple, final

from jacchain.planning.second.chains.sharing import Choice, Products, read_products, solve
from jacchain.planning.second.chains.table import NONE, Option, Table

WORK: Final = 2_500_000
"""Options that are looked at, about, before the search stops short of a proof."""


@final
class Proven(NamedTuple):
    """A choice, and multiplications that no choice of the table goes below; they are its own if it is the cheapest."""

    choice: Choice
    lower_bound: int


@final
class _Relaxed(NamedTuple):
    """The cheapest choice where products are free until they are decided on, and those it needs undecided."""

    bound: int
    options: Mapping[int, Option]
    splits: Mapping[int, int]
    undecided: frozenset[int]


def proven(table: Table, products: Products, incumbent: Choice, /) -> Proven:
    """Return the cheapest choice of a table, with every product of Jacobians made once.

    Best first: each product is to be made, and then it is paid for once, or is not to be read; until that is decided
    it is free, so that what is found is a lower bound. Where nothing undecided is needed it is the cost itself. At the
    root the bound is that of free products. After `WORK` options the best choice so far is returned, with the bound.
    """
    best = incumbent
    first = _relaxed(table, products, frozenset(), frozenset())
    assert first is not None, "what is not forbidden is allowed"
    heap = [(first.bound, 0, frozenset[int](), frozenset[int](), first)]
    work, made = table.count, 0
    while heap and heap[0][0] < best.flops:
        bound, _, wanted, refused, found = heappop(heap)
        if not found.undecided:
            best = Choice(bound, found.options, {products.spans[k]: v for k, v in found.splits.items()})
            break
        if work > WORK:
            return Proven(best, bound)
        dearest = max(found.undecided, key=lambda k: (min(split[0] for split in products.splits[k]), k))
        for one, two in ((wanted | {dearest}, refused), (wanted, refused | {dearest})):
            below = _relaxed(table, products, one, two)
            work += table.count
            if below is not None and below.bound < best.flops:
                made += 1
                heappush(heap, (below.bound, made, one, two, below))
    return Proven(best, best.flops)


def _relaxed(table: Table, products: Products, wanted: frozenset[int], refused: frozenset[int], /) -> _Relaxed | None:
    """Return the relaxed choice; None where what is refused leaves none."""
    charges = [None if k in refused else 0 for k in range(len(products.spans))]
    solved = solve(table, charges)
    if solved is None:
        return None
    undecided = set(read_products(solved[1]))
    bound, splits = solved[0], dict[int, int]()
    known = wanted | {NONE}
    for number in wanted:
        allowed = [split for split in products.splits[number] if not {split[1], split[2]} & refused]
        if not allowed:
            return None
        flops, a, b, vertex = min(allowed, key=lambda s: (s[0], (s[1] not in known) + (s[2] not in known), s[3]))
        bound += flops
        splits[number] = vertex
        undecided |= {a, b}
    return _Relaxed(bound, solved[1], splits, frozenset(undecided - known))
