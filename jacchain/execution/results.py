"""Where the several results of a program lie in the array that a run of it hands out."""

from itertools import pairwise
from math import prod

from jacchain.algebra.kernels import Array
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import array_shapes
from jacchain.execution.program import Program
from jacchain.execution.run import Executable
from jacchain.execution.source import Borrowed


def length(program: Program, /) -> int:
    """Return the numbers of the one array that holds all results of a program."""
    return program.result_bytes // program.itemsize


def results(run: Executable, flat: Array, /) -> tuple[Operand, ...]:
    """Return the results of a program of several: views of the array that holds them, or what layers lend."""
    program = run.program
    lent = {step.result: step.source for step in program.instructions if program.registers[step.result].storage < 0}
    found = []
    for register in program.results:
        structure, storage = program.registers[register]
        if register in lent:
            source, inputs = run.sources[lent[register]], run.facts[lent[register]].inputs
            assert isinstance(source, Borrowed)
            found.append(Operand(structure, source.borrowed_arrays(inputs)))
            continue
        first = (-1 - program.storages[storage].offset) // program.itemsize
        shapes = array_shapes(structure)
        ends = [first]
        for shape in shapes:
            ends.append(ends[-1] + prod(shape))
        arrays = (flat[a:b].reshape(shape) for (a, b), shape in zip(pairwise(ends), shapes, strict=True))
        found.append(Operand(structure, tuple(arrays)))
    return tuple(found)
