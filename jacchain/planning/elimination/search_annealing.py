"""Simulated annealing of an order of vertices."""

from math import log
from random import Random
from typing import Final, TypeVar

from jacchain.planning.elimination.search_course import Budget, Cost, Course

S = TypeVar("S")

GLANCE: Final = 16
"""Trials between looks at the clock."""

FAR: Final = 200
"""Places that a vertex is shifted by at most."""


def annealed(course: Course[S], rng: Random, budget: Budget, /, *, hot: float, cold: float) -> list[int]:
    """Return the cheapest order met while vertices are shifted at random past one or a few of their neighbours.

    Eliminations of vertices that are no neighbours may be exchanged freely, so a shift past a neighbour is the least
    that changes anything. Only the eliminations shifted past are tried again, from the state that is kept, and only
    until they cost more than the temperature allows: T·(-log of a random number) more than now, which is Metropolis'
    rule with the random number drawn first. The temperature falls from hot to cold as the budget is used up.
    """
    random, order = rng.random, course.order
    best, found = course.total, list(order)
    heat, trials = hot, 0
    while True:
        if trials % GLANCE == 0:
            budget.spent, course.tried = budget.spent + course.tried + GLANCE, 0  # a trial takes time of its own
            fraction = budget.fraction()
            if fraction >= 1:
                return found
            heat = hot * (cold / hot) ** fraction
        trials += 1
        place = int(random() * len(order))
        neighbours = 1 + int(-log(1 - random()))
        slack = -log(1 - random()) * heat
        if random() < 0.5:
            low, high = place, _later(course, place, neighbours) + 1
            shifted = [*order[low + 1 : high], order[low]]
        else:
            low, high = _earlier(course, place, neighbours), place + 1
            if neighbours == 1 and low < place and course.rules.is_settled and _exchange(course, low, place) > slack:
                continue
            shifted = [order[place], *order[low:place]]
        if high - low > 1 and course.replace(low, high, shifted, slack) and course.total < best:
            best, found = course.total, list(order)


def _exchange(course: Course[S], low: int, high: int) -> Cost:
    """Return what it costs more to eliminate the vertex at `high` before the one at `low`, its only neighbour between.

    Nothing else between them costs more or less then, so two eliminations tell it instead of all.
    """
    rules, costs = course.rules, course.costs
    state, cost, _ = rules.eliminated(course.states[low], course.order[high])
    course.tried += 1
    return cost + rules.price(state, course.order[low]) - costs[low] - costs[high]


def _later(course: Course[S], place: int, neighbours: int) -> int:
    """Return the place of the last of some neighbours that the vertex at a place would be shifted past."""
    near, order, found = course.near[place], course.order, place
    for k in range(place + 1, min(place + FAR, len(order))):
        if near >> order[k] & 1:
            found, neighbours, near = k, neighbours - 1, near | course.near[k]
            if not neighbours:
                break
    return found


def _earlier(course: Course[S], place: int, neighbours: int) -> int:
    """Return the place of the first of some neighbours that the vertex at a place would be shifted before."""
    vertex, near, found = course.order[place], course.near, place
    for k in range(place - 1, max(place - FAR, -1), -1):
        if near[k] >> vertex & 1:
            found, neighbours = k, neighbours - 1
            if not neighbours:
                break
    return found
