"""The cheapest order found for the Hessian of a chain, and the cheapest of all of a short one."""

from typing import Final

from jacchain.planning.second.chains import textbook
from jacchain.planning.second.chains.branch import proven
from jacchain.planning.second.chains.derive import derived
from jacchain.planning.second.chains.draft import HessianDraft
from jacchain.planning.second.chains.elementals import Elementals
from jacchain.planning.second.chains.outcome import ChainOutcome, drawn
from jacchain.planning.second.chains.sharing import Products, rounds
from jacchain.planning.second.chains.table import NONE, Table

EVERY: Final = 10
"""Links up to which sums of neighbouring terms are made in every order."""

STOPS: Final = 9
"""Vertices of longer chains, besides the ends, at which sums of terms may end: the narrowest. More gain little."""

FEWER: Final = (30, 7)
"""Links above which there are fewer stops, and how many."""

BRACKETED: Final = 100
"""Links up to which every symmetric bracketing is looked at."""

LONGEST: Final = (1000, 3)
"""Links up to which terms are planned one by one, and how many stops there are then; beyond, by textbook orders."""


def optimal(given: Elementals, /) -> ChainOutcome:
    """Return the cheapest order of up to six links, and of most chains of up to ten; of longer ones a cheap order.

    The sum of n terms R_k F″_k [V_{k-1}, V_{k-1}] is made of cells, sums of neighbouring terms whose output and arms
    end anywhere (`Cell`). A dynamic program over cells charges each read of a product of Jacobians; making each product
    once couples the cells, which is what the rounds and the search are for. Never dearer than the field's Hessian chain
    bracketing, which charges products every time they are read, up to `BRACKETED` links.
    """
    found = [drawn(write, given) for write in (textbook.edge_pushing, textbook.forward_over_forward, textbook.waist)]
    if len(given) <= LONGEST[0]:
        found.insert(0, _chosen(given))
    return min(found, key=lambda outcome: outcome.flops)._replace(lower_bound=found[0].lower_bound)


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
