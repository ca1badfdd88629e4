"""What a chain costs under every memory limit."""

from collections.abc import Iterable
from functools import partial
from typing import Final

from jacchain.planning.fit import smallest
from jacchain.planning.graph import Chain, Graph, seeded
from jacchain.planning.limits import under_tape_limit
from jacchain.planning.plan import Plan
from jacchain.planning.planner import as_chain, plan
from jacchain.planning.planners import PLANNERS

STEPS: Final = 24
"""Limits that are tried at least between the largest and the smallest, if there are so many; at equal ratios."""


def tradeoff(
    problem: Chain | Graph | Iterable[int],
    /,
    *,
    planner: str = "optimal",
    tape_limit: int | None = None,
    tangents: int | None = None,
    adjoints: int | None = None,
    itemsize: int = 8,
) -> tuple[Plan, ...]:
    """Return plans under ever smaller memory limits, from the peak without a limit down to the smallest that fits.

    Each plan's peak is at most its limit, and none costs less than the one before it.

    Raises
    ------
    SizeError, OptionError, InfeasibleError
        As `plan` does without a limit.

    Examples
    --------
    >>> [(found.peak, found.flops) for found in tradeoff([6, 5, 6])][::4]
    [(856, 180)]
    """
    whole = as_chain(problem)
    chain = seeded(whole, tangents=tangents, adjoints=adjoints)
    planned = partial(plan, chain, planner=planner, tape_limit=tape_limit, itemsize=itemsize)
    found = [planned()]
    most = found[0].peak
    least = smallest(under_tape_limit(chain, found[0].tape_limit), planner, PLANNERS[planner])
    limit = most if least is None else least * itemsize
    ratio = int(2**40 * (limit / most) ** (1 / STEPS))  # in whole numbers, since bytes may be beyond floating point
    while found[-1].peak > limit:  # every plan's peak is below the one before
        spaced = found[-1].peak * ratio >> 40
        found.append(planned(memory=max(limit, min(found[-1].peak - 1, spaced))))
    return tuple(found)
