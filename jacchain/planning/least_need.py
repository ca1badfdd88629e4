"""The least memory that any order of a chain can do with."""

from typing import Any

from jacchain.algebra.structure import stored
from jacchain.planning.draft import mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.memory import arrange
from jacchain.planning.within import leanest

Array = Any


def least_need(chain: Chain, /) -> int:
    """Return the numbers that the order of the least need holds at its fullest.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> least_need(chain_of_sizes([5, 2, 5]))
    45
    """
    if chain.is_full:
        return _least_full_need(chain)
    found = leanest(chain)
    return arrange(chain, found.nodes, len(found.nodes) - 1)[1]


def alone(chain: Chain, /) -> int:
    """Return the numbers of the largest local Jacobian that cannot be done without; no order needs less."""
    return max(
        (
            stored(link.local)
            for link in chain.links
            if link.tangent_cost is None is link.adjoint_cost and not link.borrowed
        ),
        default=0,
    )


def _least_full_need(chain: Chain) -> int:
    """Return the least need where all local Jacobians are dense, by Sethi and Ullman's rule for every interval."""
    import numpy as np

    n, links = len(chain), chain.links
    kind: Any = np.int64 if max(chain.sizes) ** 2 * 4 + sum(link.tape for link in links) < 1 << 62 else object
    sizes = np.array(chain.sizes, kind)
    tapes = np.array([link.tape for link in links], kind)
    tangents, adjoints = (np.array([has is not None for has in costs]) for costs in _offered(chain))
    shape = n + 1, n + 1
    need, need_up, kept, kept_up = (np.zeros(shape, kind) for _ in range(4))  # [length, first], [length, end]
    kept[1, :n] = kept_up[1, 1:] = [0 if link.borrowed else stored(link.local) for link in links]
    need[1, :n] = need_up[1, 1:] = [_local_need(chain, k) for k in range(n)]
    for length in range(2, n + 1):
        count = n - length + 1
        made = sizes[:count] * sizes[length:]
        room = made if length == n else 0  # for the result there is room from the beginning
        low, low_kept = need[1:length, :count], kept[1:length, :count]
        up, up_kept = need_up[length - 1 : 0 : -1, length:], kept_up[length - 1 : 0 : -1, length:]
        order = np.minimum(np.maximum(up, up_kept + low), np.maximum(low, low_kept + up))
        found = np.maximum(order, up_kept + low_kept + made - room).min(0)
        swept = np.maximum(need[length - 1, :count], kept[length - 1, :count] + made - room)
        found = np.where(tangents[length - 1 :], np.minimum(found, swept), found)
        swept = np.maximum(need_up[length - 1, length:], kept_up[length - 1, length:] + made - room + tapes[:count])
        found = np.where(adjoints[:count], np.minimum(found, swept), found)
        need[length, :count] = need_up[length, length:] = found + room
        kept[length, :count] = kept_up[length, length:] = made
    return int(need[n, 0])


def _offered(chain: Chain) -> tuple[list[int | None], list[int | None]]:
    return [link.tangent_cost for link in chain.links], [link.adjoint_cost for link in chain.links]


def _local_need(chain: Chain, link: int) -> int:
    """Return what accumulating a link needs at the least."""
    found = chain.links[link]
    if found.borrowed:
        return 0
    by_adjoint = mode_cost(chain, link, "given") is None is mode_cost(chain, link, "tangent")
    return stored(found.local) + (found.tape if by_adjoint else 0)
