"""Every order of a short chain: the oracle that the other planners are held against."""

from collections.abc import Iterator

from jacchain.errors import InfeasibleError
from jacchain.planning.draft import MODES, Draft, Step, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Multiply, Tangent

LONGEST = 9
"""Links up to which all orders are tried: 1,430 bracketings at nine links, and more with tangents and adjoints."""

Key = tuple[int, ...]
Tree = tuple[Step[Key], tuple["Tree", ...]]


def exhaustive(chain: Chain, /) -> Draft:
    """Return the cheapest of all orders, each written out and priced on its own."""
    if len(chain) > LONGEST:
        raise InfeasibleError(
            f"exhaustive tries every order, but the chain has {len(chain)} links",
            f"use 'optimal', or at most {LONGEST} links",
        )
    drafts = (_priced(chain, tree) for tree in _trees(chain, 0, len(chain) - 1))
    return min(drafts, key=lambda draft: draft.flops)


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
