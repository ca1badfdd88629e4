"""Parallel partials between two vertices: formed ones as their sum, open links beside it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product as tuples
from typing import Final

from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.partial import Partial, formed, plus, times
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.elimination.structures import OPEN

Bundle = tuple[Partial, ...]
"""At most one partial that is formed, and then open links."""

Pairs = list[tuple[int, int, Bundle]]

MANY: Final = 5
"""Open links at one vertex up to which all choices of forming some of them are tried."""


def added(problem: Problem, one: Bundle, other: Bundle, /) -> Bundle:
    """Return the partials of both, with one sum of all that are formed."""
    if len(one) == len(other) == 1 and one[0].number >= 0 and other[0].number >= 0:
        return (plus(problem, one[0], other[0]),)
    found: Partial | None = None
    links = []
    for partial in one + other:
        if partial.number == OPEN:
            links.append(partial)
        else:
            found = partial if found is None else plus(problem, found, partial)
    return (found, *links) if found is not None else tuple(links)


def together(problem: Problem, bundle: Bundle, /) -> Partial:
    """Return the sum of all, with open links formed."""
    found: Partial | None = None
    for partial in bundle:
        here = formed(problem, partial)
        found = here if found is None else plus(problem, found, here)
    assert found is not None
    return found


def joined(problem: Problem, into: Mapping[int, Bundle], out: Mapping[int, Bundle], /) -> tuple[int, Pairs]:
    """Return the products of all edges into a vertex with all out of it that a request needs, and what they cost.

    Open links are applied to what they meet, or formed first where that is cheaper. Two open links that meet need one
    of them formed.

    Raises
    ------
    InfeasibleError
        Links that meet allow no product.
    """
    links = [partial for bundle in (*into.values(), *out.values()) for partial in bundle if partial.number == OPEN]
    if not links:
        found = _products(problem, into, out)
        assert found is not None
        return found
    best: tuple[int, Pairs] | None = None
    for chosen in _choices(into, out, links):
        made = {id(link): formed(problem, link) for link in chosen}
        found = _products(problem, _with(problem, into, made), _with(problem, out, made))
        if found is not None:
            cost = found[0] + sum(link.flops for link in made.values()) + _owed(problem, found[1])
            best = (cost, found[1]) if best is None or cost < best[0] else best
    if best is None:
        raise InfeasibleError("links that meet at a vertex allow no product", "give them costs of tangents or adjoints")
    return best


def _owed(problem: Problem, pairs: Pairs) -> int:
    """Return what is left to form where an open link has become a result."""
    ends = {pair for pair in problem.requests if pair}
    left = {id(partial): partial for tail, head, bundle in pairs if (tail, head) in ends for partial in bundle}
    return sum(formed(problem, partial).flops for partial in left.values() if partial.number == OPEN)


def price(problem: Problem, into: Mapping[int, Bundle], out: Mapping[int, Bundle], /) -> int:
    """Return what `joined` costs, without forming anything where there are no open links."""
    rights, lefts = _kinds(into, problem.sources), _kinds(out, problem.targets)
    if rights is None or lefts is None:
        return joined(problem, into, out)[0]
    cost, product = 0, problem.structures.product
    for (source, right), count in rights.items():
        for (target, left), others in lefts.items():
            if left >= 0 <= right and source & target:  # what passes its operand on is free
                cost += count * others * product(left, right)[0]
    return cost


def _kinds(edges: Mapping[int, Bundle], masks: Sequence[int]) -> dict[tuple[int, int], int] | None:
    """Return how many edges have each mask and structure; None where one carries an open link."""
    found: dict[tuple[int, int], int] = {}
    for vertex, bundle in edges.items():
        number = bundle[0].number
        if number == OPEN or len(bundle) > 1:
            return None
        kind = masks[vertex], number
        found[kind] = found.get(kind, 0) + 1
    return found


def _choices(
    into: Mapping[int, Bundle], out: Mapping[int, Bundle], links: Sequence[Partial]
) -> Iterator[Sequence[Partial]]:
    """Yield sets of open links to form: all there are of a few links, else none, one side's, and all."""
    if len(links) <= MANY:
        for flags in tuples((True, False), repeat=len(links)):  # what is formed keeps its structure: it goes first
            yield [link for link, flag in zip(links, flags, strict=True) if flag]
        return
    for side in ({**into}, {**out}):
        yield [partial for bundle in side.values() for partial in bundle if partial.number == OPEN]
    yield links
    yield ()


def _with(problem: Problem, edges: Mapping[int, Bundle], made: Mapping[int, Partial]) -> dict[int, Bundle]:
    found = {}
    for vertex, bundle in edges.items():
        kept = tuple(partial for partial in bundle if id(partial) not in made)
        for partial in bundle:
            if id(partial) in made:
                kept = added(problem, kept, (made[id(partial)],))
        found[vertex] = kept
    return found


def _products(problem: Problem, into: Mapping[int, Bundle], out: Mapping[int, Bundle]) -> tuple[int, Pairs] | None:
    cost, pairs = 0, []
    sources, targets = problem.sources, problem.targets
    for tail, right in into.items():
        for head, left in out.items():
            if not sources[tail] & targets[head]:
                continue
            found: Bundle = ()
            for one in left:
                for other in right:
                    made = times(problem, one, other)
                    if made is None:
                        return None
                    if made is not one and made is not other:
                        cost += made.flops
                    found = added(problem, found, (made,))
            pairs.append((tail, head, found))
    return cost, pairs
