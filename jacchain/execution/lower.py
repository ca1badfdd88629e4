"""Lowering: a plan becomes a program. Equal sub-plans merge, states are computed when first needed and freed early."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, final

from jacchain.algebra.lifted import blocks
from jacchain.algebra.structure import Dense, Structure
from jacchain.execution.lanes import Step, lanes
from jacchain.execution.listing import Listing
from jacchain.execution.placement import placed
from jacchain.execution.program import Op, Program, Slices, verify
from jacchain.execution.source import Facts
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.plan import Plan
from jacchain.planning.slicing import is_seeded

SEEDS = ("tangents", "adjoints")


class Wanted(NamedTuple):
    """What a program of several results leaves: nodes of the plan and states at vertices."""

    nodes: tuple[int, ...]
    vertices: tuple[int, ...] = ()
    is_dense: bool = True
    """Every node is written out in an array of its own; else it keeps its structure, and may be borrowed."""


def lower(
    plan: Plan,
    facts: Sequence[Facts],
    layers: Sequence[str],
    /,
    *,
    same: Sequence[int] = (),
    tangents: bool = False,
    itemsize: int = 8,
    extra: int = 0,
    wanted: Wanted | None = None,
    points: int | None = None,
) -> Program:
    """Return the program of a plan.

    Parameters
    ----------
    plan : Plan
        Of the chain of the layers' links, possibly with seeds at its ends.
    facts, layers : sequence of Facts and of str
        What is known of each layer, and its name.
    same : sequence of int
        For each layer the first one that is the same object; products of equal constant layers are formed once.
    tangents : bool
        The chain's first link is a seed of tangents.
    itemsize, extra : int
        Bytes per number, and bytes held besides (converted parameters).
    wanted : Wanted, optional
        What to leave, where it is not the last node alone.
    points : int, optional
        The facts are those of layers at so many points at once, and the program is run for one such chunk after the
        other: what does not depend on the points is made once, and the result is the stack of the points' blocks.

    Returns
    -------
    Program
        Verified.
    """
    slicing = plan.slicing
    unit_columns = slicing is not None and slicing.axis == "columns" and is_seeded(plan.chain, "columns")
    writer = _Writer(plan, tuple(facts), tuple(same) or tuple(range(len(facts))), int(tangents or unit_columns))
    if points is not None:
        writer.write_shared()
    for k, node in enumerate(plan.nodes):
        if k == plan.once and slicing is not None:
            writer.begin_slices()
        if k not in writer.registers_of:
            writer.registers_of[k] = writer.write(node)
    if points is not None:
        writer.finish_blocks(writer.registers_of[len(plan.nodes) - 1], points)
    elif wanted is None:
        writer.finish(writer.registers_of[len(plan.nodes) - 1])
    else:
        writer.finish_all(wanted)
    program = placed(
        writer.listing,
        itemsize=itemsize,
        extra=extra,
        layers=tuple(layers),
        tapes={k: found.link.tape for k, found in enumerate(facts)},
        slices=None if slicing is None else Slices(*slicing, slicing.length(plan.chain)),
        lanes=_lanes(writer),
        is_repeated=points is not None,
    )
    verify(program)
    return program


@final
@dataclass
class _Writer:
    """The program being written, before storage is laid out."""

    plan: Plan
    facts: tuple[Facts, ...]
    same: tuple[int, ...]
    offset: int
    listing: Listing = field(default_factory=Listing)
    registers_of: dict[int, int] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)
    seeds: dict[int, int] = field(default_factory=dict)

    @property
    def cut(self) -> int:
        """The layer whose local Jacobian is cut into slices; -1 where none is."""
        slicing = self.plan.slicing
        if slicing is None or is_seeded(self.plan.chain, slicing.axis):
            return -1
        return 0 if slicing.axis == "columns" else len(self.facts) - 1

    def __post_init__(self) -> None:
        self.states.append(self.listing.emit("point", Dense(self.facts[0].link.inputs, 1)))
        for node in self.plan.nodes:  # all inputs are copied in before anything runs
            if isinstance(node, Local) and not 0 <= node.link - self.offset < len(self.facts):
                mode = SEEDS[node.link >= self.offset]
                self.seeds[node.link] = self.listing.emit("seed", node.structure, mode=mode)

    def write(self, node: Node, /) -> int:
        """Emit what forms a node and return its register."""
        match node:
            case Local(link, mode, structure, flops):
                return self._local(link - self.offset, mode, structure, flops)
            case Multiply(left, right, _, _):
                return self.listing.multiply(self.registers_of[left], self.registers_of[right])
            case Tangent(link, right, structure, flops):
                operand = self.listing.dense(self.registers_of[right])
                return self._sweep("tangent", link - self.offset, operand, structure, flops)
            case Adjoint(left, link, structure, flops):
                operand = self.listing.dense(self.registers_of[left])
                return self._sweep("adjoint", link - self.offset, operand, structure, flops)

    def write_shared(self) -> None:
        """Emit first what is the same at every point: constant local Jacobians and products of nothing else."""
        for k, node in enumerate(self.plan.nodes):
            match node:
                case Local(link, "given", _, _):
                    is_shared = self.facts[link].reads == ""
                case Multiply(left, right, _, _):
                    is_shared = left in self.registers_of and right in self.registers_of
                case _:
                    is_shared = False
            if is_shared:
                self.registers_of[k] = self.write(node)
        self.listing.each = len(self.listing.structures)

    def begin_slices(self) -> None:
        """Note that what follows is made for every slice; what slices are cut from is not."""
        if self.cut >= 0:
            self._whole(self.cut, self.facts[self.cut].link.accumulate_cost or 0)
        if self.cut >= 0 or self.plan.once:
            self.listing.each = len(self.listing.structures)

    def finish(self, register: int, /) -> None:
        """Drop what nothing needs, and see that the last instruction leaves the Jacobian in an array of its own."""
        dense = self.listing.dense(register)
        needed = {dense, self.states[0], *self.seeds.values()}  # inputs stay: they are copied in, and checked
        self.listing.drop(needed)
        if dense in self.listing.borrowed or self.listing.steps[-1].op in ("point", "seed"):
            self.listing.expand(dense)

    def finish_blocks(self, register: int, points: int, /) -> None:
        """Drop what nothing needs, and see that the last instruction leaves the block of every point."""
        found = self.listing.structures[register]
        if found != blocks(found, points) or register < self.listing.each:
            register = self.listing.blocks(register, points)
        self.listing.drop({register, self.states[0]})

    def finish_all(self, wanted: Wanted, /) -> None:
        """Drop what nothing needs, and see that every result is in storage of its own, or borrowed."""
        inputs = {self.states[0], *self.seeds.values()}
        made: dict[int, int] = {}
        found = [self.registers_of[node] for node in wanted.nodes]
        for register in found + [self._state(vertex) for vertex in wanted.vertices]:
            is_copied = register in inputs or (wanted.is_dense and register in self.listing.borrowed)
            if register not in made:
                made[register] = register
                if is_copied or (wanted.is_dense and not isinstance(self.listing.structures[register], Dense)):
                    made[register] = self.listing.expand(register)
        states = [self._state(vertex) for vertex in wanted.vertices]
        self.listing.results = tuple(made[register] for register in found + states)
        self.listing.drop({*self.listing.results, *inputs})

    def _state(self, vertex: int) -> int:
        """Return the register of the state at a vertex, computing the values up to it."""
        while len(self.states) <= vertex:
            k = len(self.states) - 1
            facts, x = self.facts[k], self.states[-1]
            if not facts.is_view:
                in_place = (x,) if facts.value_in_place else ()
                structure = Dense(facts.link.outputs, 1)
                x = self.listing.emit(
                    "value", structure, (x,), source=k, scratch=facts.value_scratch, in_place=in_place
                )
            self.states.append(x)
        return self.states[vertex]

    def _local(self, layer: int, mode: str, structure: Structure, flops: int) -> int:
        if layer + self.offset in self.seeds:
            return self.seeds[layer + self.offset]
        if mode != "given":
            return self.listing.emit(
                "accumulate", structure, (self._state(layer),), source=layer, mode=mode, flops=flops
            )
        made = self._whole(layer, flops)
        if layer == self.cut and self.plan.slicing is not None:
            return self.listing.emit("slice", structure, (made,), mode=self.plan.slicing.axis)
        return made

    def _whole(self, layer: int, flops: int) -> int:
        """Return the register of a given local Jacobian."""
        facts = self.facts[layer]
        key = ("local", self.same[layer] if facts.reads == "" else ~layer)
        if key not in self.listing.known:
            whole = facts.link.local
            operands = tuple(self._state(layer + (name == "y")) for name in facts.reads)
            in_place = tuple(self._state(layer + (name == "y")) for name in facts.local_in_place)
            self.listing.known[key] = self.listing.emit(
                "local", whole, operands, source=layer, flops=flops, scratch=facts.local_scratch, in_place=in_place
            )
            if facts.borrowed:
                self.listing.borrowed.add(self.listing.known[key])
        return self.listing.known[key]

    def _sweep(self, op: Op, layer: int, operand: int, structure: Structure, flops: int) -> int:
        return self.listing.emit(op, structure, (self._state(layer), operand), source=layer, flops=flops)


def _lanes(writer: _Writer) -> tuple[tuple[int, ...], ...]:
    """Return for each worker the steps that it runs; none where one runs them all."""
    schedule = writer.plan.schedule
    if schedule is None or schedule.workers == 1:
        return ()
    steps = [Step(step.op, step.result, step.operands) for step in writer.listing.steps]
    return lanes(schedule, writer.registers_of, steps)
