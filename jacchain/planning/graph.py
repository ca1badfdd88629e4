"""Vertices with sizes, and the links between them. No arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import final

from jacchain.errors import OptionError, SizeError, unknown_name
from jacchain.planning.link import Link, as_size

Vertex = str | int


@final
@dataclass(frozen=True, slots=True)
class Edge:
    """A link from the vertex `tail` to the vertex `head`; without a link, a dense one of the vertices' sizes."""

    tail: Vertex
    head: Vertex
    link: Link | None = None


@final
@dataclass(frozen=True, slots=True, init=False)
class Chain:
    """Links in order of evaluation: the path-shaped graph.

    Raises
    ------
    SizeError
        No links, or links that do not meet.

    Examples
    --------
    >>> Chain([Link(13, 16), Link(16, 1)]).sizes
    (13, 16, 1)
    >>> Chain([Link(13, 8), Link(9, 1)])
    Traceback (most recent call last):
    jacchain.errors.SizeError: link 1 gives 8 outputs but link 2 takes 9 inputs
    make the two sizes equal
    """

    links: tuple[Link, ...]

    def __init__(self, links: Iterable[Link], /) -> None:
        found = tuple(links)
        if not found:
            raise SizeError("a chain of no links", "give at least one link, that is two sizes")
        for k, link in enumerate(found, 1):
            if not isinstance(link, Link):
                raise OptionError(
                    f"link {k} is {link!r}", "give jacchain.Link objects, or a list of sizes to jacchain.plan"
                )
            if k > 1 and found[k - 2].outputs != link.inputs:
                raise SizeError(
                    f"link {k - 1} gives {found[k - 2].outputs} outputs but link {k} takes {link.inputs} inputs",
                    "make the two sizes equal",
                )
        object.__setattr__(self, "links", found)

    def __len__(self) -> int:
        return len(self.links)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The vertices' sizes d_0 … d_n."""
        return (self.links[0].inputs, *(link.outputs for link in self.links))

    @property
    def is_dense(self) -> bool:
        """Whether every link is an explicit dense matrix and nothing else."""
        return all(link.is_full and link.tangent_cost is None is link.adjoint_cost for link in self.links)

    @property
    def is_full(self) -> bool:
        """Whether every local Jacobian is dense once accumulated."""
        return all(link.is_full for link in self.links)

    def __str__(self) -> str:
        return " → ".join(map(str, self.sizes))


def chain_of_sizes(sizes: Sequence[int], /) -> Chain:
    """Return the chain of dense links between vertices of the given sizes d_0 … d_n.

    Examples
    --------
    >>> print(chain_of_sizes([13, 16, 1]))
    13 → 16 → 1
    """
    found = [as_size(size, f"size d_{k}") for k, size in enumerate(sizes)]
    if len(found) < 2:
        raise SizeError(
            f"{len(found)} size{'' if len(found) == 1 else 's'} cannot make a link",
            "give at least two sizes, such as 13,16,1",
        )
    return Chain(Link(a, b) for a, b in pairwise(found))


def seeded(chain: Chain, /, *, tangents: int | None = None, adjoints: int | None = None) -> Chain:
    """Return the longer chain U·J_n…J_1·V, where V has `tangents` columns and U has `adjoints` rows.

    A Jacobian-vector product is the case of one tangent, a vector-Jacobian product that of one adjoint.

    Examples
    --------
    >>> print(seeded(chain_of_sizes([13, 16, 4]), tangents=1))
    1 → 13 → 16 → 4
    """
    if tangents is adjoints is None:
        return chain
    links = list(chain.links)
    if tangents is not None:
        links.insert(0, Link(as_size(tangents, "tangents"), links[0].inputs, name="tangents"))
    if adjoints is not None:
        links.append(Link(links[-1].outputs, as_size(adjoints, "adjoints"), name="adjoints"))
    return Chain(links)


@final
@dataclass(frozen=True, init=False)
class Graph:
    """Vertices with sizes, edges with links, and the (output, input) pairs whose Jacobians are wanted.

    Parameters
    ----------
    sizes : mapping of vertex to int
    edges : iterable of Edge
    requests : iterable of (output, input), optional
        Default: every sink from every source.

    Raises
    ------
    SizeError, OptionError
        Links that do not fit their vertices, unknown vertices, cycles.

    Examples
    --------
    >>> graph = Graph({"x": 13, "s": 16, "y": 1}, [Edge("x", "s"), Edge("s", "y")])
    >>> graph.requests, print(path(graph))
    13 → 16 → 1
    ((('y', 'x'),), None)
    """

    sizes: Mapping[Vertex, int]
    edges: tuple[Edge, ...]
    requests: tuple[tuple[Vertex, Vertex], ...]

    def __init__(
        self,
        sizes: Mapping[Vertex, int],
        edges: Iterable[Edge],
        requests: Iterable[tuple[Vertex, Vertex]] | None = None,
    ) -> None:
        if not isinstance(sizes, Mapping):
            raise OptionError(f"sizes are {sizes!r}", "give a mapping of vertices to sizes, such as {'x': 3, 'y': 1}")
        found = {_as_vertex(vertex): as_size(size, f"the size of vertex {vertex!r}") for vertex, size in sizes.items()}
        if not isinstance(edges, Iterable):
            raise OptionError(f"edges are {edges!r}", "give jacchain.Edge objects")
        kept = tuple(_fitted(edge, found) for edge in edges)
        heads, tails = {edge.head for edge in kept}, {edge.tail for edge in kept}
        _refuse_cycles(found, kept)
        if requests is None:
            sinks, sources = heads - tails, tails - heads
            requests = [(head, tail) for head in found if head in sinks for tail in found if tail in sources]
        asked = _as_requests(requests)
        for vertex in (v for pair in asked for v in pair if v not in found):
            unknown_name("vertex", vertex, map(str, found))
        object.__setattr__(self, "sizes", MappingProxyType(found))
        object.__setattr__(self, "edges", kept)
        object.__setattr__(self, "requests", asked)

    def __hash__(self) -> int:
        return hash((tuple(self.sizes.items()), self.edges, self.requests))

    def __reduce__(self) -> tuple[object, ...]:
        return Graph, (dict(self.sizes), self.edges, self.requests)


def _as_vertex(vertex: object) -> Vertex:
    if isinstance(vertex, str | int) and not isinstance(vertex, bool):
        return vertex
    raise OptionError(f"vertex {vertex!r} is no name", "give strings or whole numbers")


def _as_requests(requests: object) -> tuple[tuple[Vertex, Vertex], ...]:
    """Return pairs of names."""
    cure = "give (output, input) pairs of vertices"
    if isinstance(requests, str) or not isinstance(requests, Iterable):
        raise OptionError(f"requests are {requests!r}", cure)
    found = []
    for pair in requests:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise OptionError(f"request {pair!r} is no pair", cure)
        found.append((_as_vertex(pair[0]), _as_vertex(pair[1])))
    return tuple(found)


def _fitted(edge: object, sizes: Mapping[Vertex, int]) -> Edge:
    if not isinstance(edge, Edge):
        raise OptionError(f"edge {edge!r} is no edge", "give jacchain.Edge objects")
    for vertex in (edge.tail, edge.head):
        if _as_vertex(vertex) not in sizes:
            unknown_name("vertex", vertex, map(str, sizes))
    if edge.link is not None and not isinstance(edge.link, Link):
        cure = "give a jacchain.Link of the vertices' sizes, such as Link(2, 2, structure='diagonal')"
        raise OptionError(f"the link from {edge.tail!r} to {edge.head!r} is {edge.link!r}", cure)
    link = edge.link or Link(sizes[edge.tail], sizes[edge.head])
    if (link.inputs, link.outputs) != (sizes[edge.tail], sizes[edge.head]):
        raise SizeError(
            f"the link from {edge.tail!r} to {edge.head!r} maps {link.inputs} to {link.outputs} numbers, "
            f"but the vertices have {sizes[edge.tail]} and {sizes[edge.head]}",
            "make the link fit its vertices",
        )
    return Edge(edge.tail, edge.head, link)


def _refuse_cycles(sizes: Mapping[Vertex, int], edges: tuple[Edge, ...]) -> None:
    from graphlib import CycleError, TopologicalSorter

    order = TopologicalSorter({vertex: [] for vertex in sizes})
    for edge in edges:
        order.add(edge.head, edge.tail)
    try:
        order.prepare()
    except CycleError as error:
        cycle = " → ".join(map(str, reversed(error.args[1])))
        raise OptionError(f"the edges form a cycle: {cycle}", "remove one of them") from None


def path(graph: Graph, /) -> Chain:
    """Return the chain of a path-shaped graph: one request, reached by exactly one path.

    Raises
    ------
    OptionError
        The request is reached by several paths or by none, or there are several requests.
    """
    if len(graph.requests) != 1:
        raise OptionError(
            f"the graph has {len(graph.requests)} requests", "give one (output, input) pair; plan others one by one"
        )
    output, source = graph.requests[0]
    if output == source:
        raise OptionError(f"{output!r} is requested with respect to itself", "request two different vertices")
    useful = _reachable(source, {e.tail: [] for e in graph.edges}, [(e.tail, e.head) for e in graph.edges])
    useful &= _reachable(output, {e.head: [] for e in graph.edges}, [(e.head, e.tail) for e in graph.edges])
    edges: dict[Vertex, list[Edge]] = {}
    for edge in graph.edges:
        if edge.tail in useful and edge.head in useful:
            edges.setdefault(edge.tail, []).append(edge)
    links, vertex = [], source
    while vertex != output:
        onward = edges.get(vertex, [])
        if len(onward) != 1:
            raise OptionError(
                f"vertex {vertex!r} has {len(onward)} edges on the way from {source!r} to {output!r}",
                "give a graph in which one path joins them, or plan the graph as it is",
            )
        links.append(onward[0].link or Link(graph.sizes[vertex], graph.sizes[onward[0].head]))
        vertex = onward[0].head
    return Chain(links)


def _reachable(start: Vertex, onward: dict[Vertex, list[Vertex]], pairs: list[tuple[Vertex, Vertex]]) -> set[Vertex]:
    for tail, head in pairs:
        onward[tail].append(head)
    seen, waiting = {start}, [start]
    while waiting:
        for head in onward.get(waiting.pop(), []):
            if head not in seen:
                seen.add(head)
                waiting.append(head)
    return seen
