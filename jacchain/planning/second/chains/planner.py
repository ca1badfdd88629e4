"""All planners of the Hessian of a chain by name, and the front door that runs one."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from jacchain.errors import OptionError, unknown_name
from jacchain.planning.graph import Chain
from jacchain.planning.names import MODES, SECOND_CHAIN_NAMES
from jacchain.planning.plan import Baseline, Baselines
from jacchain.planning.second.chains import textbook
from jacchain.planning.second.chains.chain_plan import ChainHessianPlan
from jacchain.planning.second.chains.draft import HessianDraft
from jacchain.planning.second.chains.elementals import Elementals
from jacchain.planning.second.chains.exhaustive import exhaustive
from jacchain.planning.second.chains.optimal import optimal
from jacchain.planning.second.chains.outcome import ChainOutcome, drawn
from jacchain.planning.second.chains.reason import hessian_reason
from jacchain.planning.second.chains.storage import arranged, held_numbers

SecondChainPlanner = Callable[[Elementals], ChainOutcome]


def _writing(write: Callable[[HessianDraft], int]) -> SecondChainPlanner:
    return lambda given: drawn(write, given)


SECOND_CHAIN_PLANNERS: Final[Mapping[str, SecondChainPlanner]] = MappingProxyType(
    {
        "forward_over_forward": _writing(textbook.forward_over_forward),
        "forward_over_reverse": _writing(textbook.forward_over_reverse),
        "reverse_over_forward": _writing(textbook.reverse_over_forward),
        "reverse_over_reverse": _writing(textbook.reverse_over_reverse),
        "edge_pushing": _writing(textbook.edge_pushing),
        "waist": _writing(textbook.waist),
        "optimal": optimal,
        "exhaustive": exhaustive,
    }
)
"""Every planner of the Hessian of a chain by its name, those of `SECOND_CHAIN_NAMES`; all share one signature."""

SECOND_CHAIN_BASELINES: Final = (*MODES, "edge_pushing", "waist")
"""The planners that every plan is compared with."""


def plan_chain_hessian(
    chain: Chain, /, *, planner: str = "optimal", symmetric: bool = True, itemsize: int = 8
) -> ChainHessianPlan:
    """Find an order in which to form the second derivative of a chain, d_n × d_0 × d_0, from those of its links.

    Parameters
    ----------
    chain : Chain
        Links that are dense, diagonal (then their second derivatives are, too), an identity or a negation; those that
        are `linear` have no second derivative. Weights u of the outputs are one more linear link, of size 1.
    planner : str
        One of ``SECOND_CHAIN_PLANNERS``.
    symmetric : bool
        Compute one half, and mirror it, of each tensor whose two arms end at one vertex: d(d+1)/2 of d² entries in
        each of its rows. The four textbook modes make both halves in any case.
    itemsize : int
        Bytes per number.

    Returns
    -------
    ChainHessianPlan

    Raises
    ------
    OptionError
        Links that are not supported, unknown planner.
    InfeasibleError
        Too many links for `exhaustive`.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> chain = chain_of_sizes([3, 5, 2, 1, 4, 1])
    >>> plan_chain_hessian(chain, symmetric=False).flops, plan_chain_hessian(chain).flops
    (325, 263)
    """
    if planner not in SECOND_CHAIN_NAMES:
        unknown_name("planner of order 2", planner, SECOND_CHAIN_NAMES)
    if not isinstance(symmetric, bool):
        raise OptionError(f"symmetric is {symmetric!r}", "give True or False")
    is_mode = planner in MODES
    costs = baseline_costs(chain, symmetric=symmetric)
    outcome = SECOND_CHAIN_PLANNERS[planner](Elementals(chain, symmetric=symmetric and not is_mode))
    nodes = arranged(outcome.nodes)
    return ChainHessianPlan(
        chain,
        planner,
        nodes,
        outcome.flops,
        max(held_numbers(nodes)) * itemsize,
        Baselines(tuple((name, Baseline(cost)) for name, cost in costs.items())),
        hessian_reason(chain, planner, nodes, costs, outcome.lower_bound),
        symmetric and not is_mode,
        itemsize,
        outcome.lower_bound,
    )


def baseline_costs(chain: Chain, /, *, symmetric: bool) -> dict[str, int]:
    """Return what the orders that every plan is compared with cost; the four modes make both halves in any case.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> baseline_costs(chain_of_sizes([13, 16, 1]), symmetric=True)["edge_pushing"]
    6240
    """
    plain, given = Elementals(chain, symmetric=False), Elementals(chain, symmetric=symmetric)
    return {
        name: SECOND_CHAIN_PLANNERS[name](plain if name in MODES else given).flops for name in SECOND_CHAIN_BASELINES
    }
