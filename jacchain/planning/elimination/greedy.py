"""Orders that look no further than the next vertex."""

from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from types import MappingProxyType
from typing import Final

from jacchain.planning.elimination.masks import Masks
from jacchain.planning.elimination.move import Move
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.state import State
from jacchain.planning.elimination.subsets import bits


def forward(problem: Problem, /) -> list[int]:
    """Return the interior vertices in the order in which they are evaluated."""
    return list(problem.interior)


def reverse(problem: Problem, /) -> list[int]:
    """Return the interior vertices from the last that is evaluated to the first."""
    return list(reversed(problem.interior))


def markowitz(problem: Problem, /) -> list[int]:
    """Return the order that eliminates whatever is cheapest next, the earlier vertex among equals.

    The cost is that of the products with their sizes and structures; of scalars it is the number of predecessors times
    that of successors (Griewank and Reese, *On the calculation of Jacobian matrices by the Markowitz rule*, 1991).
    """
    if problem.greedy:
        interior = set(problem.interior)
        return [vertex for vertex in problem.greedy if vertex in interior]
    if problem.is_dense:
        masks = Masks(problem)

        def near(vertex: int) -> list[int]:
            return list(bits(masks.into[vertex] | masks.out[vertex]))

        return _greedy(problem, masks.price, near, masks.eliminate)
    state = State(problem)
    return _greedy(
        problem,
        state.price,
        lambda vertex: [*state.backward[vertex], *state.onward[vertex]],
        lambda vertex: state.apply(Move("vertex", vertex)),
    )


def _greedy(
    problem: Problem,
    price: Callable[[int], int],
    near: Callable[[int], list[int]],
    eliminate: Callable[[int], int],
) -> list[int]:
    prices = {vertex: price(vertex) for vertex in problem.interior}
    waiting = [(cost, vertex) for vertex, cost in prices.items()]
    heapify(waiting)
    order = []
    while waiting:
        cost, vertex = heappop(waiting)
        if prices.get(vertex) != cost:
            continue  # eliminated, or priced anew since
        del prices[vertex]
        order.append(vertex)
        others = near(vertex)
        eliminate(vertex)
        for other in others:
            if other in prices:
                cost = price(other)
                if cost != prices[other]:
                    prices[other] = cost
                    heappush(waiting, (cost, other))
    return order


ORDERS: Final[Mapping[str, Callable[[Problem], list[int]]]] = MappingProxyType(
    {"forward": forward, "reverse": reverse, "markowitz": markowitz}
)
"""The textbook orders by their planners' names."""
