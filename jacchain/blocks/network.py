"""The graph of all blocks: variables with their sizes, and the matrices between them."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple, final

import numpy as np

from jacchain.algebra.matrix import Matrix
from jacchain.blocks.block import Blocks, Entry
from jacchain.blocks.found import as_block, as_matrix, dtypes_of, is_zero
from jacchain.blocks.sizes import sizes_of
from jacchain.errors import OptionError
from jacchain.planning.graph import Vertex


@final
class Network(NamedTuple):
    """Variables in topological order, joined by matrices of one dtype."""

    sizes: Mapping[Vertex, int]
    matrices: Mapping[tuple[Vertex, Vertex], Matrix]
    """By output and input; none that is zero everywhere."""
    dtype: "np.dtype[Any]"


def network_of(blocks: Blocks) -> Network:
    """Return what blocks state, checked and converted to one dtype.

    Raises
    ------
    OptionError, SizeError, DtypeError, NonFiniteError
        A cycle, sizes that do not meet, or matrices that are none; the message names the block.
    """
    values = [as_block(entry.value, str(entry)) for entry in blocks.entries]
    sizes = sizes_of(blocks.variables, blocks.entries, values)
    dtypes = [dtype for entry in blocks.entries for dtype in dtypes_of(entry.value)]
    dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
    kept = [(entry, value) for entry, value in zip(blocks.entries, values, strict=True) if not is_zero(value)]
    order = _topological(blocks, [entry for entry, _ in kept])
    matrices = {
        (entry.output, entry.source): as_matrix(value, sizes[entry.output], dtype, str(entry)) for entry, value in kept
    }
    return Network({variable: sizes[variable] for variable in order}, matrices, dtype)


def _topological(blocks: Blocks, entries: Sequence[Entry]) -> list[Vertex]:
    """Return the variables in an order in which each comes after those that it is made from."""
    order: TopologicalSorter[Vertex] = TopologicalSorter(dict.fromkeys(blocks.variables, ()))
    for entry in entries:
        order.add(entry.output, entry.source)
    try:
        return list(order.static_order())
    except CycleError as error:
        cycle: list[Vertex] = error.args[1]
    numbers = sorted({blocks.makers[variable] for variable in cycle})
    which = f"block {numbers[0]}" if len(numbers) == 1 else f"blocks {', '.join(map(str, numbers))}"
    raise OptionError(
        f"the blocks form a cycle: {' → '.join(map(repr, cycle))} ({which})",
        "give one of these variables another name where it is used: make it an input, and its gap an output",
    )
