"""Seconds as a function of one size."""

from bisect import bisect_right
from itertools import pairwise
from math import exp, log
from typing import NamedTuple, final

from jacchain.errors import OptionError


@final
class Curve(NamedTuple):
    """Seconds for growing sizes; between them a power of the size, beyond the last in proportion to it.

    Attributes
    ----------
    sizes : tuple of int
        Ascending.
    seconds : tuple of float
        Positive, and not descending.

    Examples
    --------
    >>> curve = Curve((1, 100), (1e-6, 1e-5))
    >>> round(curve.at(10) * 1e6, 2), round(curve.at(1000) * 1e6, 2), curve.at(0) == curve.at(1)
    (3.16, 100.0, True)
    """

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    def at(self, size: float, /) -> float:
        """Return the seconds for a size."""
        sizes, seconds = self.sizes, self.seconds
        if size <= sizes[0]:
            return seconds[0]
        if size >= sizes[-1]:
            return seconds[-1] * (size / sizes[-1])
        k = bisect_right(sizes, size) - 1
        part = log(size / sizes[k]) / log(sizes[k + 1] / sizes[k])
        return exp(log(seconds[k]) * (1 - part) + log(seconds[k + 1]) * part)


def as_curve(sizes: tuple[int, ...], seconds: tuple[float, ...], /) -> Curve:
    """Return the curve of sizes and seconds.

    Raises
    ------
    OptionError
        Not as many seconds as sizes, sizes that do not ascend, or seconds that are not positive or descend.
    """
    if not sizes or len(sizes) != len(seconds):
        raise OptionError(f"{len(sizes)} sizes and {len(seconds)} times", "give one time for each size")
    if any(a >= b for a, b in pairwise((0, *sizes))) or any(a > b for a, b in pairwise((0.0, *seconds))):
        raise OptionError("sizes or times of a curve do not ascend from above 0", "calibrate anew")
    if not 0 < seconds[0] <= seconds[-1] < float("inf"):
        raise OptionError(f"times from {seconds[0]} to {seconds[-1]} s", "give positive, finite times")
    return Curve(sizes, seconds)


def rising(sizes: tuple[int, ...], seconds: tuple[float, ...], /) -> Curve:
    """Return the curve of measured times: no larger size takes less time than a smaller one.

    Where noise has it otherwise, the shorter time of the larger size is what was possible for the smaller one too.

    Examples
    --------
    >>> rising((1, 2, 4), (3.0, 2.0, 4.0)).seconds
    (2.0, 2.0, 4.0)
    """
    found = list(seconds)
    for k in range(len(found) - 2, -1, -1):
        found[k] = min(found[k], found[k + 1])
    return as_curve(sizes, tuple(found))
