"""Chains as jcdp writes them: the reference solver of the field (arXiv 2003.05755, 2505.06056), JSON Graph Format."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn, final

from jacchain.errors import FileError, JacchainError
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link, as_size

NAMES: Final = {
    "tangent": ("tangentCost", "tangent_cost"),
    "adjoint": ("adjointCost", "adjoint_cost"),
    "tape": ("edges_in_dag", "edgesInDag"),
    "accumulated": ("jacobianAccumulated", "is_accumulated"),
    "inputs": ("n",),
    "outputs": ("m",),
    "size": ("vectorSize",),
}
"""What jcdp calls the fields of a vertex and of an edge. Its bandwidths and numbers of nonzeros, which its own solvers
do not read, are not read here either: all products are dense."""

COLUMNS: Final = {
    "sizes": ("sizes", "dims"),
    "tangent": NAMES["tangent"],
    "adjoint": NAMES["adjoint"],
    "tape": ("edges", *NAMES["tape"]),
}
"""The same in a table of columns, one list a field."""

MOST: Final = 2**63
"""Numbers from here on are negative ones that an unsigned type has wrapped round."""


@final
class _Edge(NamedTuple):
    """An edge, the vertices it joins, and where it stands in the document."""

    tail: str
    head: str
    data: Mapping[str, Any]
    place: str


@final
class _Source(NamedTuple):
    """What messages call the document."""

    name: str

    def refuse(self, place: str, problem: str, cure: str = "correct it at that place") -> NoReturn:
        """Raise an error that names the place."""
        raise FileError(f"{self.name} is wrong at {place}: {problem}", cure)


def looks_like_jcdp(document: object, /) -> bool:
    """Whether a document without a schema has the fields of a chain of jcdp.

    Examples
    --------
    >>> looks_like_jcdp({"graph": {"nodes": [], "edges": []}}), looks_like_jcdp({"links": []})
    (True, False)
    """
    match document:
        case {"schema": _}:
            return False
        case {"graph": {"edges": _}} | {"nodes": _, "edges": _}:
            return True
        case dict():
            return any(name in document for name in (*COLUMNS["tangent"], *COLUMNS["adjoint"]))
        case [{"source": _, "target": _}, *_]:
            return True
        case _:
            return False


def chain_from_jcdp(document: object, /, *, source: str = "the chain") -> Chain:
    """Return the chain of a decoded document of jcdp.

    A graph of ``nodes`` with a ``vectorSize`` and ``edges`` from ``source`` to ``target`` with ``tangentCost`` and
    ``adjointCost``, their properties under ``metadata`` or beside it; or a table of the columns ``sizes``,
    ``tangentCost``, ``adjointCost`` and ``edges``. ``edges_in_dag`` is the tape of an adjoint, and 0 where it is not
    given, as in jcdp. A link that says ``jacobianAccumulated`` has its local Jacobian, dense, at no cost.

    Parameters
    ----------
    document : object
        What the JSON says.
    source : str
        What messages call it.

    Raises
    ------
    FileError
        Costs that are missing, negative or not finite, sizes that disagree, lists whose lengths do not match, edges
        that are no path; the message names the place.

    Examples
    --------
    >>> chain = chain_from_jcdp({"sizes": [3, 2, 4], "tangentCost": [9, 8], "adjointCost": [7, 6], "edges": [5, 4]})
    >>> chain.links[1].tangent_cost, chain.links[1].adjoint_cost, chain.links[1].tape
    (8, 6, 4)
    """
    where = _Source(source)
    graph: Any = document
    prefix = "$"
    if isinstance(document, Mapping) and isinstance(document.get("graph"), Mapping):
        graph, prefix = document["graph"], "$.graph"
    edges = graph.get("edges") if isinstance(graph, Mapping) else graph
    if isinstance(edges, list) and edges and all(isinstance(edge, Mapping) for edge in edges):
        sizes = _sizes_of(graph, prefix, where)
        ordered = _path(_edges(edges, f"{prefix}.edges" if graph is not edges else prefix, where), where)
        return _chain([_link(edge, sizes, where) for edge in ordered], [edge.place for edge in ordered], where)
    if isinstance(graph, Mapping) and "nodes" not in graph and edges != []:
        return _from_columns(graph, prefix, where)
    return where.refuse(prefix, "no edges that are objects", "give a graph of nodes and edges")


def _chain(links: Sequence[Link], places: Sequence[str], where: _Source) -> Chain:
    for k in range(1, len(links)):
        if links[k - 1].outputs != links[k].inputs:
            problem = (
                f"the link before gives {links[k - 1].outputs} outputs but this one takes {links[k].inputs} inputs"
            )
            where.refuse(places[k], problem, "make the two sizes equal")
    return Chain(links)


def _named(data: Mapping[str, Any], names: Sequence[str], place: str, where: _Source) -> Any:
    """Return the value of a field by any of its names; None where it is not given."""
    found = {name: data[name] for name in names if data.get(name) is not None}
    if len({repr(value) for value in found.values()}) > 1:
        where.refuse(place, " but ".join(f"{name} is {value!r}" for name, value in found.items()), "keep one of them")
    return next(iter(found.values()), None)


def _number(value: object, place: str, what: str, where: _Source) -> int:
    """Return a count, as a whole number of at least 0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        where.refuse(place, f"{what} is {value!r}, not a whole number")
    if value < 0 or value >= MOST:
        wrapped = " (a negative number that wrapped round?)" if value > 0 else ""
        where.refuse(place, f"{what} is {value}{wrapped}, not a count", "give a whole number of at least 0")
    return value


def _size(value: object, place: str, what: str, where: _Source) -> int:
    try:
        return as_size(_number(value, place, what, where), what)
    except JacchainError as error:
        if isinstance(error, FileError):
            raise
        where.refuse(place, error.what, error.cure)


def _data(entry: Mapping[str, Any], place: str, where: _Source) -> Mapping[str, Any]:
    """Return the properties of a vertex or edge: its metadata, or what stands beside it."""
    found = entry.get("metadata", entry)
    if not isinstance(found, Mapping):
        where.refuse(f"{place}.metadata", f"{found!r} is no object")
    return found


def _identifier(value: object, place: str, where: _Source) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        where.refuse(place, f"{value!r} names no vertex", "give a number or a text")
    return str(value)


def _sizes_of(graph: object, prefix: str, where: _Source) -> dict[str, int]:
    """Return the sizes of the vertices by name, as far as nodes or a list of sizes give them."""
    if not isinstance(graph, Mapping):
        return {}
    listed = _named(graph, COLUMNS["sizes"], prefix, where)
    if isinstance(listed, list):
        return {str(k): _size(size, f"{prefix}.sizes[{k}]", "the size", where) for k, size in enumerate(listed)}
    nodes = graph.get("nodes", [])
    if not isinstance(nodes, list):
        where.refuse(f"{prefix}.nodes", f"{nodes!r} is no list")
    sizes: dict[str, int] = {}
    for k, node in enumerate(nodes):
        place = f"{prefix}.nodes[{k}]"
        if not isinstance(node, Mapping) or "id" not in node:
            where.refuse(place, "a node without an id")
        name = _identifier(node["id"], f"{place}.id", where)
        if name in sizes:
            where.refuse(place, f"two nodes have the id {name!r}", "give each its own")
        size = _named(_data(node, place, where), NAMES["size"], place, where)
        if size is not None:
            sizes[name] = _size(size, place, "vectorSize", where)
    return sizes


def _edges(edges: Sequence[Mapping[str, Any]], prefix: str, where: _Source) -> list[_Edge]:
    in_order = not any("source" in edge or "target" in edge for edge in edges)
    found = []
    for k, edge in enumerate(edges):
        place = f"{prefix}[{k}]"
        ends = (str(k), str(k + 1))
        if not in_order:
            for end in ("source", "target"):
                if end not in edge:
                    where.refuse(place, f"an edge without a {end}")
            ends = (
                _identifier(edge["source"], f"{place}.source", where),
                _identifier(edge["target"], f"{place}.target", where),
            )
        found.append(_Edge(*ends, _data(edge, place, where), place))
    return found


def _path(edges: Sequence[_Edge], where: _Source) -> list[_Edge]:
    """Return the edges in order of evaluation."""
    onward: dict[str, _Edge] = {}
    heads: dict[str, _Edge] = {}
    for edge in edges:
        for known, vertex, does in ((onward, edge.tail, "leave"), (heads, edge.head, "reach")):
            if vertex in known:
                problem = f"two edges {does} vertex {vertex}, but a chain has one"
                where.refuse(edge.place, problem, "give one path; branching graphs are no chains")
            known[vertex] = edge
    starts = [edge for edge in edges if edge.tail not in heads]
    if len(starts) != 1:
        problem = f"the edges form {len(starts)} paths" if starts else "the edges form a cycle"
        where.refuse(starts[1].place if starts else edges[0].place, problem, "make every edge start where one ends")
    found = [starts[0]]
    while found[-1].head in onward:
        found.append(onward[found[-1].head])
    if len(found) < len(edges):
        left = next(edge for edge in edges if edge not in found)
        where.refuse(left.place, "the edge is on no path from the first vertex to the last", "leave it out")
    return found


def _link(edge: _Edge, sizes: Mapping[str, int], where: _Source) -> Link:
    ends = []
    for vertex, name in ((edge.tail, "inputs"), (edge.head, "outputs")):
        stated = _named(edge.data, NAMES[name], edge.place, where)
        size = sizes.get(vertex) if stated is None else _size(stated, edge.place, NAMES[name][0], where)
        if size is None:
            where.refuse(edge.place, f"vertex {vertex} has no vectorSize", "give the node one")
        if sizes.get(vertex, size) != size:
            problem = f"{NAMES[name][0]} is {size}, but vertex {vertex} has a vectorSize of {sizes[vertex]}"
            where.refuse(edge.place, problem, "make the two equal")
        ends.append(size)
    accumulated = _named(edge.data, NAMES["accumulated"], edge.place, where) or False
    if not isinstance(accumulated, bool):
        where.refuse(edge.place, f"jacobianAccumulated is {accumulated!r}", "write true or false")
    costs = [_cost(edge, name, where, is_needed=not accumulated) for name in ("tangent", "adjoint")]
    tape = _cost(edge, "tape", where, is_needed=False) or 0
    structure = "dense" if accumulated else None
    return Link(ends[0], ends[1], structure=structure, tangent_cost=costs[0], adjoint_cost=costs[1], tape=tape)


def _cost(edge: _Edge, name: str, where: _Source, *, is_needed: bool) -> int | None:
    value = _named(edge.data, NAMES[name], edge.place, where)
    if value is None and is_needed:
        where.refuse(edge.place, f"no {NAMES[name][0]}", "give the multiplications of one product with the link")
    return None if value is None else _number(value, edge.place, NAMES[name][0], where)


def _from_columns(table: Mapping[str, Any], prefix: str, where: _Source) -> Chain:
    """Return the chain of a document that has one list a field."""
    columns: dict[str, list[int]] = {}
    for name, names in COLUMNS.items():
        column = _named(table, names, prefix, where)
        if column is None and name == "tape":
            continue
        if not isinstance(column, list) or not column:
            where.refuse(f"{prefix}.{names[0]}", f"{column!r} is no list of numbers")
        read = _size if name == "sizes" else _number
        columns[name] = [read(value, f"{prefix}.{names[0]}[{k}]", "it", where) for k, value in enumerate(column)]
    links = len(columns["sizes"]) - 1
    for name, column in columns.items():
        if name != "sizes" and len(column) != links:
            problem = f"{len(column)} numbers for the {links} links between {links + 1} sizes"
            where.refuse(f"{prefix}.{COLUMNS[name][0]}", problem, "give one a link")
    tapes = columns.get("tape", [0] * links)
    sizes, costs = columns["sizes"], zip(columns["tangent"], columns["adjoint"], tapes, strict=True)
    return Chain(
        Link(sizes[k], sizes[k + 1], tangent_cost=tangent, adjoint_cost=adjoint, tape=tape)
        for k, (tangent, adjoint, tape) in enumerate(costs)
    )
