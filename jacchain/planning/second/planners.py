"""All planners of second order by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.planners import Effort
from jacchain.planning.names import MODES
from jacchain.planning.second.exact import cheapest_order, every_order
from jacchain.planning.second.modes import forward_over_reverse, reverse_over_forward, reverse_over_reverse
from jacchain.planning.second.nested_forward import forward_over_forward
from jacchain.planning.second.orders import accumulating, cheapest_next, pushing
from jacchain.planning.second.outcome import SecondOutcome, eliminated
from jacchain.planning.second.paths import path_order
from jacchain.planning.second.problem import SecondProblem
from jacchain.planning.second.search import annealed, products_of

SecondPlanner = Callable[[SecondProblem, Effort], SecondOutcome]

BEAM: Final = 16_000
"""Products that a search may form level by level for each second that it is given: about a tenth of it."""

FEW: Final = 7
ALL: Final = 100
"""Interior vertices up to which no state is left out, and states that are enough for that."""

LEAST: Final = 4
"""States that make a search level by level worth its while."""

TRIALS: Final = 20_000
"""Products that a search may form in shifting vertices for each second: about a quarter of it."""

LARGE: Final = 200
"""Interior vertices beyond which nothing is searched for."""

VAST: Final = 1_000
"""Interior vertices beyond which only edge pushing is compared with the textbook modes: greedy takes seconds there."""


def _forward_over_forward(problem: SecondProblem, _effort: Effort, /) -> SecondOutcome:
    return forward_over_forward(problem)


def _forward_over_reverse(problem: SecondProblem, _effort: Effort, /) -> SecondOutcome:
    return forward_over_reverse(problem)


def _reverse_over_forward(problem: SecondProblem, _effort: Effort, /) -> SecondOutcome:
    return reverse_over_forward(problem)


def _reverse_over_reverse(problem: SecondProblem, _effort: Effort, /) -> SecondOutcome:
    return reverse_over_reverse(problem)


def _edge_pushing(problem: SecondProblem, _effort: Effort, /) -> SecondOutcome:
    return eliminated(problem, pushing(problem))


def _greedy(problem: SecondProblem, _effort: Effort, /) -> SecondOutcome:
    return eliminated(problem, cheapest_next(problem))


def _search(problem: SecondProblem, effort: Effort, /) -> SecondOutcome:
    path = path_order(problem)
    if path is not None:
        return eliminated(problem, path)._replace(is_least=True)
    count = len(problem.interior)
    orders = ORDERS if count <= VAST else ORDERS[:1]
    best = min((eliminated(problem, order(problem)) for order in orders), key=lambda found: found.flops)
    if not 1 < count <= LARGE:
        return best._replace(is_least=count <= 1)
    width = int(BEAM * effort.seconds) * 2 // (count * products_of(problem, best.order))
    width = max(width, ALL) if count <= FEW else width
    if width >= LEAST:
        best = cheapest_order(problem, best, width=width)
    if best.is_least:
        return best
    order = annealed(problem, best.order, products=int(TRIALS * effort.seconds), seed=effort.seed)
    return min(best, eliminated(problem, order), key=lambda found: found.flops)


def _exhaustive(problem: SecondProblem, _effort: Effort, /) -> SecondOutcome:
    return eliminated(problem, every_order(problem))._replace(is_least=True)


def _optimal(problem: SecondProblem, effort: Effort, /) -> SecondOutcome:
    found = _search(problem, effort)
    best = min((found, *_textbook(problem, effort)), key=lambda outcome: outcome.flops)
    return best._replace(is_least=found.is_least)


def _textbook(problem: SecondProblem, effort: Effort) -> list[SecondOutcome]:
    """Return what the textbook modes find."""
    found = []
    for planner in SECOND_BASELINES:
        try:
            found.append(SECOND_PLANNERS[planner](problem, effort))
        except InfeasibleError:
            continue
    return found


ORDERS: Final = (pushing, cheapest_next, accumulating)
"""The orders that a search starts from, the first of the cheapest."""

SECOND_PLANNERS: Final[Mapping[str, SecondPlanner]] = MappingProxyType(
    {
        "forward_over_forward": _forward_over_forward,
        "forward_over_reverse": _forward_over_reverse,
        "reverse_over_forward": _reverse_over_forward,
        "reverse_over_reverse": _reverse_over_reverse,
        "edge_pushing": _edge_pushing,
        "greedy": _greedy,
        "search": _search,
        "optimal": _optimal,
        "exhaustive": _exhaustive,
    }
)
"""Every planner of second order by its name; all share one signature.

"optimal" is the cheapest of all the others (but for greedy in vast ladders), and equals "exhaustive" where its reason
says that no order is cheaper: for paths, and for a few vertices. "search" and "optimal" give the same on every machine:
seconds stand for numbers of products.

Forward over forward is for ladders whose vertices are one number each, and raises an InfeasibleError for others: it
pushes a tensor of d × d_0 × d_0 through a vertex of d numbers, which products of matrices do not express.
"""

SECOND_BASELINES: Final = (*MODES, "edge_pushing")
"""The planners that every plan of a Hessian is compared with."""
