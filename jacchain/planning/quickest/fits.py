"""Orders that may take less time than that of least multiplications, within memory limits and in slices."""

from collections.abc import Iterable, Iterator
from typing import Final

from jacchain.errors import InfeasibleError
from jacchain.planning.draft import Draft, replayed
from jacchain.planning.exhaustive import every_order
from jacchain.planning.fit import SEARCHED, Fit, as_slices, as_whole, overhead, slicings_of, textbook
from jacchain.planning.graph import Chain
from jacchain.planning.least_need import alone, least_need
from jacchain.planning.quickest.order import quickest, quickest_of_all
from jacchain.planning.quickest.predictor import Predictor
from jacchain.planning.quickest.step_seconds import order_seconds, sliced_seconds
from jacchain.planning.slicing import Slicing, sliced
from jacchain.planning.within import cheapest_within

GAIN: Final = 0.03
"""Share of the predicted time that an order must save to be taken in place of that of least multiplications: what is
predicted differs from what is measured, and an order that wins by less may lose."""


def fit_seconds(predictor: Predictor, chain: Chain, way: Fit, /) -> float:
    """Return the predicted seconds of an order, over all slices where it is made in slices."""
    if way.slicing is None:
        return order_seconds(predictor, chain, way.nodes)
    return sliced_seconds(predictor, chain, way.nodes, way.slicing, way.once)


def quicker(
    chain: Chain,
    known: Fit,
    predictor: Predictor,
    /,
    *,
    planner: str,
    room: int | None,
    chunk_size: int | None,
) -> Fit:
    """Return an order that saves at least ``GAIN`` of a known one's predicted time, the quickest tried; else that one.

    Without limits all orders are looked at, as "exhaustive" always does. Of slices few are tried, and within memory
    few of long chains.

    Parameters
    ----------
    chain : Chain
    known : Fit
        The order of least multiplications under the same limits.
    predictor : Predictor
    planner : str
        "exhaustive" tries every order.
    room, chunk_size : int, optional
        Numbers that may be held, and columns or rows of a slice.
    """
    seconds = fit_seconds(predictor, chain, known)
    best, least = known, (1 - GAIN) * seconds
    if not seconds:
        return known
    for way in _ways(chain, known, predictor, seconds, planner, room, chunk_size):
        found = fit_seconds(predictor, chain, way)
        if found < least or (found <= least and best is known):
            best, least = way, found
    return best


def _ways(
    chain: Chain,
    known: Fit,
    predictor: Predictor,
    seconds: float,
    planner: str,
    room: int | None,
    chunk_size: int | None,
) -> Iterator[Fit]:
    """Yield orders that fit, at once and in slices."""
    is_exhaustive = planner == "exhaustive"
    if chunk_size is None:
        bound = seconds if known.slicing is None else float("inf")
        draft = quickest_of_all(chain, predictor) if is_exhaustive else quickest(chain, predictor, bound=bound)
        whole = as_whole(chain, draft)
        if room is None or whole.need <= room:
            yield whole._replace(is_limited=False)  # no slices take less
            return
        yield from _at_once(chain, predictor, room, is_exhaustive=is_exhaustive)
    for slicings in slicings_of(chain, chunk_size):
        for slicing in slicings:
            part = sliced(chain, slicing)
            drafts: Iterable[Draft]
            drafts = every_order(part) if is_exhaustive else _of_slices(chain, part, slicing, known, predictor)
            ways = (as_slices(chain, draft, slicing) for draft in drafts)
            yield from (way for way in ways if room is None or way.need <= room)


def _at_once(chain: Chain, predictor: Predictor, room: int, *, is_exhaustive: bool) -> Iterator[Fit]:
    """Yield orders of the whole chain that fit, the quickest among them where the chain is short enough."""
    left = room - overhead(chain, None)
    if is_exhaustive or len(chain) > SEARCHED:
        drafts: Iterable[Draft] = every_order(chain) if is_exhaustive else textbook(chain)
        ways = (as_whole(chain, draft) for draft in drafts)
        yield from (way for way in ways if way.need <= room)
    elif alone(chain) <= left and least_need(chain) <= left:
        draft = cheapest_within(chain, left, predictor=predictor)
        if draft is not None:
            yield as_whole(chain, draft)


def _of_slices(chain: Chain, part: Chain, slicing: Slicing, known: Fit, predictor: Predictor) -> Iterator[Draft]:
    """Yield some orders of a slice: its quickest, that of one as large as the axis, textbook ones, the known one.

    A step that is made once for all slices has the price of one slice in the first: none need be the quickest of all.
    """
    try:
        yield quickest(part, predictor)
        whole = quickest(sliced(chain, slicing._replace(size=slicing.length(chain))), predictor)
    except InfeasibleError:
        return
    yield replayed(part, whole.nodes)
    yield from textbook(part)
    if known.slicing is not None and known.slicing.axis == slicing.axis:
        yield replayed(part, known.nodes)
