"""The cheapest choice of options where each product of Jacobians is made once, however often it is read."""

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple, final

from jacchain.planning.second.chains.table import NONE, Option, Table

Charges = Sequence[int | None]
"""What each read of a product is charged with, by number; None forbids it."""

ROUNDS: Final = 6
"""How often at most what is charged is set anew from the choice before."""

WORK: Final = 2_500_000
"""Options that are looked at, about, before no more rounds begin."""

SHARES: Final = (50, 25, 10, 0)
"""What part of the cost of a product, in per cent, a read of it is charged with, where rounds begin anew."""


@final
class Choice(NamedTuple):
    """An option for every cell, and the vertex at which each product of Jacobians that they need is split.

    `flops` are all multiplications, with every product made once.
    """

    flops: int
    options: Mapping[int, Option]
    splits: Mapping[tuple[int, int], int]


@final
class Products:
    """The products of a chain's Jacobians by number: those that a table's options read, and what they are made of.

    They are split at any vertex; if the table has no intervals, at stops and next to an end that is no stop.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> from jacchain.planning.second.chains.elementals import Elementals
    >>> given = Elementals(chain_of_sizes([3, 4, 2, 5]), symmetric=False)
    >>> products = Products(Table(given, range(4), every=True))
    >>> dict(zip(products.spans, products.charges(), strict=True))[3, 1]
    40
    """

    def __init__(self, table: Table, /) -> None:
        given = table.given
        self.spans = list(table.products)
        known = {span: number for number, span in enumerate(self.spans)}
        for upper, lower in self.spans:  # grows as it is read: halves of halves
            for k in _middles(table, upper, lower):
                for half in ((upper, k), (k, lower)):
                    if half[0] - half[1] > 1 and half not in known:
                        known[half] = len(self.spans)
                        self.spans.append(half)
        self.order = sorted(range(1, len(self.spans)), key=lambda k: (self.spans[k][0] - self.spans[k][1], k))
        self.splits: list[list[tuple[int, int, int, int]]] = [[] for _ in self.spans]
        for number in self.order:
            upper, lower = self.spans[number]
            self.splits[number] = [
                (given.product_cost(upper, k, lower), known.get((upper, k), NONE), known.get((k, lower), NONE), k)
                for k in _middles(table, upper, lower)
            ]

    def charges(self, free: Collection[int] = (), /) -> list[int]:
        """Return what each product costs by itself, where some are there already."""
        found = [0] * len(self.spans)
        for number in self.order:
            if number not in free:
                found[number] = min([flops + found[a] + found[b] for flops, a, b, _ in self.splits[number]])
        return found

    def made(self, wanted: Collection[int], /) -> tuple[int, dict[int, int]]:
        """Return what it costs to make some products, each once, and the vertex at which each one made is split."""
        free = set(wanted)
        for _ in range(2):  # once more with all that the first round makes
            found = self.charges(free)
            splits: dict[int, int] = {}
            total, needed = 0, set(wanted)
            for number in reversed(self.order):
                if number in needed:
                    flops, a, b, k = min(self.splits[number], key=lambda s: (s[0] + found[s[1]] + found[s[2]], s[3]))
                    splits[number] = k
                    total += flops
                    needed |= {a, b} - {NONE}
            if needed <= free:
                break
            free = needed
        return total, splits


def _middles(table: Table, upper: int, lower: int) -> Sequence[int]:
    """Return the vertices at which a product may be split."""
    if table.every or table.has_intervals:
        return range(lower + 1, upper)
    ends = {upper - 1} if lower in table.stops else {lower + 1}
    return sorted({k for k in table.stops if lower < k < upper} | ends) if upper - lower > 1 else ()


def solve(table: Table, charges: Charges, /) -> tuple[int, dict[int, Option]] | None:
    """Return the least cost of the whole tensor under the charges, and the options of the cells that it is made of.

    None where no choice is allowed. Among equals the first option of each cell is taken.
    """
    beyond = _beyond(table, charges)
    paid = [beyond if charge is None else charge for charge in charges]
    values = [0] * len(table.options)
    chosen: list[Option | None] = [None] * len(table.options)
    for number, options in enumerate(table.options):
        least, best = beyond, None
        for option in options:
            flops, left, right, product, other, _, _ = option
            value = flops + values[left] + values[right] + paid[product] + paid[other]
            if value < least:
                least, best = value, option
        if number:
            values[number], chosen[number] = least, best
    if values[table.root] >= beyond:
        return None
    found: dict[int, Option] = {}
    waiting = [table.root]
    while waiting:
        number = waiting.pop()
        taken = chosen[number]
        if taken is not None:
            found[number] = taken
            waiting += (taken.left, taken.right)
    return values[table.root], found


def _beyond(table: Table, charges: Charges) -> int:
    """Return more than any choice of options costs that reads nothing forbidden.

    A cell has fewer terms than one that reads it, or shorter arms or outputs, and two that one reads have no term in
    common; so that a choice has no cell twice.
    """
    dearest = max((charge for charge in charges if charge is not None), default=0)
    return 1 + len(table.options) * (table.dearest + 2 * dearest)


def read_products(options: Mapping[int, Option], /) -> dict[int, int]:
    """Return how often each product is read."""
    found: dict[int, int] = {}
    for option in options.values():
        for product in (option.product, option.other):
            if product != NONE:
                found[product] = found.get(product, 0) + 1
    return found


def shared(products: Products, options: Mapping[int, Option], /) -> Choice:
    """Return a choice of options with every product of Jacobians made once."""
    flops, splits = products.made(read_products(options))
    total = sum(option.flops for option in options.values()) + flops
    return Choice(total, options, {products.spans[number]: k for number, k in splits.items()})


def rounds(table: Table, products: Products, /) -> Choice:
    """Return the best choice of several: what it makes is free in the next round.

    The rounds begin with all products charged in full, every time that they are read, and then with less. The first
    is the cost without sharing, so that no bracketing without sharing is cheaper.
    """
    whole = products.charges()
    begins: list[Charges] = [whole, *([charge * share // 100 for charge in whole] for share in SHARES)]
    found: list[Choice] = []
    seen: set[frozenset[tuple[int, int]]] = set()
    work, each = 0, table.count
    for charges in begins:
        now = charges
        for round_number in count():
            if found and (round_number == ROUNDS or work > WORK):
                break
            solved = solve(table, now)
            assert solved is not None, "what is not forbidden is allowed"
            work += each
            choice = shared(products, solved[1])
            found.append(choice)
            made = frozenset(choice.splits)
            if made in seen:
                break
            seen.add(made)
            now = products.charges({number for number, span in enumerate(products.spans) if span in made})
    return min(found, key=lambda choice: choice.flops)
