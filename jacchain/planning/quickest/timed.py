"""A plan with its predicted seconds, and the quicker one in its place where seconds are what it costs."""

from dataclasses import replace

from jacchain.errors import InfeasibleError
from jacchain.planning.chain_planner import Conditions, limited
from jacchain.planning.fit import Fit
from jacchain.planning.graph import Chain
from jacchain.planning.plan import Baseline, Baselines, Plan
from jacchain.planning.planners import EXACT, PLANNERS
from jacchain.planning.quickest.fits import fit_seconds, quicker
from jacchain.planning.quickest.order import is_orderable
from jacchain.planning.quickest.predictor import Predictor, is_predictable, predictor_of
from jacchain.planning.quickest.quickest_reason import huge_reason, kept_reason, long_reason, quicker_reason
from jacchain.planning.quickest.step_seconds import order_seconds, steps_seconds
from jacchain.planning.reason import limits_reason
from jacchain.planning.slicing import sliced


def timed(one: Plan, chain: Chain, found: Fit, given: Conditions, /) -> Plan:
    """Return a plan with its predicted seconds; with cost="seconds" that of an order that saves enough of them.

    Sizes that are beyond floating-point numbers have no seconds: their plan is returned as it is, and says so.

    Parameters
    ----------
    one : Plan
        Of least multiplications.
    chain : Chain
        The plan's, under its tape limit.
    found : Fit
        The plan's order.
    given : Conditions
    """
    predictor = predictor_of(given.profile, given.itemsize, chain.links)
    if not is_predictable(chain.links):
        return replace(one, reason=huge_reason(one.reason))
    chosen, why = found, one.reason
    if given.cost == "seconds" and one.planner in EXACT:
        if one.planner == "exhaustive" or is_orderable(chain):
            chosen, why = _chosen(one, chain, found, given, predictor)
        else:
            why = long_reason(why, len(chain))
    part = chain if chosen.slicing is None else sliced(chain, chosen.slicing)
    return replace(
        one,
        nodes=chosen.nodes,
        flops=chosen.flops,
        peak=chosen.need * given.itemsize,
        baselines=_baselines(one, chain, predictor),
        reason=why,
        slicing=chosen.slicing,
        once=chosen.once,
        cost=given.cost,
        seconds=fit_seconds(predictor, chain, chosen),
        profile=predictor.name,
        step_seconds=steps_seconds(predictor, part.links, chosen.nodes),
    )


def _chosen(one: Plan, chain: Chain, found: Fit, given: Conditions, predictor: Predictor) -> tuple[Fit, str]:
    """Return the order that is taken, and why."""
    chosen = quicker(chain, found, predictor, planner=one.planner, room=given.room, chunk_size=given.chunk_size)
    if chosen is found:
        is_exact = one.planner == "exhaustive" or given.room is given.chunk_size is None
        why = one.reason if len(chain) == 1 else kept_reason(one.reason, predictor.name, is_exact=is_exact)
        return found, why
    limits = limits_reason(limited(one.chain, chain, one.planner, chosen, one.lower_bound, given))
    seconds = [fit_seconds(predictor, chain, way) for way in (chosen, found)]
    why = quicker_reason(seconds[0], chosen.flops, seconds[1], found.flops, predictor.name)
    return chosen, why + limits


def _baselines(one: Plan, chain: Chain, predictor: Predictor) -> Baselines:
    """Return the baselines of a plan with their predicted seconds."""
    pairs = []
    for name, (flops, _) in one.baselines.items():
        seconds = None
        if flops is not None:
            try:
                seconds = order_seconds(predictor, chain, PLANNERS[name](chain).nodes)
            except InfeasibleError:
                seconds = None
        pairs.append((name, Baseline(flops, seconds)))
    return Baselines(tuple(pairs))
