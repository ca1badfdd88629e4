"""``jacchain plan``."""

from typing import TYPE_CHECKING

import click

from jacchain.cli.command import Command, CommandLineError, formats, planner
from jacchain.cli.group import main_group
from jacchain.cli.output import echo, styled
from jacchain.cli.request import Request, requested
from jacchain.cli.second import hessian_planned
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.plan import Plan
from jacchain.planning.whole_file import write_whole

if TYPE_CHECKING:  # planning of first order does not load that of second
    from jacchain.planning.second.chains.chain_plan import ChainHessianPlan


@main_group.command(
    "plan",
    cls=Command,
    short_help="Plan a chain of sizes, or the chain or graph of a file.",
    examples=(
        "jacchain plan --dims 13,16,1",
        "jacchain plan --dims 784,256,32,256,784 --planner reverse",
        "jacchain plan --dims 13,16,1 --order 2",
        "jacchain plan --dims 784,256,32,256,784 --memory 4MB",
        "jacchain plan chain.toml --tape-limit 10000 --workers 4 --json",
        "jacchain plan chain.json -o plan.json && jacchain run --plan plan.json",
        "jacchain plan chain.json --format dot | dot -Tsvg > plan.svg",
        "jacchain plan graph.json --planner search --seconds 5",
        "cat chain.json | jacchain plan -",
    ),
)
@requested
@planner()
@formats("text", "json", "dot", "mermaid", "csv")
@click.option("-o", "--output", metavar="FILE", help="Write the plan there too: as JSON, or in another --format.")
def plan_command(request: Request, planner: str | None, form: str | None, output: str | None) -> None:
    """Plan the chain of the sizes, or the chain or graph of FILE.

    FILE is JSON or TOML of schema jacchain.chain/v1 or jacchain.graph/v1, or jcdp's JSON; - is standard input. With
    --order 2, the second derivative of a chain, given the first and second ones of its links.
    """
    if output in ("", "-"):
        raise CommandLineError(f"--output is {output!r}, not a file", "leave it out to print only")
    found = hessian_planned(request, planner) if request.is_second else request.planned(planner)
    if output is not None:
        document = _printed(found, "json" if form in (None, "text") else form)
        write_whole(output, f"{document}\n".encode())
    echo(_printed(found, form or "text"))


def _printed(found: "Plan | GraphPlan | ChainHessianPlan", form: str) -> str:
    if not isinstance(found, Plan | GraphPlan):
        return _hessian(found, form)
    match form:
        case "json":
            return found.to_json()
        case "dot":
            from jacchain.report.diagram import dot_text

            return dot_text(found)
        case "mermaid":
            from jacchain.report.diagram import mermaid_text

            return mermaid_text(found)
        case "csv":
            from jacchain.report.steps import steps_csv

            return steps_csv(found)
        case _:
            from jacchain.report.text import plan_text

            return styled(plan_text(found))


def _hessian(found: "ChainHessianPlan", form: str) -> str:
    match form:
        case "json":
            return found.to_json()
        case "csv":
            from jacchain.report.second.steps import hessian_steps_csv

            return hessian_steps_csv(found)
        case "text":
            from jacchain.report.second.text import hessian_text

            return styled(hessian_text(found))
        case _:
            raise CommandLineError(f"--format {form} of a plan of order 2", "give text, json or csv")
