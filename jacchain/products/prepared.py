"""The layers of a composition, made ready for points of one shape and dtype."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar, final

import numpy as np

from jacchain.algebra.kernels import Array, Call, Calls
from jacchain.errors import OptionError
from jacchain.execution.lower import Wanted, lower
from jacchain.execution.program import Program
from jacchain.execution.results import length
from jacchain.execution.run import Executable
from jacchain.execution.source import Facts, Shape
from jacchain.model.layer import Layer, converted
from jacchain.model.sequential import Sequential, facts_at, resolved
from jacchain.planning.graph import Chain
from jacchain.planning.node import Node
from jacchain.planning.plan import Baselines, Plan

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
            found = compiled(point)
            while len(self.found) >= KEPT:
                self.found.pop(next(iter(self.found)), None)
            self.found[key] = found
        return found

    def clear(self) -> None:
        """Forget all of it."""
        self.found.clear()


def composition(f: object, /) -> Sequential:
    """Return a composition, or that of a single layer."""
    match f:
        case Sequential():
            return f
        case Layer():
            return Sequential([f])
        case _:
            raise OptionError(
                f"cannot differentiate {f!r}",
                "give a jacchain.Sequential or a layer; wrap your own function in jacchain.Function",
            )


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """Layers with known shapes and with parameters of the point's dtype.

    Attributes
    ----------
    layers : tuple of Layer
        As the user gave them, the output shape of every Function known.
    facts : tuple of Facts
    sources : tuple of Layer
        The same with parameters of the dtype.
    refresh : calls
        What copies parameters that had to be converted.
    dtype : dtype
    """

    layers: tuple[Layer, ...]
    facts: tuple[Facts, ...]
    sources: tuple[Layer, ...]
    refresh: Calls
    dtype: "np.dtype[Any]"

    @property
    def chain(self) -> Chain:
        """The chain of the layers, each link saying whether its local Jacobian exists already."""
        return Chain(replace(fact.link, borrowed=fact.borrowed) for fact in self.facts)

    def inputs(self, vertex: int, /) -> Shape:
        """Return the shape of the state at a vertex."""
        return self.facts[vertex].inputs if vertex < len(self.facts) else self.facts[-1].outputs

    def executable(self, chain: Chain, nodes: Sequence[Node], wanted: Wanted, /) -> Executable:
        """Return what makes the wanted nodes and states, in one array."""
        program = self._lowered(chain, nodes, wanted)
        shape = (length(program),)
        return Executable(program, self.sources, self.facts, self.dtype, shape, prologue=self.refresh)

    def _lowered(self, chain: Chain, nodes: Sequence[Node], wanted: Wanted) -> Program:
        uses = [(id(layer), fact.inputs) for layer, fact in zip(self.layers, self.facts, strict=True)]
        # the same layer for the same inputs has the same local Jacobian, if that is constant
        first = {use: k for k, use in reversed(list(enumerate(uses)))}
        flops = sum(node.flops for node in nodes)
        return lower(
            Plan(chain, "several", tuple(nodes), flops, 0, Baselines(()), "several products are wanted"),
            self.facts,
            [layer.name for layer in self.layers],
            same=[first[use] for use in uses],
            itemsize=self.dtype.itemsize,
            extra=sum(copy.nbytes for _, (copy, _) in self.refresh),
            wanted=wanted,
        )


def prepared(layers: tuple[Layer, ...], point: Array, /) -> Prepared:
    """Return layers made ready for points like this one."""
    known = resolved(layers, point)
    facts = facts_at(known, point.shape)
    sources: list[Layer] = []
    refresh: list[Call] = []
    for layer in known:
        source, calls = converted(layer, point.dtype)
        sources.append(source)
        refresh += calls
    return Prepared(known, facts, tuple(sources), tuple(refresh), point.dtype)
