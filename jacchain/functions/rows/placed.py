"""Terms of blocks put together to one result: its pattern, and where each row is written."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.distinct import distinct
from jacchain.functions.rows.layout import Layout, layout
from jacchain.functions.rows.route import Route, routed
from jacchain.functions.rows.row_writer import RowWriter
from jacchain.functions.rows.scattered import Scattered, Term, merged, summed


@final
class Written(NamedTuple):
    """A result: rows that are added up at places of a flat array.

    Attributes
    ----------
    size : int
        Of the array.
    rows : tuple of int
        Steps; one of one lane is written to all its places.
    routes : tuple of Route
        Where each goes.
    layout : Layout, optional
        Of a matrix's values.
    is_negative : tuple of bool
        Which rows are subtracted; none, where it is empty.
    """

    size: int
    rows: tuple[int, ...]
    routes: tuple[Route, ...]
    layout: Layout | None = None
    is_negative: tuple[bool, ...] = ()


@final
class Block(NamedTuple):
    """A block of a matrix, and the places of its rows and columns in the whole."""

    matrix: Scattered
    rows: Route
    columns: Route


def in_whole(writer: RowWriter, blocks: Iterable[Block], /) -> tuple[Term, ...]:
    """Return the terms of a matrix made of blocks."""
    return merged(
        writer,
        [
            Term(term.row, rows.then(term.left), columns.then(term.right))
            for matrix, rows, columns in blocks
            for term in matrix.terms
        ],
    )


def vector(writer: RowWriter, blocks: Sequence[Block], size: int, /) -> Written:
    """Return a dense row made of blocks of one row."""
    terms = [summed(writer, size, term) for term in in_whole(writer, blocks)]
    terms = list(merged(writer, terms))
    return Written(size, tuple(term.row for term in terms), tuple(term.right for term in terms))


def lower(writer: RowWriter, terms: Iterable[Term], /) -> tuple[Term, ...]:
    """Return the lower triangle of a symmetric matrix, given all its terms."""
    found: list[Term] = []
    for term in terms:
        part = _where(writer, term, ">=")
        if part is not None:
            found.append(part)
    return merged(writer, found)


def folded(writer: RowWriter, terms: Iterable[Term], /) -> tuple[Term, ...]:
    """Return the lower triangle of terms and their mirror images."""
    found: list[Term] = []
    for term in terms:
        for relation in (">", "<", "="):
            part = _where(writer, term, relation)
            match relation, part:
                case ">", Term():
                    found.append(part)
                case "<", Term():
                    found.append(part.mirrored)
                case "=", Term():
                    found.append(part._replace(row=writer.multiply(writer.number(2.0), part.row)))
    return merged(writer, found)


def _where(writer: RowWriter, term: Term, relation: str) -> Term | None:
    """Return the lanes whose row stands in a relation to the column: >, <, = or >=."""
    row, left, right = term
    if left.is_even and right.is_even and left.step == right.step:
        ahead = left.start - right.start
        holds = {">": ahead > 0, "<": ahead < 0, "=": ahead == 0, ">=": ahead >= 0}[relation]
        return term if holds else None
    compare = {">": np.greater, "<": np.less, "=": np.equal, ">=": np.greater_equal}[relation]
    lanes = np.flatnonzero(compare(left.places, right.places))
    if not len(lanes):
        return None
    if len(lanes) == term.lanes:
        return term
    kept = routed(term.lanes, lanes)
    return Term(writer.take(row, kept), left.then(kept), right.then(kept))


def matrix(writer: RowWriter, terms: Iterable[Term], shape: tuple[int, int], /) -> Written:
    """Return the values of a matrix in compressed rows."""
    found = merged(writer, [summed(writer, shape[1], term) for term in terms])
    keys = [_keys(term, shape[1]) for term in found]
    pattern = distinct(np.concatenate(keys)) if keys else np.empty(0, np.int64)
    routes = [routed(len(pattern), np.searchsorted(pattern, key)) for key in keys]
    return Written(len(pattern), tuple(term.row for term in found), tuple(routes), layout(shape, pattern))


def _keys(term: Term, columns: int) -> NDArray[np.int64]:
    return term.left.places.astype(np.int64) * columns + term.right.places
