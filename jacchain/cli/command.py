"""What commands are made of: help that begins with examples, options that several share, errors about their values."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from jacchain.errors import JacchainError, OptionError, SizeError, unknown_name
from jacchain.planning.cost import COSTS, Cost, as_cost
from jacchain.planning.elimination.planner import as_seconds
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.planning.limits import as_bytes, as_limit
from jacchain.planning.link import as_size
from jacchain.planning.names import SECOND_CHAIN_NAMES
from jacchain.planning.planner import as_chain
from jacchain.planning.planners import PLANNERS

USAGE: Final = 2

ALL_PLANNERS: Final = tuple(dict.fromkeys([*PLANNERS, *GRAPH_PLANNERS, *SECOND_CHAIN_NAMES]))


class _WithExamples:
    """Help that begins with examples."""

    examples: tuple[str, ...]

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what click writes."""
        with formatter.section("Examples"):
            formatter.write_text("\b\n" + "\n".join(self.examples))
        formatter.write_paragraph()
        super().format_help(ctx, formatter)  # type: ignore[misc]  # mixed into click commands only


class Command(_WithExamples, click.Command):
    """A command whose help begins with examples."""


class Group(_WithExamples, click.Group):
    """A group whose help begins with examples."""


class CommandLineError(JacchainError):
    """A command line that asks for something that does not exist."""

    exit_code = USAGE


@contextmanager
def as_usage() -> Iterator[None]:
    """Turn an error about a value of the command line into a usage problem."""
    try:
        yield
    except (OptionError, SizeError) as error:
        raise CommandLineError(error.what, error.cure) from None


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator for several options."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def completing(*words: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a shell completion from fixed words."""
    return lambda _ctx, _parameter, start: [word for word in words if word.startswith(start)]


def _sizes(_ctx: click.Context, _option: click.Parameter, text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not re.fullmatch(r"[+-]?[0-9]{1,1000}", part):
            raise CommandLineError(
                f"{part!r} in --dims is not a whole number", "write sizes with commas, such as 13,16,1"
            )
    sizes = [int(part) for part in parts]
    with as_usage():
        as_chain(sizes)
    return sizes


def _planner(_ctx: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    if name is not None and name not in ALL_PLANNERS:
        with as_usage():
            unknown_name("planner", name, ALL_PLANNERS)
    return name


def _seeds(_ctx: click.Context, option: click.Parameter, count: int | None) -> int | None:
    if count is not None and count < 1:
        raise CommandLineError(f"--{option.name} is {count}", "give a whole number of at least 1")
    return count


def _at_least_one(_ctx: click.Context, option: click.Parameter, count: int | None) -> int | None:
    with as_usage():
        return None if count is None else as_size(count, str(option.name))


def _seconds(_ctx: click.Context, _option: click.Parameter, seconds: float | None) -> float | None:
    with as_usage():
        return None if seconds is None else as_seconds(seconds)


def _seed(_ctx: click.Context, _option: click.Parameter, seed: int | None) -> int | None:
    with as_usage():
        return None if seed is None else as_limit(seed, "seed")


def _tapes(_ctx: click.Context, _option: click.Parameter, limit: int | None) -> int | None:
    with as_usage():
        return None if limit is None else as_limit(limit, "tape_limit")


def _memory(_ctx: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    with as_usage():
        return None if text is None else as_bytes(text)


def _cost(_ctx: click.Context, _option: click.Parameter, cost: str | None) -> Cost | None:
    with as_usage():
        return None if cost is None else as_cost(cost)


def _order(_ctx: click.Context, _option: click.Parameter, order: int | None) -> int | None:
    if order not in (None, 1, 2):
        raise CommandLineError(f"--order is {order}", "give 1 for Jacobians, or 2 for the Hessian of a chain")
    return order


def dims(help_text: str) -> Callable[[Any], Any]:
    """Return the option of sizes."""
    return click.option("--dims", callback=_sizes, metavar="D0,D1,...", help=help_text)


def planner(*, is_second: bool = True) -> Callable[[Any], Any]:
    """Return the option of a planner, of those of order 2 too if these may be planned."""
    second = f"; with --order 2 {', '.join(SECOND_CHAIN_NAMES)}" if is_second else ""
    return click.option(
        "--planner",
        metavar="NAME",
        callback=_planner,
        shell_complete=completing(*(ALL_PLANNERS if is_second else dict.fromkeys([*PLANNERS, *GRAPH_PLANNERS]))),
        help=f"One of {', '.join(PLANNERS)}; for a graph that branches {', '.join(GRAPH_PLANNERS)}{second}."
        "  [default: optimal; auto]",
    )


def orders(*, hidden: bool = False) -> Callable[[Any], Any]:
    """Return the options of the order of derivatives, hidden from the help of what refuses order 2."""
    order = "Plan Jacobians (1), or the Hessian of a chain (2)."
    halves = "Of a Hessian: make both halves of what is symmetric."
    return together(
        click.option("--order", type=int, metavar="K", callback=_order, hidden=hidden, help=order),
        click.option("--both-halves", is_flag=True, default=None, hidden=hidden, help=halves),
    )


SEEDS: Final = together(
    click.option("--tangents", type=int, metavar="P", callback=_seeds, help="Plan the product with P tangents."),
    click.option("--adjoints", type=int, metavar="Q", callback=_seeds, help="Plan the product with Q adjoints."),
)
"""The options of a product with seeds."""

LIMITS: Final = together(
    click.option("--tape-limit", type=int, metavar="N", callback=_tapes, help="No adjoint of a larger tape."),
    click.option(
        "--memory",
        metavar="BYTES",
        callback=_memory,
        help="Hold no more, such as 512MiB; in slices where nothing else fits.",
    ),
    click.option("--workers", type=int, metavar="M", callback=_at_least_one, help="Share the steps among M workers."),
    click.option(
        "--chunk-size",
        type=int,
        metavar="C",
        callback=_at_least_one,
        help="Make the Jacobian in slices of C columns or rows.",
    ),
)
"""The options of limits."""


SEARCHES: Final = together(
    click.option("--seconds", type=float, metavar="S", callback=_seconds, help="What a search for a graph may take."),
    click.option("--seed", type=int, metavar="N", callback=_seed, help="Of that search."),
    click.option(
        "--unit-free",
        is_flag=True,
        default=None,
        help="Do not count a graph's products by identities and negations.",
    ),
)
"""The options of planners of graphs."""


PRICES: Final = together(
    click.option(
        "--cost",
        metavar="WHAT",
        callback=_cost,
        shell_complete=completing(*COSTS),
        help=f"What the plan is to be the cheapest in: {' or '.join(COSTS)}.  [default: {COSTS[0]}]",
    ),
    click.option(
        "--profile",
        metavar="FILE",
        help="Predict seconds by a profile of jacchain calibrate.  [default with --cost seconds: this machine's]",
    ),
)
"""The options of predicted time."""


def formats(*words: str) -> Callable[[Any], Any]:
    """Return the options of how to print; the command is called with `form`, the word or None."""

    def decorate(command: Any) -> Any:
        def called(*args: Any, form: str | None, as_json: bool, **rest: Any) -> Any:
            if as_json and form not in (None, "json"):
                raise CommandLineError(f"--json and --format {form} together", "give one of them")
            return command(*args, form="json" if as_json else form, **rest)

        called.__doc__ = command.__doc__
        called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]  # click's own
        return together(
            click.option("--format", "form", type=click.Choice(words), help="What to print.  [default: text]"),
            click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        )(called)

    return decorate
