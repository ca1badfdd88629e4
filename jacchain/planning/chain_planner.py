"""The plan of a chain by a planner, under limits: fitted, priced, compared and explained."""

from dataclasses import replace
from typing import NamedTuple, final

from jacchain.errors import InfeasibleError, OptionError, unknown_name
from jacchain.planning import sweep
from jacchain.planning.cost import Cost, ProfileLike
from jacchain.planning.draft import Draft
from jacchain.planning.fit import Fit, fit
from jacchain.planning.graph import Chain
from jacchain.planning.limits import under_tape_limit
from jacchain.planning.lower_bound import lower_bound
from jacchain.planning.optimal import is_exact
from jacchain.planning.plan import Baseline, Baselines, Plan
from jacchain.planning.planners import BASELINES, EXACT, PLANNERS, Planner
from jacchain.planning.reason import Limited, limits_reason, reason
from jacchain.planning.scheduling.team import team, team_reason
from jacchain.planning.windowed import LINKS


@final
class Conditions(NamedTuple):
    """What a plan of a chain must keep to: limits, slices and workers, and what it is the cheapest in."""

    tape_limit: int | None = None
    memory: int | None = None
    workers: int | None = None
    chunk_size: int | None = None
    itemsize: int = 8
    cost: Cost = "multiplications"
    profile: ProfileLike = None
    """Which predicts seconds: a profile, the path or the document of one; None takes that of this machine."""

    @property
    def room(self) -> int | None:
        """The numbers that may be held."""
        return None if self.memory is None else self.memory // self.itemsize


def plan_chain(whole: Chain, planner: str, given: Conditions, /) -> Plan:
    """Return the plan of a chain with its seeds.

    Raises
    ------
    OptionError
        No such planner, no such profile.
    InfeasibleError
        The planner has no order for this chain, or none within the limits; the message says which limit would do.
    """
    if planner not in tuple(PLANNERS):
        unknown_name("planner", planner, PLANNERS)
    if given.cost == "seconds" and given.workers is not None:
        what = f"workers is {given.workers} and cost is 'seconds'"
        raise OptionError(what, "leave one of them out: schedules of workers are planned in multiplications")
    chain = under_tape_limit(whole, given.tape_limit)
    memory, itemsize, chunk_size = given.memory, given.itemsize, given.chunk_size
    found = fit(chain, planner, PLANNERS[planner], memory=memory, itemsize=itemsize, chunk_size=chunk_size)
    one = _plan(whole, chain, planner, found, given)
    if given.cost == "seconds" or given.profile is not None:
        from jacchain.planning.quickest.timed import timed

        one = timed(one, chain, found, given)
    return one if given.workers is None or one.slicing is not None else _shared_out(one, chain, given.workers)


def _plan(whole: Chain, chain: Chain, planner: str, found: Fit, given: Conditions) -> Plan:
    """Return the plan of an order of least multiplications; `chain` is the whole one under its tape limit."""
    costs: dict[str, int | None] = {planner: found.flops} if found.slicing is None else {}
    costs |= _baselines(chain)
    baselines = Baselines(tuple((name, Baseline(costs[name])) for name in BASELINES if name in costs))
    known = {name: baseline.flops for name, baseline in baselines.items() if baseline.flops is not None}
    least = found.flops if _is_least(chain, planner, found) else min(lower_bound(chain), found.flops)
    nodes = found.nodes if found.slicing is None else ()  # those of one slice say little of the whole
    limits = limits_reason(limited(whole, chain, planner, found, least, given))
    return Plan(
        whole,
        planner,
        found.nodes,
        found.flops,
        found.need * given.itemsize,
        baselines,
        reason(chain, planner, nodes, found.flops, known) + limits,
        given.itemsize,
        given.tape_limit,
        given.memory,
        least,
        found.slicing,
        found.once,
    )


def limited(whole: Chain, chain: Chain, planner: str, found: Fit, least: int, given: Conditions, /) -> Limited:
    """Return what limits have to do with an order, for its reason."""
    is_limited = found.is_limited and planner in EXACT
    is_windowed = _is_windowed(chain, planner)
    return Limited(
        whole, chain, found.flops, least, given.tape_limit, given.memory, found.slicing, is_limited, is_windowed
    )


def _shared_out(one: Plan, chain: Chain, workers: int) -> Plan:
    """Return the plan of several workers, given that of one."""
    serial = Draft(chain)
    serial.nodes += one.nodes
    room = None if one.memory is None else one.memory // one.itemsize
    is_fixed = one.planner not in EXACT
    found = team(chain, serial, workers, is_fixed=is_fixed, room=room)
    return replace(
        one,
        nodes=found.nodes,
        flops=sum(node.flops for node in found.nodes),
        peak=found.need * one.itemsize,
        reason=team_reason(found, one.flops, one.reason),
        lower_bound=-(-one.lower_bound // workers) if is_fixed else found.lower_bound,
        schedule=found.schedule,
    )


def _is_windowed(chain: Chain, planner: str) -> bool:
    return (planner == "optimal" and not is_exact(chain)) or (planner == "windowed" and len(chain) > LINKS)


def _is_least(chain: Chain, planner: str, found: Fit) -> bool:
    """Whether no order of the chain costs less, by the planner's own word."""
    if found.is_limited:
        return False
    return planner == "exhaustive" or (planner == "optimal" and is_exact(chain))


def _baselines(chain: Chain) -> dict[str, int | None]:
    """Return the costs of the textbook orders that exist for the chain; None for one that it does not allow."""
    if chain.is_dense:
        return {**sweep.dense_costs(chain)}
    absent = {"meet", "inward"} if len(chain) == 1 else set()
    if all(link.tangent_cost is None is link.adjoint_cost for link in chain.links):
        absent.add("preaccumulate")
    return {name: _cost(PLANNERS[name], chain) for name in BASELINES if name not in absent}


def _cost(planner: Planner, chain: Chain) -> int | None:
    try:
        return planner(chain).flops
    except InfeasibleError:
        return None
