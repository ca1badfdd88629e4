"""A plan for the Hessian of a chain being written: equal nodes are one, structures and costs follow from operands."""

from typing import final

from jacchain.algebra.product import product
from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.elementals import Cell, Elementals
from jacchain.planning.second.chains.node import ChainNode, Elemental, Lift, Pull, Sum, Zero, chain_operands

Span = tuple[int, int]
"""The Jacobian J(upper, lower)."""


@final
class HessianDraft:
    """Nodes collected so far; each method adds one, unless it is there already, and returns its index.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> draft = HessianDraft(Elementals(chain_of_sizes([3, 4, 2]), symmetric=False))
    >>> lifted = draft.lift(draft.jacobian(2), draft.elemental(1))
    >>> draft.nodes[lifted].flops, draft.places[lifted]
    (72, Cell(output=2, first=0, second=0, start=0, stop=1))
    """

    def __init__(self, given: Elementals, /) -> None:
        self.given = given
        self.nodes: list[ChainNode] = []
        self.places: list[Cell | Span] = []
        self._known: dict[tuple[type, ChainNode], int] = {}

    def jacobian(self, link: int, /) -> int:
        """Add the local Jacobian of a link, numbered from 1."""
        return self._add(Local(link - 1, "given", self.given.chain.links[link - 1].local, 0), (link, link - 1))

    def multiply(self, left: int, right: int, /) -> int:
        """Add the product of two Jacobians."""
        one, two = self.nodes[left], self.nodes[right]
        assert isinstance(one, Local | Multiply)
        assert isinstance(two, Local | Multiply)
        made = product(one.structure, two.structure)
        return self._add(Multiply(left, right, made.structure, made.cost), (self._span(left)[0], self._span(right)[1]))

    def elemental(self, link: int, /) -> int:
        """Add the second derivative of a link, numbered from 1."""
        cell = Cell(link, link - 1, link - 1, link - 1, link)
        return self._add(Elemental(link - 1, self.given.structure(cell)), cell)

    def zero(self) -> int:
        """Add the tensor of a chain of linear links."""
        n = len(self.given)
        return self._add(Zero(self.given.structure(Cell(n, 0, 0, 0, n))), Cell(n, 0, 0, 0, n))

    def lift(self, left: int, right: int, /) -> int:
        """Add a Jacobian applied to the output of a tensor."""
        upper, lower = self._span(left)
        cell = self._cell(right)._replace(output=upper)
        cost = self.given.lift_cost(cell, lower)
        return self._add(Lift(left, right, self.given.structure(cell), cost), cell)

    def pull(self, left: int, right: int, arm: int, /) -> int:
        """Add a tensor with an arm multiplied by a Jacobian."""
        upper, lower = self._span(right)
        cell = self._cell(left)
        cell = cell._replace(first=lower) if arm == 0 else cell._replace(second=lower)
        cost = self.given.pull_cost(cell, upper, arm)
        return self._add(Pull(left, right, arm, self.given.structure(cell), cost), cell)

    def add(self, left: int, right: int, /) -> int:
        """Add the sum of two tensors of neighbouring terms."""
        one, two = self._cell(left), self._cell(right)
        cell = one._replace(start=min(one.start, two.start), stop=max(one.stop, two.stop))
        return self._add(Sum(left, right, self.given.structure(cell)), cell)

    def summed(self, left: int | None, right: int | None, /) -> int | None:
        """Add the sum of two tensors, of which those that are zero are None."""
        if left is None or right is None:
            return right if left is None else left
        return self.add(left, right)

    def kept(self, root: int, /) -> tuple[ChainNode, ...]:
        """Return the nodes that the root is made of, itself last."""
        wanted, waiting = {root}, [root]
        while waiting:
            for operand in chain_operands(self.nodes[waiting.pop()]):
                if operand not in wanted:
                    wanted.add(operand)
                    waiting.append(operand)
        order = sorted(wanted)
        place = {old: new for new, old in enumerate(order)}
        return tuple(renumbered(self.nodes[k], place) for k in order)

    def _span(self, node: int) -> Span:
        place = self.places[node]
        assert not isinstance(place, Cell)
        return place

    def _cell(self, node: int) -> Cell:
        place = self.places[node]
        assert isinstance(place, Cell)
        return place

    def _add(self, node: ChainNode, place: Cell | Span) -> int:
        key = type(node), node
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(node)
            self.places.append(place)
        return self._known[key]


def renumbered(node: ChainNode, place: dict[int, int], /) -> ChainNode:
    """Return a node that reads the same nodes under their new numbers."""
    match node:
        case Local() | Elemental() | Zero():
            return node
        case Multiply() | Lift() | Pull() | Sum():
            return node._replace(left=place[node.left], right=place[node.right])
