"""What programs take in seconds, by the rates of a profile."""

from collections.abc import Iterator
from typing import Final

from jacchain.algebra.structure import Dense, Structure, stored
from jacchain.execution.program import Instruction, Program
from jacchain.planning.pricing.prices import (
    addition_seconds,
    expansion_seconds,
    fetch_seconds,
    product_seconds,
)
from jacchain.planning.pricing.profile import Rates

FREE: Final = ("view", "unit", "point")
"""Operations that take nothing, or nothing beyond what every run takes."""


def program_seconds(rates: Rates, program: Program, /, *, plain: bool = False) -> float:
    """Return the seconds of a run of a program: of its products and sums, values and local Jacobians, and its calls.

    What layers do is not known to a program: a value takes a product by a dense local Jacobian, or else an elementwise
    function; a local Jacobian that is computed takes two passes over its numbers; a sweep its stated multiplications.

    Parameters
    ----------
    rates : Rates
    program : Program
    plain : bool
        Products as NumPy makes them, not in the best way that was measured.
    """
    found = list(_steps(rates, program, plain))
    once = sum(found[: program.once])
    each = sum(found[program.once :])
    times = 1 if program.slices is None else len(program.slices.starts)
    return rates.run + once + each * times + _fetched(rates, program, plain)


def _steps(rates: Rates, program: Program, plain: bool) -> Iterator[float]:
    locals_of = {s.source: program.registers[s.result].structure for s in program.instructions if s.op == "local"}
    for step in program.instructions:
        yield _step(rates, program, step, locals_of, plain)


def _step(rates: Rates, program: Program, step: Instruction, locals_of: dict[int, Structure], plain: bool) -> float:
    structures = [program.registers[k].structure for k in step.operands]
    made = program.registers[step.result]
    size = stored(made.structure)
    if made.storage < 0 or not size or step.op in FREE:
        return 0.0
    match step.op:
        case "multiply":
            return product_seconds(rates, structures[0], structures[1], plain=plain)
        case "add":
            return addition_seconds(rates, structures[0], structures[1])
        case "expand":
            return expansion_seconds(rates, structures[0])
        case "value":
            return _value(rates, size, locals_of.get(step.source), plain)
        case "local":
            return 2 * rates["multiply"].at(size) + (rates["stated"].at(step.flops) if step.flops else 0.0)
        case "tangent" | "adjoint" | "accumulate":
            return rates.call + rates["stated"].at(step.flops)
        case "gram" | "half":  # PᵀT, of which a half is computed or copied
            rows, columns = structures[0].rows, structures[0].columns
            whole = product_seconds(rates, Dense(columns, rows), Dense(rows, columns), plain=plain)
            return rates["copy"].at(size) + whole
        case _:
            return rates["copy"].at(size)


def _value(rates: Rates, size: int, local: Structure | None, plain: bool) -> float:
    match local:
        case Dense(_, inputs):
            return product_seconds(rates, local, Dense(inputs, 1), plain=plain) + rates["multiply"].at(size)
        case _:
            return rates["tanh"].at(size)


def _fetched(rates: Rates, program: Program, plain: bool) -> float:
    """Return the seconds of fetching what is given into the cache: each borrowed local Jacobian, where it is read.

    The way that is best for a product of matrices is the best for fetching them too, and takes the same share.
    """
    given = {k for k, register in enumerate(program.registers) if register.storage < 0}
    nbytes = {k: stored(program.registers[k].structure) * program.itemsize for k in given}
    among = sum(nbytes.values()) + program.workspace + program.result_bytes
    seconds = 0.0
    for step in program.instructions:
        met = sum(nbytes[k] for k in step.operands if k in given)
        if met:
            seconds += _share(rates, program, step, plain) * fetch_seconds(rates, met, among)
    return seconds


def _share(rates: Rates, program: Program, step: Instruction, plain: bool) -> float:
    """Return the part of the time of NumPy's own product that a product takes in its way."""
    match [program.registers[k].structure for k in step.operands]:
        case [Dense(m, k), Dense(_, n)] if not plain and step.op == "multiply":
            return rates.grid.at(m, k, n) / rates.grid.at(m, k, n, plain=True)
        case _:
            return 1.0
