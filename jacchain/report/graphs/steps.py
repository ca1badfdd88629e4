"""The steps of a graph's plan, one a row, and the vertices that they eliminate."""

import csv
import sys
from collections.abc import Sequence
from io import StringIO
from typing import Final, NamedTuple, final

from jacchain.algebra.structure import stored
from jacchain.planning.duration import duration
from jacchain.planning.elimination.eliminations import Elimination, eliminations, held_bytes, plan_spans
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.graph import Vertex
from jacchain.planning.node import Add, Adjoint, GraphNode, Local, Multiply, Tangent
from jacchain.report.graphs.text import NAME, span_names, vertex_text
from jacchain.report.layout import WIDTH, bytes_text, share_text, shortened, table
from jacchain.report.predicted import NOTHING

MOST: Final = 40
"""Rows that a table shows at most; half of them from each end."""

LETTERS: Final = (NAME, 9, 6, 0)
"""Letters of a vertex' name in a table, as many as fit; without any, steps are numbered."""

CSV_NOTE: Final = "--format csv and --json have all"


@final
class GraphStepRow(NamedTuple):
    """A step as reports show it; `held` are the bytes of everything that is held during the step.

    `vertex` is what a product eliminates, None for other steps.
    """

    name: str
    mode: str
    operands: tuple[str, ...]
    node: GraphNode
    vertex: Vertex | None
    held: int
    seconds: float | None = None
    """Predicted, where a profile was at hand."""


def graph_step_rows(plan: GraphPlan, /, letters: int = NAME) -> list[GraphStepRow]:
    """Return the steps of a plan in their order, with so many letters of the vertices' names; without any, by number.

    A step is named after the Jacobian that it forms: y:x is that of y by x, and y:x#2 the second one of these. F3 is
    the link of the third edge.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Edge, Graph
    >>> found = plan_graph(Graph({"x": 4, "s": 1, "y": 3}, [Edge("x", "s"), Edge("s", "y"), Edge("x", "y")]))
    >>> for row in graph_step_rows(found):
    ...     print(row.name, row.mode, row.operands)
    y:x local ('F3',)
    y:s local ('F2',)
    s:x local ('F1',)
    y:x#2 multiply ('y:s', 's:x')
    y:x#3 add ('y:x', 'y:x#2')
    """
    made = plan_spans(plan)
    called = span_names((span[:2] for span in made), letters) if letters else [str(k + 1) for k in range(len(made))]
    found: list[GraphStepRow] = []
    for name, node, span, held in zip(called, plan.nodes, made, held_bytes(plan), strict=True):
        mode, below = _how(node, called)
        seconds = plan.step_seconds[len(found)] if plan.step_seconds else None
        found.append(GraphStepRow(name, mode, below, node, span.through, held, seconds))
    return found


def _how(node: GraphNode, called: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    match node:
        case Local(-1):
            return "identity", ()
        case Local(link, mode):
            return ("local" if mode == "given" else f"by {mode}s"), (f"F{link + 1}",)
        case Multiply(left, right):
            return "multiply", (called[left], called[right])
        case Tangent(link, right):
            return "tangent", (f"F{link + 1}", called[right])
        case Adjoint(left, link):
            return "adjoint", (called[left], f"F{link + 1}")
        case Add(left, right):
            return "add", (called[left], called[right])


def eliminations_text(plan: GraphPlan, /) -> list[str]:
    r"""Return the eliminated vertices as lines of a table, with what each one took.

    Examples
    --------
    >>> from jacchain.planning.elimination.planner import plan_graph
    >>> from jacchain.planning.graph import Edge, Graph
    >>> edges = [Edge("x", "s"), Edge("s", "t"), Edge("s", "y"), Edge("t", "y")]
    >>> print(*eliminations_text(plan_graph(Graph({"x": 9, "s": 4, "t": 2, "y": 1}, edges))), sep="\n")
    eliminated   size   products   sums   multiplications    share
    1  t            2          1      1                 8   18.2 %
    2  s            4          1      -                36   81.8 %
    """
    found = eliminations(plan)
    digits = len(str(len(plan.order)))
    start = len(plan.order) - len(found)
    rows: list[tuple[str, ...]] = [("eliminated", "size", "products", "sums", "multiplications", "share")]
    rows += [_vertex_cells(plan, row, f"{k:<{digits}}") for k, row in enumerate(found, start + 1)]
    return _cut(table(rows), "vertices") if found else []


def _vertex_cells(plan: GraphPlan, row: Elimination, number: str) -> tuple[str, ...]:
    counts = [f"{count:,}" if count else "-" for count in (row.products, row.sums, row.flops)]
    share = share_text(row.flops, plan.flops) if row.flops else "-"
    if row.vertex is None:
        return "(none)", "", *counts, share
    return f"{number}  {vertex_text(row.vertex)}", f"{plan.graph.sizes[row.vertex]:,}", *counts, share


def graph_steps_text(plan: GraphPlan, /) -> list[str]:
    """Return the steps as lines of a table; of a long plan those at its ends."""
    for letters in LETTERS:  # names give way, and with the shortest ones structures
        found = graph_step_rows(plan, letters)
        shown = found if len(found) <= MOST else [*found[: MOST // 2], *found[-MOST // 2 :]]
        predicted = ("predicted",) if plan.step_seconds else ()
        rows: list[tuple[str, ...]] = [("step", "how", "from", "result", "multiplications", *predicted, "held")]
        rows += [_cells(row) for row in shown]
        wide = max(map(len, table(rows, left=(0, 1, 2, 3), gap=2))) - WIDTH
        if wide > 0:
            most = max(20 if letters > LETTERS[-1] else 8, max(len(row[3]) for row in rows) - wide)
            rows = [(*row[:3], shortened(row[3], most), *row[4:]) for row in rows]
        lines = table(rows, left=(0, 1, 2, 3), gap=2)
        if max(map(len, lines)) <= WIDTH:
            break
    if len(found) > MOST:
        lines.insert(1 + MOST // 2, f"({len(found) - MOST:,} of {len(found):,} steps left out; {CSV_NOTE})")
    return lines


def _cut(lines: list[str], what: str) -> list[str]:
    """Return the lines of a table without those in the middle of a long one."""
    count = len(lines) - 1
    if count <= MOST:
        return lines
    note = f"({count - MOST:,} of {count:,} {what} left out; --json has all)"
    return [*lines[: 1 + MOST // 2], note, *lines[-MOST // 2 :]]


def _cells(row: GraphStepRow) -> tuple[str, ...]:
    flops = f"{row.node.flops:,}" if row.node.flops else "-"
    seconds = () if row.seconds is None else (duration(row.seconds) if row.seconds >= NOTHING else "-",)
    return row.name, row.mode, " ".join(row.operands), str(row.node.structure), flops, *seconds, bytes_text(row.held)


def graph_steps_csv(plan: GraphPlan, /) -> str:
    """Return the steps as comma-separated values: sizes, multiplications, bytes and the eliminated vertex, in full."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = ("step", "how", "from", "eliminates", "rows", "columns", "structure", "multiplications", "bytes")
    writer.writerow([*columns, "held_bytes", *(("predicted_seconds",) if plan.step_seconds else ())])
    for row in graph_step_rows(plan, sys.maxsize):
        made, vertex = row.node.structure, "" if row.vertex is None else row.vertex
        sizes = (made.rows, made.columns, str(made), row.node.flops, stored(made) * plan.itemsize, row.held)
        seconds = () if row.seconds is None else (row.seconds,)
        writer.writerow([row.name, row.mode, " ".join(row.operands), vertex, *sizes, *seconds])
    return stream.getvalue().rstrip("\n")
