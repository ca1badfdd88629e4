"""What no order of a chain can go below."""

from typing import Final

from jacchain.planning.draft import MODES, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.optimal import AT_ONCE, exact

WINDOW: Final = 200
"""Links that are looked at together in a long chain."""


def lower_bound(chain: Chain, /) -> int:
    """Return multiplications that no order of the chain goes below; the optimum itself up to moderate lengths.

    In a long chain of dense local Jacobians every interior vertex is eliminated once, in a product that costs
    d_i d_k d_j or in a sweep, by vertices i < k < j that are its neighbours then. Cut the chain into windows. What an
    order does inside of one is an order of the window between two further vertices, as wide as the narrowest ones
    outside, where eliminating a window's end costs nothing; so the sum of the windows' optima is a lower bound. With
    other structures only what each link costs by itself is counted.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> lower_bound(chain_of_sizes([50, 30, 10, 40]))
    35000
    """
    if chain.is_dense or len(chain) <= AT_ONCE:
        return exact(chain).flops
    if not chain.is_full:
        return sum(_least(chain, k) for k in range(len(chain)))
    starts = range(0, len(chain), WINDOW)
    return sum(_window(chain, start, min(start + WINDOW, len(chain))) for start in starts)


def _window(chain: Chain, start: int, end: int) -> int:
    """Return the optimum of the links start … end - 1 between the narrowest vertices outside."""
    from jacchain.planning.table import Table

    sizes, links = chain.sizes, list(chain.links[start:end])
    middles = list(sizes[start : end + 1])
    if start > 0:
        links.insert(0, Link(min(sizes[:start]), sizes[start]))
        middles = [0, 0, *middles[1:]]
    if end < len(chain):
        links.append(Link(sizes[end], min(sizes[end + 1 :])))
        middles = [*middles[:-1], 0, 0]
    window = Chain(links)
    widest = max(window.sizes)
    most = sum(mode_cost(window, k, mode) or 0 for k in range(len(window)) for mode in MODES)
    table = Table(window, most + len(window) * widest**3, middles=middles)
    return min(table.states(0, len(window) - 1).values())


def _least(chain: Chain, link: int) -> int:
    """Return what a link costs at the least: accumulated, or applied to the fewest columns or rows there can be."""
    found = chain.links[link]
    costs = [cost for mode in MODES if (cost := mode_cost(chain, link, mode)) is not None]
    if found.tangent_cost is not None:
        costs.append(found.tangent_cost * min(chain.sizes[: link + 1]))
    if found.adjoint_cost is not None:
        costs.append(found.adjoint_cost * min(chain.sizes[link + 1 :]))
    return min(costs)
