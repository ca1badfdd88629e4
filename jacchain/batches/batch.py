"""The choice of how derivatives at many points are made: in chunks of one program, or one by one."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array
from jacchain.batches.chunks import Chunks, Piece
from jacchain.batches.lifted_layers import at_once, by_position, lifted_layers, why_not
from jacchain.batches.one_by_one import OneByOne
from jacchain.batches.order import Order
from jacchain.compiled import Compiled, Key, compiled, expect_one, planned
from jacchain.errors import InfeasibleError, SizeError
from jacchain.execution.backend import backend_at, backend_of, chosen_backend
from jacchain.execution.device import Backend
from jacchain.execution.remembered import remembered
from jacchain.execution.source import Shape
from jacchain.execution.tuned import Pricing, priced_on, tuned
from jacchain.model.layer import Layer, as_point
from jacchain.model.nested_numbers import gathered
from jacchain.planning.node import Local, Multiply
from jacchain.planning.plan import Plan
from jacchain.prepared import Prepared, prepared

CACHE: Final = 1 << 20
"""Bytes of workspace that stay in a second-level cache from one step to the next."""

FEW: Final = 16
"""Points below which the rows that meet a shared factor are too few for BLAS to be at its best."""

LARGE: Final = 1 << 23
"""Bytes of workspace that few points may take: a part of a third-level cache."""

SHARE: Final = 4
"""One in so many bytes of a device's free memory may be workspace."""

PIECES: Final = 16
"""Programs kept for reuse."""

NUMBERS: Final = 32
"""Numbers of points whose choice, and chunks whose buffers, are remembered."""


class Batch(NamedTuple):
    """How derivatives at so many points are made, and why."""

    run: Chunks | OneByOne
    order: Order | None
    """Of the products of all points at once."""
    why: str
    """Why the points are taken one by one."""


def as_points(values: ArrayLike, /) -> Array:
    """Return an array whose first axis counts points, of which there may be none.

    Raises
    ------
    SizeError
        It has no axis, or its points are empty.
    DtypeError
        As for one point.
    """
    is_array = type(values) is np.ndarray or backend_of(values) is not None
    try:
        found: Array = values if is_array else gathered(values, "the points")
    except ValueError:
        return as_point(values, "the points")  # which says what is wrong
    if not found.ndim:
        cure = "give an array whose first axis counts points, or call the derivative itself at one point"
        raise SizeError(f"the points are one number, of shape {found.shape}", cure)
    if not len(found):
        as_point(np.empty((1, *found.shape[1:]), found.dtype), "a point")
        return found
    return as_point(found, "the points")


@final
class _Pieces:
    """The programs for chunks that were asked for last.

    Known to chunks apart from all else, so that buffers go at once with the composition that they are for.
    """

    def __init__(self, ready: Prepared, /) -> None:
        self.ready = ready
        self.known: dict[tuple[object, ...], Piece] = {}

    def at(self, order: Order, looped: frozenset[int], points: int, /) -> Piece:
        """Return the program of an order for so many points."""
        key = (order, looped, points)
        found = self.known.get(key)
        if found is None:
            ready = lifted_layers(self.ready, points, looped=looped)
            found = Piece(ready.lowered(order.of(ready.chain)), ready, points)
        return remembered(self.known, key, found, PIECES)


def _again(
    ready: Prepared, backend: Backend, order: Order, looped: frozenset[int], /
) -> tuple[Callable[[int], Piece], Prepared]:
    """Return programs for chunks, and the layers, with converted parameters of their own."""
    sources, refresh = ready.again(backend)
    own = replace(ready, sources=sources, refresh=refresh)
    return partial(_Pieces(own).at, order, looped), own


@final
class Batches:
    """How derivatives of one composition are made at any number of points of one shape.

    What was planned, lowered and bound for one number is used for others too.

    Parameters
    ----------
    layers : tuple of Layer
    points : array
        Some of them: of these one is looked at by layers that must see a point to know their shapes.
    key : Key
        Of one of the points.
    check : bool
        One point is taken after the other, and everything is looked at.
    """

    def __init__(self, layers: tuple[Layer, ...], points: Array, key: Key, /, *, check: bool = False) -> None:
        self.layers = layers
        self.check = check
        self.home = backend_at(key.home)
        given = chosen_backend(self.home, key.options.device, key.dtype)
        pricing = priced_on(given, key.options.pricing, key.options.device)
        self.key = key._replace(options=key.options._replace(pricing=pricing))
        self.backend = tuned(given, pricing.profile)
        self.point = points[0, ...].copy() if len(points) else self.home.kernels.xp.zeros(key.shape, key.dtype)
        with self.backend.active():
            self.ready = prepared(layers, self.point, self.backend)
            expect_one(key, self.ready)
            self.why = why_not(self.ready)
        self.looped: frozenset[int] = frozenset()
        self.found: dict[int, Batch] = {}
        self.orders: dict[int, Order] = {}
        self.pieces = _Pieces(self.ready)
        self.chunks: dict[tuple[object, ...], Chunks] = {}
        self.alone: dict[int | None, Compiled] = {}

    def at(self, points: Array, /) -> Batch:
        """Return how the derivatives at points of shape (count, …) are made.

        Raises
        ------
        InfeasibleError
            The memory does not suffice; the message says which limit would do.
        """
        known = self.found.get(len(points))
        if known is not None:
            return known
        with self.backend.active():
            found = self._unfit(len(points)) or self.why
            if not found:
                self.looped |= by_position(self.ready, points, self.home.kernels.xp)
            made = found or self._in_chunks(len(points))
        if isinstance(made, str):
            made = Batch(OneByOne(self._fitting(len(points)), self.shape, self.ready.dtype), None, made)
        return remembered(self.found, len(points), made, NUMBERS)

    @property
    def shape(self) -> Shape:
        """Of the result at one point."""
        return self.key.shape if self.key.is_gradient else self.ready.facts[-1].outputs + self.key.shape

    @property
    def nbytes(self) -> int:
        """Bytes of the result at one point."""
        return prod(self.shape) * self.ready.dtype.itemsize

    @property
    def free(self) -> Key:
        """The key without a limit of memory."""
        return self.key._replace(options=self.key.options._replace(memory=None))

    def release(self) -> None:
        """Drop what is remembered, and the buffers."""
        for found in tuple(self.found.values()):
            found.run.release()
        for kept in (self.found, self.orders, self.pieces.known, self.chunks, self.alone):
            kept.clear()

    def plan(self, points: Array, /) -> Plan:
        """Return the plan for so many points, with what its programs take and what it says of the points."""
        count = len(points)
        run, order, why = self.at(points)
        if isinstance(run, OneByOne):
            one = run.one.plan
            found = replace(one, reason=f"{one.reason}; at {count} points one by one: {why}")
        else:
            assert order is not None
            found = self._told(order, run, count)
        limit = self.key.options.memory
        return replace(found, flops=run.flops(count), peak=run.peak(count), memory=limit)

    def _told(self, order: Order, run: Chunks, count: int) -> Plan:
        """Return the plan of all points at once."""
        with self.backend.active():
            several = lifted_layers(self.ready, at_once(self.ready, count), looped=self.looped)
            whole = planned(several, self.free)
            single = planned(self.ready, self.free)
            if Order(whole) != order:  # of several that cost the same
                whole = order.of(several.chain)
        times = "" if run.size >= count else f", {run.size} at a time"
        shared = _shared(whole, self.ready)
        saved = f"; {shared}, formed once" if shared else ""
        is_same = whole.bracketing == single.bracketing
        reason = single.reason if is_same else "not the order for one point, as the points share what is constant"
        return replace(whole, reason=f"{reason}; at {count} points{times}{saved}")

    def _unfit(self, count: int) -> str:
        """Return which of the options are for one point at a time; nothing where none is."""
        if not count:
            return "there are none"
        options = self.key.options
        given = {"a plan": options.plan, "workers": options.workers, "slices": options.chunk_size}
        given |= {"a check": self.check or None}
        return next((f"{name} of each was asked for" for name, value in given.items() if value is not None), "")

    def _in_chunks(self, count: int) -> Batch | str:
        """Return how chunks are made by one program, or why they are not."""
        several = at_once(self.ready, count)
        order, single = self._order(several), self._planned(1)
        flops = order.of(lifted_layers(self.ready, several, looped=self.looped).chain).flops
        if single.plan.seconds is None and flops > several * single.plan.flops:
            return f"together they take {flops:,} multiplications for {several} instead of {single.plan.flops:,} each"
        limit, size = self.key.options.memory, self._points(order)
        while size:
            run = self._chunks(order, size)
            if limit is None or run.peak(count) <= limit:
                return Batch(run, order, "")
            size = min(size, count) * 3 // 4
        return "not even one point by the cheapest order fits into the memory"

    def _order(self, count: int) -> Order:
        """Return the order of least cost at so many points.

        What an order costs is a share that is the same for all numbers of points, and so much for each. Where one
        order is the best at two numbers, it is at all between; so powers of two are planned for, and others only where
        these differ.
        """
        below = 1 << count.bit_length() - 1
        above = 2 * below
        is_linear = self.key.options.pricing == Pricing() and below == at_once(self.ready, below)
        if is_linear and above == at_once(self.ready, above) and below > 1:
            found = self._planned(below)
            if found == self._planned(above):
                return found
        return self._planned(count)

    def _planned(self, count: int) -> Order:
        if count not in self.orders:
            ready = lifted_layers(self.ready, count, looped=self.looped) if count > 1 else self.ready
            remembered(self.orders, count, Order(planned(ready, self.free)), NUMBERS)
        return self.orders[count]

    def _points(self, order: Order) -> int:
        """Return how many points' workspace fits into the cache, or a few more; or into a part of a device's memory."""
        one, two = (self.pieces.at(order, self.looped, points).program.workspace for points in (1, 2))
        each = max(1, two - one)
        shared = max(0, one - each)  # if that alone does not fit, it is read from memory anyway

        def fitting(room: int) -> int:
            return (room - shared if shared < room else room) // each

        on_device = self.backend.free_bytes()
        most = fitting(on_device // SHARE) if on_device is not None else max(fitting(CACHE), min(FEW, fitting(LARGE)))
        return max(1, min(most, at_once(self.ready, max(1, most))))

    def _chunks(self, order: Order, size: int) -> Chunks:
        key = (order, self.looped, size)
        if key in self.chunks:
            return self.chunks[key]
        piece, memory = partial(self.pieces.at, order, self.looped), self.key.options.memory
        again = partial(_again, self.ready, self.backend, order, self.looped)
        run = Chunks(piece, size, self.ready, self.shape, self.backend, memory=memory, again=again)
        return remembered(self.chunks, key, run, NUMBERS)

    def _fitting(self, count: int) -> Compiled:
        """Return the program of one point that fits beside the results of all others."""
        limit, held = self.key.options.memory, count * self.nbytes
        beside = None if limit is None else max(1, limit - held)
        if beside in self.alone:
            return self.alone[beside]
        options = self.key.options._replace(memory=beside)
        try:
            made = compiled(self.layers, self.point, self.key._replace(options=options))
        except InfeasibleError as error:
            if limit is None:
                raise
            least = "" if error.least is None else f"{held + error.least:,} bytes are known to do"
            raise InfeasibleError(
                f"the results at {count} points take {held:,} bytes: no order fits beside them into {limit:,}",
                least or f"give more than {held:,} bytes, or fewer points",
                None if error.least is None else held + error.least,
            ) from None
        return remembered(self.alone, beside, made, 2)


def _shared(plan: Plan, ready: Prepared) -> str:
    """Return which products are the same at every point; nothing where there are none."""
    ranges: dict[int, tuple[int, int]] = {}
    largest: dict[int, tuple[int, int]] = {}
    for k, node in enumerate(plan.nodes):
        match node:
            case Local(link, "given", _, _) if ready.facts[link].reads == "":
                ranges[k] = (link + 1, link + 1)
            case Multiply(left, right, _, _) if left in ranges and right in ranges:
                largest.pop(left, None), largest.pop(right, None)
                ranges[k] = largest[k] = (ranges[right][0], ranges[left][1])
    told = [f"J{last}…J{first}" if last - first > 1 else f"J{last} J{first}" for first, last in largest.values()]
    return f"{' and '.join(told)} the same at every point" if told else ""
