"""The program of ∇²L as products of structured matrices, and which of its numbers are the lower triangle's."""

import os
from collections.abc import Sequence
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array
from jacchain.algebra.pattern import pattern
from jacchain.algebra.structure import Dense, Identity, Kronecker, Negation, Sparse, Structure, csr_arrays, stored
from jacchain.errors import InfeasibleError
from jacchain.execution.assembly import Assembly
from jacchain.execution.graph.run import GraphExecutable
from jacchain.functions.options import FunctionOptions
from jacchain.functions.second.hessian_run import PlannedHessian, planned_hessian
from jacchain.lagrangian.sparsity import SparsityPattern
from jacchain.lagrangian.symmetric_form import folded
from jacchain.model.expression import Expression

MOST: Final = 1 << 32
"""Nonzeros that no Hessian may have, however much memory there is."""

HOLDS: Final = 2.5
"""Times the bytes of a dense Hessian's numbers that computing it holds, about."""

LISTED: Final = 10
"""The same of a sparse one, all of whose places are listed."""

FILLED: Final = 4
"""A Hessian of which at least one in so many numbers is a nonzero is computed as a dense matrix."""


@final
class SparseHessian(NamedTuple):
    """∇²L, ready to be computed.

    Attributes
    ----------
    run : GraphExecutable
    pattern : SparsityPattern
        Of the lower triangle.
    places : array of int, or None
        Where its values are among the numbers of the result; None for the whole lower triangle of a dense matrix.
    """

    run: GraphExecutable
    pattern: SparsityPattern
    places: NDArray[np.intp] | None

    def values(self, arguments: Sequence[Any], /) -> Array:
        """Return the values of the lower triangle."""
        (place,) = self.run.results
        flat = self.run(arguments)[place.first : place.last]
        return folded(flat, self.pattern.shape[0]) if self.places is None else flat[self.places]


def sparse_hessian(expression: Expression, source: int, output: int, planner: str, /) -> SparseHessian:
    """Return the Hessian of one node with respect to one input.

    Raises
    ------
    OptionError
        A node on the way states no curvature.
    InfeasibleError
        It has more nonzeros than memory can hold.
    """
    options = FunctionOptions(planner=planner, seconds=1.0)
    planned = planned_hessian(expression, (source,), output, options)
    size = prod(expression.nodes[source].shape)
    (parts,) = (assembly.parts for assembly in planned.assemblies(is_sparse=True))
    structures = [planned.plan.nodes[part.node].structure for part in parts]
    count = min(size * size, sum(_nonzeros(structure) for structure in structures))
    is_listed = FILLED * count < size * size
    _refuse(size, count, int((LISTED if is_listed else HOLDS) * expression.dtype.itemsize * count))
    if is_listed:
        return _by_places(planned)
    run = planned.run(is_sparse=False).run
    assert isinstance(run, GraphExecutable), "Lagrangians are for the host"
    (assembly,) = run.assemblies
    is_covered = _covered(assembly, structures)
    is_covered |= is_covered.T
    is_covered = np.tril(is_covered)
    if 2 * np.count_nonzero(is_covered) == size * (size + 1):
        return SparseHessian(run, SparsityPattern.of_lower_triangle(size), None)
    rows, columns = np.nonzero(is_covered)
    return SparseHessian(
        run, SparsityPattern.of_places((size, size), rows=rows, columns=columns), rows * size + columns
    )


def _by_places(planned: PlannedHessian) -> SparseHessian:
    run = planned.run(is_sparse=True).run
    assert isinstance(run, GraphExecutable), "Lagrangians are for the host"
    structure = run.program.registers[run.program.results[-1]].structure
    assert isinstance(structure, Sparse), "it is assembled as a sparse one"
    indptr, columns = csr_arrays(structure)
    rows = np.repeat(np.arange(structure.rows), np.diff(indptr))
    places = np.flatnonzero(rows >= columns)
    shape = structure.rows, structure.columns
    return SparseHessian(run, SparsityPattern.of_places(shape, rows=rows[places], columns=columns[places]), places)


def _nonzeros(structure: Structure) -> int:
    match structure:
        case Identity() | Negation():
            return structure.size
        case Kronecker():
            return _nonzeros(structure.left) * _nonzeros(structure.right)
        case _:
            return stored(structure)


def _refuse(size: int, count: int, held: int) -> None:
    """Raise the error of a Hessian that memory cannot hold."""
    memory = _memory()
    if count < MOST and (memory is None or held < memory):
        return
    raise InfeasibleError(
        f"the Hessian of {size:,} variables has up to {count:,} nonzeros, and takes about {held / 1e9:,.0f} GB",
        "multiply by it instead of forming it: hessian_operator, and matrices='operators' for SciPy",
    )


def _memory() -> int | None:
    """Return how many bytes this machine has, or None where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _covered(assembly: Assembly, structures: Sequence[Structure]) -> NDArray[np.bool_]:
    """Return which numbers of a whole its parts cover."""
    found = np.zeros((assembly.rows, assembly.columns), bool)
    for part, structure in zip(assembly.parts, structures, strict=True):
        to = found.T if part.is_turned else found
        places = (part.columns, part.rows) if part.is_turned else (part.rows, part.columns)
        rows, columns = (_numbers(k, size) for k, size in zip(places, to.shape, strict=True))
        if isinstance(structure, Dense):
            to[np.ix_(rows, columns)] = True
        elif isinstance(structure, Identity | Negation):
            to[rows, columns] = True
        else:
            indptr, indices, _ = pattern(structure)
            to[np.repeat(rows, np.diff(indptr)), columns[indices]] = True
    return found


def _numbers(places: NDArray[np.intp] | None, size: int) -> NDArray[np.intp]:
    return np.arange(size) if places is None else places
