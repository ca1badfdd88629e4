"""The bracketing of a plan as a tree in text."""

from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.plan import Plan, names
from jacchain.planning.profile import made
from jacchain.report.layout import WIDTH, shortened, table
from jacchain.report.outline import Branch, Weights, outline, weights

MOST = 60
"""Steps that are shown at most."""

DEEPEST = 14
"""Levels that are shown at most, so that lines stay short."""


def tree_text(plan: Plan, /) -> list[str]:
    r"""Return the tree of a plan as lines: every step with its structure and multiplications, the result first.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> print(*tree_text(plan([13, 16, 1])), sep="\n")
    result    multiplications
    P2:1                  208   dense 1x13
    ├ J2                    -   dense 1x16
    └ J1                    -   dense 16x13
    """
    branches = outline(plan.nodes, most=MOST, deepest=DEEPEST)
    called, weight = names(plan.nodes), weights(plan.nodes)
    links = made(plan).links
    rows = [("result", "multiplications", "")]
    for branch in branches:
        node = plan.nodes[branch.node]
        label = _label(node, [link.name for link in links])
        made_of = str(node.structure) if branch.is_open else _closed(weight, branch)
        flops = weight.flops[branch.node] if not branch.is_open else node.flops
        rows.append((_indent(branch.lasts) + called[branch.node] + label, f"{flops:,}" if flops else "-", made_of))
    left = len(plan.nodes) - len(branches)
    lines = table(rows, left=(0, 2))
    if left:
        lines.append(f"({left:,} of {len(plan.nodes):,} steps stay closed; --format csv and --json have all)")
    return [shortened(line, WIDTH) for line in lines]


def _indent(lasts: tuple[bool, ...]) -> str:
    if not lasts:
        return ""
    return "".join("  " if last else "│ " for last in lasts[:-1]) + ("└ " if lasts[-1] else "├ ")


def _label(node: Node, links: list[str | None]) -> str:
    """Return what the name of a step does not say."""
    match node:
        case Multiply():
            return ""
        case Local(link, mode):
            name = links[link]
            return (f" {shortened(name, 16)}" if name else "") + ("" if mode == "given" else f" by {mode}s")
        case Tangent(link):
            return f" tangents of F{link + 1}"
        case Adjoint(_, link):
            return f" adjoints of F{link + 1}"


def _closed(weight: Weights, branch: Branch) -> str:
    return f"… {weight.steps[branch.node]:,} steps together"
