"""Steps that make several products of one chain, where a product that is made once may be used several times."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.several.intervals import Interval, Intervals, Least, State, Way

PASSES: Final = 4
"""How often every product is planned anew while the others stand."""

WORK: Final = 400_000
"""Ways that planning every product anew once may look at: all suffixes of 50 links have about 260,000."""


class Sharing(NamedTuple):
    """The step that forms each state, and the state that each wanted interval ends in."""

    steps: Mapping[State, Way]
    roots: tuple[State, ...]

    @property
    def flops(self) -> int:
        """Multiplications of all steps, each counted once."""
        return sum(way.flops for way in self.steps.values())


def needed(steps: Mapping[State, Way], roots: Iterable[State], /) -> dict[State, Way]:
    """Return the steps that some states need, near or far."""
    found: dict[State, Way] = {}
    waiting = list(roots)
    while waiting:
        state = waiting.pop()
        if state not in found:
            found[state] = steps[state]
            waiting += found[state].step.operands
    return found


def merged(intervals: Intervals, wanted: Sequence[Interval], /) -> Sharing:
    """Return the cheapest order of each product on its own, with equal sub-products made once."""
    roots = tuple(intervals.cheapest(interval) for interval in wanted)
    steps: dict[State, Way] = {}
    for root in roots:
        steps |= intervals.tree(root)
    return Sharing(steps, roots)


def replayed(intervals: Intervals, orders: Mapping[Interval, Sequence[Node]], /) -> Sharing:
    """Return given orders of products, with equal sub-products made once."""
    steps: dict[State, Way] = {}
    roots = []
    for (first, _), nodes in orders.items():
        states: list[State] = []
        for node in nodes:
            match node:
                case Local():
                    state, way = intervals.local(first + node.link, node.mode)
                case Multiply():
                    state, way = intervals.multiplied(states[node.left], states[node.right])
                case Tangent():
                    state, way = _applied(intervals, states[node.right], first + node.link)
                case Adjoint():
                    state, way = _applied(intervals, states[node.left], first + node.link)
            states.append(state)
            steps.setdefault(state, way)
        roots.append(states[-1])
    return Sharing(needed(steps, roots), tuple(roots))


def _applied(intervals: Intervals, state: State, link: int) -> tuple[State, Way]:
    found = intervals.swept(state, link)
    assert found is not None
    return found


def swept(intervals: Intervals, wanted: Sequence[Interval], /, *, forward: bool) -> Sharing:
    """Return one sweep from every input forward, or from every output in reverse, as far as its requests reach.

    Each link is applied as tangents (adjoints), or accumulated and multiplied, whichever is cheaper at that place.
    """
    steps: dict[State, Way] = {}
    reached: dict[Interval, State] = {}
    ends = {interval[0 if forward else 1] for interval in wanted}
    for start in sorted(ends):
        far = [interval[1 if forward else 0] for interval in wanted if interval[0 if forward else 1] == start]
        state = intervals.cheapest((start, start))
        steps |= intervals.tree(state)
        reached[start, start] = state
        for link in range(start + 1, max(far) + 1) if forward else range(start - 1, min(far) - 1, -1):
            state = _extended(intervals, steps, state, link)
            reached[state[:2]] = state
    roots = tuple(reached[interval] for interval in wanted)
    return Sharing(needed(steps, roots), roots)


def _extended(intervals: Intervals, steps: dict[State, Way], state: State, link: int) -> State:
    """Add the cheaper step that makes a product longer by one link, and return what it makes."""
    local = intervals.cheapest((link, link))
    pair = (local, state) if link > state[1] else (state, local)
    made, way = intervals.multiplied(*pair)
    extra = 0 if local in steps else intervals.least(local).flops
    sweep = intervals.swept(state, link)
    if sweep is not None and sweep[1].flops < way.flops + extra:
        made, way = sweep
    else:
        steps |= intervals.tree(local)
    steps[made] = way
    return made


def improved(intervals: Intervals, wanted: Sequence[Interval], start: Sharing, /) -> Sharing:
    """Return a cheaper sharing: each product in turn is planned anew, with all that the others make free of cost."""
    best = start
    work = sum((last - first + 2) ** 3 // 6 for first, last in wanted)
    for _ in range(PASSES if work <= WORK else 0):
        before = best.flops
        for place, interval in enumerate(wanted):
            kept = needed(best.steps, best.roots[:place] + best.roots[place + 1 :])
            root, steps = anew(intervals, interval, kept)
            found = Sharing({**steps, **kept}, (*best.roots[:place], root, *best.roots[place + 1 :]))
            best = found if found.flops < best.flops else best
        if best.flops == before:
            break
    return best


def offered(intervals: Intervals, wanted: Sequence[Interval], start: Sharing, /) -> Sharing:
    """Return a cheaper sharing: each sub-product of at least two products in turn is made first and then is free."""
    best = start
    parts = [
        part
        for part in dict.fromkeys(part for interval in wanted for part in within(interval))
        if part[0] < part[1] and sum(lies_within(part, interval) for interval in wanted) > 1
    ]
    work = len(parts) * sum((last - first + 2) ** 3 // 6 for first, last in wanted)
    for part in parts if work <= WORK else ():
        steps = intervals.tree(intervals.cheapest(part)) if intervals.cells[part] else {}
        roots: dict[Interval, State] = {}
        for interval in sorted(wanted, key=lambda interval: interval[0] - interval[1]):
            roots[interval], more = anew(intervals, interval, steps)
            steps |= more
        ends = tuple(roots[interval] for interval in wanted)
        found = Sharing(needed(steps, ends), ends)
        best = found if found.flops < best.flops else best
    return best


def anew(intervals: Intervals, interval: Interval, made: Collection[State], /) -> tuple[State, dict[State, Way]]:
    """Return the cheapest way to a product where some states exist already, as its state and its steps."""
    table = _cheapest_below(intervals, interval, made)
    cell = table[interval]
    root = (*interval, min(cell, key=lambda number: cell[number].flops))
    steps: dict[State, Way] = {}
    waiting = [root]
    while waiting:
        state = waiting.pop()
        if state not in made:
            steps[state] = table[state[:2]][state[2]].way
            waiting += steps[state].step.operands
    return root, steps


def _cheapest_below(
    intervals: Intervals, interval: Interval, made: Collection[State], /
) -> dict[Interval, dict[int, Least]]:
    """Return the cheapest way to every state within an interval, where those made already are free."""
    table: dict[Interval, dict[int, Least]] = {}
    for first, last in within(interval):
        best: dict[int, Least] = {}
        for number, way in intervals.ways((first, last)):
            flops = way.flops + sum(table[a, b][k].flops for a, b, k in way.step.operands)
            if number not in best or flops < best[number].flops:
                best[number] = Least(flops, way)
        table[first, last] = {
            number: Least(0, least.way) if (first, last, number) in made else least for number, least in best.items()
        }
    return table


def lies_within(part: Sequence[int], whole: Sequence[int], /) -> bool:
    """Whether an interval is part of another, or is the other."""
    return whole[0] <= part[0] and part[1] <= whole[1]


def within(interval: Interval, /) -> Iterator[Interval]:
    """Yield the intervals within an interval, the shortest first."""
    start, end = interval
    for length in range(1, end - start + 2):
        for first in range(start, end - length + 2):
            yield first, first + length - 1
