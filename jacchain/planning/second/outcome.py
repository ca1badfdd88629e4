"""What a planner of second order hands back: a term for every block."""

from collections.abc import Iterable
from typing import NamedTuple, final

from jacchain.planning.second.problem import SecondProblem
from jacchain.planning.second.state import SymmetricState


@final
class SecondOutcome(NamedTuple):
    """The terms of the blocks, and what they and the gradient cost together.

    `order` is that in which the interior vertices were eliminated, if they were; `is_least` tells that no order of
    vertices costs less, and `how` what was done, for the plan's reason.
    """

    roots: tuple[int | None, ...]
    flops: int
    order: tuple[int, ...] = ()
    is_least: bool = False
    how: str = ""


def finished(problem: SecondProblem, roots: Iterable[int | None], /) -> SecondOutcome:
    """Return the outcome of some blocks, open links among them formed."""
    terms = problem.terms
    found = tuple(None if root is None else terms.formed(root) for root in roots)
    wanted = [term for term in (*problem.adjoints, *found) if term is not None]
    return SecondOutcome(found, terms.cost(wanted))


def eliminated(problem: SecondProblem, order: Iterable[int], /) -> SecondOutcome:
    """Return the outcome of an order of all interior vertices."""
    state, done = SymmetricState(problem), tuple(order)
    for vertex in done:
        state.eliminate(vertex)
    return finished(problem, state.roots())._replace(order=done)
