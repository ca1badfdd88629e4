"""A graph with its order of elimination as a picture for other tools: Graphviz' DOT, and Mermaid."""

from jacchain.algebra.structure import Dense
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.graph import Edge, Vertex


def graph_dot_text(plan: GraphPlan, /) -> str:
    r"""Return the graph as a DOT digraph; interior vertices say the how-manieth they are to be eliminated.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Graph
    >>> print(graph_dot_text(plan_graph(Graph({"x": 4, "s": 1, "y": 3}, [Edge("x", "s"), Edge("s", "y")]))))
    digraph graph_plan {
      rankdir=LR;
      node [fontname="sans-serif"];
      n0 [label="x\nsize 4", shape=box];
      n1 [label="s\nsize 1\nno. 1", shape=ellipse];
      n2 [label="y\nsize 3", shape=box];
      n0 -> n1;
      n1 -> n2;
    }
    """
    place = {vertex: k for k, vertex in enumerate(plan.graph.sizes)}
    lines = ["digraph graph_plan {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    asked = {vertex for pair in plan.graph.requests for vertex in pair}
    for vertex, texts in labels(plan).items():
        label = "\\n".join(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for text in texts)
        shape = "box" if vertex in asked else "ellipse"
        lines.append(f'  n{place[vertex]} [label="{label}", shape={shape}];')
    for edge in plan.graph.edges:
        kind = edge_text(edge)
        mark = f' [label="{kind}"]' if kind else ""
        lines.append(f"  n{place[edge.tail]} -> n{place[edge.head]}{mark};")
    return "\n".join([*lines, "}"])


def graph_mermaid_text(plan: GraphPlan, /) -> str:
    """Return the graph as a Mermaid flowchart.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Graph
    >>> from jacchain.planning.link import Link
    >>> edges = [Edge("x", "s", Link(4, 4, structure="diagonal")), Edge("s", "y")]
    >>> print(graph_mermaid_text(plan_graph(Graph({"x": 4, "s": 4, "y": 3}, edges))))
    flowchart LR
      n0["x<br/>size 4"]
      n1(["s<br/>size 4<br/>no. 1"])
      n2["y<br/>size 3"]
      n0 -->|diagonal| n1
      n1 --> n2
    """
    place = {vertex: k for k, vertex in enumerate(plan.graph.sizes)}
    lines, asked = ["flowchart LR"], {vertex for pair in plan.graph.requests for vertex in pair}
    for vertex, texts in labels(plan).items():
        start, end = ("[", "]") if vertex in asked else ("([", "])")
        lines.append(f'  n{place[vertex]}{start}"{"<br/>".join(map(_escaped, texts))}"{end}')
    for edge in plan.graph.edges:
        kind = edge_text(edge)
        mark = f"|{kind}|" if kind else ""
        lines.append(f"  n{place[edge.tail]} -->{mark} n{place[edge.head]}")
    return "\n".join(lines)


def labels(plan: GraphPlan, /) -> dict[Vertex, list[str]]:
    """Return what stands at each vertex: its name, its size, and its place in the order."""
    number = {vertex: k for k, vertex in enumerate(plan.order, 1)}
    return {
        vertex: [str(vertex), f"size {size:,}", *([f"no. {number[vertex]:,}"] if vertex in number else [])]
        for vertex, size in plan.graph.sizes.items()
    }


def edge_text(edge: Edge, /) -> str:
    """Return the kind of an edge's local Jacobian in a word; nothing for a dense one."""
    link = edge.link
    if link is None or (link.is_explicit and isinstance(link.local, Dense)):
        return ""
    return str(link.local).split()[0] if link.is_explicit else "matrix-free"


def _escaped(text: str) -> str:
    """Return text without what Mermaid and HTML take for their own."""
    signs = {"&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;"}
    return "".join(signs.get(sign, sign) for sign in text).replace("\n", " ")
