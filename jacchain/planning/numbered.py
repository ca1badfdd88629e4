"""Structures known by small numbers, so that what is looked up millions of times is looked up by whole numbers."""

from typing import final

from jacchain.algebra.product import product
from jacchain.algebra.structure import Structure


@final
class Numbered:
    """Structures in the order in which they were first met, and what their products are.

    Examples
    --------
    >>> from jacchain.algebra.structure import Dense, Diagonal
    >>> known = Numbered()
    >>> known.number(Diagonal(3)), known.number(Dense(2, 3)), known.number(Diagonal(3))
    (0, 1, 0)
    >>> known.product(1, 0)
    (6, 1)
    """

    def __init__(self) -> None:
        self.structures: list[Structure] = []
        self.numbers: dict[Structure, int] = {}
        self.products: dict[tuple[int, int], tuple[int, int]] = {}

    def number(self, structure: Structure, /) -> int:
        """Return the number of a structure."""
        number = self.numbers.setdefault(structure, len(self.structures))
        if number == len(self.structures):
            self.structures.append(structure)
        return number

    def product(self, left: int, right: int, /) -> tuple[int, int]:
        """Return the cost of a product, and the number of what it makes."""
        found = self.products.get((left, right))
        if found is None:
            made = product(self.structures[left], self.structures[right])
            found = self.products[left, right] = made.cost, self.number(made.structure)
        return found
