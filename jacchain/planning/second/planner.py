"""The door of planning of second order for graphs."""

from jacchain.errors import InfeasibleError, unknown_name
from jacchain.planning.elimination.planner import as_seconds, as_seed
from jacchain.planning.elimination.planners import Effort
from jacchain.planning.link import as_size
from jacchain.planning.plan import Baseline, Baselines
from jacchain.planning.second.hessian_plan import HessianPlan
from jacchain.planning.second.hessian_reason import hessian_reason
from jacchain.planning.second.ladder import Ladder
from jacchain.planning.second.planners import SECOND_BASELINES, SECOND_PLANNERS
from jacchain.planning.second.problem import SecondProblem, prepared
from jacchain.planning.second.storage import all_roots, need
from jacchain.planning.second.writing import written


def plan_second(
    ladder: Ladder,
    /,
    *,
    planner: str = "optimal",
    seconds: float = 1.0,
    seed: int = 0,
    unit_free: bool = True,
    itemsize: int = 8,
    gradient: bool = False,
    baselines: bool = True,
) -> HessianPlan:
    """Find an order in which to form a Hessian from first derivatives and curvatures.

    Parameters
    ----------
    ladder : Ladder
    planner : str
        One of ``SECOND_PLANNERS``.
    seconds : float
        What a search may take.
    seed : int
        Of a search.
    unit_free : bool
        Do not count products by an identity or a negation.
    itemsize : int
        Bytes per number.
    gradient : bool
        Form the rows of first derivatives with respect to the inputs too; they share the reverse sweep.
    baselines : bool
        Find out what the textbook modes cost; for a hundred vertices that takes longer than planning.

    Returns
    -------
    HessianPlan
        With exact cost, peak, baselines and the reason.

    Raises
    ------
    OptionError
        Unknown planner, seconds or a seed that make no sense.
    InfeasibleError
        The ladder does not allow the planner.

    Examples
    --------
    >>> from jacchain.algebra.structure import Dense, Diagonal
    >>> from jacchain.planning.graph import Edge, Graph
    >>> from jacchain.planning.second.ladder import Curve
    >>> graph = Graph({"x": 8, "s": 2, "t": 9, "y": 1}, [Edge("x", "s"), Edge("s", "t"), Edge("t", "y")], [("y", "x")])
    >>> ladder = Ladder(graph, [Curve(1, 1, Dense(2, 2)), Curve(2, 2, Diagonal(9))])
    >>> found = plan_second(ladder)
    >>> found.flops, found.baselines["edge_pushing"].flops
    (214, 214)
    """
    effort = Effort(as_seconds(seconds), as_seed(seed))
    if planner not in tuple(SECOND_PLANNERS):
        unknown_name("planner", planner, SECOND_PLANNERS)
    itemsize = as_size(itemsize, "itemsize")
    problem = prepared(ladder, unit_free=unit_free, gradient=gradient)
    found = SECOND_PLANNERS[planner](problem, effort)
    compared = SECOND_BASELINES if baselines else ()
    costs = {name: found.flops if name == planner else _cost(problem, name, effort) for name in compared}
    nodes, places = written(problem.terms, all_roots(found.roots, problem.adjoints))
    count = len(problem.adjoints)
    return HessianPlan(
        ladder,
        planner,
        tuple(nodes),
        tuple(places[count:]),
        tuple(places[:count]) if gradient else (),
        sum(node.flops for node in nodes),
        need(ladder, nodes, places) * itemsize,
        Baselines(tuple((name, Baseline(flops)) for name, flops in costs.items())),
        hessian_reason(planner, found, costs),
        itemsize,
        tuple(problem.vertices[vertex] for vertex in found.order),
        effort.seconds,
        effort.seed,
        unit_free,
    )


def _cost(problem: SecondProblem, baseline: str, effort: Effort) -> int | None:
    """Return what a textbook mode costs; None where the ladder does not allow it."""
    try:
        return SECOND_PLANNERS[baseline](problem, effort).flops
    except InfeasibleError:
        return None
