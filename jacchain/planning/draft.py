"""A plan being written: nodes in any valid order, with structures and costs worked out as they are added."""

from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar, final

from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense
from jacchain.errors import InfeasibleError
from jacchain.planning.graph import Chain
from jacchain.planning.link import accumulation_cost
from jacchain.planning.node import Adjoint, Local, Mode, Multiply, Node, Tangent

K = TypeVar("K", bound=Hashable)

MODES: Final[tuple[Mode, ...]] = ("given", "tangent", "adjoint")
"""Ways to accumulate a link; among equals the first one is taken."""


class Step(NamedTuple, Generic[K]):
    """How a planner forms one partial product: an operation on a link or on the keys of smaller products."""

    operation: type[Local] | type[Multiply] | type[Tangent] | type[Adjoint]
    link: int
    mode: Mode
    operands: tuple[K, ...]


def mode_cost(chain: Chain, link: int, mode: Mode, /) -> int | None:
    """Return what accumulating a link costs in one mode; None where the link does not offer it."""
    return accumulation_cost(chain.links[link], mode)


def cheapest_cost(chain: Chain, link: int, /) -> int:
    """Return what accumulating a link costs at the least."""
    return min(cost for mode in MODES if (cost := mode_cost(chain, link, mode)) is not None)


@final
class Draft:
    """Nodes collected so far; each method adds one and returns its index."""

    def __init__(self, chain: Chain, /) -> None:
        self.chain = chain
        self.nodes: list[Node] = []

    @property
    def flops(self) -> int:
        """Multiplications of all nodes."""
        return sum(node.flops for node in self.nodes)

    def local(self, link: int, mode: Mode, /) -> int:
        """Add the local Jacobian of a link."""
        cost = mode_cost(self.chain, link, mode)
        if cost is None:
            raise InfeasibleError(
                f"link {link + 1} cannot be accumulated by {mode}",
                "give it a structure" if mode == "given" else f"give it the cost of {mode}s, or choose another planner",
            )
        found = self.chain.links[link]
        structure = found.local if mode == "given" else Dense(found.outputs, found.inputs)
        return self._add(Local(link, mode, structure, cost))

    def multiply(self, left: int, right: int, /) -> int:
        """Add the product of two nodes."""
        made = product(self.nodes[left].structure, self.nodes[right].structure)
        return self._add(Multiply(left, right, made.structure, made.cost))

    def tangent(self, link: int, right: int, /) -> int:
        """Add a link applied to the columns of a node."""
        found, columns = self.chain.links[link], self.nodes[right].structure.columns
        if found.tangent_cost is None:
            raise InfeasibleError(f"link {link + 1} has no tangent", "give it a tangent_cost or another planner")
        return self._add(Tangent(link, right, Dense(found.outputs, columns), columns * found.tangent_cost))

    def adjoint(self, left: int, link: int, /) -> int:
        """Add a link applied to the rows of a node."""
        found, rows = self.chain.links[link], self.nodes[left].structure.rows
        if found.adjoint_cost is None:
            raise InfeasibleError(f"link {link + 1} has no adjoint", "give it an adjoint_cost or another planner")
        return self._add(Adjoint(left, link, Dense(rows, found.inputs), rows * found.adjoint_cost))

    def grow(self, root: K, expand: Callable[[K], Step[K]], /) -> int:
        """Add the product named by a key and, before it, all that `expand` says it is made of.

        Works without recursion, since an order of thousands of links is as deep as it is long.
        """
        done: dict[K, int] = {}
        waiting = [root]
        while waiting:
            key = waiting[-1]
            step = expand(key)
            missing = [operand for operand in step.operands if operand not in done]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            done[key] = self.add(step, [done[operand] for operand in step.operands])
        return done[root]

    def add(self, step: Step[K], found: Sequence[int], /) -> int:
        """Add the node of a step on nodes."""
        if step.operation is Local:
            return self.local(step.link, step.mode)
        if step.operation is Multiply:
            return self.multiply(found[0], found[1])
        if step.operation is Tangent:
            return self.tangent(step.link, found[0])
        return self.adjoint(found[0], step.link)

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1


def replayed(chain: Chain, nodes: Sequence[Node], /) -> Draft:
    """Return the order of some nodes for a chain of other sizes."""
    draft = Draft(chain)
    for node in nodes:
        match node:
            case Local(link, mode, _, _):
                draft.local(link, mode)
            case Multiply(left, right, _, _):
                draft.multiply(left, right)
            case Tangent(link, right, _, _):
                draft.tangent(link, right)
            case Adjoint(left, link, _, _):
                draft.adjoint(left, link)
    return draft
