"""Arguments for many points, and what is made of a function's traces for one of them."""

from collections.abc import Callable, Sequence
from operator import eq
from typing import Any, Final, Generic, NamedTuple, NoReturn, TypeVar, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import SizeError
from jacchain.execution.backend import CPU, Backend, home_of
from jacchain.execution.remembered import remembered
from jacchain.functions.traces import KEPT, Key
from jacchain.model.expression import Expression
from jacchain.model.layer import as_point, as_point_beside
from jacchain.model.trace import trace
from jacchain.model.tree import LEAF, Tree, flatten

Prepared = TypeVar("Prepared")

MOST: Final = 4
"""Shapes that a message shows."""


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
    if len(leaves) > 1 and not any(hasattr(leaf, "dtype") for leaf in leaves):
        cure = "a list of numbers is many arguments: give arrays, one for each argument, whose first axis counts points"
        raise SizeError(f"{len(leaves)} numbers as the arguments for many points", cure)
    home = home_of(leaves)
    arrays = [_checked(leaf) for leaf in leaves]
    counts = {array.shape[0] if array.ndim else -1 for array in arrays}
    if len(counts) != 1 or -1 in counts:
        _refuse(arrays)
    return Points(arrays, tree, tuple(array.dtype for array in arrays), home)


def as_points_beside(values: Any, count: int, home: Backend, what: str, /) -> Array:
    """Return an array for so many points where they lie; of no points it has no numbers.

    Raises
    ------
    DeviceError, DtypeError, SizeError
        See `as_point_beside`.
    """
    found: Array = values if hasattr(values, "dtype") else np.asarray(values)
    if count or found.shape[:1] != (0,):
        return as_point_beside(values, home, what)
    as_point(np.empty((1, *found.shape[1:]), found.dtype), what)
    return found


def _refuse(arrays: Sequence[Array]) -> NoReturn:
    """Raise an error that says what is wrong with arguments which have no first axis in common."""
    shapes = " and ".join(str(array.shape) for array in arrays[:MOST]) or "no arrays"
    more = f" and {len(arrays) - MOST} more" if len(arrays) > MOST else ""
    cure = "give arrays whose first axis counts points"
    if any(array.ndim for array in arrays) and not all(array.ndim for array in arrays):
        cure = f"{cure}; a number that all of them share as numpy.full(count, number), or close over it"
    raise SizeError(f"arguments for many points of shapes {shapes}{more}", cure)


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

    __slots__ = ("_known", "_prepare", "_ready", "function")

    def __init__(self, function: Callable[..., Any], prepare: Callable[[Expression, Backend], Prepared], /) -> None:
        self.function = function
        self._prepare = prepare
        self._known: dict[Key, Prepared] = {}
        self._ready: tuple[Key, Prepared] | None = None

    def at(self, arguments: tuple[Any, ...], /) -> tuple[Sequence[Array], Prepared]:
        """Return the arrays of arguments for many points, and what was made for arguments like these.

        Raises
        ------
        SizeError, DeviceError
            See `points_of`.
        """
        ready = self._ready
        if ready is not None and _is_like(arguments, ready[0]):
            return arguments, ready[1]
        points = points_of(arguments)
        key = points.key
        if key not in self._known:
            made = self._prepare(trace(self.function, *points.example), points.home)
            remembered(self._known, key, made, KEPT)
        if all(child == LEAF for child in points.tree.children):
            self._ready = key, self._known[key]
        return points.arrays, self._known[key]

    def release(self) -> None:
        """Drop what was made; the next call makes it anew."""
        self._known.clear()
        self._ready = None


def _is_like(arguments: tuple[Any, ...], key: Key) -> bool:
    """Whether all arguments are arrays of the host like those of a key, and of as many points, of which there are some.

    Asked first, as taking arguments apart takes longer than a derivative of few numbers.
    """
    if len(arguments) != len(key.shapes) or key.home != CPU.device:
        return False
    if not all(type(argument) is np.ndarray and argument.size for argument in arguments):
        return False
    alike = (array.shape[1:] == tail and array.ndim for array, tail in zip(arguments, key.shapes, strict=True))
    return (
        all(alike)
        and all(map(eq, (array.dtype for array in arguments), key.dtypes))
        and all(len(array) == len(arguments[0]) for array in arguments)
    )
