"""The layers of a composition, made ready for points of one shape and dtype."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls
from jacchain.errors import OptionError
from jacchain.execution.backend import CPU
from jacchain.execution.device import Backend
from jacchain.execution.lower import Wanted, lower
from jacchain.execution.program import Program
from jacchain.execution.source import Facts, Shape, Source
from jacchain.model.layer import Layer, converted
from jacchain.model.sequential import Sequential, facts_at, resolved
from jacchain.planning.graph import Chain
from jacchain.planning.plan import Plan

_ALONE: deque[Sequential] = deque(maxlen=16)
"""Compositions of the single layers that were differentiated last, so that these are not planned anew every time."""


def composition(f: object, /) -> Sequential:
    """Return a composition, or that of a single layer: the same one as before, while it is remembered."""
    match f:
        case Sequential():
            return f
        case Layer():
            for known in tuple(_ALONE):
                if known.layers[0] is f:
                    return known
            _ALONE.append(Sequential([f]))
            return _ALONE[-1]
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
    sources : tuple of Source
        The same with parameters of the dtype.
    refresh : calls
        What copies parameters that had to be converted.
    dtype : dtype
    points : int, optional
        The facts and sources are those at so many points at once; see `jacchain.execution.lower`.
    """

    layers: tuple[Layer, ...]
    facts: tuple[Facts, ...]
    sources: tuple[Source, ...]
    refresh: Calls
    dtype: "np.dtype[Any]"
    points: int | None = None

    @property
    def chain(self) -> Chain:
        """The chain of the layers, each link saying whether its local Jacobian exists already."""
        return Chain(replace(fact.link, borrowed=fact.borrowed) for fact in self.facts)

    def inputs(self, vertex: int, /) -> Shape:
        """Return the shape of the state at a vertex."""
        return self.facts[vertex].inputs if vertex < len(self.facts) else self.facts[-1].outputs

    def lowered(self, plan: Plan, /, *, tangents: bool = False, wanted: Wanted | None = None) -> Program:
        """Return the program of a plan of these layers."""
        uses: list[Hashable] = [(id(layer), fact.inputs) for layer, fact in zip(self.layers, self.facts, strict=True)]
        # the same layer for the same inputs has the same local Jacobian, if that is constant
        first = {use: k for k, use in reversed(list(enumerate(uses)))}
        return lower(
            plan,
            self.facts,
            [layer.name for layer in self.layers],
            same=[first[use] for use in uses],
            tangents=tangents,
            itemsize=self.dtype.itemsize,
            extra=sum(copy.nbytes for _, (copy, *_) in self.refresh),
            wanted=wanted,
            points=self.points,
        )

    def again(self, backend: Backend, /) -> tuple[tuple[Source, ...], Calls]:
        """Return the layers with converted parameters of their own on a device, and the calls that refresh these."""
        found = [converted(layer, self.dtype, backend) for layer in self.layers]
        return tuple(source for source, _ in found), tuple(call for _, calls in found for call in calls)


def prepared(layers: tuple[Layer, ...], point: Array, backend: Backend = CPU, /) -> Prepared:
    """Return layers made ready for points like this one, with parameters on a device."""
    known = resolved(layers, point)
    plain = Prepared(known, facts_at(known, point.shape), known, (), point.dtype)
    sources, refresh = plain.again(backend)
    return replace(plain, sources=sources, refresh=refresh)
