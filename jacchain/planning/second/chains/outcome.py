"""What a planner of second order finds for a chain."""

from collections.abc import Callable
from typing import NamedTuple, final

from jacchain.planning.second.chains.draft import HessianDraft
from jacchain.planning.second.chains.elementals import Elementals
from jacchain.planning.second.chains.node import ChainNode


@final
class ChainOutcome(NamedTuple):
    """Nodes in any valid order, the tensor last, and what no order of the kind goes below; 0 if that is not known.

    The kind is that of orders which sum neighbouring terms and make each product of Jacobians once.
    """

    nodes: tuple[ChainNode, ...]
    lower_bound: int = 0

    @property
    def flops(self) -> int:
        """Multiplications of all nodes."""
        return sum(node.flops for node in self.nodes)


def drawn(write: Callable[[HessianDraft], int], given: Elementals, /) -> ChainOutcome:
    """Return what a textbook order writes for a chain."""
    draft = HessianDraft(given)
    return ChainOutcome(draft.kept(write(draft)))
