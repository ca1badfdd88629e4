"""A local Jacobian times a tangent or an adjoint, as an operation of the point too: it has the curvature as its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, final

import numpy as np

from jacchain.algebra.expand import expand_calls
from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.matrix import Matrix, dense
from jacchain.algebra.pattern import transpose, transposed
from jacchain.algebra.product import multiply_calls, product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Diagonal, Kronecker, Sparse, Structure, array_shapes, sparse
from jacchain.errors import OptionError
from jacchain.execution.backend import kernels_of
from jacchain.execution.operation import (
    VALUE,
    CurvedOperation,
    FreeOperation,
    LocalFacts,
    Operation,
    OperationFacts,
    Shape,
    ValueView,
)
from jacchain.model.expression import evaluated, facts_of
from jacchain.model.fixed_map import FixedMap
from jacchain.model.local_curvature import local_curvature
from jacchain.model.local_jacobian import FormedJacobian, local_jacobian
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
    shapes : tuple of shapes
        The operation's.
    is_alone : bool
        w is the only operand, as J_k does not depend on the point at all.

    Examples
    --------
    >>> from jacchain.model.primitives.unary import Unary
    >>> twice = LocalProduct(Unary("square"), 0, False, ((2,),))
    >>> evaluated(twice, (np.array([1.0, 3.0]), np.array([1.0, 10.0])))
    array([ 2., 60.])
    >>> twice.bent(0, (np.array([1.0, 3.0]), np.array([1.0, 10.0]))).matrix.todense()
    array([[ 2.,  0.],
           [ 0., 20.]])
    """

    operation: Operation
    position: int
    is_adjoint: bool
    shapes: tuple[Shape, ...]
    is_alone: bool = False

    @property
    def name(self) -> str:
        """The operation's with a prime."""
        return f"{self.operation.name}'{'ᵀ' if self.is_adjoint else ''}"

    @property
    def transposed(self) -> "LocalProduct":
        """The product with the other kind of w."""
        return replace(self, is_adjoint=not self.is_adjoint)

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: of w the local Jacobian itself; of the point a dense one, or none where J_k is constant."""
        facts = self._facts()
        given = self.shapes[self.position] if self.is_adjoint else facts.output
        last = self._by_w(facts, len(shapes) - 1)
        if facts.curvatures == ():
            return OperationFacts(output=given, locals=(*(None for _ in shapes[1:]), last))
        links = [Link(prod(shape), prod(given), structure=Dense(prod(given), prod(shape))) for shape in self.shapes]
        reads = tuple(range(len(shapes)))
        return OperationFacts(
            output=given, locals=(*(LocalFacts(link=link, reads=reads) for link in links), last), curvatures=None
        )

    def _by_w(self, facts: OperationFacts, points: int) -> LocalFacts:
        """Return the facts of the local Jacobian, as it is or transposed."""
        local = self._local(facts)
        reads = tuple(range(points)) if VALUE in local.reads else local.reads
        link = replace(local.link, borrowed=False, name=self.name)
        if self.is_adjoint:
            link = replace(
                link,
                inputs=link.outputs,
                outputs=link.inputs,
                structure=transpose(link.local) if link.is_explicit else None,
                tangent_cost=link.adjoint_cost,
                adjoint_cost=link.tangent_cost,
            )
        return LocalFacts(link=link, reads=reads)

    def _local(self, facts: OperationFacts) -> LocalFacts:
        local = facts.locals[self.position]
        assert local is not None, "an operation whose derivative is zero has no products"
        return local

    def _facts(self) -> OperationFacts:
        return facts_of(self.operation, self.shapes)

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls for the product."""
        *points, given = xs
        held, out = kernels.xp.empty(given.shape, y.dtype), y.reshape(-1)
        w, copied = held.reshape(-1), (kernels.copyto, (held, given))
        facts = self._facts()
        link = self._local(facts).link
        cost = link.adjoint_cost if self.is_adjoint else link.tangent_cost
        if cost is not None and isinstance(self.operation, FreeOperation):
            return (copied, *self.tangent_calls(kernels, len(points), xs, w[:, None], out[:, None]))
        ready, local = self._formed(kernels, facts, tuple(points), y.dtype)
        vector = (
            Operand(Dense(1, w.size), (w[None, :],)) if self.is_adjoint else Operand(Dense(w.size, 1), (w[:, None],))
        )
        left, right = (vector, local) if self.is_adjoint else (local, vector)
        found = product(left.structure, right.structure)
        made = _empty(kernels, found.structure, y.dtype)
        calls = multiply_calls(kernels, left, right, made, kernels.xp.empty(found.scratch, y.dtype))
        target = out.reshape(found.structure.rows, found.structure.columns)
        return (copied, *ready, *calls, *expand_calls(kernels, found.structure, made.arrays, target))

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the calls that write a local Jacobian."""
        if not out.arrays:
            return ()
        if k == len(xs) - 1:
            facts = self._facts()
            ready, made = self._formed(kernels, facts, xs[:-1], out.arrays[0].dtype)
            pairs = tuple(zip(made.arrays, out.arrays, strict=True))
            return (*ready, *(_moved(kernels, made.structure, *pair, is_turned=self.is_adjoint) for pair in pairs))

        def write() -> None:
            out.arrays[0][...] = self.bent(k, xs).matrix.todense()

        return ((write, ()),)

    def tangent_calls(self, kernels: Kernels, _k: int, xs: Arrays, v: Array, out: Array, /) -> Calls:
        """Return the calls of an operation that is applied without being formed: tangents of w, as columns."""
        apply, points = self._applying(xs)
        if not self.is_adjoint:
            return apply.tangent_calls(kernels, self.position, points, v, out)
        return _turned(kernels, lambda u, made: apply.adjoint_calls(kernels, self.position, points, u, made), v, out)

    def adjoint_calls(self, kernels: Kernels, _k: int, xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the calls of an operation that is applied without being formed: adjoints of the value, as rows."""
        apply, points = self._applying(xs)
        if not self.is_adjoint:
            return apply.adjoint_calls(kernels, self.position, points, u, out)
        return _turned(kernels, lambda v, made: apply.tangent_calls(kernels, self.position, points, v, made), u, out)

    def multiplications(self, xs: Sequence[Array], /) -> int:
        """Return those of one product at numbers.

        Of what is linear, piece by piece, they are the entries besides 0, 1 and -1, which only move or add numbers.
        """
        facts = self._facts()
        link = self._local(facts).link
        if facts.curvatures != ():
            return link.inputs * link.outputs
        points = tuple(map(np.zeros, self.shapes)) if self.is_alone else tuple(xs[:-1])
        found = local_jacobian(self.operation, self.position, points, evaluated(self.operation, points))
        assert found is not None, "an operation whose derivative is zero has no products"
        if isinstance(found, FormedJacobian):
            is_factored = isinstance(found.matrix.structure, Kronecker)
            return sum(map(_nontrivial, [found.matrix.todense()] if is_factored else found.matrix.arrays))
        starts, size = range(0, link.inputs, _COLUMNS), link.inputs
        return sum(_nontrivial(found.tangents(np.eye(size, min(_COLUMNS, size - k), -k))) for k in starts)

    def bent(self, k: int, xs: Sequence[Array], /) -> FixedMap:
        """Return the local Jacobian with respect to operand k of the point, at numbers."""
        *points, w = xs
        matrix = self._curved(k, tuple(points), w)
        given = self.shapes[self.position] if self.is_adjoint else self._facts().output
        return FixedMap(f"{self.name}'", matrix, points[k].shape, given, matrix.shape[0] * matrix.shape[1])

    def _applying(self, xs: Arrays) -> tuple[FreeOperation, Arrays]:
        """Return the operation, and of the point what it reads."""
        operation, points = self.operation, xs[:-1]
        assert isinstance(operation, FreeOperation), f"{operation.name} has no tangents and adjoints of its own"
        return operation, points or tuple(None for _ in self.shapes)

    def _formed(
        self, kernels: Kernels, facts: OperationFacts, points: Arrays, dtype: "np.dtype[Any]"
    ) -> tuple[Calls, Operand]:
        """Return J_k in buffers of its own, and the calls that write it."""
        local, operation, k = self._local(facts), self.operation, self.position
        out = _empty(kernels, local.link.local, dtype)
        xs = tuple(x if i in local.reads else None for i, x in enumerate(points or self.shapes))
        if not local.link.is_explicit and isinstance(operation, FreeOperation):
            by_tangents, (target,) = local.link.tangent_cost is not None, out.arrays
            units = kernels.xp.eye(target.shape[1 if by_tangents else 0], dtype=dtype)
            apply = operation.tangent_calls if by_tangents else operation.adjoint_calls
            return apply(kernels, k, xs, units, target), out
        if not out.arrays:
            return (), out
        y, ready = _valued(kernels, operation, facts, points, dtype) if VALUE in local.reads else (None, ())
        return (*ready, *operation.local_calls(kernels, k, xs, y, out, kernels.xp.empty(local.scratch, dtype))), out

    def _curved(self, j: int, xs: Arrays, w: Array) -> Matrix:
        pair = self.position, j
        if self.is_adjoint:
            return curvature_at(self.operation, pair, xs, w.reshape(-1))
        size, xp = prod(self._facts().output), kernels_of(w).xp
        units, along = xp.eye(size, dtype=w.dtype), w.reshape(-1, 1)
        rows = [curvature_at(self.operation, pair, xs, unit).rmatmat(along)[:, 0] for unit in units]
        return dense(xp.stack(rows))


_COLUMNS: Final = 64
"""How many columns of a matrix that is not formed are looked at together."""


def _nontrivial(entries: Array) -> int:
    sizes = np.abs(entries)
    return int(np.count_nonzero((sizes != 0) & (sizes != 1)))


def _empty(kernels: Kernels, structure: Structure, dtype: "np.dtype[Any]") -> Operand:
    return Operand(structure, tuple(kernels.xp.empty(shape, dtype) for shape in array_shapes(structure)))


def _valued(
    kernels: Kernels, operation: Operation, facts: OperationFacts, xs: Arrays, dtype: "np.dtype[Any]"
) -> tuple[Array, Calls]:
    """Return the operation's value, and the calls that write it."""
    if facts.view and isinstance(operation, ValueView):
        return operation.value_view(xs[0]), ()
    y = kernels.xp.empty(facts.output, dtype)
    return y, operation.value_calls(kernels, xs, y, kernels.xp.empty(facts.scratch, dtype))


def _turned(kernels: Kernels, apply: Callable[[Array, Array], Calls], given: Array, out: Array) -> Calls:
    """Return the calls of what takes and gives rows where columns are given, or the other way round."""
    taken, made = kernels.xp.empty(given.shape[::-1], out.dtype), kernels.xp.empty(out.shape[::-1], out.dtype)
    return ((kernels.copyto, (taken, given.T)), *apply(taken, made), (kernels.copyto, (out, made.T)))


def _moved(kernels: Kernels, structure: Structure, array: Array, target: Array, *, is_turned: bool) -> Call:
    """Return the call that writes an array of a matrix into that of the same matrix or its transpose."""
    if not is_turned or isinstance(structure, Diagonal):
        return kernels.copyto, (target, array)
    if isinstance(structure, Sparse):
        return kernels.take, (array, kernels.index(transposed(structure).order), target)
    return kernels.copyto, (target, array.swapaxes(-1, -2))


def curvature_at(operation: Operation, pair: tuple[int, int], xs: Arrays, u: Array, /) -> Matrix:
    """Return u·∂²f with respect to a pair of operands at a point, a matrix of their sizes.

    Raises
    ------
    OptionError
        The operation states no curvature.

    Examples
    --------
    >>> from jacchain.model.primitives.unary import Unary
    >>> curvature_at(Unary("square"), (0, 0), (np.array([1.0, 3.0]),), np.array([1.0, 10.0])).arrays
    (array([ 2., 20.]),)
    """
    first, second = sorted(pair)
    stated = facts_of(operation, tuple(x.shape for x in xs)).curvatures
    if stated is None:
        raise OptionError(
            f"{operation.name} states no curvature, and its derivative is differentiated again",
            "compose it of NumPy functions, or use layers that state theirs",
        )
    facts = next((one for one in stated if (one.first, one.second) == (first, second)), None)
    if facts is None or not isinstance(operation, CurvedOperation):
        rows, columns = (xs[k].size for k in pair)
        return Matrix(sparse(rows, columns, np.zeros(rows + 1, int), []), (kernels_of(u).xp.zeros(0, u.dtype),))
    found = local_curvature(operation, facts, xs, evaluated(operation, xs) if VALUE in facts.reads else None, u)
    return found if pair == (first, second) else found.T
