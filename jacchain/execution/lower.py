"""Lowering: a plan becomes a program. Equal sub-plans merge, states are computed when first needed and freed early."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import final

from jacchain.algebra.expand import expand_cost
from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Identity, Structure, stored
from jacchain.execution.program import ALIGNMENT, Instruction, Op, Program, Register, Storage, verify
from jacchain.execution.source import Facts
from jacchain.planning.memory import Extent, pack
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.plan import Plan

SEEDS = ("tangents", "adjoints")


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
        The plan's first link is a seed of tangents.
    itemsize, extra : int
        Bytes per number, and bytes held besides (converted parameters).

    Returns
    -------
    Program
        Verified.
    """
    writer = _Writer(plan, tuple(facts), tuple(same) or tuple(range(len(facts))), int(tangents))
    for k, node in enumerate(plan.nodes):
        writer.registers_of[k] = writer.write(node)
    writer.finish(writer.registers_of[len(plan.nodes) - 1])
    program = _placed(writer, itemsize, extra, tuple(layers))
    verify(program)
    return program


@final
@dataclass
class _Step:
    """An instruction before storage is known."""

    op: Op
    result: int
    operands: tuple[int, ...]
    source: int
    mode: str
    flops: int
    scratch: int
    in_place: tuple[int, ...]


@final
@dataclass
class _Writer:
    """The program being written, before storage is laid out."""

    plan: Plan
    facts: tuple[Facts, ...]
    same: tuple[int, ...]
    offset: int
    steps: list[_Step] = field(default_factory=list)
    structures: list[Structure] = field(default_factory=list)
    borrowed: set[int] = field(default_factory=set)
    registers_of: dict[int, int] = field(default_factory=dict)
    known: dict[Hashable, int] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)
    seeds: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states.append(self._emit("point", Dense(self.facts[0].link.inputs, 1)))
        for node in self.plan.nodes:  # all inputs are copied in before anything runs
            if isinstance(node, Local) and not 0 <= node.link - self.offset < len(self.facts):
                mode = SEEDS[node.link >= self.offset]
                self.seeds[node.link] = self._emit("seed", node.structure, mode=mode)

    def write(self, node: Node, /) -> int:
        """Emit what forms a node and return its register."""
        match node:
            case Local(link, mode, structure, flops):
                return self._local(link - self.offset, mode, structure, flops)
            case Multiply(left, right, structure, flops):
                return self._multiply(self.registers_of[left], self.registers_of[right], structure, flops)
            case Tangent(link, right, structure, flops):
                operand = self._dense(self.registers_of[right])
                return self._sweep("tangent", link - self.offset, operand, structure, flops)
            case Adjoint(left, link, structure, flops):
                operand = self._dense(self.registers_of[left])
                return self._sweep("adjoint", link - self.offset, operand, structure, flops)

    def finish(self, register: int, /) -> None:
        """Drop what nothing needs, and see that the last instruction leaves the Jacobian in an array of its own."""
        dense = self._dense(register)
        needed = {dense, self.states[0], *self.seeds.values()}  # inputs stay: they are copied in, and checked
        for step in reversed(self.steps):
            if step.result in needed:
                needed.update(step.operands)
        self.steps = [step for step in self.steps if step.result in needed]
        if dense in self.borrowed or self.steps[-1].op in ("point", "seed"):
            self._expand(dense)

    def _emit(
        self,
        op: Op,
        structure: Structure,
        operands: tuple[int, ...] = (),
        *,
        source: int = -1,
        mode: str = "",
        flops: int = 0,
        scratch: int = 0,
        in_place: tuple[int, ...] = (),
    ) -> int:
        self.structures.append(structure)
        result = len(self.structures) - 1
        self.steps.append(_Step(op, result, operands, source, mode, flops, scratch, in_place))
        return result

    def _state(self, vertex: int) -> int:
        """Return the register of the state at a vertex, computing the values up to it."""
        while len(self.states) <= vertex:
            k = len(self.states) - 1
            facts, x = self.facts[k], self.states[-1]
            if not facts.is_view:
                in_place = (x,) if facts.value_in_place else ()
                structure = Dense(facts.link.outputs, 1)
                x = self._emit("value", structure, (x,), source=k, scratch=facts.value_scratch, in_place=in_place)
            self.states.append(x)
        return self.states[vertex]

    def _local(self, layer: int, mode: str, structure: Structure, flops: int) -> int:
        if layer + self.offset in self.seeds:
            return self.seeds[layer + self.offset]
        facts = self.facts[layer]
        if mode != "given":
            return self._emit("accumulate", structure, (self._state(layer),), source=layer, mode=mode, flops=flops)
        key = ("local", self.same[layer] if facts.reads == "" else ~layer)
        if key not in self.known:
            operands = tuple(self._state(layer + (name == "y")) for name in facts.reads)
            in_place = tuple(self._state(layer + (name == "y")) for name in facts.local_in_place)
            self.known[key] = self._emit(
                "local", structure, operands, source=layer, flops=flops, scratch=facts.local_scratch, in_place=in_place
            )
            if facts.borrowed:
                self.borrowed.add(self.known[key])
        return self.known[key]

    def _multiply(self, left: int, right: int, structure: Structure, flops: int) -> int:
        if isinstance(self.structures[left], Identity):
            return right
        if isinstance(self.structures[right], Identity):
            return left
        key = ("multiply", left, right)
        if key not in self.known:
            made = product(self.structures[left], self.structures[right])
            sides = {"": (), "left": (left,), "right": (right,), "either": (left, right)}
            in_place = sides[made.rule.in_place]
            self.known[key] = self._emit(
                "multiply", structure, (left, right), flops=flops, scratch=made.scratch, in_place=in_place
            )
        return self.known[key]

    def _sweep(self, op: Op, layer: int, operand: int, structure: Structure, flops: int) -> int:
        return self._emit(op, structure, (self._state(layer), operand), source=layer, flops=flops)

    def _dense(self, register: int) -> int:
        return register if isinstance(self.structures[register], Dense) else self._expand(register)

    def _expand(self, register: int) -> int:
        found = self.structures[register]
        return self._emit("expand", Dense(found.rows, found.columns), (register,), flops=expand_cost(found))


def _placed(writer: _Writer, itemsize: int, extra: int, layers: tuple[str, ...]) -> Program:
    """Give every register a storage: taken over from an operand that dies where allowed, else a new one; then pack."""
    steps, structures = writer.steps, writer.structures
    last_use = {k: place for place, step in enumerate(steps) for k in (step.result, *step.operands)}
    dies = [tuple(k for k in dict.fromkeys((s.result, *s.operands)) if last_use[k] == p) for p, s in enumerate(steps)]
    final = steps[-1].result
    fixed = writer.borrowed | {step.result for step in steps if step.op in ("point", "seed")}  # never written over
    storage_of: dict[int, int] = {}
    sizes: list[int] = []
    spans: list[tuple[int, int]] = []
    scratch: list[int] = []

    def new(numbers: int, first: int, last: int) -> int:
        sizes.append(-(-numbers * itemsize // ALIGNMENT) * ALIGNMENT)
        spans.append((first, last))
        return len(sizes) - 1

    for place, step in enumerate(steps):
        numbers = 0 if step.result in writer.borrowed else stored(structures[step.result])
        taken = [k for k in step.in_place if last_use[k] == place and k not in fixed]
        fitting = [k for k in taken if stored(structures[k]) == numbers]
        if step.result in writer.borrowed:
            storage_of[step.result] = -1
        elif fitting:
            storage_of[step.result] = storage_of[fitting[0]]
            spans[storage_of[step.result]] = (spans[storage_of[step.result]][0], last_use[step.result])
        else:
            storage_of[step.result] = new(numbers, place, last_use[step.result])
        scratch.append(new(step.scratch, place, place) if step.scratch else -1)
    outside = storage_of[final]
    offsets, workspace = pack([Extent(0 if k == outside else sizes[k], *spans[k]) for k in range(len(sizes))])
    storages = tuple(Storage(sizes[k], -1 if k == outside else offsets[k], *spans[k]) for k in range(len(sizes)))
    instructions = tuple(
        Instruction(
            s.op, s.result, s.operands, s.source, s.mode, s.flops, scratch[p], tuple(k for k in dies[p] if k != final)
        )
        for p, s in enumerate(steps)
    )
    registers = tuple(Register(structure, storage_of.get(k, -1)) for k, structure in enumerate(structures))
    return Program(instructions, registers, storages, workspace, extra, itemsize, layers)
