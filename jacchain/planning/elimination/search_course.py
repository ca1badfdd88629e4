"""An order of eliminations with the state before each, so that a part of it can be tried in another way."""

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Generic, Protocol, TypeVar, final

from jacchain.planning.elimination.move import Move

S = TypeVar("S")
Cost = int | float
"""Multiplications; infinity for what cannot be done."""


class Rules(Protocol[S]):
    """How eliminations change a state; no state is changed in place."""

    start: S
    is_settled: bool
    """Whether what edges carry does not depend on the order in which the same vertices went."""

    def eliminated(self, state: S, vertex: int, /) -> tuple[S, Cost, int]:
        """Return the state without a vertex, what that costs, and the neighbours that it had as bits."""

    def price(self, state: S, vertex: int, /) -> Cost:
        """Return what eliminating a vertex would cost now."""

    def applied(self, state: S, move: Move, /) -> tuple[S, Cost]:
        """Return the state after a move, and what it costs; an edge that is not there costs nothing."""

    def edges(self, state: S, vertex: int, /) -> tuple[list[int], list[int]]:
        """Return the predecessors and the successors of a vertex."""

    def same(self, one: S, other: S, /) -> bool:
        """Whether two states go on alike."""


@final
class Budget:
    """So many eliminations may be tried, and fewer where a slow machine needs more than some seconds for them.

    As long as the seconds do not count, what a search does depends on its seed alone.
    """

    def __init__(self, steps: float, seconds: float, /) -> None:
        self.steps, self.seconds, self.spent = steps, seconds, 0.0
        self.started = perf_counter()

    def fraction(self) -> float:
        """Return how much of it is used up: from 0 to 1, and beyond."""
        return max(self.spent / self.steps, (perf_counter() - self.started) / self.seconds)


@final
class Course(Generic[S]):
    """An order of vertices, what eliminating each costs, its neighbours then, and the states before and after.

    Attributes
    ----------
    order : list of int
    costs : list of int
    near : list of int
        The neighbours that each vertex has when it is eliminated, as bits.
    states : list
        One more than there are vertices.
    total : int
        The sum of the costs.
    tried : int
        Eliminations tried so far.
    """

    def __init__(self, rules: Rules[S], start: S, order: Iterable[int], /) -> None:
        self.rules = rules
        self.order: list[int] = []
        self.costs: list[Cost] = []
        self.near: list[int] = []
        self.states = [start]
        for vertex in order:
            state, cost, near = rules.eliminated(self.states[-1], vertex)
            self.order.append(vertex)
            self.costs.append(cost)
            self.near.append(near)
            self.states.append(state)
        self.total = sum(self.costs)
        self.tried = len(self.order)

    def replace(self, low: int, high: int, vertices: Sequence[int], slack: float, /) -> bool:
        """Put the vertices from low to high into another order, and tell whether that was done.

        It is refused where it costs more by over `slack`. Which edges are left does not depend on the order in which
        vertices went; where their structures do, what follows is tried again too.
        """
        rules, state = self.rules, self.states[low]
        bound = sum(self.costs[low:high]) + slack
        new: Cost = 0
        costs, nears, states = [], [], []  # type: tuple[list[Cost], list[int], list[S]]
        for vertex in vertices:
            state, cost, near = rules.eliminated(state, vertex)
            new += cost
            if new > bound:
                self.tried += len(costs) + 1
                return False
            costs.append(cost)
            nears.append(near)
            states.append(state)
        self.tried += high - low
        if rules.is_settled or rules.same(state, self.states[high]):
            self.total += new - sum(self.costs[low:high])
            self.order[low:high] = vertices
            self.costs[low:high] = costs
            self.near[low:high] = nears
            self.states[low + 1 : high + 1] = states
            return True
        return self._replace_all(Course(rules, self.states[low], [*vertices, *self.order[high:]]), low, slack)

    def _replace_all(self, other: "Course[S]", low: int, slack: float) -> bool:
        """Go on as another course from a place onward, unless that costs more by over `slack`."""
        self.tried += other.tried
        total = sum(self.costs[:low]) + other.total
        if total - self.total > slack:
            return False
        self.total = total
        self.order[low:] = other.order
        self.costs[low:] = other.costs
        self.near[low:] = other.near
        self.states[low:] = other.states
        return True
