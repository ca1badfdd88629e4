"""A program: flat instructions in single-assignment form, with the place of every buffer fixed beforehand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, final

from jacchain.algebra.addition import addition
from jacchain.algebra.expand import expand_cost
from jacchain.algebra.lifted import blocks
from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Structure, stored
from jacchain.errors import JacchainError
from jacchain.execution.lanes import FIRST
from jacchain.execution.symmetric_steps import predicted
from jacchain.planning.slicing import Axis

States = Literal["point", "seed", "constant", "value", "view"]
Op = (
    States
    | Literal["local", "slice", "accumulate", "multiply", "add", "tangent", "adjoint", "expand", "blocks"]
    | Literal["unit", "curvature", "bend", "transpose", "half", "gram", "pairs", "layered", "mirror", "assemble"]
)

ALIGNMENT = 64
"""Every buffer starts at a multiple of so many bytes: a cache line, and the widest vector register."""


ANY: Final = 1 << 30
"""More registers than any operation reads."""

OPERANDS: Final[dict[Op, range]] = {
    "point": range(1),
    "seed": range(1),
    "constant": range(1),
    "value": range(1, ANY),
    "view": range(1, 2),
    "local": range(ANY),
    "slice": range(1, 2),
    "accumulate": range(ANY),
    "multiply": range(2, 3),
    "add": range(2, 3),
    "tangent": range(1, ANY),
    "adjoint": range(1, ANY),
    "expand": range(1, 2),
    "blocks": range(1, 2),
    "unit": range(1),
    "curvature": range(1, ANY),
    "bend": range(2, ANY),
    "transpose": range(1, 2),
    "half": range(2, 3),
    "gram": range(2, 3),
    "pairs": range(1, 2),
    "layered": range(3, 4),
    "mirror": range(1, 2),
    "assemble": range(ANY),
}
"""How many registers each operation reads."""

UNSOURCED: Final = (
    *("point", "seed", "slice", "multiply", "add", "expand", "blocks"),
    *("unit", "transpose", "half", "gram", "pairs", "layered", "mirror", "assemble"),
)
"""The operations that no layer does."""


class Register(NamedTuple):
    """A value of the program: a matrix, or a state seen as a matrix of one column; `storage` -1 means borrowed."""

    structure: Structure
    storage: int


class Storage(NamedTuple):
    """A stretch of memory: its bytes, where it starts in the workspace, and the instructions during which it is held.

    The result's storage lies outside the workspace and has offset -1; of several results, each lies so many bytes
    further on as its offset is below that.
    """

    size: int
    offset: int
    first: int
    last: int


class Instruction(NamedTuple):
    """One step: what it computes, from what, and which registers are no longer needed after it."""

    op: Op
    result: int
    operands: tuple[int, ...]
    source: int
    """Number of the layer, -1 where there is none."""
    mode: str
    flops: int
    scratch: int
    """Storage used as workspace, -1 where there is none."""
    frees: tuple[int, ...]


class Slices(NamedTuple):
    """The columns or rows made at a time, and how many there are."""

    axis: Axis
    size: int
    length: int

    @property
    def starts(self) -> tuple[int, ...]:
        """The first column or row of each slice; the last slice may be smaller."""
        return tuple(range(0, self.length, self.size))


@final
@dataclass(frozen=True, slots=True)
class Program:
    """Instructions with their registers and storages. Holds no arrays; print it for a listing.

    `flops` counts the multiplications of all products; `peak` the bytes of workspace and result together. A program
    with `slices` makes one slice of the Jacobian at a time; its flops are those of all slices, its result is one slice.
    """

    instructions: tuple[Instruction, ...]
    registers: tuple[Register, ...]
    storages: tuple[Storage, ...]
    workspace: int
    extra: int
    itemsize: int
    layers: tuple[str, ...]
    slices: Slices | None = None
    lanes: tuple[tuple[int, ...], ...] = ()
    """For each worker the instructions that it runs, in order; none where one runs them all."""
    results: tuple[int, ...] = ()
    """The registers of several results, held to the end; none where the last instruction's is the only one."""
    tape: int = 0
    """Bytes of the largest tapes that layers keep, by their own word, during the adjoints that may run at once."""
    once: int = 0
    """How many instructions, the first ones, are run once for all slices or points; what they leave is kept."""

    @property
    def result(self) -> int:
        """The register that holds the Jacobian."""
        return self.instructions[-1].result

    @property
    def flops(self) -> int:
        """Predicted multiplications."""
        once = sum(instruction.flops for instruction in self.instructions[: self.once])
        each = sum(instruction.flops for instruction in self.instructions[self.once :])
        return once + (each if self.slices is None else each * self.slices.length // self.slices.size)

    @property
    def result_bytes(self) -> int:
        """Bytes of the result, or of all results side by side."""
        if self.results:
            return max((place.size - 1 - place.offset for place in self.storages if place.offset < 0), default=0)
        return stored(self.registers[self.result].structure) * self.itemsize

    @property
    def peak(self) -> int:
        """Predicted bytes of workspace, result, converted copies of parameters, and the largest tape of an adjoint."""
        return self.workspace + self.result_bytes + self.extra + self.tape

    def __str__(self) -> str:
        return "\n".join(_listing(self))


def _listing(program: Program) -> Iterator[str]:
    for step in program.instructions:
        register = program.registers[step.result]
        storage = program.storages[register.storage] if register.storage >= 0 else None
        place = "borrowed" if storage is None else "result" if storage.offset < 0 else f"@{storage.offset}"
        layer = f" {program.layers[step.source]}" if step.source >= 0 else ""
        operands = "".join(f" %{k}" for k in step.operands)
        cost = f", {step.flops:,} multiplications" if step.flops else ""
        frees = f"; free {' '.join(f'%{k}' for k in step.frees)}" if step.frees else ""
        yield f"%{step.result} = {step.op}{layer}{operands}    [{register.structure}, {place}{cost}]{frees}"
    for worker, lane in enumerate(program.lanes):
        yield f"worker {worker}:{''.join(f' %{program.instructions[p].result}' for p in lane)}"
    if program.slices is not None:
        first = program.instructions[program.once].result
        slices = program.slices
        yield f"from %{first} on {len(slices.starts)} times, for {slices.size} {slices.axis} each"
    yield f"{program.flops:,} multiplications, {program.workspace:,} bytes of workspace, peak {program.peak:,} bytes"


def is_view(step: Instruction, /) -> bool:
    """Tell whether an instruction computes nothing: its result is an earlier register seen otherwise."""
    return step.op == "view" or (step.op in ("transpose", "curvature") and step.mode.endswith("view"))


class VerificationError(JacchainError):
    """A program that breaks its own laws: a defect of jacchain, never of its input."""


def verify(program: Program, /) -> None:
    """Check that a program is well formed.

    Inputs come first, since they are copied in before the run. Every register is assigned once, before use, and not
    used after it is freed; products have the structure and cost that the table predicts; storages that are held at
    the same time do not overlap, nor any where there are lanes, which come to an end; no register is written over
    another that is still live, except over an operand that dies there, where a product's rule allows it; and what is
    made once for all slices stays to the end.

    Raises
    ------
    VerificationError
        Naming the instruction.
    """
    live: set[int] = set()
    seen: set[int] = set()
    held: dict[int, set[int]] = {}
    for place, step in enumerate(program.instructions):
        if len(step.operands) not in OPERANDS[step.op]:
            _broken(place, step, f"has {len(step.operands)} operands")
        if (step.op in UNSOURCED) != (step.source == -1) or step.source >= len(program.layers):
            _broken(place, step, f"names layer {step.source}")
        for operand in step.operands:
            if operand not in live:
                _broken(place, step, f"%{operand} is not live")
        if step.op in ("point", "seed") and place > 0 and program.instructions[place - 1].op not in ("point", "seed"):
            _broken(place, step, "is an input, but comes after the first computation")
        if step.result in seen:
            _broken(place, step, f"%{step.result} is assigned twice")
        _check_structure(program, place, step)
        _check_sharing(program, place, step, held)
        seen.add(step.result)
        live.add(step.result)
        held.setdefault(program.registers[step.result].storage, set()).add(step.result)
        if not live.issuperset(step.frees):
            _broken(place, step, "frees what is not live")
        live -= set(step.frees)
        for k in step.frees:
            held[program.registers[k].storage].discard(k)
    results = set(program.results) or {program.result}
    results |= _kept(program, live)
    if live != results:
        _broken(len(program.instructions) - 1, program.instructions[-1], f"leaves {sorted(live ^ results)} behind")
    _check_storage(program)
    if program.lanes:
        _check_lanes(program)


def _kept(program: Program, live: set[int]) -> set[int]:
    """Return the registers that every slice reads again, or whose inputs it writes again; they stay to the end."""
    last = len(program.instructions) - 1
    once = {step.result for step in program.instructions[: program.once]}
    for place, step in enumerate(program.instructions[program.once :], program.once):
        for k in once.intersection(step.operands) - live:
            _broken(place, step, f"frees %{k}, which the next slice reads")
    for k in once & live:
        storage = program.registers[k].storage
        if storage >= 0 and program.storages[storage].last < last:
            _broken(last, program.instructions[last], f"comes when the storage of %{k} is no longer held")
    return once & live


def _check_structure(program: Program, place: int, step: Instruction) -> None:
    found = program.registers[step.result].structure
    operands = [program.registers[k].structure for k in step.operands]
    match step.op:
        case "multiply" | "add":
            made = (product if step.op == "multiply" else addition)(operands[0], operands[1])
            cost = made.cost if program.registers[step.result].storage >= 0 else 0  # what is constant is made once
            if (found, step.flops) != (made.structure, cost):
                _broken(place, step, f"is {found}, but {made.structure} is predicted")
        case "expand" | "blocks":
            whole = operands[0]
            expected = Dense(whole.rows, whole.columns) if step.op == "expand" else blocks(whole, int(step.mode))
            if (found, step.flops) != (expected, expand_cost(whole)):
                _broken(place, step, f"is {found}, not {expected}")
        case "slice":
            whole, found_shape = operands[0], (found.rows, found.columns)
            across = program.slices is not None and program.slices.axis == "columns"
            size = 0 if program.slices is None else program.slices.size
            cut = (whole.rows, size) if across else (size, whole.columns)
            if not isinstance(whole, Dense) or found_shape != cut:
                _broken(place, step, f"is {found}, not a slice of {whole}")
        case "tangent" | "adjoint" | "accumulate" | "seed":
            if not isinstance(found, Dense):
                _broken(place, step, f"is {found}, not dense")
        case "constant" | "unit" if program.registers[step.result].storage >= 0:
            _broken(place, step, "has storage, though it exists already")
        case "transpose" | "half" | "gram" | "pairs" | "layered" | "mirror" as op:
            known = predicted(op, operands)
            cost = 0 if known is None or program.registers[step.result].storage < 0 else known.flops
            if known is None or (found, step.flops) != (known.structure, cost):
                _broken(place, step, f"is {found}, but {known} is predicted")
        case _:  # operations and layers state their own
            pass


def _check_sharing(program: Program, place: int, step: Instruction, held: Mapping[int, set[int]]) -> None:
    """Check what the instruction writes to, given the live registers of each storage: the result's, and the scratch."""
    target = program.registers[step.result].storage
    if is_view(step):
        if program.registers[step.operands[0]].storage != target:
            _broken(place, step, f"is no view of %{step.operands[0]}")
        return
    for k in held.get(target, ()) if target >= 0 else ():
        if k not in step.frees:
            _broken(place, step, f"writes over %{k}, which is still live")
        if k in step.operands and k not in _overwritable(program, step):
            _broken(place, step, f"may not write over %{k}")
    if step.scratch >= 0:
        space = program.storages[step.scratch]
        if held.get(step.scratch) or step.scratch == target or not space.first <= place <= space.last:
            _broken(place, step, "uses scratch space that is not free")
        needed = _scratch(program, step)
        if needed * program.itemsize > space.size:
            _broken(place, step, f"needs {needed} numbers of scratch space")


def _overwritable(program: Program, step: Instruction) -> tuple[int, ...]:
    """Return the operands that a step may write over; layers state their own."""
    structures = [program.registers[k].structure for k in step.operands]
    match step.op:
        case "multiply":
            in_place = product(structures[0], structures[1]).rule.in_place
        case "add":
            in_place = addition(structures[0], structures[1]).rule.in_place
        case _:
            is_own = step.op in ("value", "local", "mirror")
            return tuple(k for k in step.operands if is_own and step.operands.count(k) == 1)
    return {"left": step.operands[:1], "right": step.operands[1:], "either": step.operands}.get(in_place, ())


def _scratch(program: Program, step: Instruction) -> int:
    """Return the numbers of scratch space that a product needs; layers state their own."""
    structures = [program.registers[k].structure for k in step.operands]
    match step.op:
        case "multiply":
            return product(structures[0], structures[1]).scratch
        case "add":
            return addition(structures[0], structures[1]).scratch
        case _:
            return 0


def _check_storage(program: Program) -> None:
    held: list[Storage] = []
    for a in sorted((a for a in program.storages if a.offset >= 0 and a.size), key=lambda a: a.first):
        if a.offset + a.size > program.workspace:
            _broken(a.first, program.instructions[a.first], "uses storage that ends beyond the workspace")
        held = [b for b in held if b.last >= a.first]
        if any(a.offset < b.offset + b.size and b.offset < a.offset + a.size for b in held):
            _broken(a.first, program.instructions[a.first], "overlaps storage that is still held")
        held.append(a)
    views = {step.result for step in program.instructions if is_view(step)}  # these may repeat what they see
    for place, step in enumerate(program.instructions):
        for k in (step.result, *step.operands):
            register = program.registers[k]
            if register.storage < 0:
                continue
            storage = program.storages[register.storage]
            size = 0 if k in views else stored(register.structure) * program.itemsize
            if not storage.first <= place <= storage.last or size > storage.size:
                _broken(place, step, f"%{k} does not fit its storage")


def _check_lanes(program: Program) -> None:
    """Check that the lanes come to an end, hold everything but inputs and states, and share no storage."""
    steps = program.instructions
    made = {step.result: place for place, step in enumerate(steps)}
    done = {place for place, step in enumerate(steps) if step.op in FIRST}
    held = len(done) + sum(map(len, program.lanes))
    waiting = [list(lane) for lane in program.lanes]
    moved = True
    while moved:
        moved = False
        for lane in waiting:
            while lane and done.issuperset(made[k] for k in steps[lane[0]].operands):
                done.add(lane.pop(0))
                moved = True
    if any(waiting) or not held == len(done) == len(steps):
        _broken(0, steps[0], f"begins lanes of which {sorted(set(range(len(steps))) - done)} are never done")
    used = [k for k in (program.registers[step.result].storage for step in steps) if k >= 0]
    for k in {*used, *(step.scratch for step in steps if step.scratch >= 0)}:
        if used.count(k) > 1 or (program.storages[k].first, program.storages[k].last) != (0, len(steps) - 1):
            _broken(0, steps[0], f"begins lanes that share storage {k}")


def _broken(place: int, step: Instruction, problem: str) -> None:
    raise VerificationError(
        f"instruction {place} (%{step.result} = {step.op}) {problem}", "this is a defect of jacchain: please report it"
    )
