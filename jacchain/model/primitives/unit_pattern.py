"""Patterns of ones: what choosing, moving and placing numbers does to them."""

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Identity, Sparse, Structure
from jacchain.execution.operation import LocalFacts
from jacchain.planning.link import Link

Index = NDArray[np.int64]
INDEX_DTYPE = "<i8"


def chosen(size: int, index: Index, /) -> Structure:
    """Return the structure of the map that takes numbers out of `size`: row k has its one in column index[k].

    Examples
    --------
    >>> import numpy as np
    >>> print(chosen(4, np.array([2, 2])), chosen(3, np.arange(3)), sep=", ")
    sparse 2x4, 2 nonzeros, identity 3
    """
    if is_everything(size, index):
        return Identity(size)
    return pattern(index.size, size, np.arange(index.size + 1), index)


def placed(size: int, index: Index, /) -> Structure:
    """Return the structure of the map that puts numbers among `size` places: column k has its one in row index[k].

    Examples
    --------
    >>> import numpy as np
    >>> print(placed(4, np.array([2, 0])))
    sparse 4x2, 2 nonzeros
    """
    if is_everything(size, index):
        return Identity(size)
    indptr = np.zeros(size + 1, np.int64)
    np.cumsum(np.bincount(index, minlength=size), out=indptr[1:])
    return pattern(size, index.size, indptr, np.argsort(index, kind="stable"))


def pattern(rows: int, columns: int, indptr: Index, indices: Index, /) -> Sparse:
    """Return the structure of a CSR pattern that is valid by its making: `sparse` would spend its time on checks."""
    dtype = "<i4" if max(columns, rows, indices.size) < 2**31 else "<i8"
    return Sparse(rows, columns, indptr.astype(dtype).tobytes(), indices.astype(dtype).tobytes(), dtype)


def is_everything(size: int, index: Index, /) -> bool:
    """Tell whether an index lists all of `size` places in order."""
    return index.size == size and bool(np.array_equal(index, np.arange(size)))


def unit_facts(structure: Structure, name: str, /) -> LocalFacts:
    """Return the facts of a local Jacobian of ones, which does not depend on the point."""
    return LocalFacts(link=Link(structure.columns, structure.rows, structure=structure, name=name))


def ones(kernels: Kernels, out: Operand, /) -> Calls:
    """Return the calls that write the ones; an identity has no numbers."""
    return tuple((kernels.fill, (1, array)) for array in out.arrays)


def as_bytes(index: Index, /) -> bytes:
    """Return an index as bytes, by which equal ones are equal and hash alike."""
    return np.ascontiguousarray(index, INDEX_DTYPE).tobytes()


def from_bytes(index: bytes, /) -> Index:
    """Return the read-only index of bytes."""
    return np.frombuffer(index, INDEX_DTYPE)
