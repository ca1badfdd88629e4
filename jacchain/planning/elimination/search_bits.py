"""Eliminations counted on bit sets: for graphs of explicit links whose products all cost what their sizes say."""

from collections.abc import Sequence
from typing import Final, final

from jacchain.algebra.structure import Dense, Diagonal, Structure, is_unit
from jacchain.planning.elimination.move import Move
from jacchain.planning.elimination.problem import UNIT, Arc, Problem
from jacchain.planning.elimination.subsets import allowed, bits

REMEMBERED: Final = 1 << 16
"""Sums of sizes that are kept at most."""

Bits = tuple[list[int], ...]
"""The predecessors and the successors of each vertex as bits, and those of them that a unit edge joins."""


def is_counted(problem: Problem, /) -> bool:
    """Whether every product of edges costs the product of three sizes, or nothing where one of them is a unit."""
    if problem.is_dense:
        return True
    return set(problem.sizes) == {1} and all(
        arc.link == UNIT or (link.tangent_cost is link.adjoint_cost is None and _is_plain(link.local))
        for arc in problem.arcs
        for link in [problem.links[arc.link]]
    )


def _is_plain(structure: Structure) -> bool:
    return isinstance(structure, Dense | Diagonal) or is_unit(structure)


@final
class Plain:
    """Scalars, every edge of which may be needed: eliminating a vertex costs predecessors times successors.

    A state is a pair of lists that nobody changes.
    """

    is_settled = True

    def __init__(self, problem: Problem, /) -> None:
        before, behind, *_ = _masks(problem)
        self.start: Bits = before, behind

    def eliminated(self, state: Bits, vertex: int, /) -> tuple[Bits, int, int]:
        """Return the state without a vertex, what that costs, and its neighbours as bits."""
        before, behind = state
        into, out = before[vertex], behind[vertex]
        before, behind, kept = before.copy(), behind.copy(), ~(1 << vertex)
        rest = into
        while rest:
            lowest = rest & -rest
            rest ^= lowest
            tail = lowest.bit_length() - 1
            behind[tail] = (behind[tail] | out) & kept
        rest = out
        while rest:
            lowest = rest & -rest
            rest ^= lowest
            head = lowest.bit_length() - 1
            before[head] = (before[head] | into) & kept
        before[vertex] = behind[vertex] = 0
        return (before, behind), into.bit_count() * out.bit_count(), into | out

    def price(self, state: Bits, vertex: int, /) -> int:
        """Return what eliminating a vertex would cost now."""
        return state[0][vertex].bit_count() * state[1][vertex].bit_count()

    def applied(self, state: Bits, move: Move, /) -> tuple[Bits, int]:
        """Return the state after a move, and what it costs; an edge that is not there costs nothing."""
        before, behind = state
        vertex, into, out = parts(before, behind, move)
        if not into or not out:
            return state, 0
        is_out, is_into = out == behind[vertex], into == before[vertex]
        before, behind = before.copy(), behind.copy()
        kept = ~(1 << vertex) if is_out else -1
        for tail in bits(into):
            behind[tail] = (behind[tail] | out) & kept
        kept = ~(1 << vertex) if is_into else -1
        for head in bits(out):
            before[head] = (before[head] | into) & kept
        _cleared((before, behind), vertex, into if is_out else 0, out if is_into else 0)
        return (before, behind), into.bit_count() * out.bit_count()

    def edges(self, state: Bits, vertex: int, /) -> tuple[list[int], list[int]]:
        """Return the predecessors and the successors of a vertex."""
        return list(bits(state[0][vertex])), list(bits(state[1][vertex]))

    def same(self, one: Bits, other: Bits, /) -> bool:
        """Whether two states go on alike."""
        return one == other


@final
class Sized:
    """Vertices of any sizes, unit edges by which products are free, and edges that no request needs.

    Products by a unit are free and are what the other operand is; a sum is never a unit.
    """

    is_settled = True

    def __init__(self, problem: Problem, /) -> None:
        self.start: Bits = _masks(problem)
        self.sizes = problem.sizes
        self.needed = allowed(problem.sources, problem.targets)
        self.is_complete = is_complete(problem)
        self._sums: dict[int, int] = {0: 0}

    def sum(self, mask: int, /) -> int:
        """Return the sum of the sizes of some vertices."""
        found = self._sums.get(mask)
        if found is None:
            if len(self._sums) > REMEMBERED:
                self._sums = {0: 0}
            found = self._sums[mask] = sum(self.sizes[vertex] for vertex in bits(mask))
        return found

    def applied(self, state: Bits, move: Move, /) -> tuple[Bits, int]:
        """Return the state after a move, and what it costs; an edge that is not there costs nothing."""
        vertex, into, out = parts(state[0], state[1], move)
        if not into or not out:
            return state, 0
        is_out, is_into = out == state[1][vertex], into == state[0][vertex]
        before, behind, units_before, units_behind = found = tuple(masks.copy() for masks in state)
        unit_out, unit_into, here = units_behind[vertex] & out, units_before[vertex] & into, 1 << vertex
        kept = ~here if is_out else -1
        cost = 0
        for tail in bits(into):
            made = out & self.needed[tail]
            is_unit_edge = unit_into >> tail & 1
            if not is_unit_edge:
                cost += self.sizes[tail] * self.sum(made & ~unit_out)
            fresh = unit_out & made & ~behind[tail] if is_unit_edge else 0
            units_behind[tail] = (units_behind[tail] & ~made | fresh) & kept
            behind[tail] = (behind[tail] | made) & kept
            for head in bits(made):
                is_fresh = fresh >> head & 1
                units_before[head] = units_before[head] | 1 << tail if is_fresh else units_before[head] & ~(1 << tail)
                before[head] |= 1 << tail
        if is_into:
            for head in bits(out):
                before[head] &= ~here
                units_before[head] &= ~here
        _cleared(found, vertex, into if is_out else 0, out if is_into else 0)
        return found, cost * self.sizes[vertex]

    def eliminated(self, state: Bits, vertex: int, /) -> tuple[Bits, int, int]:
        """Return the state without a vertex, what that costs, and its neighbours as bits."""
        into, out, unit_into, unit_out = (side[vertex] for side in state)
        if not self.is_complete or (unit_into and unit_out):
            return (*self.applied(state, Move("vertex", vertex)), into | out)
        before, behind, units_before, units_behind = found = tuple([side.copy() for side in state])
        kept = ~(1 << vertex)
        kept_out, kept_into, rest = kept & ~out, kept & ~into, into
        while rest:
            lowest = rest & -rest
            rest ^= lowest
            tail = lowest.bit_length() - 1
            behind[tail] = (behind[tail] | out) & kept
            units_behind[tail] &= kept_out
        rest = out
        while rest:
            lowest = rest & -rest
            rest ^= lowest
            head = lowest.bit_length() - 1
            before[head] = (before[head] | into) & kept
            units_before[head] &= kept_into
        before[vertex] = behind[vertex] = units_before[vertex] = units_behind[vertex] = 0
        cost = self.sizes[vertex] * self.sum(into & ~unit_into) * self.sum(out & ~unit_out)
        return found, cost, into | out

    def price(self, state: Bits, vertex: int, /) -> int:
        """Return what eliminating a vertex would cost now."""
        into, out, unit_into, unit_out = (side[vertex] for side in state)
        into, out = into & ~unit_into, out & ~unit_out
        if self.is_complete:
            return self.sizes[vertex] * self.sum(into) * self.sum(out)
        return self.sizes[vertex] * sum(self.sizes[tail] * self.sum(out & self.needed[tail]) for tail in bits(into))

    def edges(self, state: Bits, vertex: int, /) -> tuple[list[int], list[int]]:
        """Return the predecessors and the successors of a vertex."""
        return list(bits(state[0][vertex])), list(bits(state[1][vertex]))

    def same(self, one: Bits, other: Bits, /) -> bool:
        """Whether two states go on alike."""
        return one == other


def parts(before: Sequence[int], behind: Sequence[int], move: Move, /) -> tuple[int, int, int]:
    """Return the vertex in the middle of a move's products, and the predecessors and successors that it joins."""
    kind, tail, head = move
    if kind == "vertex":
        return tail, before[tail], behind[tail]
    if not behind[tail] >> head & 1:
        return tail, 0, 0
    return (head, 1 << tail, behind[head]) if kind == "front" else (tail, before[tail], 1 << head)


def is_scalar(problem: Problem, /) -> bool:
    """Whether all sizes are one, no edge is a unit, and every edge that can be made is on the way of a request."""
    is_plain = set(problem.sizes) == {1} and not any(_is_free(problem, arc) for arc in problem.arcs)
    return is_plain and is_counted(problem) and is_complete(problem)


def is_complete(problem: Problem, /) -> bool:
    """Whether every edge that can be made is on the way of a request, that between two copies of a vertex included."""
    after = [0] * len(problem.sizes)
    for tail, head, _ in sorted(problem.arcs, reverse=True):
        after[tail] |= after[head] | 1 << head
    needed = allowed(problem.sources, problem.targets)
    return all(not heads & ~mask for heads, mask in zip(after, needed, strict=True))


def _is_free(problem: Problem, arc: Arc) -> bool:
    return arc.link == UNIT or is_unit(problem.links[arc.link].local)


def _cleared(state: Bits, vertex: int, into: int, out: int) -> None:
    """Take edges of a vertex away on its own side, in lists that are fresh."""
    for side, gone in zip(state, (into, out, into, out), strict=False):
        side[vertex] &= ~gone


def _masks(problem: Problem) -> Bits:
    """Return the edges of the beginning, and those of them that are units; parallel ones are a sum, and no unit."""
    count = len(problem.sizes)
    before, behind, units_before, units_behind = found = tuple([0] * count for _ in range(4))
    for arc in problem.arcs:
        tail, head, _ = arc
        if _is_free(problem, arc) and not behind[tail] >> head & 1:
            units_before[head] |= 1 << tail
            units_behind[tail] |= 1 << head
        else:
            units_before[head] &= ~(1 << tail)
            units_behind[tail] &= ~(1 << head)
        before[head] |= 1 << tail
        behind[tail] |= 1 << head
    return found
