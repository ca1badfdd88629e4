"""The group of all commands."""

import click

from jacchain import __version__
from jacchain.cli.command import Group


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    examples=(
        "jacchain plan --dims 13,16,1          the cheapest order for three sizes",
        "jacchain plan chain.json -o plan.json the same for a file, kept as JSON",
        "jacchain explain chain.json           the order as a tree, and why",
        "jacchain compare --dims 9,2,9,9       all planners side by side",
        "jacchain run wine --check             run a real gradient and check it",
        "jacchain plot tree plan.json -o t.png draw a plan",
        "jacchain plan graph.json              the same for a graph that branches",
        "jacchain calibrate                    measure this machine, to plan by seconds",
        "jacchain doctor                       what there is to work with",
        'eval "$(jacchain completion bash)"    complete words in this shell',
    ),
    epilog="Exit codes: 0 done, 1 a wrong file or an error, 2 a wrong command line, 3 no order is possible, "
    "4 a check failed, 5 an optional package is missing.",
)
@click.version_option(__version__, prog_name="jacchain", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main_group(debug: bool) -> None:
    """Find the cheapest order in which to accumulate a Jacobian, and run it."""
