"""The program of the last slice, where the slices' size does not divide the axis."""

from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Structure
from jacchain.execution.program import Instruction, Program


def remainder(program: Program, /) -> Program | None:
    """Return the same program for the smaller last slice, in the same storages; None where all slices are of one size.

    What is made once is where the program left it.
    """
    slices = program.slices
    if slices is None or slices.length % slices.size == 0:
        return None
    size = slices.length % slices.size
    across = slices.axis == "columns"
    structures = [register.structure for register in program.registers]
    cut: set[int] = set()
    steps = []
    for step in program.instructions:
        if step.op in ("seed", "slice") or cut.intersection(step.operands):
            cut.add(step.result)
            step = _smaller(step, structures, size, across)  # noqa: PLW2901  # the instruction, made smaller
        steps.append(step)
    registers = tuple(
        register._replace(structure=structure)
        for register, structure in zip(program.registers, structures, strict=True)
    )
    return Program(
        tuple(steps),
        registers,
        program.storages,
        program.workspace,
        program.extra,
        program.itemsize,
        program.layers,
        slices._replace(size=size),
        tape=program.tape,
        once=program.once,
    )


def _smaller(step: Instruction, structures: list[Structure], size: int, across: bool) -> Instruction:
    """Return an instruction of the slice, and set the structure of its result."""
    found = structures[step.result]
    before = found.columns if across else found.rows
    if step.op == "multiply":
        made = product(structures[step.operands[0]], structures[step.operands[1]])
        structures[step.result] = made.structure
        return step._replace(flops=made.cost)
    structures[step.result] = Dense(found.rows, size) if across else Dense(size, found.columns)
    return step._replace(flops=step.flops * size // before)
