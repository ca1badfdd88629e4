"""Systems of linear equations, by implicit differentiation; the inverse and the determinant."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Identity, Kronecker, kronecker
from jacchain.errors import SingularMatrixError
from jacchain.execution.operation import VALUE, CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes, sole
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, slots=True)
class Solve(Primitive):
    """(A, B) ↦ X with A X = B, for a square A and a vector or matrix B, as ``numpy.linalg.solve``.

    From dA X + A dX = dB, the local Jacobian is A⁻¹⊗I with respect to B and -(A⁻¹⊗Xᵀ) with respect to A. Either takes
    the inverse, stated as n³ multiplications. With respect to B it can be applied without being formed, by solving once
    for all tangents or adjoints; each is stated to cost n³/3 for the elimination and n² for every column of B.

    With L = A⁻ᵀU, the curvature maps dA to A⁻ᵀ dAᵀ L Xᵀ + L (A⁻¹ dA X)ᵀ, and dB to -L (A⁻¹ dB)ᵀ.

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
        mixed = kronecker(Dense(n, 1), Dense(n, n)) if k == 1 else Dense(n * n, n * k)
        reads = (0, VALUE)
        square, scratch = Dense(n * n, n * n), 2 * n * n + n * k
        twice = CurvatureFacts(first=0, second=0, structure=square, reads=reads, applies=True, scratch=scratch + n**4)
        both = CurvatureFacts(first=0, second=1, structure=mixed, reads=reads, applies=True, scratch=scratch)
        return OperationFacts(
            output=b,
            locals=(LocalFacts(link=matrix, reads=reads), LocalFacts(link=right, reads=(0,))),
            curvatures=(twice, both),
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

    def curvature_calls(
        self, kernels: Kernels, pair: tuple[int, int], xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that invert A and make the curvature of the inverse, L and X."""
        xp, (n, x) = kernels.xp, (xs[0].shape[0], y.reshape(xs[0].shape[0], -1))
        inverse, product = (scratch[k * n * n : (k + 1) * n * n].reshape(n, n) for k in (0, 1))
        pulled, rest = scratch[2 * n * n :][: x.size].reshape(x.shape), scratch[2 * n * n + x.size :]
        calls: Calls = (
            (_invert, (kernels, "solve", xs[0], inverse)),
            _product(kernels, inverse.T, u.reshape(x.shape), pulled),
        )
        if pair == (0, 0):
            product_call = _product(kernels, x, pulled.T, product)
            return (*calls, product_call, *_inverse_calls(kernels, inverse, product, out.arrays[0], rest))
        minus = (xp.negative, (pulled, pulled))
        if isinstance(out.structure, Kronecker):
            copies = (kernels.copyto, (out.arrays[0], pulled)), (kernels.copyto, (out.arrays[1], inverse))
            return (*calls, minus, *copies)
        # entry (i, j), (l, c) is -L_ic A⁻¹_jl
        target = out.arrays[0].reshape(n, n, n, -1)
        return (*calls, minus, (xp.multiply, (pulled[:, None, None, :], inverse[:, :, None], target)))

    def bend_calls(
        self, kernels: Kernels, pair: tuple[int, int], xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the call that solves with A and with Aᵀ."""
        n = xs[0].shape[0]
        x, u = (array.reshape(n, -1) for array in (y, u))
        return ((_bend_solution, (kernels, pair, xs[0], x, u, v.reshape(n, -1), out.reshape(n, -1))),)


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
        square = Dense(n * n, n * n)
        curvature = CurvatureFacts(
            first=0, second=0, structure=square, reads=(VALUE,), applies=True, scratch=2 * n * n + n**4
        )
        return OperationFacts(
            output=shapes[0], locals=(LocalFacts(link=link, reads=(VALUE,)),), curvatures=(curvature,)
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that inverts."""
        return ((_invert, (kernels, "inv", xs[0], y)),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the calls that write -A⁻¹ and A⁻ᵀ."""
        return ((kernels.xp.negative, (y, out.arrays[0])), (kernels.copyto, (out.arrays[1], y.T)))

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], _xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that make the curvature of the inverse and G = A⁻¹UᵀA⁻¹."""
        work, product = scratch[: 2 * y.size].reshape(2, *y.shape)
        return (
            _product(kernels, y, u.reshape(y.shape).T, work),
            _product(kernels, work, y, product),
            *_inverse_calls(kernels, y, product, out.arrays[0], scratch[2 * y.size :]),
        )

    def bend_calls(
        self, kernels: Kernels, _pair: tuple[int, int], _xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls for (A⁻¹VG + GVA⁻¹)ᵀ with G = A⁻¹UᵀA⁻¹."""
        shape = y.shape
        work, product, first = kernels.xp.empty((3, *shape), y.dtype)
        v, turned = v.reshape(shape), out.reshape(shape).T
        return (
            _product(kernels, y, u.reshape(shape).T, work),
            _product(kernels, work, y, product),
            _product(kernels, y, v, work),
            _product(kernels, work, product, first),
            _product(kernels, product, v, work),
            _product(kernels, work, y, product),
            (kernels.xp.add, (first, product, turned)),
        )


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
        structure, scratch = Dense(n * n, n * n), n * n + n**4 * (self.of == "value")
        curvature = CurvatureFacts(first=0, second=0, structure=structure, reads=reads, applies=True, scratch=scratch)
        is_linear = n == 1 and self.of == "value"
        return OperationFacts(
            output=(), locals=(LocalFacts(link=link, reads=reads),), curvatures=() if is_linear else (curvature,)
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call for the determinant."""
        return ((_determinant, (kernels, self.of, xs[0], y)),)

    def local_calls(self, kernels: Kernels, _k: int, xs: Arrays, y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the calls that write A⁻ᵀ and scale it by the determinant."""
        # (A⁻¹)ᵀ = (Aᵀ)⁻¹
        row = out.arrays[0]
        calls = ((_invert, (kernels, self.name, xs[0].T, row.reshape(xs[0].shape))),)
        return calls if self.of == "log" else (*calls, (kernels.xp.multiply, (row, y, row)))

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that write u det A (A⁻¹_ji A⁻¹_ml - A⁻¹_jl A⁻¹_mi), or the second term for the logarithm."""
        xp, n = kernels.xp, xs[0].shape[0]
        inverse = scratch[: n * n].reshape(n, n)
        target = out.arrays[0].reshape(n, n, n, n)  # (i, j), (l, m)
        calls: Calls = (
            (_invert, (kernels, self.name, xs[0], inverse)),
            (xp.multiply, (inverse[:, :, None], inverse.T[:, None, None, :], target)),
        )
        if self.of == "log":
            return (*calls, (xp.negative, (target, target)), (xp.multiply, (target, u, target)))
        first = scratch[n * n :][: n**4].reshape(target.shape)
        return (
            *calls,
            (xp.multiply, (inverse.T[:, :, None, None], inverse.T, first)),
            (xp.subtract, (first, target, target)),
            (xp.multiply, (target, y, target)),
            (xp.multiply, (target, u, target)),
        )

    def bend_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the call for u det A (A⁻¹ tr(A⁻¹V) - A⁻¹VA⁻¹)ᵀ, or the second term for the logarithm."""
        shape = xs[0].shape
        scale = None if self.of == "log" else y
        return ((_bend_determinant, (kernels, self.name, xs[0], scale, u, v.reshape(shape), out.reshape(shape))),)


def _order(name: str, shapes: tuple[Shape, ...]) -> int:
    """Return the number of rows of a square matrix."""
    shape = sole(name, shapes)
    if len(shape) != 2 or shape[0] != shape[1]:
        refuse_shapes(name, shapes, "give one square matrix")
    return shape[0]


def _product(kernels: Kernels, a: Array, b: Array, out: Array) -> Call:
    """Return the call for a product of matrices; `out` goes by its name, as CuPy takes it no other way."""
    return partial(kernels.xp.matmul, out=out), (a, b)


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


def _inverse_calls(kernels: Kernels, inverse: Array, product: Array, out: Array, work: Array) -> Calls:
    """Return the calls that write A⁻¹_jl G_mi + A⁻¹_mi G_jl, the second derivative of ⟨U, A⁻¹B⟩ with G = X Lᵀ."""
    n, xp = inverse.shape[0], kernels.xp
    target, other = out.reshape(n, n, n, n), work[: n**4].reshape(n, n, n, n)  # (i, j), (l, m)
    return (
        (xp.multiply, (inverse[:, :, None], product.T[:, None, None, :], target)),
        (xp.multiply, (product[:, :, None], inverse.T[:, None, None, :], other)),
        (xp.add, (target, other, target)),
    )


def _bend_solution(kernels: Kernels, pair: tuple[int, int], a: Array, x: Array, u: Array, v: Array, out: Array) -> None:
    """Write the change of the adjoint of A, or of B, with a change of A or of B."""
    pulled = kernels.xp.empty(u.shape, u.dtype)
    _solve(kernels, a.T, u, pulled)
    change = kernels.xp.empty(u.shape, u.dtype)
    if pair[1] == 1:  # of X
        _solve(kernels, a, v, change)
        kernels.xp.negative(pulled @ change.T, out)
        return
    _solve(kernels, a.T, v.T @ pulled, change)  # of L, but for the sign
    if pair[0] == 1:
        kernels.xp.negative(change, out)
        return
    moved = kernels.xp.empty(u.shape, u.dtype)
    _solve(kernels, a, v @ x, moved)  # of X, but for the sign
    kernels.xp.add(change @ x.T, pulled @ moved.T, out)


def _bend_determinant(
    kernels: Kernels, name: str, a: Array, scale: Array | None, u: Array, v: Array, out: Array
) -> None:
    xp = kernels.xp
    inverse = xp.empty(a.shape, out.dtype)
    _invert(kernels, name, a, inverse)
    moved = inverse @ v
    xp.negative((moved @ inverse).T, out)
    if scale is not None:
        xp.add(out, inverse.T * xp.trace(moved), out)
        xp.multiply(out, scale, out)
    xp.multiply(out, u, out)


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
