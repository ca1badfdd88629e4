"""The different numbers among many places."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def distinct(keys: NDArray[Any], /) -> NDArray[Any]:
    """Return the different numbers of an array, in order.

    As `numpy.unique`, which puts them into a hash table first: for millions of places that takes ten times as long.

    Examples
    --------
    >>> distinct(np.array([3, 1, 3]))
    array([1, 3])
    """
    found = np.sort(keys, kind="stable")  # quick for runs that are in order already, of which places are made
    is_new = np.empty(found.shape, bool)
    is_new[:1] = True
    np.not_equal(found[1:], found[:-1], out=is_new[1:])
    return found if is_new.all() else found[is_new]
