"""Nested tuples, lists and dicts of arrays, taken apart and put together again."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from jacchain.errors import TraceError

_CONTAINERS: Final = (tuple, list, dict)


@final
@dataclass(frozen=True, slots=True)
class Tree:
    """How arrays are nested, without the arrays; hashable.

    Attributes
    ----------
    kind : type or None
        tuple, list, dict or a namedtuple's class; None for an array.
    keys : tuple
        A dict's keys, in its own order.
    children : tuple of Tree
        What is nested in it.

    Examples
    --------
    >>> leaves, tree = flatten({"w": 1.0, "b": (2.0, 3.0)})
    >>> leaves, tree.count
    ([1.0, 2.0, 3.0], 3)
    >>> tree.unflatten([10, 20, 30])
    {'w': 10, 'b': (20, 30)}
    """

    kind: type | None = None
    keys: tuple[Any, ...] = ()
    children: tuple["Tree", ...] = ()

    @property
    def count(self) -> int:
        """The number of arrays."""
        return 1 if self.kind is None else sum(child.count for child in self.children)

    def unflatten(self, leaves: Sequence[Any], /) -> Any:
        """Return the containers around other arrays, given in the order of `flatten`."""
        if self.kind is None and len(leaves) == 1:
            return leaves[0]
        if len(leaves) != self.count:
            raise AssertionError(f"{len(leaves)} arrays for a tree of {self.count}")
        return _built(self, iter(leaves))

    def leaves(self, nested: Any, /) -> list[Any] | None:
        """Return the arrays of something that nests in this very way; None of anything else.

        Examples
        --------
        >>> tree = flatten({"w": 1.0, "b": (2.0, 3.0)})[1]
        >>> tree.leaves({"w": 4.0, "b": (5.0, 6.0)}), tree.leaves({"w": 4.0})
        ([4.0, 5.0, 6.0], None)
        """
        found: list[Any] = []
        return found if _collected(self, nested, found) else None

    def places(self, root: str = "", /) -> list[str]:
        """Return the path of every array from the root, as Python writes it.

        Examples
        --------
        >>> flatten({"w": 1.0, "b": (2.0, 3.0)})[1].places("p")
        ["p['w']", "p['b'][0]", "p['b'][1]"]
        """
        if self.kind is None:
            return [root]
        return [
            place
            for step, child in zip(_steps(self), self.children, strict=True)
            for place in child.places(root + step)
        ]


LEAF: Final = Tree()


CURE: Final = "give arrays and numbers, nested in tuples, lists and dicts at most; close over everything else"


def flatten(nested: object, /, what: str = "the argument", *, cure: str = CURE) -> tuple[list[Any], Tree]:
    """Return the arrays of nested tuples, lists, dicts and namedtuples from left to right, and how they are nested.

    Parameters
    ----------
    nested : object
    what : str
        What messages call it.
    cure : str
        What they advise.

    Raises
    ------
    TraceError
        Something in it is no array and no number, in which case the message names the place, or it contains itself.

    Examples
    --------
    >>> flatten((1.0, {"w": "text"}), "argument 1")
    Traceback (most recent call last):
    jacchain.errors.TraceError: argument 1 [1]['w'] is a str, 'text'
    give arrays and numbers, nested in tuples, lists and dicts at most; close over everything else
    """
    leaves: list[Any] = []
    try:
        return leaves, _taken(nested, "", leaves)
    except _NoArrayError as error:
        place, value = error.args
        where = f"{what}{place}" if what.isidentifier() or not place else f"{what} {place}"
        if place and re.fullmatch("the [a-z]+", what):  # not: the arguments [0] is a str
            where = f"{place} of {what}"
        raise TraceError(f"{where} is {_described(value)}", cure) from None
    except RecursionError:
        raise TraceError(f"{what}: something contains itself, or nests too deep", cure) from None


class _NoArrayError(Exception):
    """A leaf that is no array: its path and itself."""


def _taken(nested: object, path: str, leaves: list[Any]) -> Tree:
    """Append the arrays to `leaves` and return how they are nested."""
    kind = type(nested)
    if isinstance(nested, dict) and kind is dict:
        pairs = [(f"[{key!r}]", value) for key, value in nested.items()]
        children = tuple(_taken(value, path + step, leaves) for step, value in pairs)
        return Tree(dict, tuple(nested), children)
    if isinstance(nested, tuple | list) and (kind in _CONTAINERS or hasattr(kind, "_fields")):
        names = getattr(kind, "_fields", None)
        steps = [f"[{k}]" for k in range(len(nested))] if names is None else [f".{name}" for name in names]
        found = tuple(_taken(value, path + step, leaves) for step, value in zip(steps, nested, strict=True))
        return Tree(kind, (), found)
    if not _is_array(nested):
        raise _NoArrayError(path, nested)
    leaves.append(nested)
    return LEAF


def _collected(tree: Tree, nested: Any, leaves: list[Any]) -> bool:
    """Append the arrays of something that nests like a tree; return whether it does."""
    kind: Any = tree.kind
    if kind is None:
        leaves.append(nested)
        return type(nested) is float or _is_array(nested)
    if type(nested) is not kind or len(nested) != len(tree.children):
        return False
    if kind is dict:
        if tuple(nested) != tree.keys:
            return False
        nested = nested.values()
    return all(_collected(child, part, leaves) for child, part in zip(tree.children, nested, strict=True))


def _is_array(leaf: object) -> bool:
    return isinstance(leaf, int | float | complex) or hasattr(leaf, "__array__")


def _described(value: object) -> str:
    if value is None:
        return "None"
    name, text = type(value).__name__, repr(value)
    article = "an" if name[0].lower() in "aeiou" else "a"
    return f"{article} {name}" if len(text) > 40 or "\n" in text else f"{article} {name}, {text}"


def _built(tree: Tree, leaves: Iterator[Any]) -> Any:
    if tree.kind is None:
        return next(leaves)
    children = [_built(child, leaves) for child in tree.children]
    if tree.kind is dict:
        return dict(zip(tree.keys, children, strict=True))
    return tree.kind(*children) if hasattr(tree.kind, "_fields") else tree.kind(children)


def _steps(tree: Tree) -> list[str]:
    if tree.kind is dict:
        return [f"[{key!r}]" for key in tree.keys]
    names = getattr(tree.kind, "_fields", None)
    return [f"[{k}]" for k in range(len(tree.children))] if names is None else [f".{name}" for name in names]
