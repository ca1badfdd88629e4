"""Indexing of overloaded values by constants, and whatever else only moves numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jacchain.errors import TraceError
from jacchain.execution.backend import backend_of
from jacchain.model.array_protocol import Overloaded, apply, on_host
from jacchain.model.primitives.selection import rearranged, selection


def indexed(x: Overloaded, key: Any, /) -> Any:
    """Return ``x[key]`` for a key that does not depend on traced values."""
    items = tuple(_constant(item) for item in (key if isinstance(key, tuple) else (key,)))
    if any(isinstance(item, list | np.ndarray) and np.size(item) == 0 for item in items):
        raise TraceError("an index takes nothing", "leave out what is empty")
    return apply(selection(items, x.shape), x)


def _constant(item: Any) -> Any:
    if isinstance(item, Overloaded):
        return np.asarray(item._numbers("index")) != 0  # only a mask can be meant by floating-point numbers
    if isinstance(item, slice):
        for bound in (item.start, item.stop, item.step):
            if isinstance(bound, Overloaded):
                bound._numbers("index")
    if isinstance(item, list | tuple):
        return np.asarray([_constant(value) for value in item])
    if isinstance(item, np.ndarray) and item.ndim == 0 and item.dtype.kind in "iu":
        return int(item)
    return item if isinstance(item, np.ndarray) or backend_of(item) is None else _constant(on_host(item))


def moved(x: Any, rearrange: Callable[[Any], Any], /) -> Any:
    """Return the value of a function that only moves, drops and repeats numbers."""
    return apply(rearranged(rearrange, x.shape), x)
