"""From terms to the nodes of a plan: each once, operands just before their use, with exact structures."""

from collections.abc import Collection, Iterable, Sequence

from jacchain.algebra.addition import addition
from jacchain.algebra.pattern import transpose
from jacchain.algebra.product import product
from jacchain.algebra.structure import Structure
from jacchain.algebra.symmetric import congruence
from jacchain.planning.node import (
    Add,
    Adjoint,
    Congruence,
    Curvature,
    Local,
    Multiply,
    SecondNode,
    Tangent,
    Transpose,
)
from jacchain.planning.second.terms import Term, Terms, operands


def written(terms: Terms, roots: Sequence[int | None], /) -> tuple[list[SecondNode], list[int | None]]:
    """Return the nodes that form some terms, and the numbers of the roots among them.

    The product CP on the way to a congruence PᵀCP is a node of its own where something else reads it too; the
    congruence then does not count it.

    Examples
    --------
    >>> from jacchain.planning.link import Link
    >>> terms = Terms((Link(3, 4),), unit_free=True)
    >>> written(terms, [terms.transpose(terms.local(0)), None])[1]
    [1, None]
    """
    nodes: list[SecondNode] = []
    places: dict[int, int] = {}
    found: list[int | None] = []
    shared = _read(terms, roots)
    for root in roots:
        waiting = [] if root is None else [root]
        while waiting:
            number = waiting[-1]
            missing = [one for one in _before(terms.terms[number], shared) if one not in places]
            if number in places or not missing:
                waiting.pop()
                if number not in places:
                    places[number] = len(nodes)
                    nodes.append(_node(terms, number, places, nodes))
            else:
                waiting += reversed(missing)
        found.append(None if root is None else places[root])
    return nodes, found


def _read(terms: Terms, roots: Iterable[int | None]) -> set[int]:
    """Return the terms that something reads besides congruences on their way."""
    wanted = [root for root in roots if root is not None]
    found = set(wanted)
    for number in terms.fresh(wanted):
        term = terms.terms[number]
        found.update((term.left, term.right) if term.step is Congruence else operands(term))
    return found


def _before(term: Term, shared: Collection[int]) -> tuple[int, ...]:
    """Return the terms that must stand before one."""
    return tuple(one for one in operands(term) if term.between != one or one in shared)


def _node(terms: Terms, number: int, places: dict[int, int], nodes: Sequence[SecondNode]) -> SecondNode:
    """Return the node of a term whose operands stand at known places.

    Structures are worked out anew: planners take the largest patterns to be dense, where no plan comes to use them.
    """
    term = terms.terms[number]
    below = [places[one] for one in operands(term) if one in places]
    structures = [nodes[k].structure for k in below]
    if term.step in (Local, Tangent, Adjoint, Curvature):
        return _on_ladder(term, terms.structures.structure(term.number), below)
    if term.step is Transpose:
        return Transpose(below[0], transpose(structures[0]))
    one, other = structures[:2]
    if term.step is Multiply:
        made = product(one, other)
        return Multiply(below[0], below[1], made.structure, made.cost)
    if term.step is Add:
        total = addition(one, other)
        return Add(below[0], below[1], total.structure, total.cost)
    symmetric = congruence(one, other)
    known = product(one, other).cost if term.between in places else 0
    return Congruence(below[0], below[1], symmetric.structure, symmetric.cost - known)


def _on_ladder(term: Term, structure: Structure, below: Sequence[int]) -> SecondNode:
    if term.step is Local:
        return Local(term.left, term.mode, structure, term.flops)
    if term.step is Tangent:
        return Tangent(term.left, below[0], structure, term.flops)
    if term.step is Adjoint:
        return Adjoint(below[0], term.right, structure, term.flops)
    return Curvature(term.left, below[0], structure)
