"""Orders of very long chains: stretches of links are planned exactly and then taken for single links."""

from typing import Final, NamedTuple

from jacchain.algebra.product import price
from jacchain.algebra.structure import Dense
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.optimal import exact, is_exact

LINKS: Final = 1000
"""Links up to which a chain is planned as a whole."""

STRETCH: Final = 8
"""Links of a stretch at the least, where the chain has to be cut."""


class Stretch(NamedTuple):
    """Consecutive links of a chain, the first of them, and the cheapest order of their product."""

    start: int
    chain: Chain
    order: Draft


def windowed(chain: Chain, /) -> Draft:
    """Return a cheap order of a chain of any length; the cheapest up to a thousand links, if few are not dense.

    A longer chain is cut at narrow vertices into stretches. Each is planned exactly, and becomes one link that can be
    accumulated at that cost, or be applied to tangents or adjoints link by link; the chain of these is planned in the
    same way. Orders in which a product reaches into part of a stretch are not considered, which is what may be lost.
    """
    if len(chain) <= LINKS and is_exact(chain):
        return exact(chain)
    stretches = [Stretch(start, part, exact(part)) for start, part in _cut(chain)]
    upper = windowed(Chain(map(_as_link, stretches)))
    draft = Draft(chain)
    made: list[int] = []
    for node in upper.nodes:
        made.append(_written(draft, node, stretches, made))
    return draft


def _cut(chain: Chain) -> list[tuple[int, Chain]]:
    """Return stretches with their first links; each ends at the narrowest vertex of where it may end."""
    sizes, n = chain.sizes, len(chain)
    least = min(max(STRETCH, -(-n // LINKS)), 4 * STRETCH)
    found, start = [], 0
    while start < n:
        ends = range(min(start + least // 2, n), min(start + 2 * least, n) + 1)
        end = n if n - start <= least else min(ends, key=sizes.__getitem__)
        found.append((start, Chain(chain.links[start:end])))
        start = end
    return found


def _as_link(stretch: Stretch) -> Link:
    structure = stretch.order.nodes[-1].structure
    links = stretch.chain.links
    return Link(
        links[0].inputs,
        links[-1].outputs,
        structure=structure,
        accumulate_cost=stretch.order.flops,
        tangent_cost=_sum([_applied(link, columns=True) for link in links]),
        adjoint_cost=_sum([_applied(link, columns=False) for link in links]),
        tape=max(link.tape for link in links),
    )


def _sum(costs: list[int | None]) -> int | None:
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def _applied(link: Link, *, columns: bool) -> int | None:
    """Return what a link costs for one dense column or row; None where it cannot be applied without further cost."""
    cost = link.tangent_cost if columns else link.adjoint_cost
    if cost is not None or not link.is_explicit:
        return cost
    if link.accumulate_cost:
        return None
    one, other = (link.local, Dense(link.inputs, 1)) if columns else (Dense(1, link.outputs), link.local)
    return price(one, other).cost


def _written(draft: Draft, node: Node, stretches: list[Stretch], made: list[int]) -> int:
    """Write what a node of the shortened chain stands for; return the node that it ends in."""
    match node:
        case Local(link, _, _, _):
            return _copied(draft, stretches[link])
        case Multiply(left, right, _, _):
            return draft.multiply(made[left], made[right])
        case Tangent(link, right, _, _):
            found, stretch = made[right], stretches[link]
            for k, inner in enumerate(stretch.chain.links, stretch.start):
                if inner.tangent_cost is None:
                    found = draft.multiply(draft.local(k, "given"), found)
                else:
                    found = draft.tangent(k, found)
            return found
        case Adjoint(left, link, _, _):
            found, stretch = made[left], stretches[link]
            for k in reversed(range(stretch.start, stretch.start + len(stretch.chain))):
                if draft.chain.links[k].adjoint_cost is None:
                    found = draft.multiply(found, draft.local(k, "given"))
                else:
                    found = draft.adjoint(found, k)
            return found


def _copied(draft: Draft, stretch: Stretch) -> int:
    made: list[int] = []
    for node in stretch.order.nodes:
        match node:
            case Local(link, mode, _, _):
                made.append(draft.local(stretch.start + link, mode))
            case Multiply(left, right, _, _):
                made.append(draft.multiply(made[left], made[right]))
            case Tangent(link, right, _, _):
                made.append(draft.tangent(stretch.start + link, made[right]))
            case Adjoint(left, link, _, _):
                made.append(draft.adjoint(made[left], stretch.start + link))
    return made[-1]
