"""``jacchain explain``."""

from typing import TYPE_CHECKING

from jacchain.cli.command import Command, formats, planner
from jacchain.cli.group import main_group
from jacchain.cli.output import echo, styled
from jacchain.cli.request import Request, is_hessian_plan, read, requested
from jacchain.cli.second import hessian_modes, hessian_planned_or_read

if TYPE_CHECKING:  # planning of first order does not load that of second
    from jacchain.planning.second.chains.chain_plan import ChainHessianPlan


@main_group.command(
    "explain",
    cls=Command,
    short_help="Show a plan as a tree and step by step, and why.",
    examples=(
        "jacchain explain --dims 784,256,32,256,784",
        "jacchain explain chain.json --memory 64MiB",
        "jacchain explain --dims 13,16,1 --order 2",
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
    sizes, structure, how they are done, multiplications and the bytes held; and what decided. Of a Hessian, also what
    the textbook modes would cost, and the shares of products of Jacobians (J·J), of Jacobians with tensors on the
    output (J·H), and on an arm (H[J]).
    """
    content = None if request.file is None else read(request.file)
    if request.is_second or is_hessian_plan(content):
        _hessian(hessian_planned_or_read(request, planner, content), form)
        return
    found = request.planned_or_read(planner, content)
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


def _hessian(found: "ChainHessianPlan", form: str | None) -> None:
    match form:
        case "json":
            from jacchain.report.second.explanation import hessian_explanation_json

            echo(hessian_explanation_json(found, hessian_modes(found)))
        case "csv":
            from jacchain.report.second.steps import hessian_steps_csv

            echo(hessian_steps_csv(found))
        case _:
            from jacchain.report.second.explanation import hessian_explanation_text

            echo(styled(hessian_explanation_text(found, hessian_modes(found))))
