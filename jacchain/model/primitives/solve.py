"""Systems of linear equations, by implicit differentiation; the inverse and the determinant."""

from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Identity, kronecker
from jacchain.errors import SingularMatrixError
from jacchain.execution.operation import VALUE, LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes, sole
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, slots=True)
class Solve(Primitive):
    """(A, B) ↦ X with A X = B, for a square A and a vector or matrix B, as ``numpy.linalg.solve``.

    From dA X + A dX = dB, the local Jacobian is A⁻¹⊗I with respect to B and -(A⁻¹⊗Xᵀ) with respect to A. Either takes
    the inverse, stated as n³ multiplications. With respect to B it can be applied without being formed, by solving once
    for all tangents or adjoints; each is stated to cost n³/3 for the elimination and n² for every column of B.

    Examples
    --------
    >>> Solve().value([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0])
    array([0.5 , 0.25])
    >>> [str(facts.link.local) for facts in Solve().facts(((3, 3), (3, 2))).locals]
    ['kronecker (3x3)⊗(2x3)', 'kronecker (3x3)⊗I(2)']
    """

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: factors made of the inverse and of the value."""
        if len(shapes) != 2:
            refuse_shapes("solve", shapes, "give a matrix and a right-hand side")
        a, b = shapes
        if len(a) != 2 or a[0] != a[1] or len(b) not in (1, 2) or b[0] != a[0]:
            refuse_shapes("solve", shapes, "give a square matrix, and a vector or matrix of as many rows")
        n, k = a[0], b[1] if len(b) == 2 else 1
        once = n**3 // 3 + n * n * k
        of_matrix, of_right = kronecker(Dense(n, n), Dense(k, n)), kronecker(Dense(n, n), Identity(k))
        matrix = Link(n * n, n * k, structure=of_matrix, accumulate_cost=n**3, name="solve")
        right = Link(
            *(n * k, n * k),
            structure=of_right,
            accumulate_cost=n**3,
            tangent_cost=once,
            adjoint_cost=once,
            name="solve",
        )
        return OperationFacts(
            output=b, locals=(LocalFacts(link=matrix, reads=(0, VALUE)), LocalFacts(link=right, reads=(0,)))
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that solves."""
        return ((_solve, (kernels, *xs, y)),)

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the calls that invert A and, with respect to it, change the sign and copy Xᵀ."""
        inverse = out.arrays[0]
        calls = ((_invert, (kernels, "solve", xs[0], inverse)),)
        if k == 1:
            return calls
        return (*calls, (kernels.xp.negative, (inverse, inverse)), (kernels.copyto, (out.arrays[1], y.T)))

    def tangent_calls(self, kernels: Kernels, _k: int, xs: Arrays, v: Array, out: Array, /) -> Calls:
        """Return the call that solves for every tangent of B."""
        n = xs[0].shape[0]
        return ((_solve, (kernels, xs[0], v.reshape(n, -1), out.reshape(n, -1))),)

    def adjoint_calls(self, kernels: Kernels, _k: int, xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the call that solves with Aᵀ for every adjoint of X."""
        shape = (u.shape[0], xs[0].shape[0], -1)
        return ((_solve_stack, (kernels, xs[0].T, u.reshape(shape), out.reshape(shape))),)


@final
@dataclass(frozen=True, slots=True)
class Inv(Primitive):
    """A ↦ A⁻¹, as ``numpy.linalg.inv``; the local Jacobian is -(A⁻¹⊗A⁻ᵀ), made of the value.

    Examples
    --------
    >>> Inv().value([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: factors made of the value."""
        n = _order(self.name, shapes)
        link = Link(n * n, n * n, structure=kronecker(Dense(n, n), Dense(n, n)), name=self.name)
        return OperationFacts(output=shapes[0], locals=(LocalFacts(link=link, reads=(VALUE,)),))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that inverts."""
        return ((_invert, (kernels, "inv", xs[0], y)),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the calls that write -A⁻¹ and A⁻ᵀ."""
        return ((kernels.xp.negative, (y, out.arrays[0])), (kernels.copyto, (out.arrays[1], y.T)))


@final
@dataclass(frozen=True, slots=True)
class Determinant(Primitive):
    """A ↦ det A, log |det A| or the sign of det A, as ``numpy.linalg.det`` and ``slogdet``.

    The local Jacobian of det A is det A · vec(A⁻ᵀ)ᵀ and that of log |det A| is vec(A⁻ᵀ)ᵀ, for the n³ multiplications
    of the inverse, which has to exist; that of the sign is zero.

    Parameters
    ----------
    of : {"value", "log", "sign"}

    Examples
    --------
    >>> Determinant("value").local(0, [[2.0, 1.0], [0.0, 4.0]]).todense()
    array([[ 4.,  0., -1.,  2.]])
    """

    of: Literal["value", "log", "sign"]

    @property
    def name(self) -> str:
        """What listings and messages call it."""
        return {"value": "det", "log": "logdet", "sign": "sign of det"}[self.of]

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a row, or nothing for the sign."""
        n = _order(self.name, shapes)
        if self.of == "sign":
            return OperationFacts(output=(), locals=(None,))
        reads, scaling = ((0, VALUE), n * n) if self.of == "value" else ((0,), 0)
        link = Link(n * n, 1, structure=Dense(1, n * n), accumulate_cost=n**3 + scaling, name=self.name)
        return OperationFacts(output=(), locals=(LocalFacts(link=link, reads=reads),))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call for the determinant."""
        return ((_determinant, (kernels, self.of, xs[0], y)),)

    def local_calls(self, kernels: Kernels, _k: int, xs: Arrays, y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the calls that write A⁻ᵀ and scale it by the determinant."""
        # (A⁻¹)ᵀ = (Aᵀ)⁻¹
        row = out.arrays[0]
        calls = ((_invert, (kernels, self.name, xs[0].T, row.reshape(xs[0].shape))),)
        return calls if self.of == "log" else (*calls, (kernels.xp.multiply, (row, y, row)))


def _order(name: str, shapes: tuple[Shape, ...]) -> int:
    """Return the number of rows of a square matrix."""
    shape = sole(name, shapes)
    if len(shape) != 2 or shape[0] != shape[1]:
        refuse_shapes(name, shapes, "give one square matrix")
    return shape[0]


def _solve(kernels: Kernels, a: Array, b: Array, out: Array) -> None:
    try:
        kernels.copyto(out, kernels.xp.linalg.solve(a, b))
    except np.linalg.LinAlgError:
        _refuse("solve", a)


def _solve_stack(kernels: Kernels, a: Array, b: Array, out: Array) -> None:
    """Solve for a stack of matrices at once: as the columns of one."""
    n = a.shape[0]
    columns = b.swapaxes(0, 1)
    found = kernels.xp.empty(columns.shape, b.dtype)
    _solve(kernels, a, columns.reshape(n, -1), found.reshape(n, -1))
    kernels.copyto(out, found.swapaxes(0, 1))


def _invert(kernels: Kernels, name: str, a: Array, out: Array) -> None:
    try:
        kernels.copyto(out, kernels.xp.linalg.inv(a))
    except np.linalg.LinAlgError:
        _refuse(name, a)


def _determinant(kernels: Kernels, of: str, a: Array, y: Array) -> None:
    if of == "value":
        kernels.copyto(y, kernels.xp.linalg.det(a))
    else:
        kernels.copyto(y, kernels.xp.linalg.slogdet(a)[1 if of == "log" else 0])


def _refuse(name: str, a: Any) -> None:
    raise SingularMatrixError(
        f"{name} of a {a.shape[0]}x{a.shape[1]} matrix that has no inverse",
        "change the matrix, or add a small multiple of the identity",
    ) from None
