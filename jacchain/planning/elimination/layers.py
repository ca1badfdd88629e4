"""Graphs cut into chains: the vertices that live between two steps are a layer, and each step is a block Jacobian."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, final

from jacchain.planning.elimination.problem import Arc, Problem

LONGEST: Final = 500
"""Steps of a chain at most."""

Steps = tuple[tuple[Arc, ...], ...]


@final
class Cutting(NamedTuple):
    """A chain of steps from the first layer, which holds the inputs, to the last one, which holds the outputs.

    `steps[k]` are the edges that lead from `layers[k]` to `layers[k + 1]`; a vertex in both of these goes along by an
    identity that costs nothing. A vertex lives from the first edge into it until the last one out of it, and all edges
    into it come in earlier steps than those out of it.
    """

    steps: Steps
    layers: tuple[tuple[int, ...], ...]


def cuttings(problem: Problem, /, *, limit: int) -> Iterator[Cutting]:
    """Yield chains that a graph can be cut into, each as fine as the limit allows, or none that allow it.

    Vertices come as late as their successors allow, as early as their predecessors do, or in their own order; edges
    come with their heads, so that tails are handed on until then, or with their tails, so that sums grow early. Steps
    are single edges, or all edges of a vertex, or of all vertices of a level. Finer chains have more bracketings:
    those of the coarser ones, and others.

    Parameters
    ----------
    problem : Problem
    limit : int
        How many vertices there may be in the layers between two intervals, in all of a chain's intervals and splits.

    Examples
    --------
    >>> from jacchain.planning.elimination.problem import prepared
    >>> from jacchain.planning.graph import Edge, Graph
    >>> edges = [Edge("x", "s"), Edge("x", "t"), Edge("s", "y"), Edge("t", "y")]
    >>> problem = prepared(Graph({"x": 1, "s": 1, "t": 1, "y": 1}, edges))
    >>> [len(next(cuttings(problem, limit=limit)).steps) for limit in (20, 8, 2)]
    [4, 3, 2]
    >>> next(cuttings(problem, limit=2)).layers
    ((0,), (1, 2), (3,))
    """
    seen = set()
    for levels in (_late(problem), _early(problem), list(range(len(problem.sizes)))):
        for is_late in (True, False):
            for steps in _ways(problem.arcs, levels, is_late=is_late):
                cutting = _cut(problem, steps, limit)
                if cutting is not None:
                    if steps not in seen:
                        seen.add(steps)
                        yield cutting
                    break


def _ways(arcs: Sequence[Arc], levels: Sequence[int], /, *, is_late: bool) -> Iterator[Steps]:
    """Yield the steps of a chain from fine to coarse."""

    def place(arc: Arc) -> tuple[int, int]:
        vertex = arc.head if is_late else arc.tail
        return levels[vertex], vertex

    def other(arc: Arc) -> tuple[int, int]:
        vertex = arc.tail if is_late else arc.head
        return levels[vertex], vertex

    placed = sorted(arcs, key=lambda arc: (place(arc), other(arc)))
    yield tuple((arc,) for arc in placed)
    yield tuple(tuple(group) for _, group in groupby(placed, place))
    yield tuple(tuple(group) for _, group in groupby(placed, lambda arc: place(arc)[0]))


def _late(problem: Problem) -> list[int]:
    """Return for each vertex the longest way from it to an end, negated."""
    found = [0] * len(problem.sizes)
    for arc in sorted(problem.arcs, key=lambda arc: -arc.tail):
        found[arc.tail] = min(found[arc.tail], found[arc.head] - 1)
    return found


def _early(problem: Problem) -> list[int]:
    """Return for each vertex the longest way from a beginning to it."""
    found = [0] * len(problem.sizes)
    for arc in sorted(problem.arcs, key=lambda arc: arc.head):
        found[arc.head] = max(found[arc.head], found[arc.tail] + 1)
    return found


def _cut(problem: Problem, steps: Steps, limit: int) -> Cutting | None:
    """Return the chain of some steps if there is no more to look at than the limit."""
    count = len(steps)
    born = dict.fromkeys((arc.tail for arc in problem.arcs), 0)
    dies = dict.fromkeys((arc.head for arc in problem.arcs), count)
    for k in range(count):
        for arc in steps[count - 1 - k]:
            born[arc.head] = count - k
        for arc in steps[k]:
            dies[arc.tail] = k
    splits = (count + 1) * count * (count - 1) // 6
    living = sum(dies[vertex] - first + 1 for vertex, first in born.items())
    if count > LONGEST or splits * living > limit * (count + 1):
        return None
    layers: list[list[int]] = [[] for _ in range(count + 1)]
    for vertex in sorted(born):
        for layer in layers[born[vertex] : dies[vertex] + 1]:
            layer.append(vertex)
    return Cutting(steps, tuple(map(tuple, layers)))
