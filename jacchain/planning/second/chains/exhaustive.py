"""Every set of products of Jacobians tried: slow, and simple enough to be believed."""

from itertools import compress, product
from typing import Final

from jacchain.errors import InfeasibleError
from jacchain.planning.second.chains.derive import derived
from jacchain.planning.second.chains.draft import HessianDraft
from jacchain.planning.second.chains.elementals import Elementals
from jacchain.planning.second.chains.outcome import ChainOutcome
from jacchain.planning.second.chains.sharing import Choice, Products, solve
from jacchain.planning.second.chains.table import NONE, Table

MOST: Final = 5
"""Links up to which every set of products is tried: there are 1,024 of five links, and 32,768 of six."""


def exhaustive(given: Elementals, /) -> ChainOutcome:
    """Return the cheapest order: for every set of products of Jacobians, the cheapest that reads no others.

    Raises
    ------
    InfeasibleError
        More than `MOST` links.
    """
    if len(given) > MOST:
        raise InfeasibleError(
            f"{len(given):,} links have too many sets of products to try them all",
            f"take the planner 'optimal', or a chain of up to {MOST} links",
        )
    table = Table(given, range(len(given) + 1), every=True)
    draft = HessianDraft(given)
    if table.root == NONE:
        return ChainOutcome(draft.kept(draft.zero()))
    products = Products(table)
    numbers = range(1, len(products.spans))
    tried = (_within(table, products, set(compress(numbers, bits))) for bits in product((0, 1), repeat=len(numbers)))
    best = min((choice for choice in tried if choice is not None), key=lambda choice: choice.flops)
    return ChainOutcome(draft.kept(derived(draft, table, best)), best.flops)


def _within(table: Table, products: Products, wanted: set[int]) -> Choice | None:
    """Return the cheapest choice that reads only the wanted products, and pays for all of them."""
    known, splits, total = wanted | {NONE}, {}, 0
    for number in wanted:
        allowed = [split for split in products.splits[number] if {split[1], split[2]} <= known]
        if not allowed:
            return None
        flops, _, _, vertex = min(allowed, key=lambda split: (split[0], split[3]))
        total += flops
        splits[products.spans[number]] = vertex
    solved = solve(table, [0 if number in known else None for number in range(len(products.spans))])
    return None if solved is None else Choice(solved[0] + total, solved[1], splits)
