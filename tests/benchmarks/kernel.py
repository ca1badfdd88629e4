"""Which of NumPy's two products into a buffer an expert takes."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from benchmarks.contender import Array

LARGE: Final = 1 << 15
"""Bytes of a result from which np.matmul(out=) is the faster one, as long as the result lies in a cache.

np.dot(out=) fills the result with zeros before it hands it to BLAS: a whole pass over memory, which costs a quarter
to a third of a thin product's time. np.matmul(out=) does not, but takes 0.4 to 0.7 microseconds more to start, and has
no BLAS path for an outer product. A result that fits the second-level cache but has left it is an exception: there the
zeros serve as a prefetch, and np.dot wins.
"""


def kernel(a: Array, b: Array, out: Array, /) -> Callable[..., Any]:
    """Return np.dot or np.matmul."""
    return np.matmul if out.nbytes > LARGE and min(*a.shape, *b.shape) > 1 else np.dot
