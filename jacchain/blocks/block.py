"""Blocks as users write them: mappings from outputs and inputs to matrices."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeGuard, final

from jacchain.errors import OptionError
from jacchain.planning.graph import Vertex

FORMS = "{'Y': {'K': matrix}} or {('Y', 'K'): matrix}"


@final
class Entry(NamedTuple):
    """The Jacobian of one variable with respect to another, and the number of the block that states it."""

    output: Vertex
    source: Vertex
    value: object
    block: int

    def __str__(self) -> str:
        return f"block {self.block}: {self.output!r} from {self.source!r}"


@final
class Blocks(NamedTuple):
    """All entries of all blocks.

    Attributes
    ----------
    makers : mapping of variable to int
        For each variable that a block makes the number of the block.
    entries : tuple of Entry
    """

    makers: Mapping[Vertex, int]
    entries: tuple[Entry, ...]

    @property
    def variables(self) -> tuple[Vertex, ...]:
        """All variables: first those that no block makes, then the others, as they come."""
        sources = (entry.source for entry in self.entries if entry.source not in self.makers)
        return tuple(dict.fromkeys([*sources, *self.makers]))


def read_blocks(blocks: object, /) -> Blocks:
    """Return the entries of blocks: an iterable of mappings, or one mapping alone.

    Raises
    ------
    OptionError
        No blocks, empty blocks, blocks in another form, or a variable that two blocks make.

    Examples
    --------
    >>> found = read_blocks([{"Y": {"K": 0.3}}, {("C", "Y"): 0.7, ("C", "r"): 1}])
    >>> found.variables
    ('K', 'r', 'Y', 'C')
    >>> print(*found.entries, sep="; ")
    block 1: 'Y' from 'K'; block 2: 'C' from 'Y'; block 2: 'C' from 'r'
    """
    makers: dict[Vertex, int] = {}
    entries: list[Entry] = []
    for number, block in enumerate(_listed(blocks), 1):
        if not isinstance(block, Mapping):
            raise OptionError(f"block {number} is {type(block).__name__}, not a mapping", f"give {FORMS}")
        if not block:
            raise OptionError(f"block {number} is empty", f"leave it out, or give {FORMS}")
        for output, inner in _by_output(block, number).items():
            if output in makers:
                raise OptionError(
                    f"{output!r} is made by block {makers[output]} and by block {number}",
                    "give each variable one block; add the two Jacobians if both contribute",
                )
            makers[output] = number
            entries += [Entry(output, source, value, number) for source, value in inner.items()]
    return Blocks(makers, tuple(entries))


def _listed(blocks: object) -> list[object]:
    if isinstance(blocks, Mapping):
        return [blocks]
    if isinstance(blocks, str) or not isinstance(blocks, Iterable):
        raise OptionError(f"blocks is {type(blocks).__name__}", f"give a list of blocks such as {FORMS}")
    found = list(blocks)
    if not found:
        raise OptionError("there are no blocks", f"give at least one, such as {FORMS}")
    return found


def _by_output(block: Mapping[object, object], number: int) -> dict[Vertex, dict[Vertex, object]]:
    """Return the entries of one block in either form, by output and then by input."""
    found: dict[Vertex, dict[Vertex, object]] = {}
    for output, source, value in _entries(block, number):
        inner = found.setdefault(output, {})
        if source is None:
            continue
        if source in inner:
            raise OptionError(f"block {number} gives {output!r} from {source!r} twice", "add the two matrices")
        inner[source] = value
    return found


def _entries(block: Mapping[object, object], number: int) -> Iterator[tuple[Vertex, Vertex | None, object]]:
    """Yield outputs, inputs and matrices; no input for an output that depends on nothing."""
    for key, value in block.items():
        if isinstance(key, tuple) and len(key) == 2:
            yield _name(key[0], number), _name(key[1], number), value
            continue
        output = _name(key, number)
        if not isinstance(value, Mapping):
            raise OptionError(
                f"block {number} gives {output!r} a {type(value).__name__}, not a mapping of inputs to matrices",
                f"give {FORMS}",
            )
        yield output, None, None
        for source, matrix in value.items():
            yield output, _name(source, number), matrix


def _name(name: object, number: int) -> Vertex:
    if not is_name(name):
        raise OptionError(f"block {number} names a variable {name!r}", "names are texts or whole numbers")
    return name


def is_name(name: object, /) -> TypeGuard[Vertex]:
    """Tell whether an object can name a variable."""
    return isinstance(name, str | int) and not isinstance(name, bool)
