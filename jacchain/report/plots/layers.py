"""Where the vertices of a drawn graph stand: in layers from left to right, with few crossings and smooth edges.

After K. Sugiyama, S. Tagawa and M. Toda, Methods for visual understanding of hierarchical system structures, IEEE
Transactions on Systems, Man, and Cybernetics 11 (1981), with layers by longest paths and orders by barycentres.
"""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Final, NamedTuple, final

from jacchain.planning.graph import Graph, Vertex

SWEEPS: Final = 12
"""How often layers are put in the order of their neighbours, in each direction."""

LANE: Final = 0.45
"""Room that an edge takes which only passes a layer; a vertex takes 1."""

Point = tuple[float, float]


@final
class Layers(NamedTuple):
    """The place of every vertex, and the points that the edge between two vertices passes, its ends included."""

    places: Mapping[Vertex, Point]
    routes: Mapping[tuple[Vertex, Vertex], tuple[Point, ...]]

    @property
    def width(self) -> float:
        """Layers from the first to the last."""
        return max((x for x, _ in self.places.values()), default=0.0)

    @property
    def height(self) -> float:
        """Room from the lowest to the highest point."""
        found = [y for route in self.routes.values() for _, y in route] + [y for _, y in self.places.values()]
        return max(found, default=0.0) - min(found, default=0.0)


def layered(graph: Graph, outputs: Sequence[Vertex] = (), /) -> Layers:
    """Return the layers of a graph: edges go to the right, and outputs from which none goes stand at the right end.

    Examples
    --------
    >>> from jacchain.planning.graph import Edge
    >>> edges = [Edge("x", "s"), Edge("s", "y"), Edge("x", "y")]
    >>> found = layered(Graph({"x": 4, "s": 1, "y": 3}, edges))
    >>> [(vertex, x) for vertex, (x, _) in found.places.items()], [x for x, _ in found.routes["x", "y"]]
    ([('x', 0.0), ('s', 1.0), ('y', 2.0)], [0.0, 1.0, 2.0])
    """
    layer = _longest_paths(graph, outputs)
    pairs = list(dict.fromkeys((edge.tail, edge.head) for edge in graph.edges))
    rows: list[list[int]] = [[] for _ in range(1 + max(layer.values(), default=0))]
    number = {vertex: k for k, vertex in enumerate(layer)}
    for vertex, k in number.items():
        rows[layer[vertex]].append(k)
    count, chains = len(number), []
    for tail, head in pairs:
        inner = range(count, count + layer[head] - layer[tail] - 1)
        for item, row in zip(inner, rows[layer[tail] + 1 :], strict=False):
            row.append(item)
        count += len(inner)
        chains.append((number[tail], *inner, number[head]))
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for left, right in (step for chain in chains for step in pairwise(chain)):
        after[left].append(right)
        before[right].append(left)
    rows = _untangled(rows, before, after)
    heights = _straightened(rows, before, after, len(number))
    place = {item: (float(x), heights[item]) for x, row in enumerate(rows) for item in row}
    routes = {pair: tuple(place[item] for item in chain) for pair, chain in zip(pairs, chains, strict=True)}
    return Layers({vertex: place[k] for vertex, k in number.items()}, routes)


def _longest_paths(graph: Graph, outputs: Sequence[Vertex]) -> dict[Vertex, int]:
    """Return the layer of every vertex: behind all before it; inputs that are used late stand just before their use."""
    order: TopologicalSorter[Vertex] = TopologicalSorter(dict.fromkeys(graph.sizes, ()))
    onward: dict[Vertex, list[Vertex]] = {}
    for edge in graph.edges:
        order.add(edge.head, edge.tail)
        onward.setdefault(edge.tail, []).append(edge.head)
    found = dict.fromkeys(graph.sizes, 0)
    for vertex in order.static_order():
        for head in onward.get(vertex, ()):
            found[head] = max(found[head], found[vertex] + 1)
    last = max(found.values(), default=0)
    heads = {edge.head for edge in graph.edges}
    for vertex, near in onward.items():
        if vertex not in heads:
            found[vertex] = min(found[head] for head in near) - 1
    return found | {vertex: last for vertex in outputs if vertex not in onward and vertex in heads}


def _untangled(rows: list[list[int]], before: list[list[int]], after: list[list[int]]) -> list[list[int]]:
    """Return the layers in orders with few crossings: each in turn in the order of its neighbours' means."""
    best, fewest = rows, _crossings(rows, after)
    for k in range(2 * SWEEPS):
        if not fewest:
            break
        near, rows = (after, rows[::-1]) if k % 2 else (before, rows)
        made = [rows[0]]
        for row in rows[1:]:
            place = {item: position for position, item in enumerate(made[-1])}
            means = {
                item: _mean([place[one] for one in near[item] if one in place], here) for here, item in enumerate(row)
            }
            made.append(sorted(row, key=means.__getitem__))
        rows = made[::-1] if k % 2 else made
        crossings = _crossings(rows, after)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(rows: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> int:
    """Return how many pairs of edges between neighbouring layers cross."""
    found = 0
    for left, right in pairwise(rows):
        place = {item: k for k, item in enumerate(right)}
        seen: list[int] = []
        for item in left:
            ends = sorted(place[one] for one in after[item])
            found += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return found


def _straightened(
    rows: Sequence[Sequence[int]], before: Sequence[Sequence[int]], after: Sequence[Sequence[int]], vertices: int
) -> dict[int, float]:
    """Return heights near the means of the neighbours', in the layers' orders and with room between."""
    offsets = []
    for row in rows:
        found, here = [], 0.0
        for one, other in pairwise((*row, row[-1])):
            found.append(here)
            here += (1.0 if one < vertices else LANE) / 2 + (1.0 if other < vertices else LANE) / 2
        offsets.append(found)
    heights = {
        item: offset - found[-1] / 2
        for row, found in zip(rows, offsets, strict=True)
        for item, offset in zip(row, found, strict=True)
    }
    for _ in range(SWEEPS):
        for row, found in zip(rows, offsets, strict=True):
            wanted = [
                _mean([heights[one] for one in (*before[item], *after[item])], heights[item]) - offset
                for item, offset in zip(row, found, strict=True)
            ]
            for item, offset, level in zip(row, found, _rising(wanted), strict=True):
                heights[item] = offset + level
    return heights


def _rising(values: Sequence[float]) -> list[float]:
    """Return the sequence that never falls and is nearest to some values (isotonic regression)."""
    blocks: list[tuple[float, int]] = []  # means, and how many values each stands for
    for value in values:
        mean, count = value, 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        blocks.append((mean, count))
    return [mean for mean, count in blocks for _ in range(count)]
