"""What a plan of several products holds at its fullest: results stay to the end, everything else to its last use."""

from collections.abc import Sequence

from jacchain.planning.graph import Chain
from jacchain.planning.memory import Extent, held, pack, states, taped
from jacchain.planning.node import Node, operands


def most_held(chain: Chain, nodes: Sequence[Node], roots: Sequence[int], /) -> int:
    """Return the numbers held: all states, and every node laid out side by side with what is needed at the same time.

    Examples
    --------
    >>> from jacchain.planning.draft import Draft
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> draft = Draft(chain_of_sizes([2, 3, 4]))
    >>> product = draft.multiply(draft.local(1, "given"), draft.local(0, "given"))
    >>> most_held(draft.chain, draft.nodes, [product])  # two states, two local Jacobians and their product
    31
    """
    last = list(range(len(nodes)))
    for k, node in enumerate(nodes):
        for operand in operands(node):
            last[operand] = k
    for root in roots:
        last[root] = len(nodes)
    extents = [Extent(held(chain, node), k, last[k]) for k, node in enumerate(nodes)]
    tapes = [Extent(taped(chain, node), k, k) for k, node in enumerate(nodes)]
    return states(chain) + pack([*extents, *tapes])[1]
