"""Lowering: a plan becomes a program. Equal sub-plans merge, states are computed when first needed and freed early."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, final

from jacchain.algebra.expand import expand_cost
from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Identity, Structure, stored
from jacchain.execution.lanes import Step, lanes
from jacchain.execution.program import ALIGNMENT, Instruction, Op, Program, Register, Slices, Storage, verify
from jacchain.execution.source import Facts
from jacchain.planning.memory import Extent, pack
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

    Returns
    -------
    Program
        Verified.
    """
    slicing = plan.slicing
    unit_columns = slicing is not None and slicing.axis == "columns" and is_seeded(plan.chain, "columns")
    writer = _Writer(plan, tuple(facts), tuple(same) or tuple(range(len(facts))), int(tangents or unit_columns))
    for k, node in enumerate(plan.nodes):
        if k == plan.once and slicing is not None:
            writer.begin_slices()
        writer.registers_of[k] = writer.write(node)
    if wanted is None:
        writer.finish(writer.registers_of[len(plan.nodes) - 1])
    else:
        writer.finish_all(wanted)
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
    results: tuple[int, ...] = ()
    each: int = 0
    """The first register that is made for every slice."""

    @property
    def cut(self) -> int:
        """The layer whose local Jacobian is cut into slices; -1 where none is."""
        slicing = self.plan.slicing
        if slicing is None or is_seeded(self.plan.chain, slicing.axis):
            return -1
        return 0 if slicing.axis == "columns" else len(self.facts) - 1

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

    def begin_slices(self) -> None:
        """Note that what follows is made for every slice; what slices are cut from is not."""
        if self.cut >= 0:
            self._whole(self.cut, self.facts[self.cut].link.accumulate_cost or 0)
        if self.cut >= 0 or self.plan.once:
            self.each = len(self.structures)

    def finish(self, register: int, /) -> None:
        """Drop what nothing needs, and see that the last instruction leaves the Jacobian in an array of its own."""
        dense = self._dense(register)
        needed = {dense, self.states[0], *self.seeds.values()}  # inputs stay: they are copied in, and checked
        self._drop(needed)
        if dense in self.borrowed or self.steps[-1].op in ("point", "seed"):
            self._expand(dense)

    def finish_all(self, wanted: Wanted, /) -> None:
        """Drop what nothing needs, and see that every result is in storage of its own, or borrowed."""
        inputs = {self.states[0], *self.seeds.values()}
        made: dict[int, int] = {}
        found = [self.registers_of[node] for node in wanted.nodes]
        for register in found + [self._state(vertex) for vertex in wanted.vertices]:
            is_copied = register in inputs or (wanted.is_dense and register in self.borrowed)
            if register not in made:
                made[register] = register
                if is_copied or (wanted.is_dense and not isinstance(self.structures[register], Dense)):
                    made[register] = self._expand(register)
        states = [self._state(vertex) for vertex in wanted.vertices]
        self.results = tuple(made[register] for register in found + states)
        self._drop({*self.results, *inputs})

    def _drop(self, needed: set[int]) -> None:
        """Drop the steps whose results nothing needs."""
        for step in reversed(self.steps):
            if step.result in needed:
                needed.update(step.operands)
        self.steps = [step for step in self.steps if step.result in needed]

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
        if mode != "given":
            return self._emit("accumulate", structure, (self._state(layer),), source=layer, mode=mode, flops=flops)
        made = self._whole(layer, flops)
        if layer == self.cut and self.plan.slicing is not None:
            return self._emit("slice", structure, (made,), mode=self.plan.slicing.axis)
        return made

    def _whole(self, layer: int, flops: int) -> int:
        """Return the register of a given local Jacobian."""
        facts = self.facts[layer]
        key = ("local", self.same[layer] if facts.reads == "" else ~layer)
        if key not in self.known:
            whole = facts.link.local
            operands = tuple(self._state(layer + (name == "y")) for name in facts.reads)
            in_place = tuple(self._state(layer + (name == "y")) for name in facts.local_in_place)
            self.known[key] = self._emit(
                "local", whole, operands, source=layer, flops=flops, scratch=facts.local_scratch, in_place=in_place
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
    """Return the program with every register in its storage."""
    steps, structures = writer.steps, writer.structures
    last_use, finals, once = _last_uses(writer)
    dies = [tuple(k for k in dict.fromkeys((s.result, *s.operands)) if last_use[k] == p) for p, s in enumerate(steps)]
    shares = _shares(writer)
    places = _Places(writer, itemsize, is_shared=bool(shares))
    for place in range(len(steps)):
        places.give(place, last_use, finals)
    storages, workspace = places.packed(writer.results or tuple(finals))
    instructions = tuple(
        Instruction(s.op, s.result, s.operands, s.source, s.mode, s.flops, places.scratch[p], dies[p])
        for p, s in enumerate(steps)
    )
    registers = tuple(Register(structure, places.of.get(k, -1)) for k, structure in enumerate(structures))
    slicing = writer.plan.slicing
    tapes = sorted(writer.facts[s.source].link.tape for s in steps if "adjoint" in (s.op, s.mode))
    return Program(
        instructions,
        registers,
        storages,
        workspace,
        extra,
        itemsize,
        layers,
        None if slicing is None else Slices(*slicing, slicing.length(writer.plan.chain)),
        shares,
        writer.results,
        sum(tapes[-max(1, len(shares)) :]) * itemsize,  # so many adjoints may run at once
        once,
    )


@final
class _Places:
    """Storages being given: one is taken over from an operand that dies where allowed, else a new one made."""

    def __init__(self, writer: _Writer, itemsize: int, *, is_shared: bool) -> None:
        self.writer, self.itemsize, self.is_shared = writer, itemsize, is_shared
        self.inputs = {step.result for step in writer.steps if step.op in ("point", "seed")}
        self.of: dict[int, int] = {}
        self.sizes: list[int] = []
        self.spans: list[tuple[int, int]] = []
        self.scratch: list[int] = []

    def give(self, place: int, last_use: Mapping[int, int], finals: Collection[int]) -> None:
        """Give the result of a step its storage, and the step its workspace."""
        step, structures, borrowed = self.writer.steps[place], self.writer.structures, self.writer.borrowed
        numbers = 0 if step.result in borrowed else stored(structures[step.result])
        free = [k for k in step.in_place if last_use[k] == place and not self.is_shared]
        taken = [k for k in free if k not in self.inputs and k not in finals and k not in borrowed]
        fitting = [k for k in taken if stored(structures[k]) == numbers]
        if step.result in borrowed:
            self.of[step.result] = -1
        elif fitting:
            k = self.of[step.result] = self.of[fitting[0]]
            self.spans[k] = (self.spans[k][0], last_use[step.result])
        else:
            self.of[step.result] = self._new(numbers, place, last_use[step.result])
        self.scratch.append(self._new(step.scratch, place, place) if step.scratch else -1)

    def _new(self, numbers: int, first: int, last: int) -> int:
        self.sizes.append(-(-numbers * self.itemsize // ALIGNMENT) * ALIGNMENT)
        # with several workers the order of steps is not known for certain
        self.spans.append((0, len(self.writer.steps) - 1) if self.is_shared else (first, last))
        return len(self.sizes) - 1

    def packed(self, results: tuple[int, ...]) -> tuple[tuple[Storage, ...], int]:
        """Return all storages and the bytes of workspace; those of results lie one after the other outside of it."""
        outside: dict[int, int] = {}
        for k in (self.of[register] for register in results):
            if k >= 0 and k not in outside:
                outside[k] = -1 - sum(self.sizes[i] for i in outside)
        extents = [Extent(0 if k in outside else size, *self.spans[k]) for k, size in enumerate(self.sizes)]
        offsets, workspace = pack(extents)
        storages = [Storage(size, outside.get(k, offsets[k]), *self.spans[k]) for k, size in enumerate(self.sizes)]
        return tuple(storages), workspace


def _last_uses(writer: _Writer) -> tuple[dict[int, int], set[int], int]:
    """Return the last step that needs each register, the results, and how many steps are run once for all slices.

    Results are held to the end, and so is what every slice reads again and what is written anew for each.
    """
    steps = writer.steps
    last_use = {k: place for place, step in enumerate(steps) for k in (step.result, *step.operands)}
    finals = set(writer.results) or {steps[-1].result}
    once = 0 if writer.plan.slicing is None else sum(step.result < writer.each for step in steps)
    kept = {step.result for step in steps if step.op in ("point", "seed")}
    kept |= {k for k, place in last_use.items() if k < writer.each and place >= once}
    return last_use | dict.fromkeys(finals | (kept if once else set()), len(steps)), finals, once


def _shares(writer: _Writer) -> tuple[tuple[int, ...], ...]:
    """Return for each worker the steps that it runs; none where one runs them all."""
    schedule = writer.plan.schedule
    if schedule is None or schedule.workers == 1:
        return ()
    return lanes(schedule, writer.registers_of, [Step(step.op, step.result, step.operands) for step in writer.steps])
