"""Lowering the plan of a branching graph: states are computed when first needed, what is constant only once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Final, NamedTuple, final

from jacchain.algebra.structure import Dense, Structure, array_shapes
from jacchain.execution.listing import Listing
from jacchain.execution.operation import VALUE, Applied, LocalFacts, OperationFacts
from jacchain.execution.placement import placed
from jacchain.execution.program import Op, Program, verify
from jacchain.planning.node import Add, Adjoint, GraphNode, Local, Multiply, Tangent

FOLDED: Final = ("multiply", "add", "curvature", "transpose", "half", "gram", "pairs", "layered", "mirror")
"""The operations that are done once and for all on what is constant."""


class Place(NamedTuple):
    """Where an edge's local Jacobian comes from: a node of the expression, and which of its operands it belongs to."""

    node: int
    operand: int


@final
@dataclass(frozen=True, slots=True)
class Request:
    """What a program is to leave.

    Attributes
    ----------
    nodes : tuple of GraphNode
        The nodes of a plan.
    roots : tuple of int
        Those of them that are wanted; none is the identity of a vertex with respect to itself.
    values : tuple of int
        Nodes of the expression whose values are wanted.
    is_dense : bool
        Every matrix is written out in an array of its own; else it keeps its structure.
    is_folded : bool
        Products of constants are made when the program is bound, and kept; else in every run.
    """

    nodes: tuple[GraphNode, ...]
    roots: tuple[int, ...]
    values: tuple[int, ...] = ()
    is_dense: bool = True
    is_folded: bool = True


def lower_graph(
    request: Request,
    nodes: Sequence[Applied],
    inputs: Sequence[int],
    places: Sequence[Place],
    /,
    *,
    itemsize: int = 8,
    extra: int = 0,
) -> Program:
    """Return the program that makes what is requested of an expression.

    Parameters
    ----------
    request : Request
    nodes : sequence of Applied
        The expression, in topological order.
    inputs : sequence of int
        Its inputs, in the order in which they are given.
    places : sequence of Place
        For each edge of the planned graph where its local Jacobian comes from.
    itemsize, extra : int
        Bytes per number, and bytes held besides.

    Returns
    -------
    Program
        Verified. Its results are the roots, then the values. What does not depend on the inputs is borrowed: it is
        made when the program is bound.
    """
    writer = Writer(nodes, inputs, places, is_folded=request.is_folded)
    for k, node in enumerate(request.nodes):
        writer.registers_of[k] = writer.write(node)
    writer.finish(request)
    return finished(writer, itemsize=itemsize, extra=extra)


def finished(writer: "Writer", /, *, itemsize: int, extra: int = 0) -> Program:
    """Return the program that a writer has written, with a place for every register, verified."""
    program = placed(
        writer.listing,
        itemsize=itemsize,
        extra=extra,
        layers=tuple(_name(node) for node in writer.nodes),
        tapes={k: _tape(facts) for k, facts in writer.facts.items()},
    )
    verify(program)
    return program


def _name(node: Applied) -> str:
    return node.name or ("input" if node.operation is None else node.operation.name)


def _tape(facts: OperationFacts) -> int:
    return max((local.link.tape for local in facts.locals if local is not None), default=0)


def once(reads: Sequence[int], registers: Iterable[int], /) -> tuple[int, ...]:
    """Return those of some registers that are read once: others may still be needed when they are written over.

    Examples
    --------
    >>> once((3, 4, 3), (3, 4))
    (4,)
    """
    return tuple(register for register in registers if reads.count(register) == 1)


@final
@dataclass
class Writer:
    """The program being written."""

    nodes: Sequence[Applied]
    inputs: Sequence[int]
    places: Sequence[Place]
    is_folded: bool
    listing: Listing = field(default_factory=Listing)
    registers_of: dict[int, int] = field(default_factory=dict)
    states: dict[int, int] = field(default_factory=dict)
    facts: dict[int, OperationFacts] = field(default_factory=dict)
    strided: set[int] = field(default_factory=set)
    """Registers whose numbers do not lie one after the other."""
    locals_of: dict[int, Place] = field(default_factory=dict)
    """For a register that is a view of a state the local Jacobian that it is."""

    def __post_init__(self) -> None:
        for position, k in enumerate(self.inputs):
            if k not in self.states:
                self.states[k] = self.listing.emit("point", Dense(prod(self.nodes[k].shape), 1), mode=str(position))

    def write(self, node: GraphNode, /) -> int:
        """Emit what forms a node of the plan and return its register."""
        match node:
            case Local(-1):
                return -1  # an identity, which the caller need not be told about
            case Local(link, mode, _, flops):
                return self._local(self.places[link], mode, flops)
            case Multiply(left, right, _, _):
                return self.folded(self.listing.multiply(self.registers_of[left], self.registers_of[right]))
            case Add(left, right, _, _):
                return self.folded(self.listing.add(self.registers_of[left], self.registers_of[right]))
            case Tangent(link, right, structure, flops):
                return self._sweep("tangent", self.places[link], self.registers_of[right], structure, flops)
            case Adjoint(left, link, structure, flops):
                return self._sweep("adjoint", self.places[link], self.registers_of[left], structure, flops)

    def finish(self, request: Request, /) -> None:
        """Drop what nothing needs, and see that every result is in storage of its own."""
        listing, taken = self.listing, self._shared()
        found: list[int] = []
        for register in [self.registers_of[root] for root in request.roots]:
            made = self._own(register, is_dense=request.is_dense, taken=taken)
            taken.add(made)
            found.append(made)
        # a later value may be made of views of an earlier one, which then has no storage of its own
        values = [self.state(k) for k in request.values]
        taken |= self._shared()
        for register in values:
            own = register
            if register in taken or register in listing.borrowed:
                own = listing.emit("expand", listing.structures[register], (register,))
            taken.add(own)
            found.append(own)
        listing.results = tuple(found)
        listing.drop(set(found))

    def state(self, node: int, /) -> int:
        """Return the register of a node's value, computing it and what it needs."""
        waiting = [node]
        while waiting:
            k = waiting[-1]
            missing = [] if k in self.states else [i for i in self.nodes[k].operands if i not in self.states]
            if missing:
                waiting += reversed(missing)
                continue
            waiting.pop()
            if k not in self.states:
                self.states[k] = self._value(k)
        return self.states[node]

    def facts_of(self, k: int, /) -> OperationFacts:
        """Return the facts of a node that is an operation."""
        if k not in self.facts:
            node = self.nodes[k]
            assert node.operation is not None
            self.facts[k] = node.operation.facts(tuple(self.nodes[i].shape for i in node.operands))
        return self.facts[k]

    def _value(self, k: int) -> int:
        node, listing = self.nodes[k], self.listing
        structure: Structure = Dense(prod(node.shape), 1)
        if node.operation is None:
            register = listing.emit("constant", structure, source=k)
            listing.borrowed.add(register)
            return register
        facts, operands = self.facts_of(k), tuple(self.states[i] for i in node.operands)
        if facts.view and (facts.view == "strided" or operands[0] not in self.strided):
            register = self._view(structure, operands[0], k, "")
            if facts.view == "strided":
                self.strided.add(register)
            if operands[0] in listing.borrowed:
                listing.borrowed.add(register)
            return register
        in_place = once(operands, [operands[i] for i in facts.in_place])
        return listing.emit("value", structure, operands, source=k, scratch=facts.scratch, in_place=in_place)

    def _view(self, structure: Structure, whole: int, source: int, mode: str) -> int:
        register = self.listing.emit("view", structure, (whole,), source=source, mode=mode)
        self.listing.views[register] = self.listing.views.get(whole, whole)
        return register

    def _reads(self, place: Place, local: LocalFacts) -> tuple[int, ...]:
        operands = self.nodes[place.node].operands
        return tuple(self.state(place.node if i == VALUE else operands[i]) for i in local.reads)

    def _local(self, place: Place, mode: str, flops: int, *, is_copied: bool = False) -> int:
        local = self.facts_of(place.node).locals[place.operand]
        assert local is not None
        known, listing, k = self.listing.known, self.listing, place.node
        key = ("local", place, mode, is_copied)
        if key in known:
            return known[key]
        reads, where = self._reads(place, local), str(place.operand)
        if mode != "given":
            full, how = Dense(local.link.outputs, local.link.inputs), f"{mode}:{where}"
            known[key] = listing.emit("accumulate", full, reads, source=k, mode=how, flops=flops)
            return known[key]
        structure = local.link.local
        if not array_shapes(structure) or all(register in listing.borrowed for register in reads):
            known[key] = listing.emit("local", structure, reads, source=k, mode=where)
            listing.borrowed.add(known[key])
        elif self._is_view(local, reads) and not is_copied:
            known[key] = self._view(structure, reads[0], k, where)
            self.locals_of[known[key]] = place
        else:
            in_place = once(reads, [reads[local.reads.index(i)] for i in local.in_place])
            known[key] = listing.emit(
                "local", structure, reads, source=k, mode=where, flops=flops, scratch=local.scratch, in_place=in_place
            )
        return known[key]

    def _is_view(self, local: LocalFacts, reads: tuple[int, ...]) -> bool:
        is_one = len(reads) == 1 and len(array_shapes(local.link.local)) == 1
        return is_one and (local.view == "any" or (local.view == "contiguous" and reads[0] not in self.strided))

    def folded(self, register: int, /) -> int:
        """Return a register; what is made of constants alone is constant too, and is made when the program is bound."""
        step = self.listing.steps[-1]
        is_new = step.result == register and step.op in FOLDED
        if is_new and self.is_folded and self.listing.borrowed.issuperset(step.operands):
            self.listing.borrowed.add(register)
            step.flops = step.scratch = 0
        return register

    def _sweep(self, op: Op, place: Place, operand: int, structure: Structure, flops: int) -> int:
        local = self.facts_of(place.node).locals[place.operand]
        assert local is not None
        operands = (*self._reads(place, local), self.listing.dense(operand))
        return self.listing.emit(op, structure, operands, source=place.node, mode=str(place.operand), flops=flops)

    def _shared(self) -> set[int]:
        """Return the registers without storage of their own: views, what they are views of, and inputs."""
        views = self.listing.views
        return {*views, *views.values(), *(self.states[k] for k in self.inputs)}

    def _own(self, register: int, *, is_dense: bool, taken: set[int]) -> int:
        """Return a register with the same matrix in storage of its own."""
        listing = self.listing
        if is_dense and not isinstance(listing.structures[register], Dense):
            return listing.expand(register)
        if register in listing.borrowed and not is_dense:
            return register
        if register not in taken and register not in listing.borrowed:
            return register
        if isinstance(listing.structures[register], Dense):
            return listing.expand(register)
        place = self.locals_of.get(register)
        return register if place is None else self._local(place, "given", 0, is_copied=True)
