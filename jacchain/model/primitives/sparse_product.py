"""A sparse matrix times a vector."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Sparse, csr_arrays
from jacchain.execution.operation import CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes
from jacchain.model.primitives.unit_pattern import pattern
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, slots=True)
class SparseProduct(Primitive):
    """(numbers, x) ↦ A x for a sparse A of a fixed pattern, given the numbers that it stores.

    Parameters
    ----------
    structure : Sparse
        The pattern.

    Examples
    --------
    >>> from jacchain.algebra.structure import sparse
    >>> found = SparseProduct(sparse(2, 3, [0, 1, 3], [2, 0, 1]))
    >>> found.value([2.0, 3.0, 4.0], [1.0, 1.0, 5.0]), str(found.local(1, [2.0, 3.0, 4.0], [1.0, 1.0, 5.0]))
    (array([10.,  7.]), 'sparse 2x3, 3 nonzeros')
    """

    structure: Sparse

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: A itself, and x in the places of A's rows."""
        rows, columns, count = self.structure.rows, self.structure.columns, self.structure.nonzeros
        if shapes != ((count,), (columns,)):
            refuse_shapes(f"{self.name} by {rows} x {columns}", shapes, f"give {count} numbers and {columns} of x")
        indptr, indices = csr_arrays(self.structure)
        by_number = pattern(rows, count, indptr.astype(np.int64), np.arange(count))
        across = pattern(count, columns, np.arange(count + 1), indices.astype(np.int64))
        return OperationFacts(
            output=(rows,),
            locals=(
                LocalFacts(link=Link(count, rows, structure=by_number, name=self.name), reads=(1,)),
                LocalFacts(
                    link=Link(columns, rows, structure=self.structure, name=self.name), reads=(0,), view="contiguous"
                ),
            ),
            curvatures=(CurvatureFacts(first=0, second=1, structure=across),),
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that multiplies."""
        numbers, x = xs
        indptr, indices = csr_arrays(self.structure)
        shape = self.structure.rows, self.structure.columns
        if numbers.flags.c_contiguous:
            return ((kernels.csr_dot, (kernels.csr(numbers, indices, indptr, shape), x[:, None], y[:, None])),)
        held = kernels.xp.empty(numbers.shape, numbers.dtype)
        copied = (kernels.copyto, (held, numbers))
        return (copied, (kernels.csr_dot, (kernels.csr(held, indices, indptr, shape), x[:, None], y[:, None])))

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the call that copies the numbers, or takes x in the places of A's rows."""
        if k == 1:
            return ((kernels.copyto, (out.arrays[0], xs[0])),)
        return ((kernels.take, (xs[1], kernels.index(csr_arrays(self.structure)[1]), out.arrays[0])),)

    def local_views(self, _k: int, xs: Arrays, _y: Array, /) -> Arrays:
        """Return the numbers, which are those of A."""
        return (xs[0].reshape(-1),)

    def curvature_calls(
        self,
        kernels: Kernels,
        _pair: tuple[int, int],
        _xs: Arrays,
        _y: Array,
        u: Array,
        out: Operand,
        _scratch: Array,
        /,
    ) -> Calls:
        """Return the call that takes u at the row of every number."""
        return ((kernels.take, (u, kernels.index(entry_rows(self.structure)), out.arrays[0])),)


def entry_rows(structure: Sparse, /) -> Any:
    """Return the row of every number that a sparse matrix stores.

    Examples
    --------
    >>> from jacchain.algebra.structure import sparse
    >>> entry_rows(sparse(2, 3, [0, 1, 3], [2, 0, 1]))
    array([0, 1, 1])
    """
    indptr, _ = csr_arrays(structure)
    return np.repeat(np.arange(structure.rows), np.diff(indptr))
