"""One elimination: of a vertex, or of an edge from its front or its back."""

from typing import Literal, NamedTuple, final


@final
class Move(NamedTuple):
    """An elimination, by the numbers of a problem's vertices.

    "vertex" joins every predecessor of `tail` with every successor (`head` is not used). "front" takes the edge from
    `tail` to `head` away and joins `tail` with the successors of `head`; "back" joins the predecessors of `tail` with
    `head` instead. A vertex left without predecessors or successors goes with its edges.
    """

    kind: Literal["vertex", "front", "back"]
    tail: int
    head: int = -1


def vertices(order: tuple[int, ...] | list[int], /) -> list[Move]:
    """Return the elimination of vertices in an order.

    Examples
    --------
    >>> vertices([2, 1])
    [Move(kind='vertex', tail=2, head=-1), Move(kind='vertex', tail=1, head=-1)]
    """
    return [Move("vertex", vertex) for vertex in order]
