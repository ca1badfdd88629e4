"""The door of planning for branching graphs."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from operator import index

from jacchain.algebra.structure import Identity
from jacchain.errors import InfeasibleError, OptionError, unknown_name
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
from jacchain.planning.node import Local
from jacchain.planning.plan import Baseline, Baselines


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
    nodes, roots = written(problem, with_identities(problem, found))
    return GraphPlan(
        graph,
        planner,
        tuple(nodes),
        tuple(roots),
        found.flops,
        need(graph, nodes, roots) * itemsize,
        Baselines(tuple((name, Baseline(flops)) for name, flops in costs.items())),
        graph_reason(problem, planner, found, costs),
        itemsize,
        _lower_bound(problem, found),
        tuple(problem.vertices[vertex] for vertex in found.order),
        effort.seconds,
        effort.seed,
        unit_free,
        tapes,
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
