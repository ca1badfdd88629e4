"""Orders of elimination that look no further than the next vertex."""

from heapq import heapify, heappop, heappush

from jacchain.planning.second.problem import SecondProblem
from jacchain.planning.second.state import SymmetricState


def pushing(problem: SecondProblem, /) -> list[int]:
    """Return the interior vertices from the last that is evaluated to the first: edge pushing."""
    return list(reversed(problem.interior))


def accumulating(problem: SecondProblem, /) -> list[int]:
    """Return the interior vertices in the order of evaluation: first derivatives are accumulated, then bent."""
    return list(problem.interior)


def cheapest_next(problem: SecondProblem, /) -> list[int]:
    """Return the order that eliminates whatever is cheapest next, the later vertex among equals."""
    state = SymmetricState(problem)
    prices = {vertex: state.price(vertex) for vertex in problem.interior}
    waiting = [(cost, -vertex) for vertex, cost in prices.items()]
    heapify(waiting)
    order: list[int] = []
    while waiting:
        cost, turned = heappop(waiting)
        vertex = -turned
        if prices.get(vertex) != cost:
            continue  # eliminated, or priced anew since
        del prices[vertex]
        order.append(vertex)
        others = state.near(vertex)
        state.eliminate(vertex)
        for other in others & prices.keys():
            cost = state.price(other)
            if cost != prices[other]:
                prices[other] = cost
                heappush(waiting, (cost, -other))
    return order
