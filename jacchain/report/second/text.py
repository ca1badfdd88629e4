"""Plans for the Hessians of chains as plain text of at most 80 columns, where single numbers allow it."""

from collections.abc import Iterator, Sequence
from typing import Final

from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.chain_plan import ChainHessianPlan, hessian_bracketing
from jacchain.planning.second.chains.node import ChainNode, Elemental, Lift, Pull, Sum, Zero
from jacchain.report.layout import bytes_text, count_text, field, ratio_text, share_text, table
from jacchain.report.text import chain_text

ORDER: Final = 420
"""Characters of an order that are shown at most; a longer one is told by its steps."""


def hessian_text(plan: ChainHessianPlan, /) -> str:
    """Return a plan with its costs, its rivals and its reason.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> print(hessian_text(plan([1, 9, 1], order=2)))
    chain     1 → 9 → 1 (2 links)
    tensor    second derivatives, 1×1×1; halves that are symmetric are mirrored
    order     J2 H1 + H2[J1, J1]
    because   forward over forward is as cheap as any order found; no order of sums
              of neighbouring terms is cheaper
    peak      792 B, with given derivatives while they are read
    <BLANKLINE>
    planner                multiplications   ratio
    optimal                             99    1.00
    forward_over_forward                99    1.00
    forward_over_reverse                99    1.00
    reverse_over_forward                99    1.00
    reverse_over_reverse                99    1.00
    edge_pushing                        99    1.00
    waist                               99    1.00
    """
    costs: dict[str, int | None] = {plan.planner: plan.flops}
    costs |= {name: baseline.flops for name, baseline in plan.baselines.items() if name != plan.planner}
    rows = [("planner", "multiplications", "ratio")]
    rows += [(name, count_text(flops), ratio_text(flops, plan.flops)) for name, flops in costs.items()]
    return "\n".join([*hessian_head(plan), *hessian_facts(plan), "", *table(rows)])


def hessian_head(plan: ChainHessianPlan, /) -> list[str]:
    """Return the chain, the tensor, the order and the reason."""
    sizes = plan.chain.sizes
    halves = "; halves that are symmetric are mirrored" if plan.symmetric else ", both halves made"
    return [
        field("chain", chain_text(plan.chain)),
        field("tensor", f"second derivatives, {sizes[-1]:,}×{sizes[0]:,}×{sizes[0]:,}{halves}"),
        field("order", _order(plan)),
        field("because", plan.reason),
    ]


def hessian_facts(plan: ChainHessianPlan, /) -> list[str]:
    """Return what a plan holds, and how far it can be from the best."""
    lines = [field("peak", f"{bytes_text(plan.peak)}, with given derivatives while they are read")]
    if plan.lower_bound and plan.lower_bound < plan.flops:
        gap = share_text(plan.flops - plan.lower_bound, plan.lower_bound)
        lines.append(
            field("bound", f"no sums of neighbouring terms go below {plan.lower_bound:,}: the gap is at most {gap}")
        )
    return lines


def kind_shares(nodes: Sequence[ChainNode], /) -> Iterator[str]:
    """Yield what part of the multiplications makes Jacobians, applies them to outputs, and to arms."""
    counts = [0, 0, 0]
    for node in nodes:
        match node:
            case Local() | Multiply():
                counts[0] += node.flops
            case Lift():
                counts[1] += node.flops
            case Pull():
                counts[2] += node.flops
            case Elemental() | Zero() | Sum():
                continue
    yield from (share_text(count, sum(counts)) for count in counts)


def _order(plan: ChainHessianPlan) -> str:
    whole = plan.bracketing
    if len(whole) <= ORDER:
        return whole
    short = hessian_bracketing(plan.nodes, is_short=True)
    if len(short) <= ORDER:
        return f"{short}; P9:4 is the product of links 9 to 4, --json has all"
    return f"{len(plan.nodes):,} steps, which jacchain explain lists and --json has"
