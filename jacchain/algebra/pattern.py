"""Symbolic work on fixed sparse patterns: done once, at planning or lowering, never in a call."""

from functools import lru_cache
from math import prod
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.structure import (
    Agreement,
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    Structure,
    csr_arrays,
    sparse,
    sparse_like,
)

Index = NDArray[np.integer]


class Pattern(NamedTuple):
    """A CSR pattern and where each of its entries lies among the stored numbers."""

    indptr: Index
    indices: Index
    source: Index


class Transposed(NamedTuple):
    """A transposed pattern and the order in which to gather the entries."""

    structure: Sparse
    order: Index


class Triples(NamedTuple):
    """All scalar products a·b of a sparse product, grouped by the entry they are summed into."""

    left: Index
    right: Index
    starts: Index


def is_gatherable(structure: Structure, /) -> bool:
    """Tell whether every entry is one stored number (false only for A⊗B with neither factor the identity)."""
    match structure:
        case Kronecker():
            return isinstance(structure.left, Identity) or isinstance(structure.right, Identity)
        case Identity() | Negation():
            return False
        case _:
            return True


@lru_cache(maxsize=32)
def pattern(structure: Structure, /) -> Pattern:
    """Return the CSR pattern of a structure whose entries are stored numbers.

    Examples
    --------
    >>> found = pattern(BlockDiagonal(2, 1, 2))
    >>> found.indptr.tolist(), found.indices.tolist()
    ([0, 2, 4], [0, 1, 2, 3])
    """
    match structure:
        case Sparse():
            indptr, indices = csr_arrays(structure)
            return Pattern(indptr, indices, np.arange(indices.size))
        case Diagonal(size):
            return Pattern(np.arange(size + 1), np.arange(size), np.arange(size))
        case Dense(rows, columns):
            return Pattern(np.arange(rows + 1) * columns, np.tile(np.arange(columns), rows), np.arange(rows * columns))
        case BlockDiagonal(count, block_rows, block_columns):
            columns_of_block = np.arange(count * block_columns).reshape(count, 1, block_columns)
            indices = np.broadcast_to(columns_of_block, (count, block_rows, block_columns)).ravel()
            return Pattern(np.arange(structure.rows + 1) * block_columns, indices, np.arange(indices.size))
        case Kronecker(Identity(count), Dense(rows, columns)):
            block = pattern(BlockDiagonal(count, rows, columns))
            return Pattern(block.indptr, block.indices, np.tile(np.arange(rows * columns), count))
        case Kronecker(Dense(rows, columns), Identity(size)):
            # Row (i, n) of A⊗I holds A[i, j] in column (j, n).
            indices = np.broadcast_to(
                np.arange(columns) * size + np.arange(size)[:, None], (rows, size, columns)
            ).ravel()
            source = np.broadcast_to(np.arange(rows * columns).reshape(rows, 1, columns), (rows, size, columns)).ravel()
            return Pattern(np.arange(structure.rows + 1) * columns, indices, source)
        case Identity() | Negation() | Kronecker():
            raise AssertionError(f"{structure} has entries that are not stored numbers")
        case _:
            assert_never(structure)


@lru_cache(maxsize=32)
def agreeing(agreement: Agreement, /) -> tuple[Index, Index]:
    """Return (indptr, indices) of the entries whose row and column agree in the indices that they share.

    Examples
    --------
    >>> agreeing(Agreement((2, 3), (0,), (1, 0)))[1].tolist()
    [0, 2, 4, 1, 3, 5]
    """
    sizes, rows, columns = agreement.sizes, agreement.rows, agreement.columns
    axes = (*rows, *(index for index in columns if index not in rows))
    count, width = (prod(sizes[index] for index in side) for side in (rows, columns))
    dtype = "<i4" if max(count, width, prod(sizes)) < 2**31 else "<i8"
    found, stride = np.zeros([sizes[axis] for axis in axes], dtype), 1
    for index in reversed(columns):
        places = np.arange(sizes[index], dtype=dtype) * stride
        found += places.reshape([-1 if axis == index else 1 for axis in axes])
        stride *= sizes[index]
    return np.arange(count + 1, dtype=dtype) * prod(found.shape[len(rows) :]), found.reshape(-1)


@lru_cache(maxsize=32)
def transposed(structure: Sparse, /) -> Transposed:
    """Return the transposed pattern and the gather order of its entries."""
    indptr, indices = csr_arrays(structure)
    rows = np.repeat(np.arange(structure.rows), np.diff(indptr))
    order = np.lexsort((rows, indices))
    if structure.of is not None:
        return Transposed(sparse_like(_turned(structure.of)), order)
    pointers = np.concatenate([[0], np.cumsum(np.bincount(indices, minlength=structure.columns))])
    return Transposed(sparse(structure.columns, structure.rows, pointers, rows[order]), order)


def _per_column(structure: Structure) -> int | None:
    """Return how many entries every column has, where all have the same number."""
    match structure:
        case Diagonal():
            return 1
        case Dense(rows, _):
            return rows
        case BlockDiagonal():
            return structure.block_rows
        case Kronecker(left, right):
            return (1 if isinstance(left, Identity) else left.rows) * (1 if isinstance(right, Identity) else right.rows)
        case Sparse():
            if structure.agreement is not None:
                return structure.nonzeros // structure.columns
            return None if structure.of is None else structure.of.left.rows
        case Identity() | Negation():
            return 1
        case _:
            assert_never(structure)


def entries(structure: Structure, /) -> int:
    """Return how many entries a gatherable structure has, each counted where it stands."""
    if isinstance(structure, Sparse):
        return structure.nonzeros
    return (_per_column(structure) or 0) * structure.columns


def product_cost(left: Structure, right: Structure, /) -> int:
    """Return the number of scalar multiplications of a sparse product: Σ_k |column k of left|·|row k of right|."""
    per_column = _per_column(left)
    if per_column is not None:
        return per_column * entries(right)
    if not isinstance(right, Sparse) or right.of is not None:
        return entries(left) * entries(right) // right.rows  # every row of the right operand has as many
    columns = np.bincount(pattern(left).indices, minlength=left.columns)
    return int(columns.astype(np.int64) @ np.diff(pattern(right).indptr).astype(np.int64))


def _spread(structure: Structure) -> Kronecker | None:
    """Return A⊗I where a structure has the pattern of one."""
    if isinstance(structure, Kronecker) and isinstance(structure.right, Identity):
        return structure
    return structure.of if isinstance(structure, Sparse) else None


@lru_cache(maxsize=64)
def product_structure(left: Structure, right: Structure, /) -> Sparse | Dense:
    """Return the pattern of a sparse product, multiplied symbolically; Dense when it is full."""
    a, b = _spread(left), _spread(right)
    if a is not None and b is not None and a.right == b.right != Identity(1):  # (A⊗I)(B⊗I) is spread like AB⊗I
        return sparse_like(Kronecker(Dense(a.left.rows, b.left.columns), a.right))
    from scipy.sparse import csr_array

    def ones(structure: Structure) -> "csr_array[np.float32]":
        found = pattern(structure)
        entries = np.ones(found.indices.size, np.float32)
        return csr_array((entries, found.indices, found.indptr), shape=(structure.rows, structure.columns))

    filled = ones(left) @ ones(right)  # positive entries: nothing cancels
    filled.sort_indices()
    if filled.nnz == left.rows * right.columns:
        return Dense(left.rows, right.columns)
    return sparse(left.rows, right.columns, filled.indptr, filled.indices)


@lru_cache(maxsize=8)
def product_triples(left: Structure, right: Structure, /) -> Triples:
    """Return which stored numbers to multiply and where each sum starts, in the order of the result's entries."""
    a, b = pattern(left), pattern(right)
    lengths = np.diff(b.indptr)[a.indices]
    entry = np.repeat(np.arange(a.indices.size), lengths)
    within = np.arange(entry.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    other = b.indptr[a.indices].astype(np.int64)[entry] + within
    rows = np.repeat(np.arange(left.rows), np.diff(a.indptr))[entry]
    keys = rows * right.columns + b.indices[other]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return Triples(a.source[entry][order], b.source[other][order], starts)


def transpose(structure: Structure, /) -> Structure:
    """Return the structure of the transpose.

    Examples
    --------
    >>> transpose(Dense(2, 3))
    Dense(rows=3, columns=2)
    """
    match structure:
        case Identity() | Negation() | Diagonal():
            return structure
        case Dense():
            return Dense(structure.columns, structure.rows)
        case Kronecker():
            return _turned(structure)
        case BlockDiagonal():
            return BlockDiagonal(structure.count, structure.block_columns, structure.block_rows)
        case Sparse():
            return transposed(structure).structure
        case _:
            assert_never(structure)


def _turned(matrix: Kronecker) -> Kronecker:
    return Kronecker(_transpose_factor(matrix.left), _transpose_factor(matrix.right))


def _transpose_factor(factor: Identity | Dense) -> Identity | Dense:
    return factor if isinstance(factor, Identity) else Dense(factor.columns, factor.rows)
