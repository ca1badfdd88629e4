"""Why a plan won, in one sentence."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, final

from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Multiply, Node
from jacchain.planning.slicing import Slicing


@final
class Limited(NamedTuple):
    """A chain before and after the tape limit, what its order costs and what no order goes below, and the limits.

    `is_limited` tells whether memory or slices had to do with it, and `is_windowed` that the order was looked for in
    windows of a chain too long to be searched as a whole.
    """

    whole: Chain
    chain: Chain
    flops: int
    lower_bound: int
    tape_limit: int | None
    memory: int | None
    slicing: Slicing | None
    is_limited: bool = True
    is_windowed: bool = False


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
    if planner not in ("optimal", "exhaustive", "windowed"):
        return f"the {planner} order, as asked for; 'optimal' may be cheaper"
    if len(chain) == 2 and all(link.tangent_cost is None is link.adjoint_cost for link in chain.links):
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
    if rivals and 200 * min(rivals) > 201 * flops > 0:
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
    if chain.is_full:
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


def limits_reason(plan: Limited, /) -> str:
    """Return what limits and length have to do with an order: a clause for the end of its reason, or nothing.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> chain = chain_of_sizes([9, 2, 9])
    >>> limits_reason(Limited(chain, chain, 200, 162, None, 4096, Slicing("columns", 3)))
    '; in 3 slices of 3 columns, because that fits into 4,096 bytes: 1.23 times the multiplications without a limit'
    """
    clauses = []
    forbidden = sum(
        one.adjoint_cost is not None and two.adjoint_cost is None
        for one, two in zip(plan.whole.links, plan.chain.links, strict=True)
    )
    if forbidden:
        adjoints = f"{forbidden:,} adjoint{'s' if forbidden > 1 else ''}"
        clauses.append(f"the tape limit of {plan.tape_limit:,} forbids {adjoints}")
    if plan.slicing is not None:
        count, (axis, size) = plan.slicing.count(plan.chain), plan.slicing
        fits = "as asked for" if plan.memory is None else f"because that fits into {plan.memory:,} bytes"
        clauses.append(f"in {count:,} slices of {_count(size, axis[:-1])}, {fits}")
    elif plan.is_limited:
        clauses.append(f"the cheapest that fits into {plan.memory:,} bytes")
    elif plan.is_windowed:
        gap = 100 * (plan.flops - plan.lower_bound) / plan.lower_bound if plan.lower_bound else 0
        above = f": at most {gap:.2g} % above the cheapest order" if plan.lower_bound else ""
        clauses.append(f"{len(plan.chain):,} links were planned in windows{above}")
    if clauses and plan.flops > plan.lower_bound > 0 and plan.is_limited:
        clauses[-1] += f": {_times(plan.flops, plan.lower_bound)} times the multiplications without a limit"
    return "".join(f"; {clause}" for clause in clauses)
