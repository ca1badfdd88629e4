"""Ways to make a step from slopes: gradient descent and Adam."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from jacchain.algebra.kernels import Array

Step = Callable[[Sequence[Array], Sequence[Array]], None]
"""Moves parameters, in place, against their slopes."""


def descent(rate: float, /) -> Step:
    """Return p ← p - rate · g.

    Examples
    --------
    >>> point = np.array([1.0, 2.0])
    >>> descent(0.5)([point], [np.array([2.0, 2.0])])
    >>> point
    array([0., 1.])
    """

    def step(parameters: Sequence[Array], slopes: Sequence[Array]) -> None:
        for parameter, slope in zip(parameters, slopes, strict=True):
            np.subtract(parameter, rate * slope, out=parameter)

    return step


def adam(rate: float, /, *, first: float = 0.9, second: float = 0.999, tiny: float = 1e-8) -> Step:
    """Return Adam, which divides a running mean of the slopes by the root of one of their squares.

    Source: D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.

    Examples
    --------
    >>> point = np.array([1.0, 2.0])
    >>> adam(0.5, tiny=0.0)([point], [np.array([2.0, -70.0])])
    >>> point
    array([0.5, 2.5])
    """
    means: list[Array] = []
    squares: list[Array] = []
    count = 0

    def step(parameters: Sequence[Array], slopes: Sequence[Array]) -> None:
        nonlocal count
        if not means:
            means.extend(np.zeros_like(parameter) for parameter in parameters)
            squares.extend(np.zeros_like(parameter) for parameter in parameters)
        count += 1
        for parameter, slope, mean, square in zip(parameters, slopes, means, squares, strict=True):
            np.add(mean, (1 - first) * (slope - mean), out=mean)
            np.add(square, (1 - second) * (slope * slope - square), out=square)
            spread = np.sqrt(square / (1 - second**count)) + tiny
            np.subtract(parameter, rate / (1 - first**count) * mean / spread, out=parameter)

    return step


OPTIMIZERS: Final[Mapping[str, Callable[[float], Step]]] = MappingProxyType({"adam": adam, "descent": descent})
"""By name, as functions of the rate."""

RATES: Final[Mapping[str, float]] = MappingProxyType({"adam": 0.02, "descent": 0.1})
"""Rates that suit a network of standardised features."""
