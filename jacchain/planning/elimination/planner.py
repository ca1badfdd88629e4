"""The door of planning for branching graphs."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from operator import index
from typing import TYPE_CHECKING

from jacchain.algebra.structure import Identity
from jacchain.errors import InfeasibleError, OptionError, unknown_name
from jacchain.planning.cost import Cost, ProfileLike, as_cost
from jacchain.planning.elimination.cuts import lower_bound
from jacchain.planning.elimination.graph_plan import GraphPlan, need
from jacchain.planning.elimination.graph_reason import graph_reason
from jacchain.planning.elimination.greedy import ORDERS, markowitz
from jacchain.planning.elimination.masks import order_cost
from jacchain.planning.elimination.outcome import Outcome
from jacchain.planning.elimination.part import parts
from jacchain.planning.elimination.partial import Partial, written
from jacchain.planning.elimination.planners import GRAPH_BASELINES, GRAPH_PLANNERS, Effort
from jacchain.planning.elimination.problem import Problem, prepared
from jacchain.planning.elimination.state import State
from jacchain.planning.graph import Graph
from jacchain.planning.limits import as_limit
from jacchain.planning.link import as_size
from jacchain.planning.node import GraphNode, Local
from jacchain.planning.plan import Baseline, Baselines

if TYPE_CHECKING:  # planning by multiplications predicts nothing
    from jacchain.planning.quickest.predictor import Predictor


def plan_graph(
    graph: Graph,
    /,
    *,
    planner: str = "auto",
    seconds: float = 1.0,
    seed: int = 0,
    unit_free: bool = False,
    tape_limit: int | None = None,
    itemsize: int = 8,
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    memory: int | None = None,
) -> GraphPlan:
    """Find an order in which to eliminate the interior of a graph, so that its requests are left.

    Parameters
    ----------
    graph : Graph
        Of any shape, a path among them.
    planner : str
        One of ``GRAPH_PLANNERS``. "optimal" compares all orders of vertices (Griewank and Walther, *Evaluating
        Derivatives*, chapter 9), which small graphs, long thin ones and paths allow; "search" anneals; "layered" cuts
        the graph into chains of layers and brackets these; "auto" takes the first where it is quick, and searches in a
        fifth of the seconds where it is not. Both "search" and "auto" take a chain of layers where that is cheaper.
    seconds : float
        What a search may take.
    seed : int
        Of a search.
    unit_free : bool
        Do not count products by an identity or a negation, which the literature does.
    tape_limit : int, optional
        No adjoint of a link whose tape is larger.
    itemsize : int
        Bytes per number.
    cost : {"multiplications", "seconds"}
        With "seconds", a planner that searches tries several orders, and takes the one of the fewest predicted seconds
        if it saves at least 3 % of those of the order of least multiplications.
    profile : Profile, path or mapping, optional
        What predicts seconds; that of this machine unless stated.
    memory : int, optional
        Bytes that an order which takes fewer seconds may hold; that of least multiplications may hold more.

    Returns
    -------
    GraphPlan
        With exact cost, peak, baselines and the reason.

    Raises
    ------
    OptionError
        Unknown planner, seconds or limits that make no sense.
    InfeasibleError
        The graph has too many orders for an exact planner, or the tape limit leaves a link no way.

    Examples
    --------
    >>> from jacchain.planning.graph import Edge
    >>> edges = [Edge("x", "s"), Edge("s", "t"), Edge("s", "y"), Edge("t", "y")]
    >>> found = plan_graph(Graph({"x": 9, "s": 4, "t": 2, "y": 1}, edges))
    >>> found.flops, found.order, {name: baseline.flops for name, baseline in found.baselines.items()}
    (44, ('t', 's'), {'forward': 126, 'reverse': 44, 'markowitz': 44})
    """
    effort = Effort(as_seconds(seconds), as_seed(seed))
    if planner not in tuple(GRAPH_PLANNERS):
        unknown_name("planner", planner, GRAPH_PLANNERS)
    itemsize = as_size(itemsize, "itemsize")
    tapes = None if tape_limit is None else as_limit(tape_limit, "tape_limit")
    problem = prepared(graph, unit_free=unit_free, tape_limit=tapes)
    problem = replace(problem, greedy=tuple(markowitz(problem)))  # what several planners ask for
    found = GRAPH_PLANNERS[planner](problem, effort)
    costs = {name: found.flops if name == planner else _cost(problem, name, effort) for name in GRAPH_BASELINES}
    plan = _plan(graph, problem, planner, found, costs, effort)
    plan = replace(plan, itemsize=itemsize, peak=plan.peak * itemsize, tape_limit=tapes)
    if as_cost(cost) == "multiplications" and profile is None:
        return plan
    from jacchain.planning.quickest.predictor import is_predictable, predictor_of
    from jacchain.planning.quickest.quickest_reason import huge_reason

    predictor = predictor_of(profile, itemsize, problem.links)
    if not is_predictable(problem.links):
        return replace(plan, reason=huge_reason(plan.reason))
    return _timed(plan, problem, found, effort, predictor, cost, memory)


def _plan(
    graph: Graph, problem: Problem, planner: str, found: Outcome, costs: Mapping[str, int], effort: Effort
) -> GraphPlan:
    """Return the plan of an outcome, its peak in numbers."""
    nodes, roots = written(problem, with_identities(problem, found))
    return GraphPlan(
        graph,
        planner,
        tuple(nodes),
        tuple(roots),
        found.flops,
        need(graph, nodes, roots),
        Baselines(tuple((name, Baseline(flops)) for name, flops in costs.items())),
        graph_reason(problem, planner, found, costs),
        lower_bound=_lower_bound(problem, found),
        order=tuple(problem.vertices[vertex] for vertex in found.order),
        search_seconds=effort.seconds,
        seed=effort.seed,
        unit_free=problem.unit_free,
    )


def _timed(
    plan: GraphPlan,
    problem: Problem,
    known: Outcome,
    effort: Effort,
    predictor: "Predictor",
    cost: Cost,
    memory: int | None,
) -> GraphPlan:
    """Return the plan with its predicted seconds; with cost="seconds" that of an order that saves enough of them."""
    from jacchain.planning.elimination.quicker import as_timed, quicker

    def write(outcome: Outcome) -> tuple[list[GraphNode], list[int | None]]:
        return written(problem, with_identities(problem, outcome))

    found = as_timed(problem, known, write, predictor)._replace(reason=plan.reason)
    if cost == "seconds":
        room = None if memory is None else memory // plan.itemsize
        found = quicker(problem, plan.planner, effort, found, write, predictor, room)
    outcomes = {name: GRAPH_PLANNERS[name](problem, effort) for name in plan.baselines}
    seconds = {name: as_timed(problem, outcome, write, predictor).total for name, outcome in outcomes.items()}
    return replace(
        plan,
        nodes=tuple(found.nodes),
        roots=tuple(found.roots),
        flops=found.outcome.flops,
        peak=need(plan.graph, found.nodes, found.roots) * plan.itemsize,
        baselines=Baselines(
            tuple((name, Baseline(flops, seconds[name])) for name, (flops, _) in plan.baselines.items())
        ),
        reason=found.reason,
        lower_bound=min(plan.lower_bound, found.outcome.flops),
        order=tuple(problem.vertices[vertex] for vertex in found.outcome.order),
        cost=cost,
        seconds=found.total,
        profile=predictor.name,
        step_seconds=found.seconds,
    )


def _cost(problem: Problem, baseline: str, effort: Effort) -> int:
    """Return what a textbook order costs; where all links are dense, without forming its expressions."""
    if not problem.is_dense:
        return GRAPH_PLANNERS[baseline](problem, effort).flops
    return State(problem).cost + order_cost(problem, ORDERS[baseline](problem))


def _lower_bound(problem: Problem, found: Outcome) -> int:
    return found.flops if found.is_least else min(found.flops, sum(lower_bound(part) for part in parts(problem)))


def with_identities(problem: Problem, found: Outcome) -> list[Partial | None]:
    """Return the roots, with an identity for each vertex that is requested with respect to itself."""
    known: dict[int, Partial] = {}
    roots = []
    for (output, source), root in zip(problem.graph.requests, found.roots, strict=True):
        if output == source:
            number = problem.structures.number(Identity(problem.graph.sizes[output]))
            root = known.setdefault(number, Partial(number, Local))  # noqa: PLW2901  (None is what it replaces)
        roots.append(root)
    return roots


def as_seconds(seconds: object, /) -> float:
    """Return a time above 0, or raise an OptionError that names it."""
    found = float(seconds) if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) else 0.0
    if not 0 < found < inf:
        raise OptionError(f"seconds is {seconds!r}, not a time", "give a number above 0, such as 1.0")
    return found


def as_seed(seed: object, /) -> int:
    """Return a seed of a random generator, or raise an OptionError that names it."""
    try:
        found = index(seed)  # type: ignore[arg-type]  # anything without __index__ is refused below
    except TypeError:
        found = -1
    if found < 0 or isinstance(seed, bool):
        raise OptionError(f"seed is {seed!r}, not a whole number", "give a whole number of at least 0")
    return found


def fitting(plan: GraphPlan, memory: int | None, /) -> GraphPlan:
    """Return the plan if it fits into so many bytes.

    Raises
    ------
    InfeasibleError
        It does not; the message names its peak.
    """
    if memory is not None and plan.peak > memory:
        raise InfeasibleError(
            f"the plan holds {plan.peak:,} bytes at its fullest, but memory is {memory:,} bytes",
            f"give at least memory={plan.peak}, or another planner: plans of branching graphs are not made to fit",
        )
    return plan


def refuse_options(given: Mapping[str, object], /) -> None:
    """Raise an OptionError that names the options of chains among those given."""
    for name, value in given.items():
        raise OptionError(f"{name} is {value!r}, but the graph branches", f"leave {name} out: it is for chains alone")
