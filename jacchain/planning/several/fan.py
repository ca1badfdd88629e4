"""All products that one vertex needs at once: an exact dynamic program over orders in which they share blocks."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, final

from jacchain.algebra.product import price
from jacchain.algebra.structure import Dense
from jacchain.planning.several.intervals import Interval, Intervals, State, Way
from jacchain.planning.several.sharing import Sharing, needed


class Block(NamedTuple):
    """How the products between two vertices are made: what that costs, how, and the states that they end in."""

    flops: int
    split: int
    """The vertex that the products beyond it go through; -1 a link applied as a sweep, -2 one link alone."""
    states: dict[int, State]
    """By the vertex at the other end of each product."""
    free: int
    """Sizes of these vertices together, of products that are dense."""
    others: tuple[State, ...]
    """Products that are not dense."""


def fans(intervals: Intervals, wanted: Sequence[Interval], /, *, outputs: bool) -> Sharing:
    """Return the fans of every output, or of every input, together."""
    groups: dict[int, list[int]] = {}
    for first, last in wanted:
        end, other = (last + 1, first) if outputs else (first, last + 1)
        groups.setdefault(end, []).append(other)
    made: dict[tuple[int, ...], Fan] = {}
    steps: dict[State, Way] = {}
    reached: dict[Interval, State] = {}
    for end, others in sorted(groups.items()):
        key = tuple(sorted(set(others)))
        fan = made.get(key) or made.setdefault(key, Fan(intervals, key, outputs=outputs))
        far = min(key) if outputs else max(key)
        for state, way in fan.steps(min(end, far), max(end, far)):
            steps.setdefault(state, way)
        found = fan.block(min(end, far), max(end, far)).states
        reached |= {found[other][:2]: found[other] for other in key}
    roots = tuple(reached[interval] for interval in wanted)
    return Sharing(needed(steps, roots), roots)


@final
class Fan:
    """The products from the inputs `others` to one output, or from one input to the outputs `others`.

    Said for an output b: the block (a, b) makes the product of a and b, and those of the vertices in `others` between
    them. It makes them in one of these ways, the cheapest of which is kept: all products from below a vertex m go
    through m, so that they are blocks (m, b) and (a, m) and one multiplication each; the link below is applied to the
    longest as adjoints; or the link above is applied to all as tangents. With one product this is the dynamic program
    of a single chain; with m next to a it is the reverse sweep.
    """

    def __init__(self, intervals: Intervals, others: Iterable[int], /, *, outputs: bool) -> None:
        self.intervals = intervals
        self.outputs = outputs
        self.others = tuple(others)
        self.sizes = intervals.chain.sizes
        self.blocks: dict[Interval, Block] = {}

    def block(self, a: int, b: int, /) -> Block:
        """Return the cheapest block between two vertices."""
        if (a, b) not in self.blocks:
            for length in range(1, b - a + 1):
                for low in range(a, b - length + 1):
                    if (low, low + length) not in self.blocks:
                        self.blocks[low, low + length] = self._best(low, low + length)
        return self.blocks[a, b]

    def steps(self, a: int, b: int, /) -> list[tuple[State, Way]]:
        """Return the steps of a block."""
        found: list[tuple[State, Way]] = []
        waiting = [(a, b)]
        while waiting:
            low, high = waiting.pop()
            block = self.block(low, high)
            if block.split == -2:
                found += self.intervals.tree(next(iter(block.states.values()))).items()
            elif block.split >= 0:
                waiting += [(low, block.split), (block.split, high)]
                found += self._products(low, block.split, high)
            else:
                for states, inner in self._sweeps(low, high):
                    if sum(way.flops for _, way in states) + self.blocks[inner].flops == block.flops:
                        found += states
                        waiting.append(inner)
                        break
        return found

    def _best(self, a: int, b: int) -> Block:
        if b - a == 1:
            local = self.intervals.cheapest((a, a))
            return self._block(self.intervals.least(local).flops, -2, {a if self.outputs else b: local})
        costs = {m: self._cost(a, m, b) for m in range(a + 1, b)}
        split = min(costs, key=costs.__getitem__)
        best = costs[split]
        for states, inner in self._sweeps(a, b):
            flops = self.blocks[inner].flops + sum(way.flops for _, way in states)
            if flops < best:
                best, split = flops, -1
                swept, within = states, inner
        if split >= 0:
            made = [state for state, _ in self._products(a, split, b)]
            kept = self.blocks[(split, b) if self.outputs else (a, split)]
        else:
            made, kept = [state for state, _ in swept], self.blocks[within]
        ends = {state[0] if self.outputs else state[1] + 1: state for state in made}
        beyond = {k: state for k, state in kept.states.items() if self._is_of(state, a, b) and k in self.others}
        return self._block(best, split, {**beyond, **ends})

    def _is_of(self, state: State, a: int, b: int) -> bool:
        """Whether a state has the end in common that all products of a block have."""
        return state[1] + 1 == b if self.outputs else state[0] == a

    def _cost(self, a: int, m: int, b: int) -> int:
        """Return what a block through the vertex m costs.

        What a product with a dense factor costs is proportional to that factor's free side, so all dense ones are
        priced at once.
        """
        upper, lower = self.blocks[m, b], self.blocks[a, m]
        shared, many = (upper.states[m], lower) if self.outputs else (lower.states[m], upper)
        structure, size, flops = self.intervals.structure(shared), self.sizes[m], upper.flops + lower.flops
        if self.outputs:
            flops += sum(self.intervals.multiplied(shared, state)[1].flops for state in many.others)
            if isinstance(structure, Dense):
                return flops + structure.rows * size * many.free
            return flops + (price(structure, Dense(size, many.free)).cost if many.free else 0)
        flops += sum(self.intervals.multiplied(state, shared)[1].flops for state in many.others)
        if isinstance(structure, Dense):
            return flops + many.free * size * structure.columns
        return flops + (price(Dense(many.free, size), structure).cost if many.free else 0)

    def _block(self, flops: int, split: int, states: dict[int, State]) -> Block:
        dense = {k: isinstance(self.intervals.structure(state), Dense) for k, state in states.items()}
        free = sum(self.sizes[k] for k, is_dense in dense.items() if is_dense)
        return Block(flops, split, states, free, tuple(state for k, state in states.items() if not dense[k]))

    def _products(self, a: int, m: int, b: int) -> list[tuple[State, Way]]:
        """Return the products of a block that go through the vertex m."""
        upper, lower = self.blocks[m, b].states, self.blocks[a, m].states
        if self.outputs:
            return [self.intervals.multiplied(upper[m], state) for state in lower.values()]
        return [self.intervals.multiplied(state, lower[m]) for state in upper.values()]

    def _sweeps(self, a: int, b: int) -> list[tuple[list[tuple[State, Way]], Interval]]:
        """Return the states that an end link makes, applied without being formed, and the block it is applied to."""
        offers = []
        for link, inner in ((b - 1, (a, b - 1)), (a, (a + 1, b))):
            block = self.blocks[inner].states
            goes_on = (link == a) == self.outputs  # the longest product only, or all of them
            longest = inner[0] if self.outputs else inner[1]
            operands = [block[longest]] if goes_on else list(block.values())
            made = [found for state in operands if (found := self.intervals.swept(state, link)) is not None]
            if len(made) < len(operands):
                continue
            end = b - 1 if self.outputs else a + 1
            if not goes_on and end in self.others:  # the link's own product is wanted too
                made += self.intervals.tree(self.intervals.cheapest((link, link))).items()
            offers.append((made, inner))
        return offers
