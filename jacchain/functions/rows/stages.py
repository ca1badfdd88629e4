"""Stages of a program: steps that are run together, because the same results need them at the same inputs."""

from collections.abc import Sequence
from typing import NamedTuple, final

from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.rows.writes import Write, writes
from jacchain.functions.scalar.steps import CONSTANT, INPUT


@final
class Placing(NamedTuple):
    """A row on its way into a result."""

    result: str
    write: Write


@final
class Stage(NamedTuple):
    """Steps that are run together.

    Attributes
    ----------
    results : frozenset of str
        Those that need it.
    inputs : frozenset of int
        The arguments' arrays that it depends on, by position; none for what is done once.
    steps : tuple of int
        In order.
    placings : tuple of Placing
        What is written to results after them.
    """

    results: frozenset[str]
    inputs: frozenset[int]
    steps: tuple[int, ...]
    placings: tuple[Placing, ...]


def stages(program: RowProgram, /) -> tuple[Stage, ...]:
    """Return the stages of a program, each after those that it needs.

    What a single result needs, and depends on two inputs or more, is run with all the rest of that result.
    """
    needs = _needs(program)
    inputs = _together(program, _inputs(program), needs)
    found: dict[tuple[frozenset[str], frozenset[int]], tuple[list[int], list[Placing]]] = {}
    for k, step in enumerate(program.steps):
        if step.function not in (INPUT, CONSTANT):
            found.setdefault((needs[k], inputs[k]), ([], []))[0].append(k)
    for name, written in program.results.items():
        everything = frozenset[int]().union(*(inputs[row] for row in written.rows))
        for write in writes(written):
            on = inputs[write.row] if write.is_alone and write.row is not None else everything
            found.setdefault((frozenset([name]), on), ([], []))[1].append(Placing(name, write))
    ordered = sorted(
        found, key=lambda key: (len(key[1]) > 0, -len(key[0]), len(key[1]), sorted(key[0]), sorted(key[1]))
    )
    return tuple(Stage(*key, tuple(found[key][0]), tuple(found[key][1])) for key in ordered)


def _inputs(program: RowProgram) -> list[frozenset[int]]:
    """Return for each step the arguments' arrays that it depends on."""
    found: list[frozenset[int]] = []
    for step in program.steps:
        if step.function == INPUT and step.number < len(program.expression.inputs):
            found.append(frozenset([int(step.number)]))
        else:
            found.append(frozenset[int]().union(*(found[k] for k in step.operands)))
    return found


def _together(
    program: RowProgram, inputs: Sequence[frozenset[int]], needs: Sequence[frozenset[str]]
) -> Sequence[frozenset[int]]:
    everything = {
        name: frozenset[int]().union(*(inputs[row] for row in written.rows))
        for name, written in program.results.items()
    }
    return [
        everything[next(iter(names))] if len(names) == 1 and len(found) > 1 else found
        for found, names in zip(inputs, needs, strict=True)
    ]


def _needs(program: RowProgram) -> Sequence[frozenset[str]]:
    """Return for each step the results that need it."""
    found: list[set[str]] = [set() for _ in program.steps]
    for name, written in program.results.items():
        for row in written.rows:
            found[row].add(name)
    for k in reversed(range(len(program.steps))):
        for operand in program.steps[k].operands:
            found[operand] |= found[k]
    return [frozenset(names) for names in found]
