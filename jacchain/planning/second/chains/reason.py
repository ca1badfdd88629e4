"""Why a plan for the Hessian of a chain won, in one sentence."""

from collections.abc import Mapping, Sequence

from jacchain.planning.graph import Chain
from jacchain.planning.names import IN_WORDS, MODES
from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.node import ChainNode, Lift, Pull, Sum, Zero


def hessian_reason(
    chain: Chain,
    planner: str,
    nodes: Sequence[ChainNode],
    baselines: Mapping[str, int],
    lower_bound: int,
    /,
) -> str:
    """Return one sentence that says what an order saves, and where it meets.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> hessian_reason(chain_of_sizes([3, 2]), "optimal", (), {}, 0)
    'one link: its second derivative is given'
    """
    if nodes and isinstance(nodes[-1], Zero):
        return "every link is linear, so that the second derivative is zero"
    if len(chain) == 1:
        return "one link: its second derivative is given"
    if planner in IN_WORDS:
        return f"{IN_WORDS[planner]}, as asked for; 'optimal' may be cheaper"
    flops = sum(node.flops for node in nodes)
    sure = "; no order of sums of neighbouring terms is cheaper" if flops == lower_bound else ""
    least = min(baselines[name] for name in MODES)
    best = next(IN_WORDS[name] for name in MODES if baselines[name] == least)
    if least <= flops:
        return f"{best} is as cheap as any order found{sure}"
    equal = next((IN_WORDS[name] for name, cost in baselines.items() if cost == flops), None)
    also = "" if equal is None else f"; {equal} costs as little"
    place = _meeting(chain, nodes)
    return f"{place}{_fewer(least, flops)} multiplications than {best}, the best of the four modes{also}{sure}"


def _fewer(more: int, less: int) -> str:
    """Return how much fewer, to three digits: in per cent where that is below a tenth more, or a whole ratio.

    Examples
    --------
    >>> _fewer(1234567, 1000), _fewer(14, 10), _fewer(1001, 1000), _fewer(10**6 + 1, 10**6)
    ('1,235 times fewer', '1.4 times fewer', '0.1 % fewer', 'less than 0.1 % fewer')
    """
    if not less:
        return "infinitely many times fewer"
    if 10 * more < 11 * less:
        share = 100 * (more - less) / more
        return "less than 0.1 % fewer" if share < 0.095 else f"{share:.2g} % fewer"
    times = f"{more / less:.3g}" if 2 * more < 199 * less else f"{(2 * more + less) // (2 * less):,}"
    return f"{times} times fewer"


def _meeting(chain: Chain, nodes: Sequence[ChainNode]) -> str:
    """Return at which vertices the last Jacobians join the summands, narrower ones by name."""
    found = sorted(_places(nodes))
    named = [f"d_{vertex} = {chain.sizes[vertex]:,}" for vertex in found]
    match named:
        case []:
            return ""
        case [one]:
            return f"meets at {one}: "
        case [one, two]:
            return f"meets at {one} and {two}: "
        case _:
            narrowest = named[min(range(len(found)), key=lambda k: chain.sizes[found[k]])]
            return f"meets at {len(found):,} vertices, of which {narrowest} is the narrowest: "


def _places(nodes: Sequence[ChainNode]) -> set[int]:
    """Return where the last Jacobians join: the lower ends of those lifted, the upper ends of those pulled."""
    ends: list[tuple[int, int]] = []
    for node in nodes:
        match node:
            case Local(link):
                ends.append((link + 1, link))
            case Multiply(left, right):
                ends.append((ends[left][0], ends[right][1]))
            case _:
                ends.append((0, 0))
    found, waiting = set[int](), [nodes[-1]]
    while waiting:
        match waiting.pop():
            case Lift(left, _):
                found.add(ends[left][1])
            case Pull(left, right, arm):
                found.add(ends[right][0])
                inner = nodes[left]
                if isinstance(inner, Pull) and inner.arm != arm:  # the other arm's last
                    found.add(ends[inner.right][0])
            case Sum(left, right):
                waiting += [nodes[left], nodes[right]]
            case _:
                continue
    return found
