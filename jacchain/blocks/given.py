"""A variable that a block makes, as the runner sees it: its local Jacobians are the block's matrices."""

from dataclasses import dataclass
from typing import NoReturn, final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Structure
from jacchain.execution.operation import LocalFacts, OperationFacts, Shape
from jacchain.planning.link import Link


def link_of(structure: Structure, /) -> Link:
    """Return the link of a matrix that exists already."""
    return Link(structure.columns, structure.rows, structure=structure, borrowed=True)


@final
@dataclass(frozen=True, eq=False)
class Given:
    """An operation that nobody evaluates: only its local Jacobians are known, one for each operand.

    Attributes
    ----------
    name : str
    structures : tuple of Structure
    arrays : tuple of tuple of arrays
        Of each matrix: contiguous, of the program's dtype, used as they are without a copy. A program is written
        without them.
    """

    name: str
    structures: tuple[Structure, ...]
    arrays: tuple[Arrays, ...] = ()

    def facts(self, _shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return facts: local Jacobians that do not depend on the point."""
        found = tuple(LocalFacts(link=link_of(structure), view="any") for structure in self.structures)
        return OperationFacts(output=(self.structures[0].rows,), locals=found)

    def local_views(self, k: int, _xs: Arrays, _y: Array, /) -> Arrays:
        """Return the arrays of the matrix."""
        return self.arrays[k]

    def value_calls(self, _kernels: Kernels, _xs: Arrays, _y: Array, _scratch: Array, /) -> Calls:
        """Raise: there is no value."""
        self._refuse()

    def local_calls(
        self, _kernels: Kernels, _k: int, _xs: Arrays, _y: Array, _out: Operand, _scratch: Array, /
    ) -> Calls:
        """Raise: there is nothing to compute."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise AssertionError(f"{self.name} is given by its Jacobians alone")
