"""Which of two derivatives is the inner one: every kind of overloaded value has a level, and the higher one wraps."""

from itertools import count
from typing import Final

Level = tuple[int, int]
"""A generation, and how deep dual numbers are nested within it. Of two levels the greater one is that of the derivative
that was begun later: the inner one. What is of a lower level is a constant to it."""

LITERAL: Final[Level] = (0, 0)
"""The level of a dual number of plain numbers."""

_GENERATIONS = count(1)


def fresh_level() -> Level:
    """Return a level above all that were given out before: of a new tape, a new trace, or a new directional derivative.

    Two derivatives of one level would confuse their perturbations: d/dx (x · d/dy (x + y)) would be 2 at x = 1 rather
    than 1, as x would move with y. Source: J. M. Siskind and B. A. Pearlmutter, *Perturbation confusion and referential
    transparency*, IFL 2005.

    Examples
    --------
    >>> LITERAL < fresh_level() < fresh_level()
    True
    """
    return next(_GENERATIONS), 0


def deeper(level: Level, /) -> Level:
    """Return the level of a dual number of values of a level."""
    return level[0], level[1] + 1
