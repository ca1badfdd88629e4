"""Matrices that are sums of scattered diagonals, and their products as steps on rows."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, final

import numpy as np

from jacchain.functions.rows.route import Route, constant_route, identity, joined, routed
from jacchain.functions.rows.row_writer import RowWriter

WIDEST: Final = 4
"""Times that a product may have more lanes than its factors together."""

FEW: Final = 4096
"""Lanes that a product may always have."""


class NotRowsError(Exception):
    """Not to be done in rows: the numbers do not go one by one."""


@final
class Term(NamedTuple):
    """Lᵀ diag(row) R: lane k of the row is an entry at row L(k) and column R(k).

    Attributes
    ----------
    row : int
        A step; one of one lane stands for as many equal ones as the routes have.
    left, right : Route
        Of as many lanes each.
    """

    row: int
    left: Route
    right: Route

    @property
    def lanes(self) -> int:
        """How many entries it has."""
        return self.left.count

    @property
    def mirrored(self) -> "Term":
        """The transpose."""
        return Term(self.row, self.right, self.left)


@final
class Scattered(NamedTuple):
    """A matrix of so many rows and columns: the sum of its terms."""

    rows: int
    columns: int
    terms: tuple[Term, ...]


def diagonal(row: int, size: int, /) -> Scattered:
    """Return the matrix with a row on its diagonal."""
    return Scattered(size, size, (Term(row, identity(size), identity(size)),))


def transposed(matrix: Scattered, /) -> Scattered:
    """Return the transpose."""
    return Scattered(matrix.columns, matrix.rows, tuple(term.mirrored for term in matrix.terms))


def added(writer: RowWriter, matrices: Sequence[Scattered], /) -> Scattered:
    """Return a sum; terms at the same places become one."""
    rows, columns, _ = matrices[0]
    return Scattered(rows, columns, merged(writer, [term for matrix in matrices for term in matrix.terms]))


def merged(writer: RowWriter, terms: Iterable[Term], /) -> tuple[Term, ...]:
    """Return terms with those at the same places added, and without those that are zero."""
    found: dict[tuple[Route, Route], int] = {}
    for row, left, right in terms:
        known = found.get((left, right))
        found[left, right] = row if known is None else writer.add(known, row)
    return tuple(Term(row, *places) for places, row in found.items() if writer.inner.number(row) != 0.0)


def multiplied(writer: RowWriter, first: Scattered, second: Scattered, /) -> Scattered:
    """Return a product.

    Raises
    ------
    NotRowsError
        It has many more entries than its factors.
    """
    first, second = compacted(writer, first), compacted(writer, second)
    found = [product for a in first.terms for b in second.terms for product in _product(writer, a, b)]
    return Scattered(first.rows, second.columns, merged(writer, found))


def _product(writer: RowWriter, a: Term, b: Term) -> Iterable[Term]:
    """Yield the product of two terms, if it is not zero."""
    if a.right.is_identity:
        yield Term(writer.multiply(writer.take(a.row, b.left), b.row), a.left.then(b.left), b.right)
    elif b.left.is_identity:
        yield Term(writer.multiply(a.row, writer.take(b.row, a.right)), a.left, b.right.then(a.right))
    elif a.right == b.left and a.right.is_injective:
        yield Term(writer.multiply(a.row, b.row), a.left, b.right)
    else:
        pairs = joined(a.right, b.left, max(FEW, WIDEST * (a.lanes + b.lanes)))
        if pairs is None:
            raise NotRowsError
        i, j = pairs
        if i.count:
            row = writer.multiply(writer.take(a.row, i), writer.take(b.row, j))
            yield Term(row, a.left.then(i), b.right.then(j))


def congruent(writer: RowWriter, middle: Scattered, factor: Scattered, /) -> Scattered:
    """Return PᵀCP for a symmetric C; mirrored products are written once.

    Raises
    ------
    NotRowsError
        It has many more entries than its factors.
    """
    middle, factor = compacted(writer, middle), compacted(writer, factor)
    found: list[Term] = []
    for term, is_half in _halves(middle):
        is_level = term.left == term.right
        for i, p in enumerate(factor.terms):
            for q in factor.terms[i:] if is_level else factor.terms:
                once = [c for b in _product(writer, p.mirrored, term) for c in _product(writer, b, q)]
                found += once
                if is_half or (is_level and p is not q):
                    found += [product.mirrored for product in once]
    return Scattered(factor.columns, factor.columns, merged(writer, found))


def _halves(matrix: Scattered) -> list[tuple[Term, bool]]:
    """Return the terms of a symmetric matrix, of two that mirror each other one, and whether it is such a half."""
    left = list(matrix.terms)
    found: list[tuple[Term, bool]] = []
    while left:
        term = left.pop(0)
        is_half = term.left != term.right and term.mirrored in left
        if is_half:
            left.remove(term.mirrored)
        found.append((term, is_half))
    return found


def compacted(writer: RowWriter, matrix: Scattered, /) -> Scattered:
    """Return a matrix with its lanes at the same entry summed, and with fewer terms where adding them up is cheap.

    A row or column becomes one term, in order if there were several; so do the terms on the diagonal.
    """
    if not matrix.terms or all(term.left.is_identity and term.right.is_identity for term in matrix.terms):
        return matrix
    terms = merged(writer, [summed(writer, matrix.columns, term) for term in matrix.terms])
    if len(terms) > 1:
        terms = _gathered(writer, matrix, terms)
    return matrix._replace(terms=terms)


def summed(writer: RowWriter, columns: int, term: Term, /) -> Term:
    """Return a term with its lanes at the same entry summed."""
    row, left, right = term
    if left.is_injective or right.is_injective:
        return term
    if left.is_one_place and right.is_one_place:
        return Term(writer.sum(row, term.lanes), left.then(Route(left.count, 1)), right.then(Route(right.count, 1)))
    keys, first, lanes = np.unique(left.places * columns + right.places, return_index=True, return_inverse=True)
    if len(keys) == term.lanes:
        return term
    places = routed(term.lanes, first)
    return Term(writer.sums(row, routed(len(keys), lanes)), left.then(places), right.then(places))


def _gathered(writer: RowWriter, matrix: Scattered, terms: tuple[Term, ...]) -> tuple[Term, ...]:
    if matrix.rows == 1 and matrix.columns > 1:
        row = writer.put([term.row for term in terms], [term.right for term in terms])
        return (Term(row, constant_route(1, matrix.columns, 0), identity(matrix.columns)),)
    if matrix.columns == 1 and matrix.rows > 1:
        row = writer.put([term.row for term in terms], [term.left for term in terms])
        return (Term(row, identity(matrix.rows), constant_route(1, matrix.rows, 0)),)
    level = [term for term in terms if term.left == term.right]
    if len(level) < 2:
        return terms
    row = writer.put([term.row for term in level], [term.left for term in level])
    whole = Term(row, identity(matrix.rows), identity(matrix.rows))
    return merged(writer, [whole, *(term for term in terms if term not in level)])


def in_order(writer: RowWriter, matrix: Scattered, /) -> int:
    """Return the numbers of a matrix of one row as one row in order."""
    compact = compacted(writer, matrix)
    if not compact.terms:
        return writer.number(0.0)
    ((row, _, right),) = compact.terms
    return writer.put([row], [right])
