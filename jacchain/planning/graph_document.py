"""Graphs as documents of schema ``jacchain.graph/v1``, in JSON or TOML."""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jacchain.errors import FileError, JacchainError, unknown_name
from jacchain.planning.document import (
    LinkEntry,
    StructureEntry,
    converted,
    decoded,
    expect_schema,
    expect_types,
    link_entry,
    link_of,
)
from jacchain.planning.graph import Edge, Graph, Vertex
from jacchain.planning.link import as_size

GRAPH_SCHEMA: Final = "jacchain.graph/v1"


class VertexEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A vertex of a graph file."""

    name: str | int
    size: int


class EdgeEntry(msgspec.Struct, forbid_unknown_fields=True):
    """An edge of a graph file: its vertices, and its link without the sizes, which are those of the vertices."""

    tail: str | int
    head: str | int
    structure: StructureEntry | None = None
    accumulate_cost: int | None = None
    tangent_cost: int | None = None
    adjoint_cost: int | None = None
    tape: int = 0
    borrowed: bool = False
    name: str | None = None
    linear: bool = False


class GraphEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A graph file."""

    schema: str
    vertices: list[VertexEntry]
    edges: list[EdgeEntry]
    requests: list[tuple[str | int, str | int]] | None = None


def graph_from_text(text: str | bytes, /, *, source: str = "the graph") -> Graph:
    """Return the graph of a document of schema ``jacchain.graph/v1``, in JSON or TOML.

    Raises
    ------
    FileError
        Neither JSON nor TOML, another schema, or wrong at a stated place.

    Examples
    --------
    >>> graph = graph_from_text('''
    ... schema = "jacchain.graph/v1"
    ... vertices = [{name = "x", size = 4}, {name = "s", size = 1}, {name = "y", size = 3}]
    ... edges = [{tail = "x", head = "s"}, {tail = "s", head = "y"}, {tail = "x", head = "y"}]
    ... ''')
    >>> graph.requests, [(edge.link.inputs, edge.link.outputs) for edge in graph.edges]
    ((('y', 'x'),), [(4, 1), (1, 3), (4, 3)])
    """
    raw = decoded(text, source)
    expect_schema(raw, GRAPH_SCHEMA, source)
    expect_types(raw, "edges", source)
    entry = converted(raw, GraphEntry, source)
    return graph_of(entry.vertices, entry.edges, entry.requests, source)


def graph_of(
    vertices: Sequence[VertexEntry],
    edges: Sequence[EdgeEntry],
    requests: Sequence[tuple[Vertex, Vertex]] | None,
    source: str,
    /,
) -> Graph:
    """Return the graph of the entries of a document, or name the place that is wrong."""
    sizes: dict[Vertex, int] = {}
    found = []
    try:
        place = "$.vertices"
        for k, vertex in enumerate(vertices):
            place = f"$.vertices[{k}]"
            if vertex.name in sizes:
                raise FileError(f"vertex {vertex.name!r} stands there twice", "give each vertex a name of its own")
            sizes[vertex.name] = as_size(vertex.size, f"the size of vertex {vertex.name!r}")
        for k, edge in enumerate(edges):
            place = f"$.edges[{k}]"
            found.append(_edge(edge, sizes))
        for k, pair in enumerate(requests or ()):
            place = f"$.requests[{k}]"
            _expect_known(pair, sizes)
        place = "$.edges"
        return Graph(sizes, found, requests)
    except JacchainError as error:
        raise FileError(f"{source} is wrong at {place}: {error.what}", error.cure) from None


def _edge(entry: EdgeEntry, sizes: dict[Vertex, int]) -> Edge:
    _expect_known((entry.tail, entry.head), sizes)
    link = LinkEntry(
        inputs=sizes[entry.tail],
        outputs=sizes[entry.head],
        structure=entry.structure,
        accumulate_cost=entry.accumulate_cost,
        tangent_cost=entry.tangent_cost,
        adjoint_cost=entry.adjoint_cost,
        tape=entry.tape,
        borrowed=entry.borrowed,
        name=entry.name,
        linear=entry.linear,
    )
    return Edge(entry.tail, entry.head, link_of(link))


def _expect_known(vertices: tuple[Vertex, Vertex], sizes: dict[Vertex, int]) -> None:
    for vertex in vertices:
        if vertex not in sizes:
            unknown_name("vertex", vertex, [str(name) for name in sizes][:20])


def graph_to_json(graph: Graph, /) -> str:
    """Return a graph as one JSON document of schema ``jacchain.graph/v1``.

    Examples
    --------
    >>> graph = Graph({"x": 4, 1: 3}, [Edge("x", 1)])
    >>> graph_from_text(graph_to_json(graph)) == graph
    True
    """
    return json.dumps({"schema": GRAPH_SCHEMA, **graph_entries(graph)}, indent=2)


def graph_entries(graph: Graph, /) -> dict[str, Any]:
    """Return the fields of a graph file: vertices, edges and requests."""
    return {
        "vertices": [{"name": vertex, "size": size} for vertex, size in graph.sizes.items()],
        "edges": [_edge_entry(edge) for edge in graph.edges],
        "requests": [list(pair) for pair in graph.requests],
    }


def _edge_entry(edge: Edge) -> dict[str, Any]:
    entry = {} if edge.link is None else link_entry(edge.link)
    rest = {name: value for name, value in entry.items() if name not in ("inputs", "outputs")}
    return {"tail": edge.tail, "head": edge.head, **rest}
