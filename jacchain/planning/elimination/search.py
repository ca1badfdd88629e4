"""The search for a cheap order of eliminations: the best of the textbook orders, annealed."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from jacchain.planning.elimination.greedy import ORDERS as TEXTBOOK
from jacchain.planning.elimination.move import Move, vertices
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.search_annealing import annealed
from jacchain.planning.elimination.search_bits import Plain, Sized, is_counted, is_scalar
from jacchain.planning.elimination.search_bundles import Bundled
from jacchain.planning.elimination.search_course import Budget, Cost, Course, Rules
from jacchain.planning.elimination.search_edges import refined

HOT: Final = 0.5
"""The first temperature, as a part of what eliminating a vertex costs on average."""

COLD: Final = 0.07
"""The last one, as a part of what it costs on average or in the middle, whichever is less."""

WINDOW: Final = 1000
"""Vertices of an order that are shifted at a time; so many states are kept."""

ROUND: Final = 800
"""Eliminations tried for each vertex between two beginnings: one long annealing stays more often in a bad valley."""

ROUNDS: Final = 8
"""Beginnings at most."""

PATIENT: Final = 1000
"""Eliminations tried for each vertex from which on the first temperature is as hot as it gets."""

ORDERS: Final = 0.9
"""The part of the budget that goes to orders of vertices; the rest goes to eliminations of edges."""

SLOW: Final = 1.2
"""How much slower than the machine on which steps were timed another may be, before seconds count."""

AnyRules = Rules[Any]


def search(problem: Problem, /, *, seconds: float = 1.0, seed: int = 0, steps: int | None = None) -> list[Move]:
    """Return moves that cost no more than the best of the orders forward, reverse and markowitz, and mostly much less.

    The best of these orders is annealed, and then eliminations of single edges are put in. How many eliminations are
    tried follows from the seconds, so that equal seeds give equal moves unless the machine is slow or busy. Then the
    seconds shorten the search, and the result depends on the machine. Textbook orders are found however long it takes.

    Parameters
    ----------
    problem : Problem
    seconds : float
        What the search may take, with the textbook orders.
    seed : int
    steps : int, optional
        How many eliminations to try, in the place of what follows from the seconds.

    Examples
    --------
    >>> from jacchain.planning.elimination.problem import prepared
    >>> from jacchain.planning.graph import Edge, Graph
    >>> edges = [Edge("x", "s"), Edge("s", "t"), Edge("t", "y"), Edge("s", "y")]
    >>> problem = prepared(Graph({"x": 9, "s": 5, "t": 5, "y": 1}, edges))
    >>> search(problem, steps=100)
    [Move(kind='vertex', tail=2, head=-1), Move(kind='vertex', tail=1, head=-1)]
    """
    budget = Budget(float("inf"), seconds)
    rules = rules_of(problem)
    order, total = min(
        ((found, _total(rules, found)) for found in (textbook(problem) for textbook in TEXTBOOK.values())),
        key=lambda pair: pair[1],
    )
    if len(order) < 2 or not 0 < total < float("inf"):
        return vertices(order)
    budget.steps = steps if steps is not None else seconds / (SLOW * _duration(rules, order))
    rng = Random(seed)
    order = _ordered(rules, order, rng, budget)
    heat = HOT / 2 * total / len(order)
    if len(order) > WINDOW:
        return vertices(order)
    return refined(problem, rules, order, rng, budget, heat=heat)


def rules_of(problem: Problem, /) -> AnyRules:
    """Return the fastest rules that count a problem's eliminations exactly."""
    if is_scalar(problem):
        return Plain(problem)
    return Sized(problem) if is_counted(problem) else Bundled(problem)


def _total(rules: AnyRules, order: Sequence[int]) -> Cost:
    state = rules.start
    total: Cost = 0
    for vertex in order:
        state, cost, _ = rules.eliminated(state, vertex)
        total += cost
    return total


def _duration(rules: AnyRules, order: Sequence[int]) -> float:
    """Return about how many seconds an elimination takes, from how many neighbours vertices have."""
    state, total = rules.start, 0
    for vertex in order:
        state, _, near = rules.eliminated(state, vertex)
        total += near.bit_count()
    neighbours, count = total / len(order), len(state[0])
    match rules:
        case Plain():
            return 1e-6 * (1.3 + 0.25 * neighbours + 0.003 * count)
        case Sized() if rules.is_complete:
            return 1e-6 * (2 + 0.5 * neighbours + 0.006 * count)
        case Sized():
            return 1e-6 * (3 + 2 * neighbours + 0.1 * neighbours**2 + 0.006 * count)
        case _:
            return 1e-6 * (6 + 2.5 * neighbours + 0.25 * neighbours**2 + 0.004 * count)


def _ordered(rules: AnyRules, order: list[int], rng: Random, whole: Budget) -> list[int]:
    """Return the cheapest order found, by windows where it is long, several times over where it is short."""
    patience = whole.steps * ORDERS / len(order)
    rounds = max(1, min(ROUNDS, int(patience / ROUND)))
    eagerness = min(1.0, patience / PATIENT)
    state, found = rules.start, []
    for low in range(0, len(order), WINDOW):
        part = order[low : low + WINDOW]
        share = len(part) / len(order) / rounds
        for _ in range(rounds):
            course = Course(rules, state, part)
            budget = Budget(whole.steps * ORDERS * share, whole.seconds * ORDERS * share)
            cold = COLD * min(course.total / len(part), sorted(course.costs)[len(part) // 2] or 1)
            hot = max(cold, HOT * eagerness * course.total / len(part))
            part = annealed(course, rng, budget, hot=hot, cold=cold)
            whole.spent += budget.spent
        found += part
        for vertex in part:
            state, _, _ = rules.eliminated(state, vertex)
    return found
