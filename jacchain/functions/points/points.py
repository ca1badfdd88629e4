"""Arguments for many points, and what is made of a function's traces for one of them."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import SizeError
from jacchain.execution.backend import Backend, home_of
from jacchain.functions.traces import KEPT, Key
from jacchain.model.expression import Expression
from jacchain.model.layer import as_point
from jacchain.model.trace import trace
from jacchain.model.tree import Tree, flatten

Prepared = TypeVar("Prepared")


class Points(NamedTuple):
    """Arguments whose first axes count points.

    Attributes
    ----------
    arrays : list of array
    tree : Tree
        How they nest.
    dtypes : tuple of dtype
    home : Backend
        Where the arrays lie.
    """

    arrays: list[Array]
    tree: Tree
    dtypes: tuple[object, ...]
    home: Backend

    @property
    def key(self) -> Key:
        """What a trace for one of the points depends on."""
        return Key(self.tree, tuple(array.shape[1:] for array in self.arrays), self.dtypes, self.home.device)

    @property
    def example(self) -> Any:
        """Arguments like those at one point, of any numbers."""
        return self.tree.unflatten([np.empty(array.shape[1:], array.dtype) for array in self.arrays])


def points_of(arguments: tuple[Any, ...], /) -> Points:
    """Return arguments for many points taken apart.

    Raises
    ------
    SizeError
        An argument without a first axis, or first axes of different lengths.
    DeviceError
        Arrays on different devices.
    """
    leaves, tree = flatten(arguments, "the arguments")
    home = home_of(leaves)
    arrays = [_checked(leaf) for leaf in leaves]
    counts = {array.shape[0] if array.ndim else -1 for array in arrays}
    if len(counts) != 1 or -1 in counts:
        shapes = " and ".join(str(array.shape) for array in arrays) or "no arrays"
        raise SizeError(f"arguments for many points of shapes {shapes}", "give arrays whose first axis counts points")
    return Points(arrays, tree, tuple(array.dtype for array in arrays), home)


def _checked(leaf: Any) -> Array:
    array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    if array.shape[:1] == (0,):  # no points at all are fine
        as_point(np.empty((1, *array.shape[1:]), array.dtype))
        return array
    return as_point(leaf)


@final
class PointTraces(Generic[Prepared]):
    """What a call with many points needs, made of the function's expression for one with the first call of a kind.

    Parameters
    ----------
    function : callable
    prepare : callable
        Makes it of an expression, for arguments that lie where a backend is.

    Examples
    --------
    >>> found = PointTraces(lambda x: x * x, lambda expression, home: len(expression.nodes))
    >>> found.at((np.ones((5, 3)),))[1]
    2
    """

    __slots__ = ("_known", "_prepare", "function")

    def __init__(self, function: Callable[..., Any], prepare: Callable[[Expression, Backend], Prepared], /) -> None:
        self.function = function
        self._prepare = prepare
        self._known: dict[Key, Prepared] = {}

    def at(self, arguments: tuple[Any, ...], /) -> tuple[Sequence[Array], Prepared]:
        """Return the arrays of arguments for many points, and what was made for arguments like these.

        Raises
        ------
        SizeError, DeviceError
            See `points_of`.
        """
        points = points_of(arguments)
        key = points.key
        if key not in self._known:
            while len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)), None)
            self._known[key] = self._prepare(trace(self.function, *points.example), points.home)
        return points.arrays, self._known[key]

    def release(self) -> None:
        """Drop what was made; the next call makes it anew."""
        self._known.clear()
