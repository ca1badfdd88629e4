"""Long chains cut into segments at narrow vertices: what several workers can begin with at once."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.optimal import optimal

Orders = Callable[[Chain], Draft]


def cuts(sizes: Sequence[int], pieces: int, /) -> list[int]:
    """Return the vertices that bound so many segments of about the same number of links: the narrowest around.

    Examples
    --------
    >>> cuts([9, 9, 2, 9, 9, 9, 3, 9, 9, 9], 3)
    [0, 2, 6, 9]
    """
    n = len(sizes) - 1
    found = [0]
    for k in range(1, pieces):
        around = range((2 * k - 1) * n // (2 * pieces) + 1, (2 * k + 1) * n // (2 * pieces) + 1)
        found += [min(around, key=lambda vertex: (sizes[vertex], vertex))] if around else []
    return [*found, n]


def segmented(chain: Chain, pieces: int, order: Orders, /) -> Draft:
    """Return the order that forms each of so many segments as cheaply as possible, and joins these as `order` says.

    Parameters
    ----------
    chain : Chain
    pieces : int
        Segments, at most the number of links.
    order : callable
        Returns the order of a chain whose links stand for the segments.
    """
    bounds = cuts(chain.sizes, pieces)
    segments = [Chain(chain.links[a:b]) for a, b in pairwise(bounds)]
    formed = [optimal(segment).nodes for segment in segments]
    joined = Chain(_as_link(segment, nodes) for segment, nodes in zip(segments, formed, strict=True))
    draft = Draft(chain)
    made: list[int] = []
    for node in order(joined).nodes:
        match node:
            case Local(link, mode):
                nodes = [node._replace(link=0)] if len(segments[link]) == 1 else formed[link]
                made.append(_copied(draft, nodes, bounds[link]) if mode == "given" else draft.local(bounds[link], mode))
            case _:
                made.append(_added(draft, node, made, bounds))
    return draft


def _as_link(segment: Chain, nodes: Sequence[Node]) -> Link:
    if len(segment) == 1:
        return segment.links[0]
    flops = sum(node.flops for node in nodes)
    return Link(segment.sizes[0], segment.sizes[-1], structure=nodes[-1].structure, accumulate_cost=flops)


def _copied(draft: Draft, nodes: Sequence[Node], first: int) -> int:
    """Add the nodes of a segment that begins with a certain link."""
    made: list[int] = []
    for node in nodes:
        made.append(_added(draft, node, made, range(first, first + len(nodes) + 1)))
    return made[-1]


def _added(draft: Draft, node: Node, made: Sequence[int], links: Sequence[int]) -> int:
    match node:
        case Local(link, mode):
            return draft.local(links[link], mode)
        case Multiply(left, right):
            return draft.multiply(made[left], made[right])
        case Tangent(link, right):
            return draft.tangent(links[link], made[right])
        case Adjoint(left, link):
            return draft.adjoint(made[left], links[link])
