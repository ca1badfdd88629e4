"""Whether a program for several points takes less time for each than one for a single point does."""

from collections.abc import Iterator
from typing import Final

from jacchain.algebra.structure import Dense, Sparse, stored
from jacchain.execution.duration import program_seconds
from jacchain.execution.program import Program
from jacchain.functions.points.one_by_one import Single
from jacchain.planning.pricing.profile import Rates

ALONE: Final = 12e-6
"""Seconds that a run takes besides its steps, for one point or for many."""

ENTRY: Final = 8e-9
"""Seconds of an entry that is gathered or scattered, beyond what is predicted of a step."""

MADE: Final = ("multiply", "add", "expand", "tangent", "adjoint", "assemble")
"""Steps whose matrices are written entry by entry where they are sparse."""


def is_slower(program: Program, count: int, single: Single, rates: Rates, /) -> bool:
    """Whether a program for so many points takes longer for each than the one for a single point.

    Matrices that are block-diagonal at many points keep their speed, and calls are shared by all points. What falls
    apart into entries there, and the blocks that are picked out of it, take more time than a dense matrix of one point.

    Parameters
    ----------
    program : Program
    count : int
        Its points.
    single : Single
    rates : Rates
        By which seconds are predicted.
    """
    entries = sum(_entries(program, count))
    many = program_seconds(rates, program) + ALONE + ENTRY * entries
    return many / count > single.seconds(rates) + ALONE


def is_scattered(program: Program, /) -> bool:
    """Whether there are sparse matrices, which have arrays of indices."""
    return any(isinstance(register.structure, Sparse) for register in program.registers)


def is_spread(program: Program, count: int, /) -> bool:
    """Whether there are dense matrices with room for entries between different points."""
    return any(_is_spread(program.registers[step.result].structure, count) for step in program.instructions)


def _is_spread(structure: object, count: int) -> bool:
    match structure:
        case Dense(rows, columns):
            return rows >= count and columns >= count and rows % count == 0 == columns % count
        case _:
            return False


def _entries(program: Program, count: int) -> Iterator[int]:
    """Yield how many entries the steps make, and those that are picked out of results."""
    for step in program.instructions:
        structure = program.registers[step.result].structure
        if step.op in MADE and (isinstance(structure, Sparse) or _is_spread(structure, count)):
            yield stored(structure)
    for k in program.results:
        structure = program.registers[k].structure
        if isinstance(structure, Sparse) or _is_spread(structure, count):
            yield stored(structure)
