"""The textbook orders of a chain: forward, reverse, and what starts or ends in the middle."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple, NoReturn

from jacchain.algebra.product import price
from jacchain.algebra.structure import Identity, Structure
from jacchain.errors import InfeasibleError
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.node import Mode


def forward(chain: Chain, /) -> Draft:
    """Multiply from the input: J_n(…(J_2 J_1)). Dense links cost Σ_{i≥2} d_i d_{i-1} d_0."""
    draft = Draft(chain)
    _forward(draft, 0, len(chain) - 1)
    return draft


def reverse(chain: Chain, /) -> Draft:
    """Multiply from the output: ((J_n J_{n-1})…)J_1. Dense links cost Σ_{i≤n-1} d_n d_i d_{i-1}."""
    draft = Draft(chain)
    _reverse(draft, 0, len(chain) - 1)
    return draft


def meet(chain: Chain, /) -> Draft:
    """Start at an interior vertex k and grow both ways; the best k.

    Dense links cost d_n d_k d_0 + Σ_{i=1}^{k-1} d_k d_i d_{i-1} + Σ_{i=k+2}^{n} d_i d_{i-1} d_k.
    """
    if chain.is_dense:
        return meet_at(chain, _best_dense(chain, "meet", _dense_meet))
    if chain.is_full:
        return meet_at(chain, _best_full_meet(chain))
    return meet_at(chain, _best_meet(chain))


def inward(chain: Chain, /) -> Draft:
    """Go forward from the input and in reverse from the output, up to an interior vertex k; the best k."""
    if chain.is_dense:
        return inward_at(chain, _best_dense(chain, "inward", _dense_inward))
    return inward_at(chain, _best_inward(chain))


def waist(chain: Chain, /) -> Draft:
    """Start at the smallest vertex, wherever it lies (the textbook rule); the first of equals."""
    sizes = chain.sizes
    return meet_at(chain, sizes.index(min(sizes)))


def meet_at(chain: Chain, vertex: int, /) -> Draft:
    """Start at a vertex and grow both ways; at the input this is forward, at the output reverse."""
    if vertex == 0:
        return forward(chain)
    if vertex == len(chain):
        return reverse(chain)
    draft = Draft(chain)
    upper = _forward(draft, vertex, len(chain) - 1)
    lower = _reverse(draft, 0, vertex - 1)
    draft.multiply(upper, lower)
    return draft


def inward_at(chain: Chain, vertex: int, /) -> Draft:
    """Go forward up to a vertex and in reverse down to it, then multiply."""
    draft = Draft(chain)
    upper = _reverse(draft, vertex, len(chain) - 1)
    lower = _forward(draft, 0, vertex - 1)
    draft.multiply(upper, lower)
    return draft


def _interior(chain: Chain, planner: str) -> range:
    if len(chain) < 2:
        raise InfeasibleError(
            f"{planner} needs an interior vertex, but the chain has one link", "choose another planner"
        )
    return range(1, len(chain))


def _best_inward(chain: Chain) -> int:
    """Return the first interior vertex of least cost, from one sweep in each direction as far as each is possible."""
    lower = list(_possible(_costs(chain, range(len(chain) - 1), forward=True)))
    upper = list(_possible(_costs(chain, range(len(chain) - 1, 0, -1), forward=False)))
    joined: dict[int, int] = {}
    for k in _interior(chain, "inward"):
        if k <= len(lower) and len(chain) - k <= len(upper):
            below, above = lower[k - 1], upper[len(chain) - k - 1]
            joined[k] = below.flops + above.flops + price(above.structure, below.structure).cost
    if not joined:
        _refuse(chain, "inward")
    return min(joined, key=joined.__getitem__)


def _best_meet(chain: Chain) -> int:
    """Return the first possible interior vertex of least cost; a start that is dearer than the best is given up."""
    costs: dict[int, int] = {}
    for k in _interior(chain, "meet"):
        try:
            found = _meet_cost(chain, k, min(costs.values(), default=None))
        except InfeasibleError:
            continue
        if found is not None:
            costs[k] = found
    if not costs:
        _refuse(chain, "meet")
    return min(costs, key=costs.__getitem__)


def _best_full_meet(chain: Chain) -> int:
    """Return the first interior vertex of least cost where all local Jacobians are dense, from sums over the links."""
    sizes, n = chain.sizes, len(chain)
    columns, rows = ([_swept(link, forward) for link in chain.links] for forward in (True, False))
    first = max((i for i, cost in enumerate(columns) if cost is None), default=-1) + 1
    last = min((i for i, cost in enumerate(rows) if cost is None), default=n)
    possible = [k for k in _interior(chain, "meet") if first <= k <= last]
    if not possible:
        _refuse(chain, "meet")
    up, down = ([0, *accumulate(cost or 0 for cost in costs)] for costs in (columns, rows))
    free = [0 if link.is_explicit else link.inputs * link.outputs for link in chain.links]  # explicit starts are given

    def cost(k: int) -> int:
        given = sum(link.inputs * link.outputs for link in chain.links[k - 1 : k + 1]) - free[k - 1] - free[k]
        return sizes[k] * (up[n] - up[k] + down[k] - given + sizes[0] * sizes[n])

    return min(possible, key=cost)


def _swept(link: Link, forward: bool) -> int | None:
    """Return what a link costs a column going forward, or a row in reverse; None where it does not allow it."""
    if link.is_explicit:
        return link.inputs * link.outputs
    return link.tangent_cost if forward else link.adjoint_cost


def _meet_cost(chain: Chain, vertex: int, most: int | None) -> int | None:
    """Return what growing both ways from a vertex costs; None as soon as it is no less than `most`."""
    flops = 0
    ends = []
    for links, forward in ((range(vertex, len(chain)), True), (range(vertex - 1, -1, -1), False)):
        reached = _Reached(0, Identity(1))
        for reached in _costs(chain, links, forward=forward):
            if most is not None and flops + reached.flops >= most:
                return None
        flops += reached.flops
        ends.append(reached.structure)
    return flops + price(ends[0], ends[1]).cost


def _possible(costs: "Iterator[_Reached]") -> "Iterator[_Reached]":
    """Yield what a sweep reaches until a link does not allow it."""
    try:
        yield from costs
    except InfeasibleError:
        return


def _refuse(chain: Chain, planner: str) -> NoReturn:
    raise InfeasibleError(
        f"{planner} is not possible from any of the {len(chain) - 1} interior vertices",
        "give the matrix-free links both a tangent_cost and an adjoint_cost, or choose another planner",
    )


class _Reached(NamedTuple):
    """What a sweep has cost so far, and the structure it has come to."""

    flops: int
    structure: Structure


def _costs(chain: Chain, links: Iterable[int], *, forward: bool) -> Iterator[_Reached]:
    """Yield the cost and structure of a sweep after every link."""
    draft = Draft(chain)
    flops = start = 0
    for found in _sweep(draft, links, forward=forward):
        flops += sum(node.flops for node in draft.nodes[start:])
        start = len(draft.nodes)
        yield _Reached(flops, draft.nodes[found].structure)


def _sweep(draft: Draft, links: Iterable[int], *, forward: bool) -> Iterator[int]:
    """Add links one after the other, by columns going forward and by rows in reverse; yield what each makes."""
    found = -1
    for k in links:
        if found < 0:
            mode: Mode = "given" if draft.chain.links[k].is_explicit else "tangent" if forward else "adjoint"
            found = draft.local(k, mode)
        else:
            found = _ahead(draft, k, found) if forward else _back(draft, k, found)
        yield found


def _ahead(draft: Draft, link: int, found: int) -> int:
    """Add a link after what is found: a matrix-free one as tangents, an explicit one as a product."""
    if draft.chain.links[link].is_explicit:
        return draft.multiply(draft.local(link, "given"), found)
    return draft.tangent(link, found)


def _back(draft: Draft, link: int, found: int) -> int:
    """Add a link before what is found: a matrix-free one as adjoints, an explicit one as a product."""
    if draft.chain.links[link].is_explicit:
        return draft.multiply(found, draft.local(link, "given"))
    return draft.adjoint(found, link)


def _forward(draft: Draft, first: int, last: int) -> int:
    """Add the product of the links first…last, forward."""
    *_, found = _sweep(draft, range(first, last + 1), forward=True)
    return found


def _reverse(draft: Draft, first: int, last: int) -> int:
    """Add the product of the links first…last, in reverse."""
    *_, found = _sweep(draft, range(last, first - 1, -1), forward=False)
    return found


def _best_dense(chain: Chain, planner: str, cost: Callable[[tuple[int, ...], list[int], int], int]) -> int:
    """Return the first interior vertex of least cost, from sums of neighbouring products Σ_{i≤k} d_i d_{i-1}."""
    sizes = chain.sizes
    sums = [0, *accumulate(a * b for a, b in pairwise(sizes))]
    return min(_interior(chain, planner), key=lambda k: cost(sizes, sums, k))


def _dense_meet(sizes: tuple[int, ...], sums: list[int], k: int) -> int:
    n = len(sizes) - 1
    return sizes[n] * sizes[k] * sizes[0] + sizes[k] * (sums[k - 1] + sums[n] - sums[k + 1])


def _dense_inward(sizes: tuple[int, ...], sums: list[int], k: int) -> int:
    n = len(sizes) - 1
    return sizes[n] * sizes[k] * sizes[0] + sizes[0] * (sums[k] - sums[1]) + sizes[n] * (sums[n - 1] - sums[k])


def dense_costs(chain: Chain, /) -> dict[str, int]:
    """Return what the orders of this module cost on dense links, by their formulas, without writing them out."""
    sizes, n = chain.sizes, len(chain)
    sums = [0, *accumulate(a * b for a, b in pairwise(sizes))]
    costs = {"forward": sizes[0] * (sums[n] - sums[1]), "reverse": sizes[n] * sums[n - 1]}
    narrow = sizes.index(min(sizes))
    if n > 1:
        costs["meet"] = min(_dense_meet(sizes, sums, k) for k in range(1, n))
        costs["inward"] = min(_dense_inward(sizes, sums, k) for k in range(1, n))
    ends = {0: costs["forward"], n: costs["reverse"]}
    costs["waist"] = ends[narrow] if narrow in ends else _dense_meet(sizes, sums, narrow)
    accumulated = sum(link.accumulate_cost or 0 for link in chain.links)
    return {name: cost + accumulated for name, cost in costs.items()}
