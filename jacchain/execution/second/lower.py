"""Lowering a plan of second order: curvatures and mirrored halves, beside what a plan of first order has."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, assert_never, final

from jacchain.algebra.layered import is_layered
from jacchain.algebra.pattern import transpose
from jacchain.algebra.structure import (
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Structure,
    is_unit,
    stored,
)
from jacchain.algebra.symmetric import half_cost, scaled_gram_cost
from jacchain.execution.assembly import Assembly
from jacchain.execution.graph.lower import FOLDED, Place, Request, Writer, finished
from jacchain.execution.listing import Step
from jacchain.execution.operation import VALUE, Applied, CurvatureFacts
from jacchain.execution.program import Program
from jacchain.execution.symmetric_steps import SymmetricOp, predicted
from jacchain.planning.node import (
    Add,
    Adjoint,
    Bend,
    Congruence,
    Curvature,
    Local,
    Multiply,
    SecondNode,
    Seed,
    Tangent,
    Transpose,
)
from jacchain.planning.second.storage import read

STRIDED: Final = (Dense, Diagonal)
"""What a dense matrix in any strides can be multiplied by, or added to."""


class CurvePlace(NamedTuple):
    """Where a curvature comes from: a node of the expression, and which two of its operands it belongs to."""

    node: int
    first: int
    second: int


@final
@dataclass(frozen=True, slots=True)
class SecondRequest:
    """What a program of second order is to leave.

    Attributes
    ----------
    nodes : tuple of SecondNode
        The nodes of a plan.
    assemblies : tuple of Assembly
        What is made of some of them.
    values : tuple of int
        Nodes of the expression whose values are wanted.
    """

    nodes: tuple[SecondNode, ...]
    assemblies: tuple[Assembly, ...]
    values: tuple[int, ...] = ()


def lower_second(
    request: SecondRequest,
    nodes: Sequence[Applied],
    inputs: Sequence[int],
    places: Sequence[Place],
    curves: Sequence[CurvePlace],
    /,
    *,
    seeds: Sequence[int] = (),
    itemsize: int = 8,
) -> Program:
    """Return the program that makes what is requested of an expression.

    Parameters
    ----------
    request : SecondRequest
    nodes : sequence of Applied
        The expression, in topological order.
    inputs : sequence of int
        Its inputs, in the order in which they are given.
    places : sequence of Place
        For each edge of the planned graph where its local Jacobian comes from.
    curves : sequence of CurvePlace
        For each curvature where it comes from.
    seeds : sequence of int
        The nodes whose values are directions, for plans that have some.
    itemsize : int
        Bytes per number.

    Returns
    -------
    Program
        Verified. Its results are the assemblies, then the values.
    """
    writer = _SecondWriter(Writer(nodes, inputs, places, is_folded=True), request, curves, seeds)
    for k, node in enumerate(request.nodes):
        writer.first.registers_of[k] = writer.write(k, node)
    writer.finish()
    return finished(writer.first, itemsize=itemsize, extra=writer.constants() * itemsize)


@final
@dataclass
class _SecondWriter:
    """What is added to a writer of first order."""

    first: Writer
    request: SecondRequest
    curves: Sequence[CurvePlace]
    seeds: Sequence[int]
    symmetric: set[int] = field(default_factory=set)
    """Registers that are symmetric to the last bit."""
    uniform: set[int] = field(default_factory=set)
    """Registers of which all stored numbers are one constant."""
    turned: dict[int, int] = field(default_factory=dict)
    """For a register its transpose."""
    readers: dict[int, list[SecondNode]] = field(default_factory=dict)
    """For a node of the plan those that read it."""
    products: set[tuple[int, int]] = field(default_factory=set)
    """The pairs of nodes that the plan multiplies."""

    def __post_init__(self) -> None:
        for node in self.request.nodes:
            for k in read(node):
                self.readers.setdefault(k, []).append(node)
            if isinstance(node, Multiply):
                self.products.add((node.left, node.right))

    def write(self, k: int, node: SecondNode, /) -> int:
        """Emit what forms a node of the plan and return its register."""
        at = self.first.registers_of
        match node:
            case Local(-1, _, structure):
                return self._unit(structure)
            case Local(link):
                made = self.first.write(node)
                place = self.first.places[link]
                facts = self.first.facts_of(place.node).locals[place.operand]
                if facts is not None and facts.is_uniform and node.mode == "given":
                    self.uniform.add(made)
                return made
            case Tangent() | Adjoint() | Multiply():
                return self.first.write(node)
            case Add(left, right):
                return self._add(node, at[left], at[right])
            case Curvature(curve, adjoint):
                return self._curvature(self.curves[curve], at[adjoint])
            case Transpose(operand):
                return self._transpose(at[operand], is_strided=self._may_be_strided(k, operand))
            case Congruence(middle, factor):
                is_shared = (middle, factor) in self.products
                return self._congruence(at[middle], at[factor], is_shared=is_shared)
            case Seed(source):
                register = self.first.state(self.seeds[source])
                return self.first.listing.expand(register) if register in self.first.listing.views else register
            case Bend(curve, adjoint, tangent, is_mirrored):
                return self._bend(self.curves[curve], at[adjoint], at[tangent], is_mirrored=is_mirrored)
            case _:
                assert_never(node)

    def finish(self) -> None:
        """Emit what puts the results together, and drop what nothing needs."""
        listing, at, count = self.first.listing, self.first.registers_of, len(self.request.nodes)
        for number, assembly in enumerate(self.request.assemblies):
            registers = tuple(self._gatherable(at[part.node]) for part in assembly.parts)
            structures = [listing.structures[k] for k in registers]
            is_own = assembly.is_one_part and isinstance(structures[0], Dense)
            if is_own and registers[0] not in listing.borrowed:
                at[count + number] = self._mirror(registers[0]) if assembly.is_symmetric else registers[0]
                continue
            at[count + number] = listing.emit(
                "assemble",
                assembly.structure(structures),
                registers,
                mode=f"{number}{':mirror' if self._has_to_be_mirrored(assembly, registers) else ''}",
                scratch=assembly.scratch(structures),
            )
        roots = tuple(range(count, count + len(self.request.assemblies)))
        self.first.finish(Request((), roots, self.request.values, is_dense=False))

    def constants(self) -> int:
        """Return the numbers of what is made of constants once, and read by what is not."""
        listing = self.first.listing
        made = {step.result for step in listing.steps if step.op in FOLDED or self._is_written(step)} & listing.borrowed
        kept = {k for step in listing.steps if step.result not in listing.borrowed for k in step.operands}
        kept = {listing.views.get(k, k) for k in kept | set(listing.results)}
        return sum(stored(listing.structures[k]) for k in made & kept)

    def _is_written(self, step: Step) -> bool:
        """Whether a step writes a local Jacobian: others are views of what they read."""
        if step.op != "local":
            return False
        facts = self.first.facts_of(step.source).locals[int(step.mode)]
        return facts is not None and not facts.view

    def _has_to_be_mirrored(self, assembly: Assembly, registers: Sequence[int]) -> bool:
        """Whether a symmetric matrix would be so to rounding only.

        Blocks beside the diagonal are placed twice, once turned; where others overlap with them, the sums of the two
        halves are formed in different orders.
        """
        central = [k for k, part in zip(registers, assembly.parts, strict=True) if part.rows is part.columns]
        is_mixed = len(central) < len(registers) and assembly.is_overlapping
        return assembly.is_symmetric and (is_mixed or not all(map(self._is_exact, central)))

    def _is_exact(self, register: int) -> bool:
        structure = self.first.listing.structures[register]
        return register in self.symmetric or isinstance(structure, Diagonal | Identity | Negation)

    def _gatherable(self, register: int) -> int:
        """Return a register with the same matrix whose every entry is a stored number."""
        match self.first.listing.structures[register]:
            case Kronecker(Dense(), Dense()):
                return self.first.listing.expand(register)
            case _:
                return register

    def _unit(self, structure: Structure) -> int:
        """Return the register of an identity: the output's adjoint, or an input with respect to itself."""
        listing, key = self.first.listing, ("unit", structure)
        if key not in listing.known:
            listing.known[key] = listing.emit("unit", structure)
            listing.borrowed.add(listing.known[key])
        return listing.known[key]

    def _add(self, node: Add, left: int, right: int) -> int:
        made = self.first.write(node)
        if self.turned.get(left) == right or {left, right} <= self.symmetric:
            self.symmetric.add(made)
        return made

    def _facts(self, place: CurvePlace) -> CurvatureFacts:
        found = self.first.facts_of(place.node).curvatures
        assert found is not None, "a graph has no curvature that is not stated"
        return next(one for one in found if (one.first, one.second) == (place.first, place.second))

    def _row(self, register: int) -> int:
        """Return a register with the numbers of an adjoint one after the other."""
        structure = self.first.listing.structures[register]
        is_flat = isinstance(structure, Dense | Diagonal) or is_unit(structure)
        return register if is_flat else self.first.listing.expand(register)

    def _reads(self, place: CurvePlace, facts: CurvatureFacts) -> tuple[int, ...]:
        operands = self.first.nodes[place.node].operands
        return tuple(self.first.state(place.node if i == VALUE else operands[i]) for i in facts.reads)

    def _curvature(self, place: CurvePlace, adjoint: int) -> int:
        listing, facts, row = self.first.listing, self._facts(place), self._row(adjoint)
        key = ("curvature", place, row)
        if key in listing.known:
            return listing.known[key]
        mode = f"{place.first},{place.second}"
        if facts.view and listing.structures[row] != Identity(1) and listing.structures[row] != Negation(1):
            made = listing.emit("curvature", facts.structure, (row,), source=place.node, mode=f"{mode}:view")
            listing.views[made] = listing.views.get(row, row)
            if row in listing.borrowed:
                listing.borrowed.add(made)
        else:
            operands = (*self._reads(place, facts), row)
            made = listing.emit(
                "curvature", facts.structure, operands, source=place.node, mode=mode, scratch=facts.scratch
            )
            made = self.first.folded(made)
        if facts.is_uniform and row in self.uniform:
            self.uniform.add(made)
        listing.known[key] = made
        return made

    def _may_be_strided(self, k: int, operand: int) -> bool:
        """Whether all that reads a transpose takes a dense matrix in any strides."""
        at, nodes = self.first.registers_of, self.request.nodes
        if any(part.node == k for assembly in self.request.assemblies for part in assembly.parts):
            return False
        for node in self.readers.get(k, ()):
            if not isinstance(node, Multiply | Add):
                return False
            other = node.right if node.left == k else node.left
            if other == k or not isinstance(nodes[other].structure, STRIDED):
                return False
        return isinstance(self.first.listing.structures[at[operand]], Dense)

    def _transpose(self, register: int, *, is_strided: bool) -> int:
        listing = self.first.listing
        structure = listing.structures[register]
        if isinstance(structure, Diagonal | Identity | Negation) or register in self.symmetric:
            return register
        key = ("transpose", register)
        if key in listing.known:
            return listing.known[key]
        is_view = isinstance(structure, Kronecker) or (isinstance(structure, Dense) and is_strided)
        made = listing.emit("transpose", transpose(structure), (register,), mode="view" if is_view else "")
        if is_view:
            listing.views[made] = listing.views.get(register, register)
            if register in listing.borrowed:
                listing.borrowed.add(made)
        else:
            made = self.first.folded(made)
        listing.known[key] = made
        self.turned[register], self.turned[made] = made, register
        return made

    def _congruence(self, middle: int, factor: int, *, is_shared: bool) -> int:
        """Emit PᵀCP: first T = CP, which may be wanted anyway; half of PᵀT where both are dense, else all of it."""
        listing = self.first.listing
        match listing.structures[factor]:
            case Kronecker() as p if not is_shared and is_layered(listing.structures[middle], p):
                return self._symmetric("layered", (self._step("pairs", (factor,)), middle, factor))
            case Dense() as p if middle in self.uniform.intersection(listing.borrowed):
                if scaled_gram_cost(p) <= half_cost(p) + (0 if is_shared else p.rows * p.columns):
                    return self._symmetric("gram", (factor, middle))
            case _:
                pass
        scaled = self.first.folded(listing.multiply(middle, factor))
        structures = listing.structures[factor], listing.structures[scaled]
        if not all(isinstance(structure, Dense) for structure in structures):
            turned = self._transpose(factor, is_strided=isinstance(structures[1], STRIDED))
            return self._mirror(self.first.folded(listing.multiply(turned, scaled)))
        return self._symmetric("half", (factor, scaled))

    def _step(self, op: SymmetricOp, operands: tuple[int, ...], in_place: tuple[int, ...] = ()) -> int:
        """Return the register of a step of a symmetric product; equal steps merge."""
        listing, key = self.first.listing, (op, *operands)
        if key not in listing.known:
            found = predicted(op, [listing.structures[k] for k in operands])
            assert found is not None, f"{op} of other structures"
            made = listing.emit(
                op, found.structure, operands, flops=found.flops, scratch=found.scratch, in_place=in_place
            )
            listing.known[key] = self.first.folded(made)
        return listing.known[key]

    def _symmetric(self, op: SymmetricOp, operands: tuple[int, ...], in_place: tuple[int, ...] = ()) -> int:
        """Return the register of a step that leaves a matrix symmetric to the last bit."""
        made = self._step(op, operands, in_place)
        self.symmetric.add(made)
        return made

    def _mirror(self, register: int) -> int:
        """Return a register that is symmetric to the last bit, given one that is so to rounding."""
        listing = self.first.listing
        structure = listing.structures[register]
        if self._is_exact(register) or isinstance(structure, Kronecker):
            return register
        return self._symmetric("mirror", (register,), in_place=(register,))

    def _bend(self, place: CurvePlace, adjoint: int, tangent: int, *, is_mirrored: bool) -> int:
        listing, facts = self.first.listing, self._facts(place)
        column = listing.structures[tangent].rows
        if facts.applies:
            row = self._row(adjoint)
            operands = (*self._reads(place, facts), row, tangent)
            pair = (place.second, place.first) if is_mirrored else (place.first, place.second)
            size = facts.structure.columns if is_mirrored else facts.structure.rows
            return listing.emit(
                "bend", Dense(1, size), operands, source=place.node, mode=f"{pair[0]},{pair[1]}", scratch=facts.scratch
            )
        curvature = self._curvature(place, adjoint)
        if not is_mirrored:  # (C v)ᵀ = vᵀ Cᵀ
            curvature = self._transpose(curvature, is_strided=True)
        row = listing.emit("transpose", Dense(1, column), (tangent,), mode="view")
        listing.views[row] = listing.views.get(tangent, tangent)
        return self.first.folded(listing.multiply(row, curvature))
