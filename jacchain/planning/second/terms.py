"""Terms of second order: what may be formed from what, each expression once, with its structure and its cost."""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple, final

from jacchain.algebra.pattern import transpose
from jacchain.algebra.structure import Dense, Diagonal, Identity, Negation, Structure, is_unit, stored
from jacchain.algebra.symmetric import congruence, half_cost
from jacchain.planning.draft import MODES
from jacchain.planning.elimination.structures import LARGE, OPEN, Structures
from jacchain.planning.link import Link, accumulation_cost
from jacchain.planning.node import (
    Add,
    Adjoint,
    Congruence,
    Curvature,
    Local,
    Mode,
    Multiply,
    SecondNode,
    Tangent,
    Transpose,
)

Step = type[SecondNode]
Key = tuple[Step, int, int, Mode]

NONE: Final = -1
"""Stands for an operand that a term does not have, and for the link of the identity."""


@final
class Term(NamedTuple):
    """One expression: a step on earlier terms, or on a link or a curvature, by their numbers.

    `left` and `right` are those of the fields of the step's node, in their order. `number` is that of the structure,
    or `OPEN` for a link whose local Jacobian is not formed; `flops` is the cost of the step alone; `unit` is 1 for the
    identity, -1 for its negation. A congruence PᵀCP that is formed by way of CP has that as its `between`, which
    others may share.
    """

    step: Step
    left: int
    right: int
    mode: Mode
    number: int
    flops: int
    is_symmetric: bool = False
    unit: int = 0
    between: int = NONE


class Congruent(NamedTuple):
    """What a congruence PᵀCP makes and costs.

    Attributes
    ----------
    number : int
        Its structure.
    first, rest : int
        Multiplications of CP, which other terms may share, and of what follows.
    is_halved : bool
        It is formed by way of CP.
    """

    number: int
    first: int
    rest: int
    is_halved: bool

    @property
    def flops(self) -> int:
        """Multiplications."""
        return self.first + self.rest


@final
class Terms:
    """All terms that planners have met, by number; equal ones are one, so that what is shared is counted once.

    Examples
    --------
    >>> terms = Terms((Link(3, 4),), unit_free=True)
    >>> jacobian = terms.local(0)
    >>> bent = terms.curvature(0, terms.identity(1), Diagonal(4), is_symmetric=True)
    >>> found = terms.congruence(bent, jacobian)
    >>> terms.structure(found), terms.cost([found]), terms.congruence(bent, jacobian) == found
    (Dense(rows=3, columns=3), 48, True)
    """

    __slots__ = ("_congruences", "_known", "_sums", "is_quotient", "is_unit_free", "links", "structures", "terms")

    def __init__(self, links: tuple[Link, ...], /, *, unit_free: bool, is_quotient: bool = False) -> None:
        self.links = links
        self.is_quotient = is_quotient
        self.is_unit_free = unit_free
        self.structures = Structures()
        self.terms: list[Term] = []
        self._known: dict[Key, int] = {}
        self._sums: dict[tuple[int, ...], int] = {}
        self._congruences: dict[tuple[int, int], Congruent] = {}

    def structure(self, term: int, /) -> Structure:
        """Return the structure of a term that is formed."""
        number = self.terms[term].number
        assert number != OPEN, "an open link has none"
        return self.structures.structure(number)

    def is_open(self, term: int, /) -> bool:
        """Whether a term is a link whose local Jacobian is not formed."""
        return self.terms[term].number == OPEN

    def identity(self, size: int, /) -> int:
        """Return the identity of so many numbers."""
        return self._leaf((Local, NONE, size, "given"), Identity(size), is_symmetric=True)

    def local(self, edge: int, /) -> int:
        """Return the local Jacobian of an edge, open where the link can do without."""
        link = self.links[edge]
        if link.tangent_cost is link.adjoint_cost is None:
            return self._leaf((Local, edge, NONE, "given"), link.local, flops=link.accumulate_cost or 0)
        key: Key = (Tangent, edge, NONE, "given")
        return self._known.get(key, NONE) if key in self._known else self._put(key, OPEN)

    def curvature(self, curve: int, adjoint: int, structure: Structure, /, *, is_symmetric: bool) -> int:
        """Return a curvature, given the row that weights it."""
        return self._leaf((Curvature, curve, adjoint, "given"), structure, is_symmetric=is_symmetric)

    def formed(self, term: int, /) -> int:
        """Return an open link's local Jacobian, accumulated in the cheapest way; anything else as it is."""
        if not self.is_open(term):
            return term
        edge = self.terms[term].left
        link = self.links[edge]
        costs = [(cost, mode) for mode in MODES if (cost := accumulation_cost(link, mode)) is not None]
        cost, mode = min(costs, key=lambda pair: pair[0])
        structure = link.local if mode == "given" else Dense(link.outputs, link.inputs)
        return self._leaf((Local, edge, NONE, mode), structure, flops=cost)

    def transpose(self, term: int, /) -> int:
        """Return the transpose: the term itself where it is symmetric; a link is formed for that."""
        term = self.formed(term)
        found = self.terms[term]
        if found.is_symmetric:
            return term
        if found.step is Transpose:
            return found.left
        key: Key = (Transpose, term, NONE, "given")
        known = self._known.get(key)
        if known is not None:
            return known
        return self._put(key, self.structures.number(transpose(self.structure(term))))

    def multiply(self, left: int, right: int, /) -> int:
        """Return left · right; links that are open are applied, or formed where that is cheaper."""
        one, other = self.terms[left], self.terms[right]
        if one.unit == 1:
            return right
        if other.unit == 1:
            return left
        if OPEN in (one.number, other.number):
            return self._applied(left, right)
        key: Key = (Multiply, left, right, "given")
        known = self._known.get(key)
        if known is not None:
            return known
        flops, number = self.structures.product(one.number, other.number)
        return self._put(key, number, flops)

    def pull(self, jacobian: int, right: int, /) -> int:
        """Return Jᵀ · right, where J may be open."""
        if self.is_open(jacobian):
            return self.transpose(self.multiply(self.transpose(right), jacobian))
        return self.multiply(self.transpose(jacobian), right)

    def push(self, left: int, jacobian: int, /) -> int:
        """Return left · Jᵀ, where J may be open."""
        if self.is_open(jacobian):
            return self.transpose(self.multiply(jacobian, self.transpose(left)))
        return self.multiply(left, self.transpose(jacobian))

    def congruence(self, middle: int, factor: int, /) -> int:
        """Return PᵀCP for a symmetric C."""
        unit = self.terms[factor].unit
        if unit:
            return middle
        if self.is_open(factor):
            choices = [self.congruence(middle, self.formed(factor))]
            if self.links[self.terms[factor].left].adjoint_cost is not None:
                choices.append(self.pull(factor, self.multiply(middle, factor)))
            return min(choices, key=lambda term: self.cost([term]))
        key: Key = (Congruence, middle, factor, "given")
        known = self._known.get(key)
        if known is not None:
            return known
        found = self.congruent(self.terms[middle].number, self.terms[factor].number)
        between = self.multiply(middle, factor) if found.is_halved else NONE
        return self._put(key, found.number, found.rest, is_symmetric=True, between=between)

    def congruent(self, middle: int, factor: int, /) -> Congruent:
        """Return what PᵀCP costs and makes, given the numbers of the structures of C and P."""
        found = self._congruences.get((middle, factor))
        if found is None:
            if is_unit(self.structures.structure(factor)):
                found = Congruent(middle, 0, 0, is_halved=False)
            else:
                found = self._congruent(middle, factor)
            self._congruences[middle, factor] = found
        return found

    def both(self, half: int, /) -> int:
        """Return M + Mᵀ."""
        turned = self.transpose(half)
        return self._add(half, turned, is_symmetric=True)

    def total(self, terms: tuple[int, ...], /) -> int:
        """Return the sum of some terms, those first that store least; one open link alone stays open."""
        if len(terms) == 1:
            return terms[0]
        found = self._sums.get(terms)
        if found is None:
            parts = sorted((self.formed(term) for term in terms), key=lambda term: (stored(self.structure(term)), term))
            found = parts[0]
            for part in parts[1:]:
                found = self._add(found, part)
            self._sums[terms] = found
        return found

    def fresh(self, roots: Iterable[int], seen: Collection[int] = (), /) -> set[int]:
        """Return all terms that some are formed from, and they themselves, but for those seen."""
        terms = self.terms
        found = {number for number in roots if number not in seen}
        waiting = list(found)
        while waiting:
            for number in operands(terms[waiting.pop()]):
                if number not in found and number not in seen:
                    found.add(number)
                    waiting.append(number)
        return found

    def step_cost(self, term: int, /) -> int:
        """Return what the last step of a term costs, before it is turned."""
        found = self.terms[term]
        return self.terms[found.left].flops if found.step is Transpose else found.flops

    def cost(self, roots: Iterable[int], seen: Collection[int] = (), /) -> int:
        """Return the multiplications of all that some terms are formed from, but for those seen."""
        terms = self.terms
        return sum([terms[number].flops for number in self.fresh(roots, seen)])

    def _leaf(self, key: Key, structure: Structure, *, flops: int = 0, is_symmetric: bool = False) -> int:
        known = self._known.get(key)
        if known is not None:
            return known
        if not self.is_unit_free and is_unit(structure) and key[1] != NONE:
            structure = Diagonal(structure.rows)  # so that products by it are counted
        return self._put(key, self.structures.number(structure), flops, is_symmetric=is_symmetric)

    def _put(self, key: Key, number: int, flops: int = 0, *, is_symmetric: bool = False, between: int = NONE) -> int:
        kind = None if number == OPEN else self.structures.structure(number)
        unit = 1 if isinstance(kind, Identity) else -1 if isinstance(kind, Negation) else 0
        is_number = _is_number(kind) and not self.is_quotient
        symmetric = is_symmetric or isinstance(kind, Identity | Negation | Diagonal) or is_number
        step, left, right, mode = key
        self.terms.append(Term(step, left, right, mode, number, flops, symmetric, unit, between))
        self._known[key] = found = len(self.terms) - 1
        return found

    def _add(self, left: int, right: int, *, is_symmetric: bool = False) -> int:
        key: Key = (Add, min(left, right), max(left, right), "given")
        known = self._known.get(key)
        if known is not None:
            return known
        one, other = self.terms[left], self.terms[right]
        flops, number = self.structures.sum(one.number, other.number)
        return self._put(key, number, flops, is_symmetric=is_symmetric or (one.is_symmetric and other.is_symmetric))

    def _applied(self, left: int, right: int) -> int:
        """Return the product where one or both are open: the cheapest of applying and of forming them."""
        one, other = self.terms[left], self.terms[right]
        choices = [self.multiply(self.formed(left), self.formed(right))]
        if one.number == OPEN != other.number:
            found = self._tangent(one.left, right)
        elif other.number == OPEN != one.number:
            found = self._adjoint(left, other.left)
        else:
            choices += [self.multiply(left, self.formed(right)), self.multiply(self.formed(left), right)]
            found = None
        if found is not None:
            choices.append(found)
        return min(choices, key=lambda term: self.cost([term]))

    def _tangent(self, edge: int, right: int) -> int | None:
        link, columns = self.links[edge], self.structure(right).columns
        if link.tangent_cost is None:
            return None
        key: Key = (Tangent, edge, right, "given")
        number = self.structures.number(Dense(link.outputs, columns))
        return self._known.get(key, NONE) if key in self._known else self._put(key, number, columns * link.tangent_cost)

    def _adjoint(self, left: int, edge: int) -> int | None:
        link, rows = self.links[edge], self.structure(left).rows
        if link.adjoint_cost is None:
            return None
        key: Key = (Adjoint, left, edge, "given")
        number = self.structures.number(Dense(rows, link.inputs))
        return self._known.get(key, NONE) if key in self._known else self._put(key, number, rows * link.adjoint_cost)

    def _congruent(self, middle: int, factor: int) -> Congruent:
        """Return what PᵀCP costs: by way of CP, unless the algebra knows a better one."""
        c, p = self.structures.structure(middle), self.structures.structure(factor)
        first, between = self.structures.product(middle, factor)
        if isinstance(p, Dense) and isinstance(self.structures.structure(between), Dense):
            second, number = half_cost(p), self.structures.number(Dense(p.columns, p.columns))
        else:
            second, number = self.structures.product(self.structures.number(transpose(p)), between)
        if first + second > LARGE:  # its pattern may not be known
            return Congruent(number, first, second, is_halved=True)
        best = congruence(c, p)
        if best.cost < first + second:
            return Congruent(self.structures.number(best.structure), 0, best.cost, is_halved=False)
        return Congruent(number, first, second, is_halved=True)


def operands(term: Term, /) -> tuple[int, ...]:
    """Return the terms that a term is formed from."""
    step = term.step
    if step is Multiply or step is Add:
        return term.left, term.right
    if step is Congruence:
        return (term.left, term.right) if term.between == NONE else (term.left, term.right, term.between)
    if step is Transpose or step is Adjoint:
        return (term.left,)
    if (step is Tangent or step is Curvature) and term.right != NONE:
        return (term.right,)
    return ()


def _is_number(kind: Structure | None) -> bool:
    return kind is not None and kind.rows == 1 == kind.columns
