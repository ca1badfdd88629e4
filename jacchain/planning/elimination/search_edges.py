"""Eliminations of single edges among those of vertices."""

from collections.abc import Sequence
from math import log
from random import Random
from typing import Final, Generic, TypeVar, final

from jacchain.planning.elimination.move import Move, vertices
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.search_course import Budget, Cost, Rules

S = TypeVar("S")

DETOUR: Final = 4
"""Average costs that a change may take before it pays."""

INSERTED, DELETED = 0.4, 0.6
"""Up to these random numbers an edge's elimination is put in, or taken out; beyond, one of a vertex is shifted."""

REACH: Final = 4
"""Places that it is shifted by on average."""


TRIAL: Final = 3
"""Eliminations that take as long as choosing what to try."""


@final
class Mixed(Generic[S]):
    """A sequence of moves, what each costs, and the states before and after.

    An edge eliminated before its vertex is may save what the vertex would have cost later (U. Naumann, *Optimal
    accumulation of Jacobian matrices by elimination methods on the dual computational graph*, 2004).
    """

    def __init__(self, rules: Rules[S], start: S, moves: Sequence[Move], /) -> None:
        self.rules, self.moves = rules, list(moves)
        self.costs: list[Cost] = []
        self.states = [start]
        for move in moves:
            state, cost = rules.applied(self.states[-1], move)
            self.costs.append(cost)
            self.states.append(state)
        self.total = sum(self.costs)
        self.detour = DETOUR * self.total / max(1, len(self.moves))
        self.tried = len(self.moves)

    def replace(self, low: int, high: int, moves: Sequence[Move], slack: float, /) -> bool:
        """Put other moves in the place of those from low to high, and tell whether that was done.

        It is refused where it costs more by over `slack` in the end; moves that follow are tried again until the state
        is that of before.
        """
        rules, state = self.rules, self.states[low]
        made, costs, states = list(moves), [], []  # type: tuple[list[Move], list[Cost], list[S]]
        change: Cost = -sum(self.costs[low:high])
        k = 0
        while k < len(moves) or (high < len(self.moves) and not rules.same(state, self.states[high])):
            if k == len(made):
                made.append(self.moves[high])
                change -= self.costs[high]
                high += 1
            state, cost = rules.applied(state, made[k])
            change += cost
            costs.append(cost)
            states.append(state)
            k += 1
            if change > slack + self.detour:
                self.tried += k
                return False
        self.tried += k
        if change > slack:
            return False
        self.moves[low:high], self.costs[low:high], self.states[low + 1 : high + 1] = made, costs, states
        self.total += change
        return True


def refined(
    problem: Problem, rules: Rules[S], order: Sequence[int], rng: Random, budget: Budget, /, *, heat: float
) -> list[Move]:
    """Return the cheapest sequence met while eliminations of edges are put in, taken out, and vertices shifted."""
    interior = set(problem.interior)
    mixed = Mixed(rules, rules.start, vertices(list(order)))
    best, found = mixed.total, list(mixed.moves)
    while True:
        budget.spent, mixed.tried = budget.spent + mixed.tried + TRIAL, 0
        fraction = budget.fraction()
        if fraction >= 1:
            return present(problem, rules, found)
        chance, place = rng.random(), int(rng.random() * len(mixed.moves))
        slack = -log(1 - rng.random()) * heat * max(0.05, 1 - fraction)
        if chance < INSERTED:
            edge = _edge(mixed, interior, place, rng)
            done = edge is not None and mixed.replace(place, place, [edge], slack)
        elif chance < DELETED:
            edges = [k for k, move in enumerate(mixed.moves) if move.kind != "vertex"]
            here = edges[int(rng.random() * len(edges))] if edges else 0
            done = bool(edges) and mixed.replace(here, here + 1, [], slack)
        else:
            done = _shifted(mixed, place, rng, slack)
        if done and mixed.total < best:
            best, found = mixed.total, list(mixed.moves)


def _edge(mixed: Mixed[S], interior: set[int], place: int, rng: Random) -> Move | None:
    """Return the elimination of an edge near what is eliminated next, or soon after."""
    soon = min(place + int(-log(1 - rng.random()) * REACH), len(mixed.moves) - 1)
    vertex, state = mixed.moves[soon].tail, mixed.states[place]
    before, behind = mixed.rules.edges(state, vertex)
    choices = [Move("back", vertex, head) for head in behind] if vertex in interior else []
    choices += [Move("front", vertex, head) for head in behind if head in interior]
    choices += [Move("front", tail, vertex) for tail in before] if vertex in interior else []
    choices += [Move("back", tail, vertex) for tail in before if tail in interior]
    return choices[int(rng.random() * len(choices))] if choices else None


def _shifted(mixed: Mixed[S], place: int, rng: Random, slack: float) -> bool:
    shift = 1 + int(-log(1 - rng.random()) * REACH)
    moves = mixed.moves
    if rng.random() < 0.5:
        low, high = place, place + shift + 1
        return high <= len(moves) and mixed.replace(low, high, [*moves[low + 1 : high], moves[low]], slack)
    low, high = place - shift, place + 1
    return low >= 0 and mixed.replace(low, high, [moves[place], *moves[low:place]], slack)


def present(problem: Problem, rules: Rules[S], moves: Sequence[Move], /) -> list[Move]:
    """Return those moves that eliminate something: not what an elimination of edges had taken away before."""
    found, state, interior = [], rules.start, set(problem.interior)
    for move in moves:
        before, behind = rules.edges(state, move.tail)
        is_there = move.head in behind if move.kind != "vertex" else bool(before and behind)
        if is_there and (move.head if move.kind == "front" else move.tail) in interior:
            found.append(move)
            state, _ = rules.applied(state, move)
    return found
