"""``jacchain explain``."""

from jacchain.cli.command import Command, formats, planner
from jacchain.cli.group import main_group
from jacchain.cli.output import echo, styled
from jacchain.cli.request import Request, requested


@main_group.command(
    "explain",
    cls=Command,
    short_help="Show a plan as a tree and step by step, and why.",
    examples=(
        "jacchain explain --dims 784,256,32,256,784",
        "jacchain explain chain.json --memory 64MiB",
        "jacchain explain plan.json",
        "jacchain explain chain.json --planner reverse --format csv",
        "jacchain explain graph.json",
    ),
)
@requested
@planner()
@formats("text", "json", "csv")
def explain_command(request: Request, planner: str | None, form: str | None) -> None:
    """Explain the plan of the sizes, or of FILE: a chain, a graph, or a plan that jacchain plan -o has written.

    The bracketing as a tree, or the vertices of a graph in the order in which they are eliminated; the steps with
    sizes, structure, how they are done, multiplications and the bytes held; and what decided.
    """
    found = request.planned_or_read(planner)
    match form:
        case "json":
            from jacchain.report.explanation import explanation_json

            echo(explanation_json(found))
        case "csv":
            from jacchain.report.steps import steps_csv

            echo(steps_csv(found))
        case _:
            from jacchain.report.explanation import explanation_text

            echo(styled(explanation_text(found)))
