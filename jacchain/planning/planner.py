"""All planners by name, and the front door that runs one."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from jacchain.errors import InfeasibleError, OptionError, unknown_name
from jacchain.planning import sweep
from jacchain.planning.draft import Draft
from jacchain.planning.exhaustive import exhaustive
from jacchain.planning.graph import Chain, Graph, as_size, chain_of_sizes, path, seeded
from jacchain.planning.memory import arrange
from jacchain.planning.optimal import optimal
from jacchain.planning.plan import Baseline, Baselines, Plan
from jacchain.planning.reason import reason

Planner = Callable[[Chain], Draft]

PLANNERS: Final[Mapping[str, Planner]] = MappingProxyType(
    {
        "forward": sweep.forward,
        "reverse": sweep.reverse,
        "meet": sweep.meet,
        "inward": sweep.inward,
        "waist": sweep.waist,
        "optimal": optimal,
        "exhaustive": exhaustive,
    }
)
"""Every planner by its name; all share one signature."""

BASELINES: Final[tuple[str, ...]] = ("forward", "reverse", "meet", "inward", "waist")
"""The planners that every plan is compared with."""


def plan(
    problem: Chain | Graph | Iterable[int],
    /,
    *,
    planner: str = "optimal",
    tangents: int | None = None,
    adjoints: int | None = None,
    itemsize: int = 8,
) -> Plan:
    """Find an order in which to accumulate the Jacobian of a chain.

    Parameters
    ----------
    problem : Chain, Graph, or iterable of int
        A chain of links, a graph in which one path joins the request, or the sizes d_0 … d_n of dense links.
    planner : str
        One of ``PLANNERS``.
    tangents, adjoints : int, optional
        Plan U·J_n…J_1·V for a V of so many columns and a U of so many rows.
    itemsize : int
        Bytes per number, for the peak.

    Returns
    -------
    Plan
        With exact cost, peak, baselines and the reason.

    Raises
    ------
    SizeError, OptionError
        Bad sizes, links that do not meet, unknown planner.
    InfeasibleError
        The planner has no order for this chain.

    Examples
    --------
    >>> found = plan([784, 256, 32, 256, 784])
    >>> found.bracketing, found.flops
    ('((J4 J3) (J2 J1))', 32514048)
    >>> {name: baseline.flops for name, baseline in found.baselines.items() if name in ("forward", "reverse")}
    {'forward': 170196992, 'reverse': 170196992}
    """
    if planner not in tuple(PLANNERS):
        unknown_name("planner", planner, PLANNERS)
    itemsize = as_size(itemsize, "itemsize")
    chain = seeded(as_chain(problem), tangents=tangents, adjoints=adjoints)
    draft = PLANNERS[planner](chain)
    nodes, peak = arrange(draft.nodes, len(draft.nodes) - 1)
    costs: dict[str, int | None] = {planner: draft.flops}
    costs |= _baselines(chain)
    found = Baselines(tuple((name, Baseline(costs[name])) for name in BASELINES if name in costs))
    known = {name: baseline.flops for name, baseline in found.items() if baseline.flops is not None}
    why = reason(chain, planner, nodes, draft.flops, known)
    return Plan(chain, planner, nodes, draft.flops, peak * itemsize, found, why, itemsize)


def as_chain(problem: Chain | Graph | Iterable[int], /) -> Chain:
    """Return the chain of a chain, of a path-shaped graph, or of sizes."""
    match problem:
        case Chain():
            return problem
        case Graph():
            return path(problem)
        case str() | bytes():
            raise OptionError(f"cannot plan {problem!r}", "give sizes such as [13, 16, 1], a Chain or a Graph")
        case Iterable():
            return chain_of_sizes(list(problem))
        case _:
            raise OptionError(f"cannot plan {problem!r}", "give sizes such as [13, 16, 1], a Chain or a Graph")


def _baselines(chain: Chain) -> dict[str, int | None]:
    """Return the costs of the textbook orders that exist for the chain; None for one that it does not allow."""
    if chain.is_dense:
        return {**sweep.dense_costs(chain)}
    existing = [name for name in BASELINES if len(chain) > 1 or name not in ("meet", "inward")]
    return {name: _cost(PLANNERS[name], chain) for name in existing}


def _cost(planner: Planner, chain: Chain) -> int | None:
    try:
        return planner(chain).flops
    except InfeasibleError:
        return None
