"""Every order of a short chain: the oracle that the other planners are held against."""

from collections.abc import Iterator

from jacchain.errors import InfeasibleError
from jacchain.planning.draft import MODES, Draft, Step, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Multiply, Tangent

MOST = 20_000
"""Orders up to which all are tried: twelve explicit links have 58,786, eleven 16,796."""

Key = tuple[int, ...]
Tree = tuple[Step[Key], tuple["Tree", ...]]


def exhaustive(chain: Chain, /) -> Draft:
    """Return the cheapest of all orders, each written out and priced on its own."""
    return min(every_order(chain), key=lambda draft: draft.flops)


def every_order(chain: Chain, /) -> Iterator[Draft]:
    """Return all orders of a short chain, one after the other."""
    orders = _count(chain)
    if orders > MOST:
        raise InfeasibleError(
            f"exhaustive tries every order, but {len(chain)} links have {orders:,} or more",
            f"use 'optimal', or a chain of at most {MOST:,} orders",
        )
    return (_priced(chain, tree) for tree in _trees(chain, 0, len(chain) - 1))


def _count(chain: Chain) -> int:
    """Return the number of orders, by intervals."""
    n = len(chain)
    counts: dict[tuple[int, int], int] = {}
    for length in range(1, n + 1):
        for first in range(n - length + 1):
            last = first + length - 1
            if length == 1:
                counts[first, last] = sum(mode_cost(chain, first, mode) is not None for mode in MODES)
                continue
            found = sum(counts[first, k] * counts[k + 1, last] for k in range(first, last))
            found += counts[first, last - 1] * (chain.links[last].tangent_cost is not None)
            counts[first, last] = found + counts[first + 1, last] * (chain.links[first].adjoint_cost is not None)
        if min(counts[k, k + length - 1] for k in range(n - length + 1)) > MOST:
            return counts[0, length - 1]  # every longer interval has more
    return counts[0, n - 1]


def _priced(chain: Chain, tree: Tree) -> Draft:
    draft = Draft(chain)
    steps: dict[Key, Step[Key]] = {}

    def register(tree: Tree, key: Key) -> Key:
        step, below = tree
        names = tuple(register(t, (*key, k)) for k, t in enumerate(below))
        steps[key] = step._replace(operands=names)
        return key

    draft.grow(register(tree, ()), steps.__getitem__)
    return draft


def _trees(chain: Chain, first: int, last: int) -> Iterator[Tree]:
    if first == last:
        offered = (mode for mode in MODES if mode_cost(chain, first, mode) is not None)
        yield from ((Step(Local, first, mode, ()), ()) for mode in offered)
        return
    for split in range(first, last):
        for upper in _trees(chain, split + 1, last):
            yield from ((Step(Multiply, -1, "given", ()), (upper, lower)) for lower in _trees(chain, first, split))
    if chain.links[last].tangent_cost is not None:
        yield from ((Step(Tangent, last, "tangent", ()), (t,)) for t in _trees(chain, first, last - 1))
    if chain.links[first].adjoint_cost is not None:
        yield from ((Step(Adjoint, first, "adjoint", ()), (t,)) for t in _trees(chain, first + 1, last))
