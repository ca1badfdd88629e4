"""The optimum order of a dense chain in O(n log n), by Hu and Shing's polygon triangulation.

T. C. Hu and M. T. Shing, Computation of matrix chain products, part I: SIAM J. Comput. 11 (1982) 362-373, part II: 13
(1984) 228-251. An order of n links is a triangulation of the polygon of n + 1 vertices weighted by the sizes; a product
through d_i, d_k, d_j is a triangle that costs d_i·d_k·d_j. Only n arcs can bound the fans of an optimum, and they are
nested; working from the innermost outwards, an arc falls as soon as the fan that would replace it is no dearer, and
takes with it the arcs that can only stay while it does. All comparisons are between exact fractions of integers.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import final


@final
class _Arc:
    """A candidate chord u–v, its weight w_u·w_v, and the fraction that says from which size on it is worth cutting."""

    __slots__ = ("base", "children", "cost", "tied", "u", "v", "weight", "worth")

    def __init__(self, u: int, v: int, weight: int, base: int) -> None:
        self.u, self.v, self.weight, self.base = u, v, weight, base
        self.children: list[_Arc] = []
        self.tied: list[_Arc] = []  # arcs below that stay exactly as long as this one
        self.cost = 0  # of the polygon above the arc, down to the arcs kept below it
        self.worth = 1  # cost / worth is the arc's supporting weight

    def __lt__(self, other: "_Arc") -> bool:  # the heap yields the largest supporting weight first
        return self.cost * other.worth > other.cost * self.worth


def triangulate(sizes: Sequence[int], /) -> list[tuple[int, int, int]]:
    """Return the triangles (i, k, j), i < k < j, of an optimum: the product of links i+1…j splits at vertex k.

    Examples
    --------
    >>> sorted(triangulate([50, 30, 10, 40]))
    [(0, 1, 2), (0, 2, 3)]
    """
    count = len(sizes)
    if count < 3:
        return []
    start = min(range(count), key=sizes.__getitem__)
    weights = [*sizes[start:], *sizes[:start], sizes[start]]  # vertices 0 … count, the last one the first again
    kept = _Partition(weights).arcs() if count > 3 else []
    triangles = [t for polygon in _polygons(kept, count) for t in _fan(polygon, weights)]
    places = ((tuple(sorted((v + start) % count for v in triangle))) for triangle in triangles)
    return [(i, k, j) for i, k, j in places]


@final
class _Partition:
    """Which candidate arcs an optimum keeps."""

    def __init__(self, weights: Sequence[int]) -> None:
        self.weights = weights
        self.sums = [0]  # of neighbouring products
        for a, b in pairwise(weights):
            self.sums.append(self.sums[-1] + a * b)
        self.ending: list[list[_Arc]] = [[] for _ in weights]  # at each vertex the arcs now kept, innermost first

    def arcs(self) -> list[tuple[int, int]]:
        """Return the kept arcs."""
        root, order = self._tree()
        heaps: dict[int, list[_Arc]] = {}
        for arc in order:
            below = [heaps.pop(id(child)) for child in arc.children]
            heaps[id(arc)] = self._settle(arc, below, is_root=arc is root)
        found = heaps[id(root)]
        for arc in found:  # grows while it is walked: the tied arcs of tied arcs too
            found += arc.tied
        return [(arc.u, arc.v) for arc in found if arc is not root]

    def _tree(self) -> tuple[_Arc, list[_Arc]]:
        """Return the tree of candidate arcs, innermost first: one sweep with a stack (the h-arcs of the paper)."""
        weights, last = self.weights, len(self.weights) - 1
        stack: list[int] = []
        chords: list[tuple[int, int]] = []
        for vertex in range(last):
            while len(stack) >= 2 and weights[stack[-1]] > weights[vertex]:
                chords.append((stack[-2], vertex))
                stack.pop()
            stack.append(vertex)
        while len(stack) >= 4:
            chords.append((0, stack[-2]))
            stack.pop()
        waiting: list[_Arc] = []
        order: list[_Arc] = []
        for u, v in [chord for chord in chords if chord[0] != 0 and chord[1] != 0] + [(0, last)]:
            arc = _Arc(u, v, weights[u] * weights[v], self.sums[v] - self.sums[u] - weights[u] * weights[v])
            while waiting and waiting[-1].u >= u and waiting[-1].v <= v:
                arc.children.append(waiting.pop())
            waiting.append(arc)
            order.append(arc)
        return order[-1], order

    def _settle(self, arc: _Arc, below: list[list[_Arc]], *, is_root: bool) -> list[_Arc]:
        """Decide which arcs below this one stay, and return them with it, largest supporting weight first."""
        low = min(self.weights[arc.u], self.weights[arc.v])
        heap = max(below, key=len, default=[])
        for other in below:
            if other is not heap:
                for kept in other:
                    heappush(heap, kept)
        arc.worth = arc.base - sum(child.base for child in arc.children)
        arc.cost = low * (arc.worth + arc.weight - self._nearest(arc, is_root))
        while heap and heap[0].cost >= low * heap[0].worth:  # a fan from the lower end is no dearer
            arc.worth += self._drop(heap).worth
            arc.cost = low * (arc.worth + arc.weight - self._nearest(arc, is_root))
        while heap and arc.cost * heap[0].worth <= heap[0].cost * arc.worth:
            tied = self._drop(heap)
            arc.tied.append(tied)
            arc.worth += tied.worth
            arc.cost += tied.cost
        heappush(heap, arc)
        self.ending[arc.u].append(arc)
        self.ending[arc.v].append(arc)
        return heap

    def _drop(self, heap: list[_Arc]) -> _Arc:
        arc = heappop(heap)
        self.ending[arc.u].pop()
        self.ending[arc.v].pop()
        return arc

    def _nearest(self, arc: _Arc, is_root: bool) -> int:
        """Return the product of sizes along what bounds the fan at the arc's lower end."""
        weights = self.weights
        if is_root:
            return weights[0] * weights[1] + weights[0] * weights[-2]
        low, inward = (arc.u, 1) if weights[arc.u] <= weights[arc.v] else (arc.v, -1)
        kept = self.ending[low]
        if kept and arc.u <= kept[-1].u and kept[-1].v <= arc.v:
            return kept[-1].weight
        return weights[low] * weights[low + inward]


def _polygons(arcs: list[tuple[int, int]], count: int) -> list[list[int]]:
    """Return the polygons into which nested arcs cut the polygon of vertices 0 … count - 1."""
    closing: dict[int, list[int]] = {}
    for u, v in arcs:
        closing.setdefault(v % count, []).append(u)
    polygons: list[list[int]] = []
    stack: list[int] = []
    for vertex in range(count):
        for u in sorted(closing.get(vertex, ()), reverse=True):
            inside = [vertex]
            while stack[-1] != u:
                inside.append(stack.pop())
            polygons.append([u, *reversed(inside)])
        stack.append(vertex)
    return [*polygons, stack]


def _fan(polygon: list[int], weights: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the triangles that join a polygon's lightest vertex to its sides."""
    low = min(range(len(polygon)), key=lambda k: weights[polygon[k]])
    around = polygon[low:] + polygon[:low]
    return [(around[0], a, b) for a, b in pairwise(around[1:])]
