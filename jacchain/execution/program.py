"""A program: flat instructions in single-assignment form, with the place of every buffer fixed beforehand."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, final

from jacchain.algebra.expand import expand_cost
from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Structure, stored
from jacchain.errors import JacchainError

Op = Literal["point", "seed", "value", "local", "accumulate", "multiply", "tangent", "adjoint", "expand"]

ALIGNMENT = 64
"""Every buffer starts at a multiple of so many bytes: a cache line, and the widest vector register."""


OPERANDS: Final[dict[Op, tuple[int, ...]]] = {
    "point": (0,),
    "seed": (0,),
    "value": (1,),
    "local": (0, 1, 2),
    "accumulate": (1,),
    "multiply": (2,),
    "tangent": (2,),
    "adjoint": (2,),
    "expand": (1,),
}
"""How many registers each operation reads."""


class Register(NamedTuple):
    """A value of the program: a matrix, or a state seen as a matrix of one column; `storage` -1 means borrowed."""

    structure: Structure
    storage: int


class Storage(NamedTuple):
    """A stretch of memory: its bytes, where it starts in the workspace, and the instructions during which it is held.

    The result's storage lies outside the workspace and has offset -1.
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


@final
@dataclass(frozen=True, slots=True)
class Program:
    """Instructions with their registers and storages. Holds no arrays; print it for a listing.

    `flops` counts the multiplications of all products; `peak` the bytes of workspace and result together.
    """

    instructions: tuple[Instruction, ...]
    registers: tuple[Register, ...]
    storages: tuple[Storage, ...]
    workspace: int
    extra: int
    itemsize: int
    layers: tuple[str, ...]

    @property
    def result(self) -> int:
        """The register that holds the Jacobian."""
        return self.instructions[-1].result

    @property
    def flops(self) -> int:
        """Predicted multiplications."""
        return sum(instruction.flops for instruction in self.instructions)

    @property
    def result_bytes(self) -> int:
        """Bytes of the result."""
        return stored(self.registers[self.result].structure) * self.itemsize

    @property
    def peak(self) -> int:
        """Predicted bytes of workspace, result, and converted copies of parameters."""
        return self.workspace + self.result_bytes + self.extra

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
    yield f"{program.flops:,} multiplications, {program.workspace:,} bytes of workspace, peak {program.peak:,} bytes"


class VerificationError(JacchainError):
    """A program that breaks its own laws: a defect of jacchain, never of its input."""


def verify(program: Program, /) -> None:
    """Check that a program is well formed.

    Inputs come first, since they are copied in before the run. Every register is assigned once, before use, and not
    used after it is freed; products have the structure and cost that the table predicts; storages that are held at
    the same time do not overlap; and no register is written over another that is still live, except over an operand
    that dies there, where a product's rule allows it.

    Raises
    ------
    VerificationError
        Naming the instruction.
    """
    live: set[int] = set()
    seen: set[int] = set()
    for place, step in enumerate(program.instructions):
        if len(step.operands) not in OPERANDS[step.op]:
            _broken(place, step, f"has {len(step.operands)} operands")
        if (step.op in ("point", "seed", "multiply", "expand")) != (step.source == -1) or step.source >= len(
            program.layers
        ):
            _broken(place, step, f"names layer {step.source}")
        for operand in step.operands:
            if operand not in live:
                _broken(place, step, f"%{operand} is not live")
        if step.op in ("point", "seed") and place > 0 and program.instructions[place - 1].op not in ("point", "seed"):
            _broken(place, step, "is an input, but comes after the first computation")
        if step.result in seen:
            _broken(place, step, f"%{step.result} is assigned twice")
        _check_structure(program, place, step)
        _check_sharing(program, place, step, live)
        seen.add(step.result)
        live.add(step.result)
        if not live.issuperset(step.frees):
            _broken(place, step, "frees what is not live")
        live -= set(step.frees)
    if live != {program.result}:
        _broken(
            len(program.instructions) - 1, program.instructions[-1], f"leaves {sorted(live - {program.result})} behind"
        )
    _check_storage(program)


def _check_structure(program: Program, place: int, step: Instruction) -> None:
    found = program.registers[step.result].structure
    operands = [program.registers[k].structure for k in step.operands]
    match step.op:
        case "multiply":
            predicted = product(operands[0], operands[1])
            if (found, step.flops) != (predicted.structure, predicted.cost):
                _broken(place, step, f"is {found}, but {predicted.structure} is predicted")
        case "expand":
            expected = Dense(operands[0].rows, operands[0].columns)
            if (found, step.flops) != (expected, expand_cost(operands[0])):
                _broken(place, step, f"is {found}, not {expected}")
        case "tangent" | "adjoint" | "accumulate" | "seed":
            if not isinstance(found, Dense):
                _broken(place, step, f"is {found}, not dense")
        case "point" | "value" | "local":
            pass


def _check_sharing(program: Program, place: int, step: Instruction, live: set[int]) -> None:
    """Check what the instruction writes to: the result's storage and the scratch space."""
    held = {k: program.registers[k].storage for k in live if program.registers[k].storage >= 0}
    target = program.registers[step.result].storage
    for k in (k for k, storage in held.items() if storage == target):
        if k not in step.operands or k not in step.frees:
            _broken(place, step, f"writes over %{k}, which is still live")
        if step.op == "multiply":
            rule = product(*(program.registers[i].structure for i in step.operands)).rule
            sides = {"left": step.operands[:1], "right": step.operands[1:], "either": step.operands}
            if k not in sides.get(rule.in_place, ()):
                _broken(place, step, f"may not write over %{k}")
        elif step.op not in ("value", "local"):
            _broken(place, step, f"may not write over %{k}")
    if step.scratch >= 0:
        space = program.storages[step.scratch]
        if step.scratch in held.values() or step.scratch == target or not space.first <= place <= space.last:
            _broken(place, step, "uses scratch space that is not free")
        needed = _scratch(program, step)
        if needed * program.itemsize > space.size:
            _broken(place, step, f"needs {needed} numbers of scratch space")


def _scratch(program: Program, step: Instruction) -> int:
    """Return the numbers of scratch space that a product needs; layers state their own."""
    if step.op != "multiply":
        return 0
    return product(*(program.registers[i].structure for i in step.operands)).scratch


def _check_storage(program: Program) -> None:
    for k, a in enumerate(program.storages):
        if a.offset >= 0 and a.offset + a.size > program.workspace:
            _broken(a.first, program.instructions[a.first], f"storage {k} ends beyond the workspace")
        for b in program.storages[:k]:
            apart = a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
            if a.first <= b.last and b.first <= a.last and not apart and min(a.offset, b.offset) >= 0:
                _broken(a.first, program.instructions[a.first], "overlaps storage that is still held")
    for place, step in enumerate(program.instructions):
        for k in (step.result, *step.operands):
            register = program.registers[k]
            if register.storage < 0:
                continue
            storage = program.storages[register.storage]
            if (
                not storage.first <= place <= storage.last
                or stored(register.structure) * program.itemsize > storage.size
            ):
                _broken(place, step, f"%{k} does not fit its storage")


def _broken(place: int, step: Instruction, problem: str) -> None:
    raise VerificationError(
        f"instruction {place} (%{step.result} = {step.op}) {problem}", "this is a defect of jacchain: please report it"
    )
