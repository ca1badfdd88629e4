"""The cheapest order of symmetric elimination of a path, by intervals."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from jacchain.planning.second.problem import SecondProblem
from jacchain.planning.second.terms import NONE, Terms

LONGEST: Final = 100
"""Vertices of a path up to which all intervals are looked at."""


class Span(NamedTuple):
    """What is left of an interval of a path once its inner vertices are gone.

    Attributes
    ----------
    cost : int
        Multiplications so far.
    slope : int
        The structure, by number, of its last vertex with respect to its first; NONE for the interval to the end.
    block : int
        That of the curvatures of its vertices but the last, with respect to its first; NONE where they are zero.
    last : int
        The inner vertex that went last; NONE where there is none.
    left, right : Span, optional
        The intervals on both sides of it.
    """

    cost: int
    slope: int
    block: int
    last: int = NONE
    left: "Span | None" = None
    right: "Span | None" = None


def path_order(problem: SecondProblem, /) -> list[int] | None:
    """Return the cheapest order of the interior vertices of a path; None where there is none to find.

    That is for what is no path, is too long, or has links that are applied without being formed.

    With i < k < j, eliminating k last between i and j takes P(j←k)·P(k←i) and P(k←i)ᵀ H(k..j) P(k←i), which is added
    to H(i..k); what was done on the two sides of k is independent. Of every interval the cheapest way is kept for each
    pair of structures that P and H may have.
    """
    count = len(problem.sizes)
    slopes, blocks = _on_path(problem)
    if slopes is None or not 2 < count <= LONGEST:
        return None
    table: dict[tuple[int, int], list[Span]] = {}
    for k in range(count):
        if k + 1 < count:
            table[k, k + 1] = [Span(0, slopes[k + 1], blocks[k])]
        else:
            table[k, count] = [Span(0, NONE, blocks[k])]
    for length in range(2, count + 1):
        for i in range(count - length + 1):
            j = i + length
            choices = (
                _joined(problem.terms, k, one, other)
                for k in range(i + 1, j)
                for one in table[i, k]
                for other in table[k, j]
            )
            table[i, j] = _cheapest(choices)
    return _order(min(table[0, count], key=lambda span: span.cost))


def _on_path(problem: SecondProblem) -> tuple[dict[int, int] | None, list[int]]:
    """Return the structures of the slope into every vertex and of its curvature; no slopes where this is no path."""
    parts: dict[tuple[int, int], list[int]] = {}
    for tail, head, term in problem.slopes:
        parts.setdefault((tail, head), []).append(term)
    bent: dict[int, list[int]] = {}
    for first, _, term in problem.bends:
        bent.setdefault(first, []).append(term)
    count, terms = len(problem.sizes), problem.terms
    is_path = set(parts) == {(k, k + 1) for k in range(count - 1)} and set(problem.inputs) == {0}
    if not is_path or any(first != second for first, second, _ in problem.bends):
        return None, []
    found = {head: terms.total(tuple(sorted(terms_of))) for (_, head), terms_of in parts.items()}
    if any(map(terms.is_open, found.values())):
        return None, []
    totals = [terms.total(tuple(sorted(bent[v]))) if v in bent else NONE for v in range(count)]
    slopes = {head: terms.terms[term].number for head, term in found.items()}
    return slopes, [NONE if term == NONE else terms.terms[term].number for term in totals]


def _joined(terms: Terms, vertex: int, one: Span, other: Span) -> Span:
    cost, slope, block = one.cost + other.cost, NONE, one.block
    if other.slope != NONE:
        flops, slope = terms.structures.product(other.slope, one.slope)
        cost += flops
    if other.block != NONE:
        found = terms.congruent(other.block, one.slope)
        cost, bent = cost + found.flops, found.number
        if block == NONE:
            block = bent
        else:
            flops, block = terms.structures.sum(block, bent)
            cost += flops
    return Span(cost, slope, block, vertex, one, other)


def _cheapest(spans: Iterable[Span]) -> list[Span]:
    """Return the cheapest span for each pair of structures."""
    found: dict[tuple[int, int], Span] = {}
    for span in spans:
        key = span.slope, span.block
        known = found.get(key)
        if known is None or span.cost < known.cost:
            found[key] = span
    return list(found.values())


def _order(span: Span) -> list[int]:
    """Return the inner vertices in an order in which each goes after those on its sides."""
    found, waiting = [], [span]
    while waiting:
        here = waiting.pop()
        if here.left is not None and here.right is not None:
            found.append(here.last)
            waiting += [here.left, here.right]
    return found[::-1]
