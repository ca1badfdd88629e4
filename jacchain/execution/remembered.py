"""What was made for earlier calls, remembered up to a number."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def remembered(known: dict[K, V], key: K, value: V, most: int, /) -> V:
    """Return a value that is remembered from now on; so many are, and the oldest goes first.

    Examples
    --------
    >>> known = {"a": 1, "b": 2}
    >>> remembered(known, "c", 3, 2), known
    (3, {'b': 2, 'c': 3})
    """
    known.pop(key, None)
    while len(known) >= most:
        known.pop(next(iter(known)), None)
    known[key] = value
    return value
