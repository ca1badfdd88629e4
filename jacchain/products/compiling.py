"""What the callables of this room have in common: what they remember, and what makes several products."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.execution.lower import Wanted
from jacchain.execution.remembered import remembered
from jacchain.execution.results import length
from jacchain.execution.run import Executable
from jacchain.execution.source import Shape
from jacchain.planning.graph import Chain
from jacchain.planning.node import Node
from jacchain.planning.plan import Baselines, Plan
from jacchain.prepared import Prepared

KEPT: Final = 8
"""Shapes and dtypes that a product is kept ready for; the oldest goes first."""

T = TypeVar("T")


@final
class Remembered(Generic[T]):
    """What was compiled for points of each shape and dtype."""

    def __init__(self) -> None:
        self.found: dict[tuple[Shape, np.dtype[Any]], T] = {}

    def at(self, point: Array, compiled: Callable[[Array], T], /) -> T:
        """Return what was compiled for points like this one, compiling it the first time."""
        key = point.shape, point.dtype
        found = self.found.get(key)
        if found is None:
            found = remembered(self.found, key, compiled(point), KEPT)
        return found

    def clear(self) -> None:
        """Forget all of it."""
        self.found.clear()


def executable(layers: Prepared, chain: Chain, nodes: Sequence[Node], wanted: Wanted, /) -> Executable:
    """Return what makes the wanted nodes and states, in one array."""
    flops = sum(node.flops for node in nodes)
    plan = Plan(chain, "several", tuple(nodes), flops, 0, Baselines(()), "several products are wanted")
    program = layers.lowered(plan, wanted=wanted)
    return Executable(program, layers.sources, layers.facts, layers.dtype, (length(program),), prologue=layers.refresh)
