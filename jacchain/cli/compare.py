"""``jacchain compare``."""

from jacchain.cli.command import Command, formats
from jacchain.cli.group import main_group
from jacchain.cli.output import echo, styled
from jacchain.cli.request import Request, requested


@main_group.command(
    "compare",
    cls=Command,
    short_help="Show all planners side by side.",
    examples=(
        "jacchain compare --dims 784,256,32,256,784",
        "jacchain compare chain.json --tape-limit 10000",
        "jacchain compare chain.json --memory 64MiB --format csv",
        "jacchain compare chain.json --workers 4 --json",
    ),
)
@requested
@formats("text", "json", "csv")
def compare_command(request: Request, form: str | None) -> None:
    """Show what every planner makes of the chain of the sizes, or of FILE, under the same limits.

    Multiplications, their ratio to the least, the peak in bytes, the depth (steps that wait for one another), and
    with --workers the makespan. A planner that has no order under the limits is infeasible, for the reason below.
    """
    from jacchain.report.comparison import comparison_csv, comparison_json, comparison_text

    chain, rivals = request.compared()
    match form:
        case "json":
            echo(comparison_json(chain, rivals))
        case "csv":
            echo(comparison_csv(rivals))
        case _:
            echo(styled(comparison_text(chain, rivals)))
