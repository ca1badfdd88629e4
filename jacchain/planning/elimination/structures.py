"""Structures by number, with what their products cost and make, and what their sums make."""

from typing import Final, final

from jacchain.algebra.structure import Dense, Structure
from jacchain.planning.numbered import Numbered

OPEN: Final = -1
"""Stands for the structure of a link whose local Jacobian is not formed: it can only be applied."""

PASSED: Final = -2
"""Stands for the structure of an edge that hands its other operand on, without any step."""


@final
class Structures:
    """Structures in the order in which they were first met.

    Examples
    --------
    >>> from jacchain.algebra.structure import Dense, Diagonal
    >>> known = Structures()
    >>> diagonal, dense = known.number(Diagonal(3)), known.number(Dense(2, 3))
    >>> known.product(dense, diagonal), known.sum(dense, dense)
    ((6, 1), 1)
    """

    def __init__(self) -> None:
        self._numbered = Numbered()
        self._sums: dict[tuple[int, int], int] = {}
        self.number = self._numbered.number
        self.product = self._numbered.product

    def structure(self, number: int, /) -> Structure:
        """Return the structure of a number."""
        return self._numbered.structures[number]

    def sum(self, left: int, right: int, /) -> int:
        """Return the number of what a sum makes."""
        found = self._sums.get((left, right))
        if found is None:
            one, other = self.structure(left), self.structure(right)
            found = self._sums[left, right] = self.number(_sum(one, other))
        return found


def _sum(left: Structure, right: Structure) -> Structure:
    if isinstance(left, Dense) and left == right:
        return left
    from jacchain.algebra.addition import addition  # NumPy, which dense graphs do not need

    return addition(left, right).structure
