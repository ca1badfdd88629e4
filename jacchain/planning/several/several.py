"""Several products of one chain, planned together: what two of them need is made once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, final

from jacchain.errors import InfeasibleError, unknown_name
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain, Graph
from jacchain.planning.limits import as_limit, under_tape_limit
from jacchain.planning.link import as_size
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.optimal import optimal
from jacchain.planning.plan import Baseline, Baselines, names
from jacchain.planning.planner import as_chain
from jacchain.planning.several.fan import fans
from jacchain.planning.several.intervals import Interval, Intervals, State
from jacchain.planning.several.requests import Pair, Requests, as_requests
from jacchain.planning.several.sharing import Sharing, improved, merged, offered, replayed, swept
from jacchain.planning.several.storage import most_held
from jacchain.planning.several.unshared import Search, lower_bound

SHARED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "optimal": "the cheapest that is found, proven where lower_bound equals flops",
        "merged": "the cheapest order of each product on its own, equal sub-products made once",
        "forward": "one sweep from every input",
        "reverse": "one sweep from every output",
    }
)
"""Ways to plan several products, and what they are."""

SWEPT: Final = ("merged", "forward", "reverse")
"""Those that every plan is compared with."""

LONGEST: Final = 200
"""Links up to which all intervals of a chain are looked at; a longer one is planned product by product."""

MANY: Final = 16
"""Products up to which those of a longer chain are each planned on their own."""


@final
@dataclass(frozen=True, slots=True)
class SeveralPlan:
    """An order in which to make several products of one chain.

    Nodes stand in the order in which they are formed; a node may be used by several later ones.

    Attributes
    ----------
    chain : Chain
    requests : tuple of (output, input)
        The products that are wanted: J_output…J_{input+1}.
    planner : str
    nodes : tuple of Node
    roots : tuple of int
        For each request the node that is its product.
    flops : int
        Multiplications, those of a product that is used several times counted once.
    lower_bound : int
        Multiplications that no plan of these requests goes below.
    peak : int
        Bytes held at the fullest moment: states, local Jacobians, partial products, all results, tapes.
    baselines : Baselines
        "apart": each product planned and made on its own; and what the other planners give.
    reason : str
    itemsize : int
    tape_limit : int, optional

    Examples
    --------
    >>> found = plan_several([100, 80, 60, 1, 60, 80], "suffixes")
    >>> found.flops, found.baselines["apart"].flops, found.lower_bound
    (36800, 56000, 36800)
    """

    chain: Chain
    requests: tuple[Pair, ...]
    planner: str
    nodes: tuple[Node, ...]
    roots: tuple[int, ...]
    flops: int
    lower_bound: int
    peak: int
    baselines: Baselines
    reason: str
    itemsize: int = 8
    tape_limit: int | None = None

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def plan_several(
    problem: Chain | Graph | Iterable[int],
    requests: Requests,
    /,
    *,
    planner: str = "optimal",
    tape_limit: int | None = None,
    itemsize: int = 8,
) -> SeveralPlan:
    """Find a cheap order in which to make several products of one chain together.

    The optimum is a Steiner problem on intervals: a dear sub-product may pay because several products use it. Short
    chains are searched exactly; on longer ones the cheapest of several families is improved product by product, and
    `lower_bound` says how far from the optimum that can be. Beyond 200 links only the families themselves are tried.
    The plan never costs more than planning the products apart with equal sub-products merged, nor than one sweep from
    every output or from every input.

    Parameters
    ----------
    problem : Chain, Graph, or iterable of int
        As `jacchain.plan` takes it.
    requests : {"suffixes", "prefixes"} or iterable of (output, input)
        Every J_n…J_{k+1}, every J_k…J_1, or J_output…J_{input+1} for pairs of vertices 0 … n.
    planner : {"optimal", "merged", "forward", "reverse"}
    tape_limit : int, optional
        No adjoint of a link whose tape is larger.
    itemsize : int
        Bytes per number.

    Raises
    ------
    SizeError, OptionError
        Bad sizes; unknown names or vertices; an output not above its input; no requests.
    InfeasibleError
        A link has only an adjoint, and its tape exceeds the limit.

    Examples
    --------
    >>> print(plan_several([9, 2, 9, 9], "prefixes"))
    optimal: 3 products of 3 links
    P2:1 = J2 J1; P3:2 = J3 J2; P3:1 = P3:2 J1
    486 multiplications (apart 486), peak 1,888 bytes
    because equal sub-products, made once, are all that can be shared: no plan costs less
    """
    if planner not in tuple(SHARED):
        unknown_name("planner", planner, SHARED)
    itemsize = as_size(itemsize, "itemsize")
    tapes = None if tape_limit is None else as_limit(tape_limit, "tape_limit")
    whole = as_chain(problem)
    chain = under_tape_limit(whole, tapes)
    pairs = as_requests(requests, len(chain))
    wanted = tuple(dict.fromkeys((source, output - 1) for output, source in pairs))
    found = _long(chain, wanted) if len(chain) > LONGEST else _short(chain, wanted, search=planner == "optimal")
    sharing = min(found.plans.values(), key=_flops) if planner == "optimal" else found.plans.get(planner)
    if sharing is None:
        raise InfeasibleError(
            f"{planner} plans each of {len(wanted):,} products of {len(chain):,} links on its own",
            f"use another planner, or ask for at most {MANY} products",
        )
    nodes, made = _written(found.intervals, sharing)
    place = dict(zip(wanted, made, strict=True))
    roots = tuple(place[source, output - 1] for output, source in pairs)
    apart = None if found.apart is None else sum(found.apart[source, output - 1] for output, source in pairs)
    costs = {"apart": apart} | {name: sharing.flops for name, sharing in found.plans.items() if name in SWEPT}
    baselines = Baselines(tuple((name, Baseline(cost)) for name, cost in costs.items()))
    least = found.least if planner == "optimal" else 0
    reason = _reason(planner, sharing.flops, least, costs)
    peak = most_held(chain, nodes, roots) * itemsize
    return SeveralPlan(
        whole, pairs, planner, nodes, roots, sharing.flops, least, peak, baselines, reason, itemsize, tapes
    )


class _Planned(NamedTuple):
    """What was found: sharings by planner, what each product costs alone, and what no sharing goes below."""

    intervals: Intervals
    plans: dict[str, Sharing]
    apart: Mapping[Interval, int] | None
    least: int


def _flops(sharing: Sharing) -> int:
    return sharing.flops


def _short(chain: Chain, wanted: Sequence[Interval], *, search: bool) -> _Planned:
    """Plan with a table of all intervals."""
    rough = Intervals(chain, longest=1)
    bound = min(swept(rough, wanted, forward=forward).flops for forward in (True, False))
    intervals = Intervals(chain, bound=bound)
    plans = {"merged": merged(intervals, wanted)} | _sweeps(intervals, wanted)
    least = 0
    if search:
        plans["optimal"], least = _cheapest(intervals, wanted, list(plans.values()))
    apart = {interval: intervals.least(intervals.cheapest(interval)).flops for interval in wanted}
    return _Planned(intervals, plans, apart, least)


def _long(chain: Chain, wanted: Sequence[Interval]) -> _Planned:
    """Plan without a table, each product on its own where there are few."""
    intervals = Intervals(chain, longest=1)
    sweeps = _sweeps(intervals, wanted)
    if len(wanted) > MANY:
        return _Planned(intervals, sweeps, None, 0)
    drafts = {(first, last): optimal(Chain(chain.links[first : last + 1])) for first, last in wanted}
    apart = {interval: draft.flops for interval, draft in drafts.items()}
    plans = {"merged": replayed(intervals, {span: draft.nodes for span, draft in drafts.items()}), **sweeps}
    return _Planned(intervals, plans, apart, max(apart.values()))


def _sweeps(intervals: Intervals, wanted: Sequence[Interval]) -> dict[str, Sharing]:
    return {name: swept(intervals, wanted, forward=name == "forward") for name in ("forward", "reverse")}


def _cheapest(intervals: Intervals, wanted: Sequence[Interval], known: list[Sharing]) -> tuple[Sharing, int]:
    """Return the cheapest sharing that is found, and what none goes below."""
    grouped = [fans(intervals, wanted, outputs=outputs) for outputs in (True, False)]
    starts = sorted([*known, *grouped], key=_flops)
    best = min((improved(intervals, wanted, start) for start in starts[:3]), key=_flops)
    least = lower_bound(intervals, wanted, best.flops)
    if least < best.flops:
        best = improved(intervals, wanted, offered(intervals, wanted, best))
    if least < best.flops:
        outcome = Search(intervals, wanted, best.flops).run()
        best = outcome.sharing or best
        least = max(least, outcome.least)
    return best, least


def _written(intervals: Intervals, sharing: Sharing) -> tuple[tuple[Node, ...], tuple[int, ...]]:
    """Return the nodes of a sharing, each before what uses it, and those that are wanted."""
    draft = Draft(intervals.chain)
    place: dict[State, int] = {}
    waiting = list(reversed(sharing.roots))
    while waiting:
        state = waiting[-1]
        step = sharing.steps[state].step
        missing = [operand for operand in step.operands if operand not in place]
        if state in place or not missing:
            waiting.pop()
            if state not in place:
                place[state] = draft.add(step, [place[operand] for operand in step.operands])
            continue
        waiting += missing
    return tuple(draft.nodes), tuple(place[root] for root in sharing.roots)


def _reason(planner: str, flops: int, least: int, costs: Mapping[str, int | None]) -> str:
    if planner != "optimal":
        return f"it is {SHARED[planner]}, as asked for; 'optimal' may be cheaper"
    proof = "no plan costs less" if least == flops else f"no plan costs less than {least:,}"
    if flops == costs.get("merged"):
        return f"equal sub-products, made once, are all that can be shared: {proof}"
    for name, end in (("reverse", "output"), ("forward", "input")):
        if flops == costs[name]:
            return f"one sweep from every {end} makes all of them on its way: {proof}"
    other = costs["merged"] or 0
    saving = f", {other / flops:.3g} times cheaper than merging" if flops else ""
    return f"sub-products that several of them use are made once{saving}: {proof}"


def _lines(plan: SeveralPlan) -> Iterator[str]:
    called = names(plan.nodes)
    steps: list[str] = []
    for k, node in enumerate(plan.nodes):
        match node:
            case Local():
                continue
            case Multiply():
                steps.append(f"{called[k]} = {called[node.left]} {called[node.right]}")
            case Tangent():
                steps.append(f"{called[k]} = T{node.link + 1} {called[node.right]}")
            case Adjoint():
                steps.append(f"{called[k]} = {called[node.left]} A{node.link + 1}")
    counts = ((len(plan.requests), "product"), (len(plan.chain), "link"))
    products, links = (f"{count} {noun}{'s' if count > 1 else ''}" for count, noun in counts)
    yield f"{plan.planner}: {products} of {links}"
    if steps:
        yield "; ".join(steps)
    apart = plan.baselines["apart"].flops
    beside = "" if apart is None else f" (apart {apart:,})"
    yield f"{plan.flops:,} multiplications{beside}, peak {plan.peak:,} bytes"
    yield f"because {plan.reason}"
