"""For every partial product of a chain, the ways to form it: what a search over orders chooses from."""

from collections.abc import Collection, Iterator, Sequence
from itertools import product as pairs
from typing import Final, NamedTuple, final

from jacchain.algebra.structure import Dense
from jacchain.errors import InfeasibleError
from jacchain.planning.draft import MODES, Step, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent, operands
from jacchain.planning.numbered import Numbered
from jacchain.planning.scheduling.spans import node_spans

Key = tuple[int, int, int]
"""First link, last link, number of the structure."""

Steps = tuple[tuple[Key, Step[Key]], ...]
"""What forms which partial product."""

MOST_WAYS: Final = 12_000
"""Ways beyond which a chain is searched around some of its orders only: about 40 dense or matrix-free links."""


class Way(NamedTuple):
    """A step that takes time, and what must be done before it."""

    flops: int
    operands: tuple[int, ...]
    """Items, without those that take no time."""
    steps: Steps
    """The step, and the steps below it that take no time."""


class Entry(NamedTuple):
    """What stands for a partial product among operands: itself, or, where it takes no time, what it is made of."""

    operands: tuple[int, ...]
    steps: Steps


@final
class Ways:
    """The ways to form each item, which is a partial product that takes time; operands come before what they make.

    Steps of no cost take no time: they have no item, and hand their operands to whatever uses them.
    """

    def __init__(self) -> None:
        self.of: list[tuple[Way, ...]] = []
        self.spans: list[tuple[int, int]] = []
        self.starts: list[Entry] = []

    def add(self, span: tuple[int, int], ways: Sequence[Way], /) -> list[Entry]:
        """Add a partial product with all its ways; return what stands for it among operands."""
        free = {way.operands: Entry(way.operands, way.steps) for way in ways if way.flops == 0}
        if () in free:
            return [free[()]]
        costly = tuple(way for way in ways if way.flops)
        if costly:
            free[len(self.of),] = Entry((len(self.of),), ())
            self.of.append(costly)
            self.spans.append(span)
        return list(free.values())


def joined(flops: int, key: Key, step: Step[Key], entries: Sequence[Sequence[Entry]], /) -> Iterator[Way]:
    """Yield the ways of a step whose operands are given by all that may stand for each of them."""
    for chosen in pairs(*entries):
        below = tuple(pair for entry in chosen for pair in entry.steps)
        yield Way(flops, tuple(sorted(k for entry in chosen for k in entry.operands)), ((key, step), *below))


def ways_of_order(nodes: Sequence[Node], /) -> Ways:
    """Return the ways of one order: one for each item."""
    found = Ways()
    keys = [(first, last, k) for k, (first, last) in enumerate(node_spans(nodes))]
    entries: list[list[Entry]] = []
    for key, node in zip(keys, nodes, strict=True):
        below = operands(node)
        link = -1 if isinstance(node, Multiply) else node.link
        step = Step(type(node), link, node.mode if isinstance(node, Local) else "given", tuple(keys[k] for k in below))
        entries.append(found.add(key[:2], [*joined(node.flops, key, step, [entries[k] for k in below])]))
    found.starts = entries[-1]
    return found


def ways_of_chain(chain: Chain, /, *, most: int = MOST_WAYS, spans: Collection[tuple[int, int]] | None = None) -> Ways:
    """Return all ways of a chain, or all over certain intervals of links.

    Raises
    ------
    InfeasibleError
        There are more than `most` ways; or the chain has no order at all.
    """
    return _Builder(chain, most, spans).ways


@final
class _Builder:
    """Fills in the ways from short intervals to long ones."""

    def __init__(self, chain: Chain, most: int, spans: Collection[tuple[int, int]] | None, /) -> None:
        self.chain, self.most, self.ways = chain, most, Ways()
        self.known = Numbered()
        self.cells: dict[tuple[int, int], dict[int, list[Entry]]] = {}
        self.ends: list[list[int]] = [[] for _ in chain.links]  # where the intervals found so far from a link end
        self.count, n = 0, len(chain)
        wanted = {(i, j) for i in range(n) for j in range(i, n)} if spans is None else {*spans, (0, n - 1)}
        for first, last in sorted(wanted | {(k, k) for k in range(n)}, key=lambda span: (span[1] - span[0], span)):
            self._fill(first, last)
        self.ways.starts = [entry for entries in self.cells[0, n - 1].values() for entry in entries]
        if not self.ways.starts:
            raise InfeasibleError("no order of the chain is possible", "give every link a tangent_cost or a structure")

    def _fill(self, first: int, last: int) -> None:
        found: dict[int, list[Way]] = {}
        if first == last:
            self._locals(found, first)
        else:
            for split in self.ends[first]:
                if (split + 1, last) in self.cells:
                    self._products(found, first, split, last)
            self._sweeps(found, first, last)
        self.count += sum(map(len, found.values()))
        if self.count > self.most:
            raise InfeasibleError(f"more than {self.most:,} ways to form the products", "look at fewer of them")
        self.cells[first, last] = {number: self.ways.add((first, last), ways) for number, ways in found.items()}
        self.ends[first].append(last)

    def _locals(self, found: dict[int, list[Way]], link: int) -> None:
        """Offer the cheapest way to each structure that the local Jacobian can have."""
        shape = self.chain.links[link]
        for mode in MODES:
            cost = mode_cost(self.chain, link, mode)
            if cost is None:
                continue
            number = self.known.number(shape.local if mode == "given" else Dense(shape.outputs, shape.inputs))
            if number not in found or cost < found[number][0].flops:
                key = (link, link, number)
                found[number] = [Way(cost, (), ((key, Step(Local, link, mode, ())),))]

    def _products(self, found: dict[int, list[Way]], first: int, split: int, last: int) -> None:
        for left, uppers in self.cells[split + 1, last].items():
            for right, lowers in self.cells[first, split].items():
                cost, number = self.known.product(left, right)
                step = Step(Multiply, -1, "given", ((split + 1, last, left), (first, split, right)))
                found.setdefault(number, []).extend(joined(cost, (first, last, number), step, (uppers, lowers)))

    def _sweeps(self, found: dict[int, list[Way]], first: int, last: int) -> None:
        upper, lower = self.chain.links[last], self.chain.links[first]
        number = self.known.number(Dense(upper.outputs, lower.inputs))
        key, ways = (first, last, number), found.setdefault(number, [])
        if upper.tangent_cost is not None:
            for right, entries in self.cells.get((first, last - 1), {}).items():
                step = Step(Tangent, last, "tangent", ((first, last - 1, right),))
                ways += joined(lower.inputs * upper.tangent_cost, key, step, (entries,))
        if lower.adjoint_cost is not None:
            for left, entries in self.cells.get((first + 1, last), {}).items():
                step = Step(Adjoint, first, "adjoint", ((first + 1, last, left),))
                ways += joined(upper.outputs * lower.adjoint_cost, key, step, (entries,))
        if not ways:
            del found[number]
