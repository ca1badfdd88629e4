"""Parts that are paths: planned as the chains that they are."""

from jacchain.errors import OptionError
from jacchain.planning.elimination.bundle import Bundle
from jacchain.planning.elimination.part import Edges
from jacchain.planning.elimination.partial import Partial
from jacchain.planning.elimination.problem import UNIT, Arc, Problem
from jacchain.planning.graph import Chain, Graph, path
from jacchain.planning.node import Adjoint, Local, Multiply, Tangent
from jacchain.planning.optimal import is_exact, optimal


def is_path(graph: Graph, /) -> bool:
    """Whether one path joins the only request of a graph."""
    try:
        return len(path(graph)) > 0
    except OptionError:
        return False


def path_of(part: Problem, /) -> list[Arc] | None:
    """Return the edges of a part in which one path is all there is, or None."""
    onward = {arc.tail: arc for arc in part.arcs}
    heads = {arc.head for arc in part.arcs}
    starts = [arc for arc in part.arcs if arc.tail not in heads]
    is_path = len(onward) == len(heads) == len(part.arcs) == len(part.interior) + 1 and len(starts) == 1
    if not is_path or any(arc.link == UNIT for arc in part.arcs):
        return None
    found = starts
    while found[-1].head in onward:
        found.append(onward[found[-1].head])
    return found if len(found) == len(part.arcs) else None


def chained(part: Problem, arcs: list[Arc], /) -> tuple[Edges, tuple[int, ...], bool]:
    """Return the edge that the cheapest order of a path leaves, the order, and whether no other costs less.

    Where some order of the chain applies links instead of forming them, a vertex is gone once something spans it.
    """
    chain = Chain(part.links[arc.link] for arc in arcs)
    draft = optimal(chain)
    made: list[Partial] = []
    order: list[int] = []
    spans: list[tuple[int, int]] = []  # of links
    for node in draft.nodes:
        number = part.structures.number(node.structure)
        match node:
            case Local(link, mode, _, flops):
                made.append(Partial(number, Local, link=arcs[link].link, mode=mode, flops=flops))
                spans.append((link, link))
            case Multiply(left, right, _, flops):
                made.append(Partial(number, Multiply, made[left], made[right], flops=flops))
                order.append(arcs[spans[right][1]].head)
                spans.append((spans[right][0], spans[left][1]))
            case Tangent(link, right, _, flops):
                made.append(Partial(number, Tangent, None, made[right], arcs[link].link, flops=flops))
                order.append(arcs[link].tail)
                spans.append((spans[right][0], link))
            case Adjoint(left, link, _, flops):
                made.append(Partial(number, Adjoint, made[left], None, arcs[link].link, flops=flops))
                order.append(arcs[link].head)
                spans.append((link, spans[left][1]))
    bundle: Bundle = (made[-1],)
    return {(arcs[0].tail, arcs[-1].head): bundle}, tuple(order), is_exact(chain)
