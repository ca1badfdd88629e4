"""The tree of a plan as a picture for other tools: Graphviz' DOT, and Mermaid."""

from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.node import Local, operands
from jacchain.planning.plan import Plan
from jacchain.report.graphs.diagram import graph_dot_text, graph_mermaid_text
from jacchain.report.steps import StepRow, step_rows


def dot_text(plan: Plan | GraphPlan, /) -> str:
    r"""Return the tree as a DOT digraph, arrows from operands to results; of the plan of a graph, the graph itself.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> print(dot_text(plan([13, 16, 1])))
    digraph plan {
      rankdir=BT;
      node [shape=box, fontname="sans-serif"];
      n0 [label="J2\ndense 1x16"];
      n1 [label="J1\ndense 16x13"];
      n2 [label="P2:1\ndense 1x13\n208 multiplications", style=bold];
      n0 -> n2;
      n1 -> n2;
    }
    """
    if isinstance(plan, GraphPlan):
        return graph_dot_text(plan)
    rows = step_rows(plan)
    lines = ["digraph plan {", "  rankdir=BT;", '  node [shape=box, fontname="sans-serif"];']
    for k, row in enumerate(rows):
        style = "" if isinstance(row.node, Local) and not row.node.flops else ", style=bold"
        label = "\\n".join(_quoted(text) for text in _label(plan, row))
        lines.append(f'  n{k} [label="{label}"{style}];')
    lines += [f"  n{operand} -> n{k};" for k, row in enumerate(rows) for operand in operands(row.node)]
    return "\n".join([*lines, "}"])


def mermaid_text(plan: Plan | GraphPlan, /) -> str:
    """Return the tree as a Mermaid flowchart, arrows from operands to results; of the plan of a graph, the graph.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> print(mermaid_text(plan([13, 16, 1])))
    flowchart BT
      n0["J2<br/>dense 1x16"]
      n1["J1<br/>dense 16x13"]
      n2["P2:1<br/>dense 1x13<br/>208 multiplications"]
      n0 --> n2
      n1 --> n2
    """
    if isinstance(plan, GraphPlan):
        return graph_mermaid_text(plan)
    rows = step_rows(plan)
    lines = ["flowchart BT"]
    for k, row in enumerate(rows):
        label = "<br/>".join(_escaped(text) for text in _label(plan, row))
        lines.append(f'  n{k}["{label}"]')
    lines += [f"  n{operand} --> n{k}" for k, row in enumerate(rows) for operand in operands(row.node)]
    return "\n".join(lines)


def _label(plan: Plan, row: StepRow) -> list[str]:
    called = row.name
    if isinstance(row.node, Local) and plan.slicing is None:  # the links of a slice are other ones
        name = plan.chain.links[row.node.link].name
        called += f" {name}" if name else ""
    how = {"multiply": "", "local": ""}.get(row.mode, f" by {row.mode.removeprefix('by ').rstrip('s')}s")
    lines = [called + how, str(row.node.structure)]
    return [*lines, f"{row.node.flops:,} multiplications"] if row.node.flops else lines


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _escaped(text: str) -> str:
    """Return text without what Mermaid and HTML take for their own."""
    signs = {"&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;"}
    return "".join(signs.get(sign, sign) for sign in text).replace("\n", " ")
