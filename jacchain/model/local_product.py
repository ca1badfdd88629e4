"""A local Jacobian times a tangent or an adjoint, as an operation of the point too: it has the curvature as its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels, run
from jacchain.algebra.matrix import Matrix, dense
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, array_shapes
from jacchain.errors import OptionError
from jacchain.execution.operation import VALUE, CurvedOperation, LocalFacts, Operation, OperationFacts, Shape
from jacchain.model.expression import evaluated, facts_of
from jacchain.model.fixed_map import FixedMap
from jacchain.model.local_jacobian import local_jacobian
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, slots=True)
class LocalProduct:
    """(x, …, w) ↦ J_k w, or w J_k, of an operation that states its curvature.

    Attributes
    ----------
    operation : Operation
    position : int
        k.
    is_adjoint : bool
        w is an adjoint of the value, rather than a tangent of operand k.

    Examples
    --------
    >>> from jacchain.model.primitives.unary import Unary
    >>> twice = LocalProduct(Unary("square"), 0, False)
    >>> evaluated(twice, (np.array([1.0, 3.0]), np.array([1.0, 10.0])))
    array([ 2., 60.])
    >>> twice.bent(0, (np.array([1.0, 3.0]), np.array([1.0, 10.0]))).matrix.todense()
    array([[ 2.,  0.],
           [ 0., 20.]])
    """

    operation: Operation
    position: int
    is_adjoint: bool

    @property
    def name(self) -> str:
        """The operation's with a prime."""
        return f"{self.operation.name}'{'ᵀ' if self.is_adjoint else ''}"

    @property
    def transposed(self) -> "LocalProduct":
        """The product with the other kind of w."""
        return replace(self, is_adjoint=not self.is_adjoint)

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: dense local Jacobians."""
        output = facts_of(self.operation, shapes[:-1]).output
        given = shapes[self.position] if self.is_adjoint else output
        links = [Link(prod(shape), prod(given), structure=Dense(prod(given), prod(shape))) for shape in shapes]
        reads = tuple(range(len(shapes)))
        found = tuple(LocalFacts(link=link, reads=reads) for link in links)
        return OperationFacts(output=given, locals=found, curvatures=None)

    def value_calls(self, _kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call for the product."""

        def multiply() -> None:
            y[...] = self._by(xs[:-1], xs[-1].reshape(-1)).reshape(y.shape)

        return ((multiply, ()),)

    def local_calls(self, _kernels: Kernels, k: int, xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the call that writes a local Jacobian."""

        def write() -> None:
            out.arrays[0][...] = self.bent(k, xs).matrix.todense()

        return ((write, ()),)

    def bent(self, k: int, xs: Sequence[Array], /) -> FixedMap:
        """Return the local Jacobian with respect to operand k, or w, at numbers."""
        *points, w = xs
        if k == len(points):
            units = np.eye(w.size, dtype=w.dtype)
            matrix = np.stack([self._by(points, unit).reshape(-1) for unit in units], axis=1)
        else:
            matrix = self._curved(k, tuple(points), w)
        taken = np.shape(xs[k])
        given = points[self.position].shape if self.is_adjoint else facts_of(self.operation, _shapes(points)).output
        return FixedMap(f"{self.name}'", dense(matrix), taken, given, matrix.size)

    def _by(self, points: Sequence[Array], w: Array) -> Array:
        xs = tuple(map(np.ascontiguousarray, points))
        found = local_jacobian(self.operation, self.position, xs, evaluated(self.operation, xs))
        assert found is not None, "an operation whose derivative is zero has no products"
        return found.adjoints(w[None, :]) if self.is_adjoint else found.tangents(w[:, None])

    def _curved(self, j: int, xs: Arrays, w: Array) -> Array:
        pair = self.position, j
        if self.is_adjoint:
            return curvature_at(self.operation, pair, xs, w.reshape(-1))
        size = prod(facts_of(self.operation, _shapes(xs)).output)
        units = np.eye(size, dtype=w.dtype)
        return np.stack([w.reshape(-1) @ curvature_at(self.operation, pair, xs, unit) for unit in units])


def _shapes(xs: Sequence[Array]) -> tuple[Shape, ...]:
    return tuple(x.shape for x in xs)


def curvature_at(operation: Operation, pair: tuple[int, int], xs: Arrays, u: Array, /) -> Array:
    """Return u·∂²f with respect to a pair of operands at a point, a dense matrix of their sizes.

    Raises
    ------
    OptionError
        The operation states no curvature.

    Examples
    --------
    >>> from jacchain.model.primitives.unary import Unary
    >>> curvature_at(Unary("square"), (0, 0), (np.array([1.0, 3.0]),), np.array([1.0, 10.0]))
    array([[ 2.,  0.],
           [ 0., 20.]])
    """
    first, second = sorted(pair)
    stated = facts_of(operation, _shapes(xs)).curvatures
    if stated is None:
        raise OptionError(
            f"{operation.name} states no curvature, and its derivative is differentiated again",
            "compose it of NumPy functions, or use layers that state theirs",
        )
    facts = next((one for one in stated if (one.first, one.second) == (first, second)), None)
    if facts is None or not isinstance(operation, CurvedOperation):
        return np.zeros([xs[k].size for k in pair], u.dtype)
    if facts.view:
        matrix = Matrix(facts.structure, operation.curvature_views((first, second), u))
    else:
        arrays = tuple(np.empty(shape, u.dtype) for shape in array_shapes(facts.structure))
        read: list[Any] = [x if k in facts.reads else None for k, x in enumerate(xs)]
        y = evaluated(operation, xs) if VALUE in facts.reads else None
        scratch, out = np.empty(facts.scratch, u.dtype), Operand(facts.structure, arrays)
        given: Any = y
        run(operation.curvature_calls(NUMPY, (first, second), tuple(read), given, u, out, scratch))
        matrix = Matrix(*out)
    found = matrix.todense()
    return found if pair == (first, second) else found.T
