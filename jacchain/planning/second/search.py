"""Simulated annealing of an order of symmetric elimination, by numbers of products: the same on every machine."""

from collections.abc import Sequence
from math import log
from random import Random
from typing import Final

from jacchain.planning.second.problem import SecondProblem
from jacchain.planning.second.state import SymmetricState

HOT: Final = 0.03
COLD: Final = 0.0003
"""Temperatures at the start and in the end, as shares of what the first order costs."""

NEAR: Final = 12
"""Places that a vertex is shifted by at most in one trial of two; it may be any number in the other."""

START: Final = 4
"""Products that take as long as an elimination takes besides its own."""


def products_of(problem: SecondProblem, order: Sequence[int], /) -> int:
    """Return the products that an order takes, those counted that its eliminations are as long as."""
    state, found = SymmetricState(problem), 0
    for vertex in order:
        found += START + state.products(vertex)
        state.eliminate(vertex)
    return found


def annealed(problem: SecondProblem, start: Sequence[int], /, *, products: int, seed: int) -> list[int]:
    """Return the cheapest order met while vertices are shifted at random.

    Metropolis' rule with the random number drawn first, so that an elimination too dear ends a trial; eliminations
    before the shift are not done again.

    Parameters
    ----------
    problem : SecondProblem
    start : sequence of int
        The interior vertices in some order.
    products : int
        That may be formed in all trials.
    seed : int
    """
    rng, order = Random(seed), list(start)
    if len(order) < 2:
        return order
    states = _states(SymmetricState(problem), order)
    best, found, total = states[-1].cost, order, max(1, states[-1].cost)
    left = products
    while left > 0:
        heat = total * HOT * (COLD / HOT) ** (1 - left / products)
        shifted, low = _shifted(rng, order)
        bound = states[-1].cost - log(1 - rng.random()) * heat
        made: list[SymmetricState] = []
        state = states[low]
        for vertex in shifted[low:]:
            left -= START + state.products(vertex)
            state = state.copy()
            state.eliminate(vertex)
            made.append(state)
            if state.cost > bound:
                break
        left -= START
        if made and made[-1].cost <= bound:
            order, states = shifted, [*states[: low + 1], *made]
            if state.cost < best:
                best, found = state.cost, order
    return found


def _states(state: SymmetricState, order: Sequence[int]) -> list[SymmetricState]:
    """Return the states before the first elimination and after each."""
    found = [state]
    for vertex in order:
        state = state.copy()
        state.eliminate(vertex)
        found.append(state)
    return found


def _shifted(rng: Random, order: Sequence[int]) -> tuple[list[int], int]:
    """Return the order with one vertex elsewhere, and the first place that differs."""
    place = rng.randrange(len(order))
    if rng.random() < 0.5:
        low, high = max(0, place - NEAR), min(len(order) - 1, place + NEAR)
        there = rng.randint(low, high)
    else:
        there = rng.randrange(len(order))
    found = list(order)
    found.insert(there, found.pop(place))
    return found, min(place, there)
