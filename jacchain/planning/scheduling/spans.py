"""Which links the partial products of an order span."""

from collections.abc import Sequence

from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent


def node_spans(nodes: Sequence[Node], /) -> list[tuple[int, int]]:
    """Return the first and last link of every node."""
    spans: list[tuple[int, int]] = []
    for node in nodes:
        match node:
            case Local():
                spans.append((node.link, node.link))
            case Multiply():
                spans.append((spans[node.right][0], spans[node.left][1]))
            case Tangent():
                spans.append((spans[node.right][0], node.link))
            case Adjoint():
                spans.append((node.link, spans[node.left][1]))
    return spans


def rotated(nodes: Sequence[Node], /) -> set[tuple[int, int]]:
    """Return the intervals of an order's partial products and of those that one rotation of two steps makes."""
    spans = node_spans(nodes)
    splits: dict[tuple[int, int], int] = {}  # the last link of the lower part
    for span, node in zip(spans, nodes, strict=True):
        match node:
            case Multiply():
                splits[span] = spans[node.right][1]
            case Tangent():
                splits[span] = node.link - 1
            case Adjoint():
                splits[span] = node.link
    found = set(spans)
    for (first, last), split in splits.items():
        if (split + 1, last) in splits:
            found.add((first, splits[split + 1, last]))
        if (first, split) in splits:
            found.add((splits[first, split] + 1, last))
    return found
