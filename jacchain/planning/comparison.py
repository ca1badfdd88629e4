"""Every planner on the same chain under the same limits."""

from collections.abc import Iterable
from typing import Final, NamedTuple, final

from jacchain.errors import InfeasibleError
from jacchain.planning.cost import Cost, ProfileLike
from jacchain.planning.exhaustive import every_order
from jacchain.planning.graph import Chain, Graph, seeded
from jacchain.planning.limits import as_limit, under_tape_limit
from jacchain.planning.plan import Plan
from jacchain.planning.planner import as_chain, plan
from jacchain.planning.planners import PLANNERS

TRIED: Final = 9
"""Links up to which every order is tried, under every way to slice."""


@final
class Rival(NamedTuple):
    """One planner's plan, or what stood in its way: a limit that forbids it, or more orders than can be tried."""

    planner: str
    plan: Plan | None
    obstacle: str | None
    is_skipped: bool = False


def compare_planners(
    problem: Chain | Graph | Iterable[int],
    /,
    *,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    tangents: int | None = None,
    adjoints: int | None = None,
    itemsize: int = 8,
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
) -> tuple[Rival, ...]:
    """Return what every planner makes of a chain, the cheapest order first and then in the planners' own order.

    Options are those of `plan`. `exhaustive` is skipped where there are too many orders to try.

    Raises
    ------
    SizeError, OptionError
        As `plan` does. A planner without an order is no error.

    Examples
    --------
    >>> [(rival.planner, rival.plan and rival.plan.flops) for rival in compare_planners([9, 2, 9])][:3]
    [('optimal', 162), ('forward', 162), ('reverse', 162)]
    """
    chain = as_chain(problem)
    seeds = {"tangents": tangents, "adjoints": adjoints}
    found: list[Rival] = []
    for name in dict.fromkeys(["optimal", *PLANNERS]):
        obstacle = _too_many(seeded(chain, **seeds), tape_limit) if name == "exhaustive" else None
        if obstacle is not None and found[0].plan is not None:  # where nothing is feasible, that is what to say
            found.append(Rival(name, None, obstacle, is_skipped=True))
            continue
        try:
            made = plan(
                chain,
                planner=name,
                tape_limit=tape_limit,
                memory=memory,
                workers=workers,
                chunk_size=chunk_size,
                tangents=tangents,
                adjoints=adjoints,
                itemsize=itemsize,
                cost=cost,
                profile=profile,
            )
        except InfeasibleError as error:
            found.append(Rival(name, None, error.what))
        else:
            found.append(Rival(name, made, None))
    return tuple(found)


def _too_many(chain: Chain, tape_limit: int | None) -> str | None:
    """Return why not every order of a chain is tried, or None where all are."""
    if len(chain) <= TRIED:
        try:
            every_order(under_tape_limit(chain, None if tape_limit is None else as_limit(tape_limit, "tape_limit")))
        except InfeasibleError as error:
            return error.what
        return None
    return f"{len(chain):,} links have too many orders to try them all beside the others; up to {TRIED} links have not"
