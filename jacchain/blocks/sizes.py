"""How many numbers each variable has: every block must agree."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jacchain.algebra.matrix import Matrix
from jacchain.blocks.block import Entry
from jacchain.errors import SizeError
from jacchain.planning.graph import Vertex


class _Size(NamedTuple):
    """The size of a variable, and the entry that it is known from."""

    numbers: int
    entry: Entry


def sizes_of(
    variables: Sequence[Vertex], entries: Sequence[Entry], values: Sequence[Matrix | float], /
) -> Mapping[Vertex, int]:
    """Return the size of every variable, by the shapes of matrices; numbers carry it from one variable to another.

    Raises
    ------
    SizeError
        Two entries that differ about a size, or a variable that no matrix tells the size of.

    Examples
    --------
    >>> from jacchain.algebra.matrix import identity
    >>> sizes_of(["z", "y", "x"], [Entry("y", "x", 2, 1), Entry("z", "y", None, 2)], [2.0, identity(3)])
    {'z': 3, 'y': 3, 'x': 3}
    """
    known: dict[Vertex, _Size] = {}
    multiples: list[Entry] = []
    for entry, value in zip(entries, values, strict=True):
        if isinstance(value, Matrix):
            for variable, count in zip((entry.output, entry.source), value.shape, strict=True):
                _agree(variable, known.setdefault(variable, _Size(count, entry)), _Size(count, entry))
        else:
            multiples.append(entry)
    waiting = True
    while waiting:  # one round for every number that a size must pass, at most
        waiting = False
        for entry in multiples:
            pair = entry.output, entry.source
            for here, there in (pair, pair[::-1]):
                if here in known and there not in known:
                    known[there] = _Size(known[here].numbers, entry)
                    waiting = True
    for entry in multiples:
        if entry.output in known:
            _agree(entry.source, known[entry.source], _Size(known[entry.output].numbers, entry))
    for variable in variables:
        if variable not in known:
            raise SizeError(
                f"no matrix tells the size of {variable!r}", "give one as an array, such as 2.0 * np.eye(T)"
            )
    return {variable: known[variable].numbers for variable in variables}


def _agree(variable: Vertex, first: _Size, second: _Size) -> None:
    if first.numbers != second.numbers:
        raise SizeError(
            f"{variable!r} has {first.numbers} numbers in {first.entry}, but {second.numbers} in {second.entry}",
            "make the two sizes equal",
        )
