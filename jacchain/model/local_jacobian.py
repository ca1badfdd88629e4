"""A local Jacobian at a point, of any operation: what is done with it before anything is planned."""

from dataclasses import dataclass
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, run
from jacchain.algebra.matrix import Matrix, dense
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import array_shapes
from jacchain.execution.operation import VALUE, FreeOperation, LocalFacts, Operation
from jacchain.model.expression import facts_of


@final
@dataclass(frozen=True, slots=True, eq=False)
class FreeJacobian:
    """A local Jacobian that is applied without being formed.

    Attributes
    ----------
    operation : FreeOperation
    position : int
        Of the operand that it belongs to.
    facts : LocalFacts
    xs : tuple of arrays
        The operation's inputs; None for those that it does not read.
    """

    operation: FreeOperation
    position: int
    facts: LocalFacts
    xs: Arrays

    def tangents(self, v: Array, /) -> Array:
        """Return J V for tangents as columns."""
        if self.facts.link.tangent_cost is None:
            return self._formed(v.dtype) @ v
        out = np.empty((self.facts.link.outputs, v.shape[1]), v.dtype)
        run(self.operation.tangent_calls(NUMPY, self.position, self.xs, np.ascontiguousarray(v), out))
        return out

    def adjoints(self, u: Array, /) -> Array:
        """Return U J for adjoints as rows."""
        if self.facts.link.adjoint_cost is None:
            return u @ self._formed(u.dtype)
        out = np.empty((u.shape[0], self.facts.link.inputs), u.dtype)
        run(self.operation.adjoint_calls(NUMPY, self.position, self.xs, np.ascontiguousarray(u), out))
        return out

    def _formed(self, dtype: "np.dtype[np.floating]") -> Array:
        """Return the matrix, made of unit tangents or adjoints by whichever there is."""
        link = self.facts.link
        by_tangents = link.tangent_cost is not None
        units = np.eye(link.inputs if by_tangents else link.outputs, dtype=dtype)
        return self.tangents(units) if by_tangents else self.adjoints(units)


@final
@dataclass(frozen=True, slots=True, eq=False)
class FormedJacobian:
    """A local Jacobian as a structured matrix."""

    matrix: Matrix

    def tangents(self, v: Array, /) -> Array:
        """Return J V for tangents as columns."""
        return (self.matrix @ dense(v)).todense()

    def adjoints(self, u: Array, /) -> Array:
        """Return U J for adjoints as rows."""
        return (dense(u) @ self.matrix).todense()


LocalJacobian = FreeJacobian | FormedJacobian


def local_jacobian(operation: Operation, position: int, xs: Arrays, y: Array, /) -> LocalJacobian | None:
    """Return the local Jacobian with respect to one operand at a point, or None where it is zero everywhere.

    Parameters
    ----------
    operation : Operation
    position : int
        Of the operand.
    xs : tuple of arrays
        The operands.
    y : array
        The value.

    Examples
    --------
    >>> from jacchain.model.primitives.unary import Unary
    >>> local_jacobian(Unary("square"), 0, (np.array([1.0, 2.0]),), np.array([1.0, 4.0])).tangents(np.ones((2, 1)))
    array([[2.],
           [4.]])
    """
    facts = facts_of(operation, tuple(x.shape for x in xs)).locals[position]
    if facts is None:
        return None
    read = tuple(x if k in facts.reads else None for k, x in enumerate(xs))
    costs = facts.link.tangent_cost, facts.link.adjoint_cost
    if costs != (None, None) and isinstance(operation, FreeOperation):
        return FreeJacobian(operation, position, facts, read)
    structure, dtype = facts.link.local, y.dtype
    out = Operand(structure, tuple(np.empty(shape, dtype) for shape in array_shapes(structure)))
    if out.arrays:
        value = y if VALUE in facts.reads else None
        run(operation.local_calls(NUMPY, position, read, value, out, np.empty(facts.scratch, dtype)))
    return FormedJacobian(Matrix(*out))
