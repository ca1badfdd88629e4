"""The cheapest order found for the Hessian of a chain, and the cheapest of all of a short one."""

from typing import Final

from jacchain.planning.second.chains import bracketing, textbook
from jacchain.planning.second.chains.branch import proven
from jacchain.planning.second.chains.derive import derived
from jacchain.planning.second.chains.draft import HessianDraft
from jacchain.planning.second.chains.elementals import Elementals
from jacchain.planning.second.chains.outcome import ChainOutcome, drawn
from jacchain.planning.second.chains.sharing import Products, rounds
from jacchain.planning.second.chains.storage import peak_numbers
from jacchain.planning.second.chains.table import NONE, Table

EVERY: Final = 10
"""Links up to which sums of neighbouring terms are made in every order."""

STOPS: Final = 9
"""Vertices of longer chains, besides the ends, at which sums of terms may end: the narrowest. More gain little."""

FEWER: Final = (30, 7)
"""Links above which there are fewer stops, and how many."""

BRACKETED: Final = 100
"""Links up to which terms are planned together with every symmetric bracketing; the cheapest bracketing is looked at
by itself up to `bracketing.MOST` links."""

LONGEST: Final = (1000, 3)
"""Links up to which terms are planned one by one, and how many stops there are then; beyond, by textbook orders."""


def optimal(given: Elementals, /) -> ChainOutcome:
    """Return a cheap order; of up to ten links, it is the cheapest wherever its lower bound says so.

    The sum of n terms R_k F″_k [V_{k-1}, V_{k-1}] is made of cells, sums of neighbouring terms whose output and arms
    end anywhere (`Cell`). A dynamic program over cells charges each read of a product of Jacobians; making each product
    once couples the cells, which is what the rounds and the search are for. The search has always ended with a proof on
    the chains of up to six links that were tried, and on most of up to ten; nothing promises that it does.

    Never dearer than edge pushing, forward over forward, and brackets at the waist. Of dense chains of up to
    `bracketing.MOST` links never dearer than the field's Hessian chain bracketing, which charges products every time
    they are read; beyond, that is not looked at. Among the orders found that are equally cheap, the one with the
    lowest peak is taken, and among those the first.
    """
    found = [drawn(write, given) for write in (textbook.edge_pushing, textbook.forward_over_forward, textbook.waist)]
    if BRACKETED < len(given) <= bracketing.MOST:
        found.insert(0, bracketing.bracketing(given))
    if len(given) <= LONGEST[0]:
        found.insert(0, _chosen(given))
    least = min(outcome.flops for outcome in found)
    cheapest = [outcome for outcome in found if outcome.flops == least]
    best = min(cheapest, key=lambda outcome: peak_numbers(outcome.nodes)) if len(cheapest) > 1 else cheapest[0]
    return best._replace(lower_bound=found[0].lower_bound)


def _chosen(given: Elementals) -> ChainOutcome:
    n = len(given)
    table = Table(given, _stops(given), every=n <= EVERY, has_intervals=n <= BRACKETED)
    draft = HessianDraft(given)
    if table.root == NONE:
        return ChainOutcome(draft.kept(draft.zero()))
    products = Products(table)
    choice, bound = rounds(table, products), 0
    if table.every:
        choice, bound = proven(table, products, choice)
    return ChainOutcome(draft.kept(derived(draft, table, choice)), bound)


def _stops(given: Elementals) -> list[int]:
    n = len(given)
    most = n if n <= EVERY else STOPS if n <= FEWER[0] else FEWER[1] if n <= BRACKETED else LONGEST[1]
    inner = sorted(range(1, n), key=lambda k: (given.sizes[k], k))[:most]
    return [0, *sorted(inner), n]
