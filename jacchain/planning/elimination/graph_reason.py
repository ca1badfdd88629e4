"""Why an order of elimination won, in one sentence."""

from collections.abc import Mapping

from jacchain.planning.elimination.outcome import Outcome
from jacchain.planning.elimination.problem import Problem

ORDERS = {"forward": "forward", "reverse": "reverse", "markowitz": "greedy"}
"""What the textbook orders are called in a sentence."""


def graph_reason(problem: Problem, planner: str, found: Outcome, costs: Mapping[str, int], /) -> str:
    """Return one sentence that says what was found, and how far below the best textbook order.

    Examples
    --------
    >>> from jacchain.planning.elimination.problem import prepared
    >>> from jacchain.planning.graph import Graph
    >>> problem = prepared(Graph({"x": 1}, [], []))
    >>> graph_reason(problem, "auto", Outcome((), (), 0), {"forward": 0})
    'no vertex lies between the requested ones: there is nothing to order'
    """
    if not problem.interior:
        return "no vertex lies between the requested ones: there is nothing to order"
    if len(problem.interior) == 1:
        return "there is one interior vertex, so there is only one order"
    if planner in ORDERS:
        return f"the {ORDERS[planner]} order, as asked for; 'auto' may be cheaper"
    sure = "; no order of vertices is cheaper" if found.is_least else ""
    how = f", {found.how}" if found.how else ""
    least = min(costs.values())
    best = [ORDERS[name] for name, flops in costs.items() if flops == least]
    if found.flops >= least:
        return f"{' and '.join(best)} elimination {'is' if len(best) == 1 else 'are'} as cheap as any found{sure}"
    saving = f"{100 * (least - found.flops) / least:.3g} %"
    return f"{saving} fewer multiplications than {best[0]} elimination, the best textbook order{how}{sure}"
