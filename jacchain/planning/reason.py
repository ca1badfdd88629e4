"""Why a plan won, in one sentence."""

from collections.abc import Mapping, Sequence

from jacchain.algebra.structure import Dense
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Multiply, Node


def reason(chain: Chain, planner: str, nodes: Sequence[Node], flops: int, baselines: Mapping[str, int], /) -> str:
    """Return one sentence that names the sizes or structures that decided.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> reason(chain_of_sizes([9, 2, 9, 9]), "optimal", (), 324, {"forward": 891, "reverse": 891, "waist": 324})
    'grows both ways from the waist d_1 = 2: 2.75 times fewer multiplications than the better of forward and reverse'
    """
    if len(chain) == 1:
        return "one link: there is nothing to order"
    if planner not in ("optimal", "exhaustive"):
        return f"the {planner} order, as asked for; 'optimal' may be cheaper"
    if len(chain) == 2:
        return "two links make one product, so there is only one order" + _structure(chain, nodes)
    split = _split(nodes) if nodes else None
    rivals = [baselines[name] for name in ("forward", "reverse") if name in baselines]
    return _direction(chain, flops, baselines, rivals, split) + _structure(chain, nodes)


def _direction(chain: Chain, flops: int, baselines: Mapping[str, int], rivals: list[int], split: int | None) -> str:
    sizes = chain.sizes
    if rivals and flops == baselines.get("forward") == baselines.get("reverse"):
        return "forward, reverse and the cheapest order cost the same"
    for name, end, far, side in (("forward", 0, "output", "column"), ("reverse", len(chain), "input", "row")):
        if flops == baselines.get(name):
            return f"{name} is the cheapest order: {_sweep(sizes, end, far, side)}"
    saving = ""
    if rivals and flops:
        saving = f"{_times(min(rivals), flops)} times fewer multiplications than the better of forward and reverse"
    narrow = sizes.index(min(sizes))
    if split is not None and sizes[split] == sizes[narrow]:
        narrow = split
    if 0 < narrow < len(chain) and flops == baselines.get("waist"):
        start = f"grows both ways from the waist d_{narrow} = {sizes[narrow]:,}"
    elif split is not None and flops in (baselines.get("meet"), baselines.get("inward")):
        start = f"joins what lies before and after d_{split} = {sizes[split]:,} last"
    else:
        place = "inside" if 0 < narrow < len(chain) else "at the end of"
        start = (
            f"mixes directions around the narrow vertices {place} the chain (smallest d_{narrow} = {sizes[narrow]:,})"
        )
    return f"{start}: {saving}" if saving else start


def _sweep(sizes: tuple[int, ...], end: int, far: str, side: str) -> str:
    """Return why a sweep from one end of the chain is enough."""
    narrow = sizes.index(min(sizes))
    if sizes[end] == sizes[narrow]:
        here = "output" if far == "input" else "input"
        return f"the {here} d_{end} = {sizes[end]:,} is narrow, so every product keeps {_count(sizes[end], side)}"
    if 0 < narrow < len(sizes) - 1:
        return f"it narrows to the waist d_{narrow} = {sizes[narrow]:,} before it reaches the {far}"
    return "these sizes and structures leave nothing to gain from another"


def _split(nodes: Sequence[Node]) -> int | None:
    """Return the vertex at which the last product joins its operands; None if the last step is not a product."""
    root = nodes[-1]
    if not isinstance(root, Multiply):
        return None
    found = nodes[root.left]
    while not isinstance(found, Local):
        if isinstance(found, Adjoint):
            return found.link
        found = nodes[found.right]
    return found.link


def _times(more: int, less: int) -> str:
    """Return a ratio to three digits, in full."""
    if more >= 1000 * less:
        return f"{more // less:,}"
    return f"{more / less:.3g}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count > 1 else ''}"


def _structure(chain: Chain, nodes: Sequence[Node]) -> str:
    """Return what structure saves: the same order with all links dense costs more."""
    if all(isinstance(link.local, Dense) for link in chain.links):
        return ""
    spans: list[tuple[int, int]] = []
    dense = actual = 0
    for node in nodes:
        spans.append((node.structure.rows, node.structure.columns))
        actual += node.flops
        if isinstance(node, Multiply):
            left, right = spans[node.left], spans[node.right]
            dense += left[0] * left[1] * right[1]
        else:
            dense += node.flops
    if actual == 0 or dense <= actual:
        return ""
    return f"; structure makes it {_times(dense, actual)} times cheaper than dense links in the same order"
