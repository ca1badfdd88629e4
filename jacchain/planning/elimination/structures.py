"""Structures by number, with what their products cost and make, and what their sums make."""

from typing import Final, final

from jacchain.algebra.addition import addition
from jacchain.algebra.product import price
from jacchain.algebra.structure import BlockDiagonal, Dense, Kronecker, Sparse, Structure
from jacchain.planning.numbered import Numbered

OPEN: Final = -1
"""Stands for the structure of a link whose local Jacobian is not formed: it can only be applied."""

SPREAD: Final = (Sparse, BlockDiagonal, Kronecker)
"""Structures whose products have patterns that must be worked out entry by entry."""

LARGE: Final = 1 << 24
"""Multiplications of such a product up to which its pattern is worked out, in about a second. A larger one is taken to
be dense, which bounds what comes after it from above: a planner seldom wants it, and should not fill the memory."""

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
    ((6, 1), (0, 1))
    """

    def __init__(self) -> None:
        self._numbered = Numbered()
        self._sums: dict[tuple[int, int], tuple[int, int]] = {}
        self.number = self._numbered.number

    def structure(self, number: int, /) -> Structure:
        """Return the structure of a number."""
        return self._numbered.structures[number]

    def product(self, left: int, right: int, /) -> tuple[int, int]:
        """Return the cost of a product, and the number of what it makes."""
        known = self._numbered.products.get((left, right))
        if known is not None:
            return known
        one, other = self.structure(left), self.structure(right)
        cost = price(one, other).cost
        if cost > LARGE and isinstance(one, SPREAD) and isinstance(other, SPREAD):
            self._numbered.products[left, right] = cost, self.number(Dense(one.rows, other.columns))
        return self._numbered.product(left, right)

    def sum(self, left: int, right: int, /) -> tuple[int, int]:
        """Return the cost of a sum, and the number of what it makes."""
        found = self._sums.get((left, right))
        if found is None:
            one, other = self.structure(left), self.structure(right)
            if isinstance(one, Dense) and one == other:
                return 0, left
            made = addition(one, other)
            found = self._sums[left, right] = made.cost, self.number(made.structure)
        return found
