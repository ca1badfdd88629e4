"""An order of products, whatever the number of points that it is for."""

from dataclasses import replace
from typing import final

from jacchain.planning.draft import replayed
from jacchain.planning.graph import Chain
from jacchain.planning.plan import Plan


@final
class Order:
    """The order of a plan: equal to that of a plan for more points, if the same products are formed in turn.

    Parameters
    ----------
    plan : Plan
        Without slices or workers.
    """

    __slots__ = ("_hash", "plan", "steps")

    def __init__(self, plan: Plan, /) -> None:
        self.plan = plan
        self.steps = tuple((type(node), *node[:2]) for node in plan.nodes)
        self._hash = hash(self.steps)

    def __eq__(self, other: object, /) -> bool:
        return isinstance(other, Order) and self.steps == other.steps

    def __hash__(self) -> int:
        return self._hash

    def of(self, chain: Chain, /) -> Plan:
        """Return the plan of this order for links of other sizes; what it says of other orders is left as it was."""
        found = replayed(chain, self.plan.nodes)
        return replace(self.plan, chain=chain, nodes=tuple(found.nodes), flops=found.flops)
