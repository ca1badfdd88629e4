"""How the rows of a result come to their places: the first copied, later ones added."""

from typing import Final, NamedTuple, final

import numpy as np

from jacchain.functions.rows.placed import Written
from jacchain.functions.rows.route import Places, Route, pieces, routed

MOST: Final = 4
"""Evenly spaced runs that a row is written in; in more, it is written by an index."""


@final
class Write(NamedTuple):
    """A row, or zeros, written to places of a result.

    Attributes
    ----------
    row : int or None
        A step; None for zeros.
    lanes : Route or None
        The lanes of the row; None for zeros.
    to : Route
        Their places.
    is_added : bool
        To what is there already.
    is_alone : bool
        Nothing else is written to these places.
    is_negative : bool
        With the sign changed.
    """

    row: int | None
    lanes: Route | None
    to: Route
    is_added: bool
    is_alone: bool
    is_negative: bool = False


def writes(written: Written, /) -> tuple[Write, ...]:
    """Return what is to be written, in order.

    Examples
    --------
    >>> from jacchain.functions.rows.route import route
    >>> for write in writes(Written(5, (7, 8), (route(5, 4, 0, 1), route(5, 4, 1, 1)))):
    ...     print(write.row, write.to, write.is_added)
    7 [0:4] False
    None [4] False
    8 [1:5] True
    """
    order = sorted(range(len(written.rows)), key=lambda k: (-written.routes[k].count, k))
    writers = np.zeros(written.size, np.int32)
    for to in written.routes:
        writers[_at(to)] += 1
    found: list[Write] = []
    is_written = np.zeros(written.size, bool)
    for k in order:
        to = written.routes[k]
        already = is_written[_at(to)]
        is_alone = bool(writers[_at(to)].max() == 1)
        if already.any() and not already.all():
            fresh = to.places[~already]
            found += [Write(None, None, part, False, False) for part in _even(routed(written.size, np.sort(fresh)))]
        is_negative = bool(written.is_negative) and written.is_negative[k]
        parts = pieces(to, MOST)
        lanes, routes = parts if parts is not None else ((Route(to.count, to.count),), (to,))
        found += [
            Write(written.rows[k], lane, part, bool(already.any()), is_alone, is_negative)
            for lane, part in zip(lanes, routes, strict=True)
        ]
        is_written[_at(to)] = True
    return tuple(found)


def _even(whole: Route) -> tuple[Route, ...]:
    found = pieces(whole, MOST)
    return (whole,) if found is None else found.routes


def _at(to: Route) -> slice | Places:
    return to.as_slice if to.is_even and to.step != 0 else to.places
