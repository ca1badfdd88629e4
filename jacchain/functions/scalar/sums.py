"""Sums of products written with few multiplications: a x + a y as a (x + y)."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from jacchain.functions.scalar.steps import StepWriter


class Term(NamedTuple):
    """A product of earlier steps, added or subtracted."""

    is_negative: bool
    factors: tuple[int, ...]


def sum_of(writer: StepWriter, terms: Sequence[Term], /) -> int:
    """Return the step of a sum; the factor that most terms share is taken out first.

    Examples
    --------
    >>> writer = StepWriter()
    >>> a, x, y = (writer.input(k) for k in range(3))
    >>> k = sum_of(writer, [Term(False, (a, x)), Term(True, (y, a))])
    >>> [step.function for step in writer.steps[3:]], k
    (['subtract', 'multiply'], 4)
    """
    left = list(terms)
    while True:
        shared = Counter(factor for term in left if len(term.factors) > 1 for factor in set(term.factors))
        factor, count = min(shared.items(), key=lambda item: (-item[1], item[0]), default=(0, 0))
        if count < 2:
            return _added(writer, left)
        taken = [term for term in left if len(term.factors) > 1 and factor in term.factors]
        bracket = sum_of(writer, [_without(term, factor) for term in taken])
        first = left.index(taken[0])
        left = [term for term in left if term not in taken]
        left.insert(first, Term(False, (factor, bracket)))


def _without(term: Term, factor: int) -> Term:
    place = term.factors.index(factor)
    return term._replace(factors=term.factors[:place] + term.factors[place + 1 :])


def _added(writer: StepWriter, terms: Sequence[Term]) -> int:
    found: int | None = None
    for is_negative, factors in terms:
        product = factors[0]
        for factor in factors[1:]:
            product = writer.step("multiply", (product, factor))
        if found is None:
            found = writer.step("negative", (product,)) if is_negative else product
        else:
            found = writer.step("subtract" if is_negative else "add", (found, product))
    assert found is not None, "a sum has terms"
    return found
