"""The states of a dynamic program over a chain: intervals of links with the structure that their product has."""

from collections.abc import Mapping
from typing import Any, Final, final

from jacchain.algebra.structure import Dense, Structure
from jacchain.errors import InfeasibleError
from jacchain.planning.draft import Step
from jacchain.planning.node import Multiply

Key = tuple[int, int, int]
"""First link, last link, number of the structure."""

FULL: Final = 0
"""Number of the dense structure, whatever its sizes."""


@final
class Structures:
    """The structures of the states by their numbers; dense ones are told by their interval, and all have one number.

    Examples
    --------
    >>> from jacchain.algebra.structure import Diagonal
    >>> known = Structures()
    >>> known.number(Dense(2, 3)), known.number(Diagonal(3)), known.number(Dense(5, 5)), known.number(Diagonal(3))
    (0, 1, 0, 1)
    """

    def __init__(self) -> None:
        self.listed: list[Structure | None] = [None]
        self.numbers: dict[Structure, int] = {}

    def number(self, structure: Structure, /) -> int:
        """Return the number of a structure."""
        if isinstance(structure, Dense):
            return FULL
        number = self.numbers.setdefault(structure, len(self.listed))
        if number == len(self.listed):
            self.listed.append(structure)
        return number


def least(states: Mapping[int, Any], last: int, /) -> Key:
    """Return the cheapest of the states of a whole chain, whose last link is given.

    Raises
    ------
    InfeasibleError
        There is none.
    """
    if not states:
        raise InfeasibleError(
            "no order of the chain is possible", "give every link a structure, a tangent_cost or an adjoint_cost"
        )
    return 0, last, min(states, key=states.__getitem__)


def multiplied(first: int, split: int, last: int, left: int, right: int, /) -> Step[Key]:
    """Return the step that multiplies the states on both sides of a split: links above it by those up to it."""
    return Step(Multiply, -1, "given", ((split + 1, last, left), (first, split, right)))
