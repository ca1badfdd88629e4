"""Vertices with sizes, and the links between them. No arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import index
from typing import final

from jacchain.algebra.structure import STRUCTURES, Dense, Diagonal, Identity, Negation, Structure
from jacchain.errors import OptionError, SizeError, unknown_name

NAMED_STRUCTURES = ("dense", "diagonal", "identity", "negation")
Vertex = str | int


def as_size(value: object, what: str, /) -> int:
    """Return a positive integer size, or raise a SizeError that names it.

    Examples
    --------
    >>> as_size(0, "d_0")
    Traceback (most recent call last):
    jacchain.errors.SizeError: d_0 is 0, not a positive integer
    give whole numbers of at least 1
    """
    try:
        size = index(value)  # type: ignore[arg-type]  # anything without __index__ is refused below
    except TypeError:
        size = 0
    if size < 1 or isinstance(value, bool):
        raise SizeError(f"{what} is {value!r}, not a positive integer", "give whole numbers of at least 1")
    return size


def _cost(value: object, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        cost = index(value)  # type: ignore[arg-type]  # anything without __index__ is refused below
    except TypeError:
        cost = -1
    if cost < 0 or isinstance(value, bool):
        raise OptionError(f"{what} is {value!r}, not a count of multiplications", "give a whole number of at least 0")
    return cost


@final
@dataclass(frozen=True, slots=True)
class Link:
    """One elementary map as the planner sees it: sizes, structure and costs.

    A link with a structure, or with no costs at all, has an explicit local Jacobian of `outputs` × `inputs` numbers,
    dense unless stated, and free unless `accumulate_cost` is given. A link with `tangent_cost` or `adjoint_cost` and
    no structure is matrix-free: its local Jacobian can be accumulated column by column for `inputs` · `tangent_cost`
    or row by row for `outputs` · `adjoint_cost`, or be applied without being formed.

    Parameters
    ----------
    inputs, outputs : int
        Sizes of the two vertices.
    structure : Structure or str, optional
        The structure of the local Jacobian, or one of the names ``"identity"``, ``"negation"``,
        ``"diagonal"``, ``"dense"``.
    accumulate_cost, tangent_cost, adjoint_cost : int, optional
        Multiplications to form the local Jacobian, to apply it to one tangent, and to apply it to one adjoint.
    tape : int
        Numbers that an adjoint must remember while it runs.
    borrowed : bool
        The local Jacobian exists already and does not depend on the point: it takes no memory of its own.
    name : str, optional
        How reports call the link.

    Raises
    ------
    SizeError, OptionError
        Sizes that are not positive or do not fit the structure; negative costs; unknown names.

    Examples
    --------
    >>> Link(3, 3, structure="diagonal").local
    Diagonal(size=3)
    >>> Link(3, 2).local
    Dense(rows=2, columns=3)
    """

    inputs: int
    outputs: int
    structure: Structure | str | None = field(default=None, kw_only=True)
    accumulate_cost: int | None = field(default=None, kw_only=True)
    tangent_cost: int | None = field(default=None, kw_only=True)
    adjoint_cost: int | None = field(default=None, kw_only=True)
    tape: int = field(default=0, kw_only=True)
    borrowed: bool = field(default=False, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "inputs", as_size(self.inputs, "inputs"))
        put(self, "outputs", as_size(self.outputs, "outputs"))
        for cost in ("accumulate_cost", "tangent_cost", "adjoint_cost", "tape"):
            if getattr(self, cost) is not None:
                put(self, cost, _cost(getattr(self, cost), cost))
        if self.tape is None:  # a file may say null
            put(self, "tape", 0)
        if self.name is not None and not isinstance(self.name, str):
            raise OptionError(f"name {self.name!r} is no text", "give a string")
        if self.borrowed and (not self.is_explicit or self.accumulate_cost):
            cure = "what exists already is explicit and has no accumulate_cost"
            raise OptionError("the link is borrowed, but its local Jacobian has to be formed", cure)
        if not isinstance(self.structure, (str, type(None), *STRUCTURES)):
            raise OptionError(
                f"structure {self.structure!r} is no structure", f"give one of {', '.join(NAMED_STRUCTURES)}"
            )
        if isinstance(self.structure, str):
            put(self, "structure", _named(self.structure, self.inputs, self.outputs))
        found = self.structure
        if (
            found is not None
            and not isinstance(found, str)
            and (found.rows, found.columns) != (self.outputs, self.inputs)
        ):
            raise SizeError(
                f"a {found} local Jacobian has {found.rows} outputs and {found.columns} inputs, "
                f"but the link has {self.outputs} outputs and {self.inputs} inputs",
                "give a structure of outputs x inputs",
            )

    @property
    def is_explicit(self) -> bool:
        """Whether the local Jacobian is given as a matrix."""
        costs = self.tangent_cost, self.adjoint_cost
        return self.structure is not None or self.accumulate_cost is not None or costs == (None, None)

    @property
    def is_full(self) -> bool:
        """Whether the local Jacobian is dense once accumulated."""
        return self.structure is None or isinstance(self.structure, Dense)

    @property
    def local(self) -> Structure:
        """The structure of the local Jacobian once accumulated."""
        if self.structure is None or isinstance(self.structure, str):
            return Dense(self.outputs, self.inputs)
        return self.structure


def _named(name: str, inputs: int, outputs: int) -> Structure:
    if name in ("kronecker", "block-diagonal", "sparse"):
        cure = f'give a jacchain.algebra.structure object, or in a file {{"type": "{name}", ...}}'
        raise OptionError(f"structure {name!r} needs sizes of its own", cure)
    if name not in NAMED_STRUCTURES:
        unknown_name("structure", name, [*NAMED_STRUCTURES, "kronecker", "block-diagonal", "sparse"])
    if name == "dense":
        return Dense(outputs, inputs)
    if inputs != outputs:
        raise SizeError(
            f"a link of structure {name} has {inputs} inputs and {outputs} outputs",
            f"a {name} local Jacobian is square",
        )
    if name == "diagonal":
        return Diagonal(inputs)
    return Identity(inputs) if name == "identity" else Negation(inputs)


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
        found = {vertex: as_size(size, f"the size of vertex {vertex!r}") for vertex, size in sizes.items()}
        kept = tuple(_fitted(edge, found) for edge in edges)
        heads, tails = {edge.head for edge in kept}, {edge.tail for edge in kept}
        _refuse_cycles(found, kept)
        if requests is None:
            sinks, sources = heads - tails, tails - heads
            requests = [(head, tail) for head in found if head in sinks for tail in found if tail in sources]
        asked = tuple((output, source) for output, source in requests)
        for vertex in (v for pair in asked for v in pair if v not in found):
            unknown_name("vertex", vertex, map(str, found))
        object.__setattr__(self, "sizes", found)
        object.__setattr__(self, "edges", kept)
        object.__setattr__(self, "requests", asked)


def _fitted(edge: object, sizes: Mapping[Vertex, int]) -> Edge:
    if not isinstance(edge, Edge):
        raise OptionError(f"edge {edge!r} is no edge", "give jacchain.Edge objects")
    for vertex in (edge.tail, edge.head):
        if vertex not in sizes:
            unknown_name("vertex", vertex, map(str, sizes))
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
