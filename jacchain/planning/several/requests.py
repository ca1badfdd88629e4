"""Which products of a chain are wanted: (output, input) pairs of its vertices 0 … n."""

from collections.abc import Iterable
from operator import index
from typing import Final, Literal

from jacchain.errors import OptionError, unknown_name

Requests = Literal["suffixes", "prefixes"] | Iterable[tuple[int, int]]

NAMED_REQUESTS: Final = ("suffixes", "prefixes")
"""Every J_n…J_{k+1}, from k = 0 on, and every J_k…J_1, up to k = n."""

Pair = tuple[int, int]
"""An output vertex and an input vertex below it: the product J_output…J_{input+1}."""


def as_requests(requests: Requests, links: int, /) -> tuple[Pair, ...]:
    """Return the (output, input) pairs of requests on a chain of so many links.

    Raises
    ------
    OptionError
        An unknown name, no requests, something that is no pair, a vertex that the chain does not have, or an output
        that does not lie above the input.

    Examples
    --------
    >>> as_requests("suffixes", 3), as_requests("prefixes", 2)
    (((3, 0), (3, 1), (3, 2)), ((1, 0), (2, 0)))
    >>> as_requests([(1, 2)], 3)
    Traceback (most recent call last):
    jacchain.errors.OptionError: request 1 asks for output 1 with respect to input 2
    give an output vertex above the input vertex
    """
    match requests:
        case "suffixes":
            return tuple((links, k) for k in range(links))
        case "prefixes":
            return tuple((k, 0) for k in range(1, links + 1))
        case str():
            unknown_name("requests", requests, NAMED_REQUESTS)
        case Iterable():
            found = tuple(_pair(request, place, links) for place, request in enumerate(requests, 1))
        case _:
            raise OptionError(f"requests are {requests!r}", "give 'suffixes', 'prefixes' or (output, input) pairs")
    if not found:
        raise OptionError("no products are requested", "give 'suffixes', 'prefixes' or (output, input) pairs")
    return found


def _pair(request: object, place: int, links: int) -> Pair:
    try:
        output, source = (_vertex(vertex) for vertex in request)  # type: ignore[attr-defined]  # refused below
    except (TypeError, ValueError):
        raise OptionError(f"request {place} is {request!r}", "give pairs of whole numbers (output, input)") from None
    for vertex in (output, source):
        if not 0 <= vertex <= links:
            raise OptionError(
                f"request {place} names vertex {vertex}, but the chain has the vertices 0 to {links}",
                "count vertices from the input, which is 0",
            )
    if output <= source:
        raise OptionError(
            f"request {place} asks for output {output} with respect to input {source}",
            "give an output vertex above the input vertex",
        )
    return output, source


def _vertex(value: object) -> int:
    if isinstance(value, bool):
        raise TypeError
    return index(value)  # type: ignore[arg-type]  # the caller refuses what has no __index__
