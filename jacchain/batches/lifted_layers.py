"""The layers of a composition at many points at once."""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.structure import Sparse, Structure
from jacchain.model.elementwise import Elementwise
from jacchain.model.mapped_layer import mapped, takes_many
from jacchain.prepared import Prepared

PATTERN: Final = 1 << 16
"""Entries of a pattern that are worth its symbolic products."""


def lifted_layers(ready: Prepared, count: int, /, *, looped: frozenset[int] = frozenset()) -> Prepared:
    """Return layers for so many points at once.

    Parameters
    ----------
    ready : Prepared
        For one point; every layer with an explicit local Jacobian.
    count : int
    looped : frozenset of int
        The layers that take one point after the other, by number.
    """
    if count == 1:
        return replace(ready, points=1)
    found = [
        mapped(layer, facts, count, one_by_one=k in looped)
        for k, (layer, facts) in enumerate(zip(ready.sources, ready.facts, strict=True))
    ]
    sources, facts = tuple(one.source for one in found), tuple(one.facts for one in found)
    return replace(ready, sources=sources, facts=facts, points=count)


def why_not(ready: Prepared, /) -> str:
    """Return why layers do not lend themselves to many points at once; nothing where they do."""
    for k, (layer, facts) in enumerate(zip(ready.layers, ready.facts, strict=True), 1):
        if not facts.link.is_explicit:
            return f"layer {k} ({layer.name}) has no local Jacobian but by its products"
    several = lifted_layers(ready, 2).facts
    for k, (one, many) in enumerate(zip(ready.facts, several, strict=True), 1):
        if isinstance(many.link.local, Sparse) and not isinstance(one.link.local, Sparse):
            return f"the {one.link.local} of layer {k} ({ready.layers[k - 1].name}) would fall apart into entries"
    return ""


def at_once(ready: Prepared, count: int, /) -> int:
    """Return how many of some points to plan for: all, but where patterns would be multiplied entry by entry.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.layers import Linear
    >>> from jacchain.prepared import prepared
    >>> at_once(prepared((Linear(np.ones((2, 3))),), np.ones(3)), 10**9)
    1000000000
    """
    patterns = [_entries(fact.link.local) for fact in ready.facts]
    return max(1, min(count, PATTERN // max(patterns))) if any(patterns) else count


def _entries(structure: Structure) -> int:
    return structure.nonzeros if isinstance(structure, Sparse) else 0


def by_position(ready: Prepared, points: Array, xp: Any, /) -> frozenset[int]:
    """Return the user's elementwise layers, by number, that do not take some of the points together.

    Tried are the first, the last and the one of the largest number, and what layers make of these. A function that only
    at other points depends on what stands beside them is not found out.

    Parameters
    ----------
    ready : Prepared
    points : array of shape (count, ...)
    xp : namespace
        Of the points.
    """
    last = max((k for k, layer in enumerate(ready.layers) if isinstance(layer, Elementwise)), default=-1)
    if len(points) < 2 or last < 0:
        return frozenset()
    largest = int(xp.argmax(xp.max(abs(points).reshape(len(points), -1), axis=1)))
    found = set()
    with np.errstate(all="ignore"):  # the calls that follow warn of it
        probed = xp.stack([points[k, ...] for k in sorted({0, largest, len(points) - 1})])
        for k, layer in enumerate(ready.layers[: last + 1]):
            if isinstance(layer, Elementwise) and not takes_many(layer, probed):
                found.add(k)
            probed = xp.stack([layer.value(point) for point in probed])
    return frozenset(found)
