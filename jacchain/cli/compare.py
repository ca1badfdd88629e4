"""``jacchain compare``."""

from jacchain.cli.command import Command, formats
from jacchain.cli.group import main_group
from jacchain.cli.output import echo, styled
from jacchain.cli.request import ChainComparison, GraphComparison, Request, requested
from jacchain.cli.second import hessian_compared


@main_group.command(
    "compare",
    cls=Command,
    short_help="Show all planners side by side.",
    examples=(
        "jacchain compare --dims 784,256,32,256,784",
        "jacchain compare chain.json --tape-limit 10000",
        "jacchain compare chain.json --memory 64MiB --format csv",
        "jacchain compare chain.json --workers 4 --json",
        "jacchain compare graph.json --seconds 5",
        "jacchain compare --dims 3,5,2,1,4,1 --order 2",
    ),
)
@requested
@formats("text", "json", "csv")
def compare_command(request: Request, form: str | None) -> None:
    """Show what every planner makes of the chain of the sizes, or of the chain or graph of FILE, under the same limits.

    Multiplications, their ratio to the least, the peak in bytes, the depth (steps that wait for one another), and
    with --workers the makespan. A planner that has no order under the limits is infeasible, for the reason below.
    """
    if request.is_second:
        echo(_hessian(request, form))
        return
    found = request.compared()
    echo(_chain(found, form) if isinstance(found, ChainComparison) else _graph(found, form))


def _chain(found: ChainComparison, form: str | None) -> str:
    from jacchain.report.comparison import comparison_csv, comparison_json, comparison_text

    match form:
        case "json":
            return comparison_json(*found)
        case "csv":
            return comparison_csv(found.rivals)
        case _:
            return styled(comparison_text(*found))


def _graph(found: GraphComparison, form: str | None) -> str:
    from jacchain.report.graphs.comparison import graph_comparison_csv, graph_comparison_json, graph_comparison_text

    match form:
        case "json":
            return graph_comparison_json(*found)
        case "csv":
            return graph_comparison_csv(found.rivals)
        case _:
            return styled(graph_comparison_text(*found))


def _hessian(request: Request, form: str | None) -> str:
    from jacchain.report.second.comparison import (
        hessian_comparison_csv,
        hessian_comparison_json,
        hessian_comparison_text,
    )

    chain, rivals = hessian_compared(request)
    match form:
        case "json":
            return hessian_comparison_json(chain, rivals)
        case "csv":
            return hessian_comparison_csv(rivals)
        case _:
            return styled(hessian_comparison_text(chain, rivals))
