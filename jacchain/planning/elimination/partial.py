"""What an edge carries while vertices are eliminated: a link, or how its partial derivatives are formed from others."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, final

from jacchain.algebra.structure import Dense, Structure
from jacchain.planning.draft import MODES
from jacchain.planning.elimination.problem import UNIT, Problem
from jacchain.planning.elimination.structures import OPEN, PASSED
from jacchain.planning.link import accumulation_cost
from jacchain.planning.node import Add, Adjoint, GraphNode, Local, Mode, Multiply, Tangent

Step = type[Local] | type[Multiply] | type[Tangent] | type[Adjoint] | type[Add]


@final
class Partial(NamedTuple):
    """The Jacobian that an edge stands for, as an expression; two are the same only if they are one object.

    `number` is that of its structure, `OPEN` for a link that is not formed, or `PASSED`. `flops` is the cost of the
    last step alone.
    """

    number: int
    step: Step
    left: "Partial | None" = None
    right: "Partial | None" = None
    link: int = UNIT
    mode: Mode = "given"
    flops: int = 0


PASSING: Final = Partial(PASSED, Local)
"""What the edge between a vertex and its copy carries."""


def initial(problem: Problem, link: int, /) -> Partial:
    """Return what an edge carries at the start: its local Jacobian, or the link where it can do without."""
    if link == UNIT:
        return PASSING
    found = problem.links[link]
    if found.tangent_cost is found.adjoint_cost is None:
        return Partial(problem.structures.number(found.local), Local, link=link, flops=found.accumulate_cost or 0)
    return Partial(OPEN, Local, link=link)


def formed(problem: Problem, partial: Partial, /) -> Partial:
    """Return an open link's local Jacobian, accumulated in the cheapest way; anything else as it is."""
    if partial.number != OPEN:
        return partial
    found = [made for mode in MODES if (made := accumulated(problem, partial.link, mode)) is not None]
    return min(found, key=lambda made: made.flops)


def accumulated(problem: Problem, link: int, mode: Mode, /) -> Partial | None:
    """Return a link's local Jacobian, accumulated in one mode; None where the link does not offer it."""
    found = problem.links[link]
    cost = accumulation_cost(found, mode)
    if cost is None:
        return None
    structure: Structure = found.local if mode == "given" else Dense(found.outputs, found.inputs)
    return Partial(problem.structures.number(structure), Local, link=link, mode=mode, flops=cost)


def times(problem: Problem, left: Partial, right: Partial, /) -> Partial | None:
    """Return left · right; None where an open link cannot be applied so."""
    known = problem.structures
    if left.number >= 0 and right.number >= 0:
        cost, number = known.product(left.number, right.number)
        return Partial(number, Multiply, left, right, flops=cost)
    if left.number == PASSED:
        return right
    if right.number == PASSED:
        return left
    if left.number == OPEN and right.number >= 0:
        link, columns = problem.links[left.link], known.structure(right.number).columns
        if link.tangent_cost is None:
            return None
        number = known.number(Dense(link.outputs, columns))
        return Partial(number, Tangent, None, right, left.link, flops=columns * link.tangent_cost)
    if right.number == OPEN and left.number >= 0:
        link, rows = problem.links[right.link], known.structure(left.number).rows
        if link.adjoint_cost is None:
            return None
        number = known.number(Dense(rows, link.inputs))
        return Partial(number, Adjoint, left, None, right.link, flops=rows * link.adjoint_cost)
    return None


def plus(problem: Problem, left: Partial, right: Partial, /) -> Partial:
    """Return left + right, neither of them open."""
    cost, number = problem.structures.sum(left.number, right.number)
    return Partial(number, Add, left, right, flops=cost)


def written(problem: Problem, roots: Iterable[Partial | None], /) -> tuple[list[GraphNode], list[int | None]]:
    """Return the nodes that form some partials, each once, and the numbers of the roots among them.

    Nodes stand in the order in which the roots ask for them: operands just before their use.
    """
    nodes: list[GraphNode] = []
    places: dict[int, int] = {}  # by identity: an expression as large as these is never compared
    found: list[int | None] = []
    for root in roots:
        waiting = [] if root is None else [root]
        while waiting:
            partial = waiting[-1]
            missing = [one for one in (partial.left, partial.right) if one is not None and id(one) not in places]
            if id(partial) in places or not missing:
                waiting.pop()
                if id(partial) not in places:
                    places[id(partial)] = len(nodes)
                    nodes.append(node_of(problem, partial, places))
            else:
                waiting += reversed(missing)
        found.append(None if root is None else places[id(root)])
    return nodes, found


def node_of(problem: Problem, partial: Partial, places: Mapping[int, int], /) -> GraphNode:
    """Return the node of a partial whose operands stand at known places, by their identity."""
    left = places[id(partial.left)] if partial.left is not None else -1
    right = places[id(partial.right)] if partial.right is not None else -1
    structure = problem.structures.structure(partial.number)
    if partial.step is Local:
        return Local(partial.link, partial.mode, structure, partial.flops)
    if partial.step is Multiply:
        return Multiply(left, right, structure, partial.flops)
    if partial.step is Tangent:
        return Tangent(partial.link, right, structure, partial.flops)
    if partial.step is Adjoint:
        return Adjoint(left, partial.link, structure, partial.flops)
    return Add(left, right, structure, partial.flops)
