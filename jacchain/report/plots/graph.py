"""A graph with its order of elimination: inputs to the left, outputs to the right."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from jacchain.errors import OptionError
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.graph import Edge, Vertex
from jacchain.report.graphs.diagram import edge_text
from jacchain.report.graphs.text import vertex_text
from jacchain.report.layout import shortened
from jacchain.report.plots.layers import Layers, Point, layered
from jacchain.report.plots.style import BLUE, GREEN, GREY, INK, ORANGE, PINK, YELLOW, figure, short, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST: Final = 300
"""Vertices that are drawn at most."""

NAMED: Final = 80
"""Vertices up to which names and sizes stand beside them."""

Line = Literal["-", "--", ":", "-."] | tuple[float, tuple[float, ...]]

LINES: Final[Mapping[str, tuple[str, Line]]] = {
    "dense": (INK, "-"),
    "diagonal": (BLUE, "--"),
    "identity": (GREY, ":"),
    "negation": (GREY, "-."),
    "matrix-free": (ORANGE, "-"),
    "other structure": (PINK, (0, (5, 1, 1, 1, 1, 1))),
}
"""Colour and dashes of an edge by the structure of its local Jacobian."""


def graph_figure(plan: GraphPlan, /) -> "Figure":
    """Draw the graph of a plan; the number in an interior vertex is its place in the order of elimination.

    Raises
    ------
    OptionError
        Too many vertices to draw.
    """
    graph = plan.graph
    if len(graph.sizes) > MOST:
        cure = f"draw one of at most {MOST}, or hand --format dot to a program that can"
        raise OptionError(f"a picture of {len(graph.sizes):,} vertices", cure)
    found = layered(graph, [output for output, _ in graph.requests])
    is_small = len(graph.sizes) <= NAMED
    lane = 0.72 if is_small else 0.42
    width = min(1.6 + (1.25 if is_small else 0.7) * found.width, 26.0)
    drawn = figure(max(6.0, width), max(2.6, min(1.5 + lane * found.height, 20.0)))
    axes = drawn.subplots()
    radius = _area(plan) ** 0.5 / 2 / 72 * (found.width + 1) / drawn.get_figwidth()  # in layers
    _edges(axes, plan, found, radius)
    _vertices(axes, plan, found, is_small=is_small)
    heights = [y for route in found.routes.values() for _, y in route] + [y for _, y in found.places.values()]
    axes.set_xlim(-0.5, found.width + 0.5)
    axes.set_ylim(min(heights, default=0) - 0.75, max(heights, default=0) + 0.55)
    axes.set_axis_off()
    _legend(axes, plan)
    axes.set_title(
        f"{plan.planner}: {written(plan.flops)} multiplications for {len(graph.sizes):,} vertices and "
        f"{len(graph.edges):,} edges",
        fontsize=11,
        loc="left",
        color=INK,
        wrap=True,
    )
    return drawn


def edge_kind(edge: Edge, /) -> str:
    """Return the kind of line of an edge."""
    word = edge_text(edge) or "dense"
    return word if word in LINES else "other structure"


def _edges(axes: "Axes", plan: GraphPlan, found: Layers, radius: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    alike: dict[tuple[Vertex, Vertex], int] = {}
    for edge in plan.graph.edges:
        pair = (edge.tail, edge.head)
        drawn_before = alike[pair] = alike.get(pair, -1) + 1
        *inner, (x, y) = found.routes[pair]
        route = (*inner, (x - radius, y))  # so that the tip is seen
        points, codes = _curve(route, (drawn_before + 1) // 2 * 0.3 * (-1) ** drawn_before)
        colour, line = LINES[edge_kind(edge)]
        axes.add_patch(
            FancyArrowPatch(
                path=Path(points, codes),
                arrowstyle="-|>",
                mutation_scale=7,
                color=colour,
                linestyle=line,
                linewidth=0.9,
                alpha=0.7,
                zorder=1,
            )
        )


def _curve(route: tuple[Point, ...], aside: float) -> tuple[list[Point], list[int]]:
    """Return a smooth curve through the points of a route; of parallel edges each goes a little aside."""
    points, codes = [route[0]], [1]
    for k, ((x0, y0), (x1, y1)) in enumerate(pairwise(route)):
        start, end = (0.0 if k == 0 else aside), (0.0 if k == len(route) - 2 else aside)
        bend = aside if len(route) == 2 else 0.0
        middle = (x0 + x1) / 2
        points += [(middle, y0 + start + bend), (middle, y1 + end + bend), (x1, y1 + end)]
        codes += [4, 4, 4]
    return points, codes


def _area(plan: GraphPlan) -> float:
    """Return the area of a vertex in square points."""
    return 330.0 if len(plan.graph.sizes) <= NAMED else 110.0


def _vertices(axes: "Axes", plan: GraphPlan, found: Layers, *, is_small: bool) -> None:
    number = {vertex: k for k, vertex in enumerate(plan.order, 1)}
    colours = _colours(plan)
    size = 9 if is_small else 6
    has_sizes = any(count > 1 for count in plan.graph.sizes.values())
    for vertex, (x, y) in found.places.items():
        colour = colours[vertex]
        edge = "#C4C4C4" if colour == "white" else colour
        axes.scatter([x], [y], s=_area(plan), color=colour, edgecolors=edge, zorder=2, linewidths=1.2)
        if vertex in number:
            axes.text(x, y, str(number[vertex]), ha="center", va="center", fontsize=size, color="white", zorder=3)
        if is_small:
            label = shortened(vertex_text(vertex), 9) + (f" ({short(plan.graph.sizes[vertex])})" if has_sizes else "")
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.3, "alpha": 0.75}
            offset = (0, -(_area(plan) ** 0.5) / 2 - 2)
            axes.annotate(
                label,
                (x, y),
                offset,
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=7,
                color=INK,
                bbox=box,
                zorder=3,
            )


def _colours(plan: GraphPlan) -> dict[Vertex, str]:
    """Return the colour of each vertex by what it is to the requests."""
    found = dict.fromkeys(plan.graph.sizes, "white") | dict.fromkeys(plan.order, BLUE)
    found |= {source: GREEN for _, source in plan.graph.requests}
    return found | {output: (YELLOW if found[output] != GREEN else PINK) for output, _ in plan.graph.requests}


def _legend(axes: "Axes", plan: GraphPlan) -> None:
    from matplotlib.lines import Line2D

    used = set(_colours(plan).values())
    meanings = {
        GREEN: "input",
        BLUE: "interior, with its place in the order of elimination",
        YELLOW: "output",
        PINK: "input and output",
        "white": "on no request's way",
    }
    handles = [
        Line2D([], [], marker="o", linestyle="", color=INK if c == "white" else c, markerfacecolor=c, label=text)
        for c, text in meanings.items()
        if c in used
    ]
    kinds = dict.fromkeys(edge_kind(edge) for edge in plan.graph.edges)
    handles += [
        Line2D([], [], color=colour, linestyle=line, label=kind)
        for kind, (colour, line) in LINES.items()
        if kind in kinds and len(kinds) > 1
    ]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, fontsize=8, frameon=False)
