"""The calls on arrays that steps on rows come to."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from jacchain.algebra.kernels import Array, Call, Calls
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.functions.rows.route import Route
from jacchain.functions.rows.writes import Write
from jacchain.model.primitives.formula import SPECIAL


def view_of(route: Route, /) -> bool:
    """Whether what a route takes is a view."""
    return route.is_even and route.step != 0


def step_calls(function: str, operands: Sequence[Array], out: Array, /) -> Calls:
    """Return the calls of a function of rows, number by number."""
    match function:
        case "where":
            chosen, first, second = operands
            mask = np.empty(out.shape, bool)
            return (
                (np.not_equal, (chosen, 0, mask)),
                (np.copyto, (out, second)),
                (partial(np.copyto, where=mask), (out, first)),
            )
        case "maximum" | "minimum" as name:  # NumPy deprecates their third positional argument
            return ((partial(getattr(np, name), out=out), tuple(operands)),)
        case name:
            return ((NUMPY.special(name) if name in SPECIAL else getattr(np, name), (*operands, out)),)


def sums_calls(row: Array, route: Route, out: Array, /) -> Calls:
    """Return the calls that sum the lanes that go to each place: by reshaping where they lie regularly."""
    each, places = route.count // route.size, route.places
    if each * route.size == route.count:
        if np.array_equal(places, np.repeat(np.arange(route.size), each)):
            return ((_sum_along, (row, (route.size, each), 1, out)),)
        if np.array_equal(places, np.tile(np.arange(route.size), each)):
            return ((_sum_along, (row, (each, route.size), 0, out)),)
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(route.size))
    ordered = np.empty(route.count, out.dtype)
    return ((NUMPY.take, (row, order, ordered)), (np.add.reduceat, (ordered, starts, 0, None, out)))


def _sum_along(row: Array, shape: tuple[int, int], axis: int, out: Array) -> None:
    np.add.reduce(row.reshape(shape), axis, None, out)


def put_calls(rows: Sequence[Array], routes: Sequence[Route], out: Array, /, *, is_begun: bool = False) -> Calls:
    """Return the calls that put rows among zeros, and add them up where they meet; the first may be there already."""
    from jacchain.functions.rows.placed import Written
    from jacchain.functions.rows.writes import writes

    numbered = Written(len(out), tuple(range(len(rows))), tuple(routes))
    calls: list[Call] = []
    for write in writes(numbered)[is_begun:]:
        calls += add_calls(out, write, None if write.row is None else rows[write.row])
    covered = np.zeros(len(out), bool)
    for route in routes:
        covered[route.places] = True
    if covered.all():
        return tuple(calls)
    return ((NUMPY.fill, (0, out)), *calls)


def add_calls(out: Array, write: Write, row: Array | None, /) -> Calls:
    """Return the calls that write a row, or zeros, to its places."""
    to = write.to
    if row is None or write.lanes is None:
        return ((np.copyto, (out[to.as_slice], 0)),) if to.is_even else ((NUMPY.scatter, (0, to.places, out)),)
    part = row if row.size == 1 or write.lanes.is_identity else row[write.lanes.as_slice]
    combine = np.subtract if write.is_negative else np.add
    if to.is_even:
        target = out[to.as_slice]
        if write.is_added:
            return ((combine, (target, part, target)),)
        return ((np.negative, (part, target)),) if write.is_negative else ((np.copyto, (target, part)),)
    held = np.empty(to.count, out.dtype)
    if write.is_added:
        calls: Calls = ((NUMPY.take, (out, to.places, held)), (combine, (held, part, held)))
    elif write.is_negative:
        calls = ((np.negative, (part, held)),)
    else:
        return ((NUMPY.scatter, (part, to.places, out)),)
    return (*calls, (NUMPY.scatter, (held, to.places, out)))
