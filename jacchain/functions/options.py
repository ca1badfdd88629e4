"""What a user may ask of the derivative of a plain function."""

from collections.abc import Sequence
from operator import index
from typing import Literal, NamedTuple

from jacchain.errors import OptionError, unknown_name
from jacchain.execution.backend import Device, as_device
from jacchain.execution.tuned import Pricing, as_pricing
from jacchain.planning.cost import Cost, ProfileLike
from jacchain.planning.elimination.planner import as_seconds
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.planning.limits import as_bytes, as_limit


class FunctionOptions(NamedTuple):
    """Options of the derivative of a plain function; see `jacchain.jacobian`."""

    argnums: int | tuple[int, ...] = 0
    planner: str = "auto"
    seconds: float = 0.2
    seed: int = 0
    tape_limit: int | None = None
    memory: int | None = None
    check: bool = False
    structured: bool = False
    device: Device | Literal["auto"] = "auto"
    pricing: Pricing = Pricing()


def function_options(
    *,
    argnums: int | Sequence[int] = 0,
    planner: str | None = None,
    seconds: float | None = None,
    seed: int = 0,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    check: bool = False,
    structured: bool = False,
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
) -> FunctionOptions:
    """Return checked options.

    Raises
    ------
    OptionError
        An unknown planner, limits that are no numbers, argnums that are no numbers or stand there twice.
    """
    if planner is not None and planner not in tuple(GRAPH_PLANNERS):
        unknown_name("planner", planner, GRAPH_PLANNERS)
    place = as_device(device)
    return FunctionOptions(
        as_argnums(argnums),
        "auto" if planner is None else planner,
        FunctionOptions().seconds if seconds is None else as_seconds(seconds),
        seed,
        None if tape_limit is None else as_limit(tape_limit, "tape_limit"),
        None if memory is None else as_bytes(memory),
        check,
        structured,
        place,
        as_pricing(cost, profile, place),
    )


def as_argnums(argnums: int | Sequence[int], /) -> int | tuple[int, ...]:
    """Return the numbers of arguments, or the number of one."""
    several = argnums if isinstance(argnums, Sequence) else (argnums,)
    try:
        found = tuple(map(_as_number, several))
    except TypeError:
        found = ()
    if not found:
        raise OptionError(f"argnums is {argnums!r}", "give the number of an argument, or several in a tuple")
    if several is not argnums:
        return found[0]
    if len(set(found)) < len(found):
        raise OptionError(f"argnums {found} has a number twice", "give each argument once")
    return found


def _as_number(number: object) -> int:
    """Return an integer of any kind as Python's; raise TypeError for anything else, True and False included."""
    if isinstance(number, bool):
        raise TypeError("a truth value")
    return index(number)  # type: ignore[arg-type]  # which raises for what is none
