"""The quickest order of a chain: exact dynamic programming over (interval, structure) by predicted seconds."""

from itertools import groupby
from typing import Final

from jacchain.planning.draft import Draft
from jacchain.planning.exhaustive import every_order
from jacchain.planning.graph import Chain
from jacchain.planning.quickest.predictor import Predictor
from jacchain.planning.quickest.step_seconds import order_seconds

LONGEST: Final = 300
"""Links up to which chains are planned by seconds."""

SPARSE: Final = 100
"""Links in a row that are not dense up to which chains are planned by seconds: all their splits are looked at."""


def is_orderable(chain: Chain, /) -> bool:
    """Whether a chain is short enough to be planned by seconds.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> is_orderable(chain_of_sizes([5] * 100)), is_orderable(chain_of_sizes([5] * 1000))
    (True, False)
    """
    runs = (sum(1 for _ in run) for is_full, run in groupby(chain.links, key=lambda link: link.is_full) if not is_full)
    return len(chain) <= LONGEST and sum(run**3 for run in runs) <= SPARSE**3


def quickest(chain: Chain, predictor: Predictor, /, *, bound: float = float("inf")) -> Draft:
    """Return the order of the least predicted time.

    Parameters
    ----------
    chain : Chain
    predictor : Predictor
    bound : float
        Predicted seconds of an order that is known.

    Raises
    ------
    InfeasibleError
        The chain allows no order.
    """
    from jacchain.planning.quickest.cells import Cells  # NumPy, which other planning of dense chains does not need

    cells = Cells(chain, predictor, bound)
    draft = Draft(chain)
    draft.grow(cells.best(), cells.step)
    return draft


def quickest_of_all(chain: Chain, predictor: Predictor, /) -> Draft:
    """Return the quickest of all orders of a short chain, each written out and predicted on its own.

    Raises
    ------
    InfeasibleError
        There are too many orders.
    """
    return min(every_order(chain), key=lambda draft: order_seconds(predictor, chain, draft.nodes))
