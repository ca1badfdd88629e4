"""The predicted seconds of the steps of an order, and of all of them."""

from collections.abc import Sequence
from math import fsum

from jacchain.planning.draft import replayed
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.node import Add, Adjoint, GraphNode, Local, Multiply, Node, Tangent
from jacchain.planning.quickest.predictor import Predictor
from jacchain.planning.slicing import Slicing, is_seeded, sliced


def steps_seconds(predictor: Predictor, links: Sequence[Link], nodes: Sequence[GraphNode], /) -> tuple[float, ...]:
    """Return the predicted seconds of nodes whose links are known by number; an identity takes none."""
    found: list[float] = []
    for node in nodes:
        match node:
            case Local(link, mode):
                found.append(predictor.local(links[link], mode) if link >= 0 else 0.0)
            case Multiply(left, right):
                found.append(predictor.product(nodes[left].structure, nodes[right].structure))
            case Add(left, right):
                found.append(predictor.addition(nodes[left].structure, nodes[right].structure))
            case Tangent(link, right):
                found.append(predictor.sweep(links[link], nodes[right].structure.columns, "tangent"))
            case Adjoint(left, link):
                found.append(predictor.sweep(links[link], nodes[left].structure.rows, "adjoint"))
    return tuple(found)


def order_seconds(predictor: Predictor, chain: Chain, nodes: Sequence[Node], /) -> float:
    """Return the predicted seconds of an order of a chain that is made at once."""
    return fsum(steps_seconds(predictor, chain.links, nodes))


def sliced_seconds(predictor: Predictor, chain: Chain, nodes: Sequence[Node], slicing: Slicing, once: int, /) -> float:
    """Return the predicted seconds of all slices of a chain, given the nodes of one; the first ones are made once."""
    count, rest = divmod(slicing.length(chain), slicing.size)
    first, each = _parts(predictor, chain, nodes, slicing, once)
    if not rest:
        return first + count * each
    smaller = Slicing(slicing.axis, rest)
    last = _parts(predictor, chain, replayed(sliced(chain, smaller), nodes).nodes, smaller, once)[1]
    return first + count * each + last


def _parts(
    predictor: Predictor, chain: Chain, nodes: Sequence[Node], slicing: Slicing, once: int
) -> tuple[float, float]:
    """Return the seconds of what is made once, and of what is made for a slice."""
    part = sliced(chain, slicing)
    seconds = steps_seconds(predictor, part.links, nodes)
    end = 0 if slicing.axis == "columns" else len(part) - 1
    is_cut = not is_seeded(chain, slicing.axis)  # the local Jacobian that slices are cut from is made once
    kept = [k < once or (is_cut and isinstance(node, Local) and node.link == end) for k, node in enumerate(nodes)]
    first = fsum(found for found, is_kept in zip(seconds, kept, strict=True) if is_kept)
    return first, fsum(found for found, is_kept in zip(seconds, kept, strict=True) if not is_kept)
