"""A linear map given by its matrix."""

from dataclasses import dataclass
from typing import final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.matrix import Matrix, dense
from jacchain.algebra.rule import Operand
from jacchain.errors import SizeError
from jacchain.execution.operation import LocalFacts, OperationFacts, Shape
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, slots=True, eq=False)
class FixedMap:
    """x ↦ M x: a local Jacobian that does not depend on the point, as an operation; equal to itself only.

    Attributes
    ----------
    name : str
    matrix : Matrix
        M, for the numbers row by row.
    taken, given : tuple of int
        The shapes of x and of M x.
    multiplications : int
        Of a product.

    Examples
    --------
    >>> twice = FixedMap("twice", dense([[2.0, 0.0], [0.0, 2.0]]), (2,), (2,), 4)
    >>> twice.transposed.name
    'twiceᵀ'
    """

    name: str
    matrix: Matrix
    taken: Shape
    given: Shape
    multiplications: int

    @property
    def transposed(self) -> "FixedMap":
        """The map of adjoints."""
        name = self.name.removesuffix("ᵀ") if self.name.endswith("ᵀ") else f"{self.name}ᵀ"
        return FixedMap(name, self.matrix.T, self.given, self.taken, self.multiplications)

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: one input, and a local Jacobian that is always the same."""
        if shapes != (self.taken,):
            raise SizeError(f"{self.name} of shapes {shapes}", f"give one input of shape {self.taken}")
        structure = self.matrix.structure
        link = Link(structure.columns, structure.rows, structure=structure, name=self.name)
        return OperationFacts(output=self.given, locals=(LocalFacts(link=link),))

    def value_calls(self, _kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call for the product."""

        def multiply() -> None:
            y[...] = (self.matrix @ dense(xs[0].reshape(-1, 1))).todense().reshape(y.shape)

        return ((multiply, ()),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls that copy the matrix."""
        return tuple((kernels.copyto, pair) for pair in zip(out.arrays, self.matrix.arrays, strict=True))
