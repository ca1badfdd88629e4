"""``jacchain plot``."""

import os
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from jacchain.cli.command import Command, CommandLineError, as_usage, completing, planner
from jacchain.cli.group import main_group
from jacchain.cli.request import Request, requested
from jacchain.errors import unknown_name
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jacchain.planning.plan import Plan

KINDS: Final = ("tree", "graph", "bars", "table", "gantt", "memory", "pareto")

LONGEST: Final = 400
"""Links up to which a table is drawn."""

OF_GRAPHS: Final = ("graph", "bars", "memory")
"""What can be drawn of a graph that branches."""

HELP: Final = """Draw the plan of the sizes, or of FILE: a chain, a graph, or a plan that jacchain plan -o has written.

\b
tree    the bracketing, with the multiplications of every step
graph   a graph, with the order in which its vertices are eliminated
bars    what every planner costs
table   the least cost of every interval of links, and where it splits
gantt   which worker does what, and when
memory  the bytes held during every step, and the limit
pareto  the least cost under every memory limit

Without a kind, the graph of a graph's FILE is drawn, and the tree of another.

Needs matplotlib: pip install jacchain[plot].
"""


@main_group.command(
    "plot",
    cls=Command,
    short_help="Draw a plan, as PNG or SVG.",
    help=HELP,
    examples=(
        "jacchain plot tree --dims 784,256,32,256,784 -o tree.png",
        "jacchain plot table chain.json -o table.svg",
        "jacchain plot gantt chain.json --workers 4 -o gantt.svg",
        "jacchain plot memory plan.json -o memory.png",
        "jacchain plot graph.json -o graph.png",
    ),
)
@click.argument("kind", metavar="|".join(KINDS), shell_complete=completing(*KINDS))
@partial(requested, is_second=False)
@planner(is_second=False)
@click.option("-o", "--output", metavar="FILE", required=True, help="The picture: a name that ends in .png or .svg.")
def plot_command(kind: str, request: Request, planner: str | None, output: str) -> None:
    """Draw one kind of picture."""
    if kind not in KINDS and request.file is None and os.path.isfile(kind):
        request = request._replace(file=kind)
        kind = "graph" if request.is_graph else "tree"
    if kind not in KINDS:
        with as_usage():
            unknown_name("kind of picture", kind, KINDS)
    form = output.lower().rpartition(".")[2]
    if form not in ("png", "svg"):
        raise CommandLineError(f"--output {output} is neither PNG nor SVG", "give a name that ends in .png or .svg")
    from jacchain.report.plots.style import figure, saved

    figure(1, 1)  # whether pictures can be drawn at all, before anything is planned
    write_whole(output, saved(_drawn(kind, request, planner), "png" if form == "png" else "svg"))


def _drawn(kind: str, request: Request, planner: str | None) -> "Figure":
    match kind:
        case "bars":
            if planner is not None:
                raise CommandLineError("bars of one planner", "leave out --planner: every planner is drawn")
            from jacchain.report.plots.bars import bars_figure

            return bars_figure(*request.compared())
        case "graph":
            from jacchain.report.plots.graph import graph_figure

            found = request.eliminated(planner)
            with as_usage():
                return graph_figure(found)
        case "pareto":
            from jacchain.report.plots.pareto import pareto_figure

            return pareto_figure(request.traded(planner or "optimal"))
    plan = request.planned_or_read(planner)
    if kind == "memory":
        from jacchain.report.plots.memory import memory_figure

        with as_usage():
            return memory_figure(plan)
    if isinstance(plan, GraphPlan):
        raise CommandLineError(f"a {kind} of a graph that branches", f"draw one of {', '.join(OF_GRAPHS)}")
    match kind:
        case "tree":
            from jacchain.report.plots.tree import tree_figure

            return tree_figure(plan)
        case "table":
            from jacchain.report.plots.table import table_figure

            return table_figure(plan, _table(plan))
        case _:
            from jacchain.report.plots.gantt import gantt_figure

            return gantt_figure(plan)


def _table(plan: "Plan") -> dict[tuple[int, int], tuple[int, int | None]]:
    """Return the table of the dynamic program, if it is not too large to be drawn."""
    from jacchain.planning.optimal import table_of
    from jacchain.planning.profile import made

    chain = made(plan)
    if len(chain) > LONGEST:
        raise CommandLineError(
            f"a table of {len(chain):,} links has {len(chain) * (len(chain) + 1) // 2:,} cells",
            f"draw one of at most {LONGEST} links",
        )
    return table_of(chain)
