"""Every planner of the Hessian of a chain on the same chain."""

from typing import NamedTuple, final

from jacchain.errors import InfeasibleError
from jacchain.planning.graph import Chain
from jacchain.planning.second.chains.chain_plan import ChainHessianPlan
from jacchain.planning.second.chains.planner import SECOND_CHAIN_PLANNERS, plan_chain_hessian


@final
class HessianRival(NamedTuple):
    """One planner's plan, or why it was not asked."""

    planner: str
    plan: ChainHessianPlan | None
    obstacle: str | None


def compare_hessian_planners(chain: Chain, /, *, symmetric: bool = True, itemsize: int = 8) -> tuple[HessianRival, ...]:
    """Return what every planner makes of a chain, the cheapest order first and then in the planners' own order.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> [(rival.planner, rival.plan and rival.plan.flops) for rival in compare_hessian_planners(chain_of_sizes([2, 9]))]
    [('optimal', 0), ('forward_over_forward', 0), ('forward_over_reverse', 0), ('reverse_over_forward', 0), \
('reverse_over_reverse', 0), ('edge_pushing', 0), ('waist', 0), ('exhaustive', 0)]
    """
    found = []
    for name in dict.fromkeys(["optimal", *SECOND_CHAIN_PLANNERS]):
        try:
            made = plan_chain_hessian(chain, planner=name, symmetric=symmetric, itemsize=itemsize)
        except InfeasibleError as error:
            found.append(HessianRival(name, None, error.what))
        else:
            found.append(HessianRival(name, made, None))
    return tuple(found)
