"""What a plan must keep to: bytes of memory, and the largest tape."""

import re
from dataclasses import replace
from decimal import Decimal
from operator import index
from typing import Final

from jacchain.errors import InfeasibleError, OptionError
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link

UNITS: Final = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**k for k, letter in enumerate("kmgtp", 1)},
    **{f"{letter}ib": 1024**k for k, letter in enumerate("kmgtp", 1)},
}
"""Bytes of a unit, in small letters."""


def as_bytes(memory: object, /) -> int:
    """Return a number of bytes, given as a whole number or as text such as "512MiB".

    Examples
    --------
    >>> as_bytes("512MiB"), as_bytes("1.5 kB"), as_bytes(4096)
    (536870912, 1500, 4096)
    >>> as_bytes("512 apples")
    Traceback (most recent call last):
    jacchain.errors.OptionError: memory is '512 apples', not a number of bytes
    write a whole number of bytes, or a number and a unit such as 512MiB or 1.5GB
    """
    found = -1
    if isinstance(memory, str):
        number = re.fullmatch(r"\s*([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([a-zA-Z]*)\s*", memory, re.ASCII)
        if number and number[2].lower() in UNITS:
            found = int(Decimal(number[1]) * UNITS[number[2].lower()])
    elif not isinstance(memory, bool):
        try:
            found = index(memory)  # type: ignore[arg-type]  # anything without __index__ is refused below
        except TypeError:
            found = -1
    if found < 1:
        raise OptionError(
            f"memory is {memory!r}, not a number of bytes",
            "write a whole number of bytes, or a number and a unit such as 512MiB or 1.5GB",
        )
    return found


def as_limit(value: object, what: str, /) -> int:
    """Return a whole number of at least 0, or raise an OptionError that names it."""
    try:
        found = index(value)  # type: ignore[arg-type]  # anything without __index__ is refused below
    except TypeError:
        found = -1
    if found < 0 or isinstance(value, bool):
        raise OptionError(f"{what} is {value!r}, not a whole number", "give a whole number of at least 0")
    return found


def under_tape_limit(chain: Chain, limit: int | None, /) -> Chain:
    """Return the chain without the adjoints of links whose tape exceeds the limit, accumulation included.

    Raises
    ------
    InfeasibleError
        A link has nothing but such an adjoint; the message says which limit would do.

    Examples
    --------
    >>> link = Link(3, 2, tangent_cost=6, adjoint_cost=6, tape=10)
    >>> under_tape_limit(Chain([link]), 9).links[0].adjoint_cost is None
    True
    """
    if limit is None or not any(_exceeds(link, limit) for link in chain.links):
        return chain
    stuck = [
        k
        for k, link in enumerate(chain.links)
        if _exceeds(link, limit) and _without_adjoint(link).is_explicit and not link.is_explicit
    ]
    if stuck:
        needed = max(chain.links[k].tape for k in stuck)
        first = chain.links[stuck[0]]
        raise InfeasibleError(
            f"link {stuck[0] + 1} has only an adjoint, whose tape of {first.tape:,} exceeds the limit of {limit:,}",
            f"the smallest tape limit with a plan is {needed:,}; or give the link a tangent_cost",
        )
    return Chain(_without_adjoint(link) if _exceeds(link, limit) else link for link in chain.links)


def _exceeds(link: Link, limit: int) -> bool:
    return link.adjoint_cost is not None and link.tape > limit


def _without_adjoint(link: Link) -> Link:
    return replace(link, adjoint_cost=None)
