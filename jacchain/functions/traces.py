"""What is made of a function's traces: one for every nesting, shapes and dtypes of its arguments."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import TraceError
from jacchain.execution.backend import CPU, Backend, Device, backend_at, home_of
from jacchain.execution.operation import Shape
from jacchain.execution.remembered import remembered
from jacchain.model.expression import Expression
from jacchain.model.layer import as_point
from jacchain.model.trace import trace
from jacchain.model.tree import LEAF, Tree, flatten

KEPT: Final = 8
"""Shapes, dtypes and nestings of the arguments that something is kept ready for; the oldest goes first."""

Prepared = TypeVar("Prepared")


class Key(NamedTuple):
    """What a trace depends on."""

    tree: Tree
    shapes: tuple[Shape, ...]
    dtypes: tuple[object, ...]
    home: Device = CPU.device
    """Where the arrays lie."""


@final
class FunctionTraces(Generic[Prepared]):
    """What a call of a function needs, made of its expression with the first call of a kind.

    Parameters
    ----------
    function : callable
    prepare : callable
        Makes it of an expression, for arguments that lie where a backend is.

    Examples
    --------
    >>> found = FunctionTraces(lambda x: x * x, lambda expression, home: len(expression.nodes))
    >>> found.at((np.ones(3),))
    ([array([1., 1., 1.])], 2)
    """

    __slots__ = ("_flat", "_known", "_prepare", "_ready", "function")

    def __init__(self, function: Callable[..., Any], prepare: Callable[[Expression, Backend], Prepared], /) -> None:
        self.function = function
        self._prepare = prepare
        self._known: dict[Key, Prepared] = {}
        self._ready: tuple[Key, Prepared] | None = None
        self._flat = False  # whether every argument of the last call was one array

    def at(self, arguments: tuple[Any, ...], /) -> tuple[Sequence[Array], Prepared]:
        """Return the arrays of some arguments, and what was made for arguments like these."""
        ready, is_flat = self._ready, self._flat
        if ready is not None:
            before = _like_before(ready[0], arguments, is_flat=is_flat)
            if before is not None:
                return before, ready[1]
        leaves, tree = flatten(arguments, "the arguments")
        home = home_of(leaves)
        arrays = [
            np.asarray(leaf) if type(leaf) in (float, np.ndarray) else as_point(leaf, "an argument") for leaf in leaves
        ]
        key = Key(tree, tuple(a.shape for a in arrays), tuple(_dtype(leaf) for leaf in leaves), home.device)
        if key not in self._known:
            remembered(self._known, key, self._prepare(trace(self.function, *arguments), home), KEPT)
        ready = self._ready = key, self._known[key]
        self._flat = all(child == LEAF for child in tree.children)
        return arrays, ready[1]

    def release(self) -> None:
        """Drop what was made; the next call makes it anew."""
        self._known.clear()
        self._ready = None


def refuse_names(named: Mapping[str, object], /) -> None:
    """Raise a TraceError if an argument of a function is given by name."""
    for name in named:
        cure = "give all arguments by position, or close over it: lambda x: f(x, k=3)"
        raise TraceError(f"the argument {name!r} is given by name", cure)


def _dtype(leaf: Any) -> object:
    if isinstance(leaf, float) and not isinstance(leaf, np.floating):
        return float
    dtype = getattr(leaf, "dtype", None)
    return as_point(leaf).dtype if dtype is None or dtype.kind == "f" else dtype  # others are named when f is recorded


def _like_before(key: Key, arguments: tuple[Any, ...], *, is_flat: bool) -> Sequence[Array] | None:
    """Return the arrays of arguments that nest as before, of the same shapes and dtypes; None of any others."""
    leaves: Sequence[Any] | None = arguments if is_flat else key.tree.leaves(arguments)
    if leaves is None or len(leaves) != len(key.shapes):
        return None
    owns = None if key.home.kind == "cpu" else backend_at(key.home).owns
    for leaf, shape, dtype in zip(leaves, key.shapes, key.dtypes, strict=True):
        if type(leaf) is np.ndarray if owns is None else owns(leaf):
            if leaf.dtype is not dtype or leaf.shape != shape:
                return None
        elif type(leaf) is not float or dtype is not float:
            return None
    if float in key.dtypes:
        return [np.asarray(leaf) if type(leaf) is float else leaf for leaf in leaves]
    return leaves
