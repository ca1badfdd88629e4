"""The textbook orders of a chain: forward, reverse, and what starts or ends in the middle."""

from collections.abc import Callable
from itertools import accumulate, pairwise

from jacchain.errors import InfeasibleError
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain


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
    return min((meet_at(chain, k) for k in _interior(chain, "meet")), key=lambda draft: draft.flops)


def inward(chain: Chain, /) -> Draft:
    """Go forward from the input and in reverse from the output, up to an interior vertex k; the best k."""
    if chain.is_dense:
        return inward_at(chain, _best_dense(chain, "inward", _dense_inward))
    return min((inward_at(chain, k) for k in _interior(chain, "inward")), key=lambda draft: draft.flops)


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


def _forward(draft: Draft, first: int, last: int) -> int:
    """Add the links first…last by columns: a matrix-free link as tangents, an explicit one as a product."""
    links = draft.chain.links
    found = draft.local(first, "given" if links[first].is_explicit else "tangent")
    for k in range(first + 1, last + 1):
        found = draft.multiply(draft.local(k, "given"), found) if links[k].is_explicit else draft.tangent(k, found)
    return found


def _reverse(draft: Draft, first: int, last: int) -> int:
    """Add the links first…last by rows: a matrix-free link as adjoints, an explicit one as a product."""
    links = draft.chain.links
    found = draft.local(last, "given" if links[last].is_explicit else "adjoint")
    for k in range(last - 1, first - 1, -1):
        found = draft.multiply(found, draft.local(k, "given")) if links[k].is_explicit else draft.adjoint(found, k)
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
    return costs
