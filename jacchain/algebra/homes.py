"""Which kernels work on an array: NumPy's on those of the host, what a backend has announced on others."""

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from jacchain.algebra.kernels import Array, Kernels
from jacchain.algebra.numpy_kernels import NUMPY

FINDERS: Final[list[Callable[[object], Kernels | None]]] = []
"""Each returns the kernels for an array that it knows, and None for anything else."""


def kernels_for(arrays: Iterable[Array], /) -> Kernels:
    """Return the kernels of the first array that lies elsewhere than on the host; NumPy's where none does.

    Examples
    --------
    >>> kernels_for([np.ones(2)]) is NUMPY
    True
    """
    for array in arrays:
        if not isinstance(array, np.ndarray):
            for find in FINDERS:
                found = find(array)
                if found is not None:
                    return found
    return NUMPY
