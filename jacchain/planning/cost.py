"""What a plan may be the cheapest in, and what may stand for a machine profile."""

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from jacchain.errors import unknown_name

if TYPE_CHECKING:  # planning by multiplications loads no profile
    from jacchain.planning.pricing.profile import Profile

Cost = Literal["multiplications", "seconds"]

ProfileLike: TypeAlias = "Profile | str | PathLike[str] | Mapping[str, Any] | None"
"""A profile, the path of its file, or its JSON document; None is that of this machine."""

COSTS: Final[tuple[Cost, ...]] = ("multiplications", "seconds")


def as_cost(cost: object, /) -> Cost:
    """Return what a plan is to be the cheapest in.

    Raises
    ------
    OptionError
        No such cost.

    Examples
    --------
    >>> as_cost("second")
    Traceback (most recent call last):
    jacchain.errors.OptionError: unknown cost 'second'
    did you mean 'seconds'? valid: multiplications, seconds
    """
    if cost not in COSTS:
        unknown_name("cost", cost, COSTS)
    return "seconds" if cost == "seconds" else "multiplications"
