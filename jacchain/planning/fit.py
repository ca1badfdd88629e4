"""An order that fits into memory: at once if it can, else in slices of columns or rows."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, NoReturn

from jacchain.errors import InfeasibleError, SizeError
from jacchain.planning import sweep
from jacchain.planning.draft import Draft, replayed
from jacchain.planning.exhaustive import every_order
from jacchain.planning.graph import Chain
from jacchain.planning.least_need import alone, least_need
from jacchain.planning.link import as_size
from jacchain.planning.memory import arrange, states
from jacchain.planning.node import Node
from jacchain.planning.optimal import optimal
from jacchain.planning.slice_order import SliceOrders
from jacchain.planning.slicing import Axis, Slicing, cut_from, is_seeded, sliced
from jacchain.planning.spine import settled
from jacchain.planning.within import cheapest_within

Planner = Callable[[Chain], Draft]

SEARCHING: Final = ("optimal", "exhaustive")
"""Planners that look for an order that fits; the others have one order, which fits or not."""

TEXTBOOK: Final[tuple[Planner, ...]] = (sweep.forward, sweep.reverse, sweep.meet, sweep.inward)
"""Orders that are tried first, for a bound."""

SEARCHED: Final = 60
"""Links up to which the cheapest order within a memory limit is searched for; of longer chains few orders are tried."""


class Fit(NamedTuple):
    """An order of a chain, or of its slices: what it costs over all, and the numbers it holds at the fullest."""

    nodes: tuple[Node, ...]
    flops: int
    need: int
    slicing: Slicing | None = None
    once: int = 0
    """How many of the nodes are made once for all slices; they stand first."""
    is_limited: bool = True
    """Whether a limit, or slices that were asked for, had to do with it."""


def fit(
    chain: Chain,
    planner: str,
    run: Planner,
    /,
    *,
    memory: int | None = None,
    itemsize: int = 8,
    chunk_size: int | None = None,
) -> Fit:
    """Return the cheapest order that holds at most `memory` bytes, made at once or in slices.

    The numbers of slices that are tried are powers of two, whatever the limit, so that more memory never costs more.
    (But for a Kronecker product of two dense factors, one of a single row or column: it costs a little more to multiply
    than the dense matrix it stands for, which is what slices of it are.)

    Parameters
    ----------
    chain : Chain
    planner : str
        ``"optimal"`` and ``"exhaustive"`` look for the cheapest order that fits; the order of any other one is given.
    run : callable
        That planner.
    memory, itemsize : int, optional
        Bytes that may be held, and bytes of a number.
    chunk_size : int, optional
        Columns or rows of a slice; chosen where it is not given.

    Raises
    ------
    InfeasibleError
        Nothing fits; the message says what would.
    SizeError
        The slices are larger than both axes.
    """
    room = None if memory is None else memory // itemsize
    found: list[Fit] = []
    if chunk_size is None:
        whole = as_whole(chain, run(chain))
        if room is None or whole.need <= room:
            return whole._replace(is_limited=False)  # no slices cost less
        found += _at_once(chain, planner, room)
    for slicings in slicings_of(chain, chunk_size):
        found += _in_slices(chain, slicings, planner, run, room)
    if not found:
        _refuse(chain, planner, run, memory, itemsize, chunk_size)
    return min(found, key=lambda way: (way.flops, 0 if way.slicing is None else way.slicing.count(chain)))


def overhead(chain: Chain, slicing: Slicing | None, /) -> int:
    """Return the numbers that are held throughout, whatever the order."""
    return states(chain) + (0 if slicing is None else cut_from(chain, slicing))


def as_whole(chain: Chain, draft: Draft, /) -> Fit:
    """Return an order of the chain as one that is made at once."""
    nodes, most = arrange(chain, draft.nodes, len(draft.nodes) - 1)
    return Fit(nodes, draft.flops, overhead(chain, None) + most)


def as_slices(chain: Chain, draft: Draft, slicing: Slicing, /) -> Fit:
    """Return an order of the chain of one slice as one of all slices."""
    found = settled(sliced(chain, slicing), slicing.axis, draft.nodes)
    return Fit(found.nodes, found.flops(chain, slicing), overhead(chain, slicing) + found.need, slicing, found.once)


def _at_once(chain: Chain, planner: str, room: int) -> Iterator[Fit]:
    """Yield the cheapest order of the whole chain that fits, if there is one."""
    left = room - overhead(chain, None)
    if planner == "exhaustive" or (planner == "optimal" and len(chain) > SEARCHED):
        drafts = every_order(chain) if planner == "exhaustive" else _known(chain)
        yield from _cheapest((as_whole(chain, draft) for draft in drafts), room)
    elif planner == "optimal" and alone(chain) <= left and least_need(chain) <= left:
        known = _cheapest((as_whole(chain, draft) for draft in textbook(chain)), room)
        draft = cheapest_within(chain, left, bound=known[0].flops if known else None)
        assert draft is not None
        yield as_whole(chain, draft)


def _known(chain: Chain) -> list[Draft]:
    """Return the orders that are tried where a chain is too long for a search: the cheapest, and textbook ones."""
    return if_possible(optimal, chain) + textbook(chain)


def textbook(chain: Chain, /) -> list[Draft]:
    """Return the orders that are tried first, as far as the chain allows them."""
    return [draft for planner in TEXTBOOK for draft in if_possible(planner, chain)]


def _in_slices(chain: Chain, slicings: list[Slicing], planner: str, run: Planner, room: int | None) -> list[Fit]:
    """Return the cheapest order that fits for slices of several sizes along one axis, the largest first."""
    if planner == "optimal" and room is not None and len(chain) <= SEARCHED:
        return _searched(chain, slicings, room)
    found = []
    for slicing in slicings:
        part = sliced(chain, slicing)
        drafts: Iterable[Draft] = if_possible(run, part)
        if planner == "exhaustive":
            drafts = every_order(part)
        elif planner == "optimal":
            drafts = [*_as_at_once(chain, slicing), *([] if room is None else _known(part))]
        found += _cheapest((as_slices(chain, draft, slicing) for draft in drafts), room)
    return found


def _as_at_once(chain: Chain, slicing: Slicing) -> list[Draft]:
    """Return the cheapest order of a slice where memory is no matter: that of one slice as large as the axis."""
    whole = if_possible(optimal, sliced(chain, slicing._replace(size=slicing.length(chain))))
    return [replayed(sliced(chain, slicing), draft.nodes) for draft in whole]


def _searched(chain: Chain, slicings: list[Slicing], room: int) -> list[Fit]:
    """Return the cheapest order that fits in slices along one axis, and with it the largest slices of equal cost.

    Whatever fits in large slices fits in small ones, at the same cost: so the smallest have the cheapest order.
    """
    if not slicings:
        return []
    left = room - overhead(chain, slicings[0])
    smallest_part = sliced(chain, slicings[-1])
    if alone(smallest_part) > left:
        return []
    known = _cheapest((as_slices(chain, draft, slicings[-1]) for draft in textbook(smallest_part)), room)
    bound = known[0].flops if known else None
    orders = SliceOrders(_rest(chain, slicings[0]), slicings[0].axis, left, bound)

    def best(slicing: Slicing) -> list[Fit]:
        draft = orders.best(sliced(chain, slicing), slicing.length(chain), left)
        return [] if draft is None else [as_slices(chain, draft, slicing)]

    found = best(slicings[-1])
    low, high = 0, len(slicings) - 1
    while found and low < high:
        middle = (low + high) // 2
        other = best(slicings[middle])
        if other and other[0].flops == found[0].flops:
            found, high = other, middle
        else:
            low = middle + 1
    return found


def _cheapest(ways: Iterable[Fit], room: int | None) -> list[Fit]:
    """Return the cheapest of those that fit, if there is one."""
    fitting = [way for way in ways if room is None or way.need <= room]
    return [min(fitting, key=lambda way: way.flops)] if fitting else []


def if_possible(run: Planner, chain: Chain, /) -> list[Draft]:
    """Return a planner's order, if it has one for the chain."""
    try:
        return [run(chain)]
    except InfeasibleError:
        return []


def _rest(chain: Chain, slicing: Slicing) -> Chain | None:
    """Return the links that do not depend on the slice."""
    links = chain.links
    if not is_seeded(chain, slicing.axis):
        links = links[1:] if slicing.axis == "columns" else links[:-1]
    return Chain(links) if links else None


def slicings_of(chain: Chain, chunk_size: int | None, /) -> list[list[Slicing]]:
    """Return for each axis the slices to try, ever smaller."""
    axes: tuple[Axis, Axis] = ("columns", "rows")
    lengths = {axis: Slicing(axis, 1).length(chain) for axis in axes}
    if chunk_size is not None:
        size = as_size(chunk_size, "chunk_size")
        if size > max(lengths.values()):
            raise SizeError(
                f"chunk_size is {size:,}, but the Jacobian has {lengths['columns']:,} columns and {lengths['rows']:,} "
                "rows",
                "give a chunk_size of at most the longer of the two",
            )
        return [[Slicing(axis, size)] for axis in axes if size <= lengths[axis]]
    found = []
    for axis, length in lengths.items():
        counts = [2**k for k in range(1, (length - 1).bit_length() + 1)] if length > 1 else []
        found.append([Slicing(axis, -(-length // count)) for count in counts])
    return found


def _refuse(
    chain: Chain, planner: str, run: Planner, memory: int | None, itemsize: int, chunk_size: int | None
) -> NoReturn:
    """Say what the smallest limit is that has an order."""
    least = smallest(chain, planner, run, chunk_size=chunk_size)
    if least is None:
        run(chain)  # says what is wrong with it
        raise InfeasibleError("the chain cannot be made in slices", "plan it without a chunk_size")
    known = "known to do" if planner in SEARCHING and len(chain) > SEARCHED else "that would do"
    kind = "no order fits" if planner in SEARCHING else f"the {planner} order does not fit"
    raise InfeasibleError(
        f"{kind} into {memory:,} bytes, not even in slices",
        f"the smallest limit {known} is {least * itemsize:,} bytes",
    )


def smallest(chain: Chain, planner: str, run: Planner, /, *, chunk_size: int | None = None) -> int | None:
    """Return the numbers that the leanest order holds, be it in slices; None where there is no order."""
    needs: list[int] = []
    is_searched = planner in SEARCHING and len(chain) <= SEARCHED
    if chunk_size is None:
        if is_searched:
            needs.append(overhead(chain, None) + least_need(chain))
        else:
            drafts = _known(chain) if planner in SEARCHING else if_possible(run, chain)
            needs += [as_whole(chain, draft).need for draft in drafts]
    for slicings in slicings_of(chain, chunk_size):
        for slicing in slicings[-1:]:  # the smallest slices need least
            part = sliced(chain, slicing)
            drafts = _known(part) if planner in SEARCHING else if_possible(run, part)
            known = [as_slices(chain, draft, slicing).need for draft in drafts]
            if is_searched:
                room = min(known) - overhead(chain, slicing) if known else None
                orders = SliceOrders(_rest(chain, slicing), slicing.axis, room, None, is_leanest=True)
                draft = orders.best(part, slicing.length(chain), room)
                known += [] if draft is None else [as_slices(chain, draft, slicing).need]
            needs += known
    return min(needs, default=None)
