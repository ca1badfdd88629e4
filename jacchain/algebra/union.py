"""Symbolic work on sums of fixed sparse patterns: done once, at planning or lowering, never in a call."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from jacchain.algebra.entries import add_at, sign
from jacchain.algebra.kernels import Array, Call, Calls, Kernels
from jacchain.algebra.pattern import Index, Pattern, pattern
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    Structure,
    is_unit,
    sparse,
)


class Placed(NamedTuple):
    """Where the entries of a matrix stand among the numbers of a sum, and which stored number each of them is."""

    places: Index
    source: Index


@lru_cache(maxsize=64)
def union_structure(left: Structure, right: Structure, /) -> Sparse | Dense:
    """Return the union of two patterns; Dense when it is full.

    Examples
    --------
    >>> union_structure(Kronecker(Dense(2, 2), Identity(2)), Kronecker(Identity(2), Dense(2, 2))).nonzeros
    12
    """
    a, b = _keys(left), _keys(right)
    rows, columns = left.rows, left.columns
    both = np.sort(np.concatenate([a, b]), kind="stable")  # two sorted runs: one merge
    keys = both[np.concatenate([[True], both[1:] != both[:-1]])] if both.size else both
    if keys.size == rows * columns:
        return Dense(rows, columns)
    # Equal patterns may be stated in two ways; that of a Kronecker product is the simpler one.
    covering = [s for s, k in ((left, a), (right, b)) if isinstance(s, Sparse) and k.size == keys.size]
    if covering:
        return next((s for s in covering if s.of is not None), covering[0])
    counts = np.bincount(keys // columns, minlength=rows)
    return sparse(rows, columns, np.concatenate([[0], np.cumsum(counts)]), keys % columns)


def union_scratch(left: Structure, right: Structure, /) -> int:
    """Return how many numbers of workspace the sum of two patterns takes."""
    first, second = _ordered(left, right)
    written = _entries(first) if isinstance(first, Kronecker) else 0
    return max(written, _entries(second) * (2 if isinstance(second, Kronecker) else 1))


def union_calls(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array, /) -> Calls:
    """Return the calls that write left + right into the union of their patterns."""
    is_left = _ordered(left.structure, right.structure)[0] == left.structure
    first, second = (left, right) if is_left else (right, left)
    target = out.arrays[0].reshape(-1)
    return _write(kernels, first, out, target, scratch) + _add(kernels, second, out, target, scratch)


@lru_cache(maxsize=64)
def _ordered(left: Structure, right: Structure) -> tuple[Structure, Structure]:
    """Return which operand is written first: the one that is the sum's structure, else the one of more entries."""
    union = union_structure(left, right)
    if union in (left, right):
        return (left, right) if union == left else (right, left)
    return (left, right) if _entries(left) >= _entries(right) else (right, left)


def _pattern(structure: Structure) -> Pattern:
    return pattern(Diagonal(structure.rows)) if is_unit(structure) else pattern(structure)


def _entries(structure: Structure) -> int:
    return int(_pattern(structure).indices.size)


def _keys(structure: Structure) -> Index:
    """Return the places of all entries, counted row by row through the whole matrix."""
    found = _pattern(structure)
    rows = np.repeat(np.arange(structure.rows, dtype=np.int64), np.diff(found.indptr))
    return rows * structure.columns + found.indices


@lru_cache(maxsize=16)
def _placed(structure: Structure, whole: Sparse | Dense) -> Placed:
    keys = _keys(structure)
    index = keys if isinstance(whole, Dense) else np.searchsorted(_keys(whole), keys)
    return Placed(index, _pattern(structure).source)


def _write(kernels: Kernels, operand: Operand, out: Operand, target: Array, scratch: Array) -> Calls:
    if operand.structure == out.structure:
        pair = out.arrays[0], operand.arrays[0]
        return () if kernels.xp.may_share_memory(*pair) else ((kernels.copyto, pair),)
    index, source = _placed(operand.structure, out.structure)
    is_whole = index.size == target.size
    cleared: Calls = () if is_whole else ((kernels.fill, (0, target)),)
    if index.size == 0:
        return cleared
    gathered, values = _values(kernels, operand, source, target if is_whole else scratch)
    if is_whole and gathered:  # straight into their places
        return gathered
    view = _view(target, index)
    placed: Call = (kernels.copyto, (view, values))
    if view is None:
        placed = kernels.scatter, (values, kernels.index(index), target)
    return (*cleared, *gathered, placed)


def _add(kernels: Kernels, operand: Operand, out: Operand, target: Array, scratch: Array) -> Calls:
    index, source = _placed(operand.structure, out.structure)
    if index.size == 0:
        return ()
    gathered, values = _values(kernels, operand, source, None if scratch is None else scratch[index.size :])
    view = _view(target, index)
    if view is not None:
        return (*gathered, (kernels.add, (view, values, view)))
    return gathered + add_at(kernels, values, index, target, scratch)


def _values(kernels: Kernels, operand: Operand, source: Index, held: Array) -> tuple[Calls, Array]:
    """Return the numbers of a matrix in the order of its entries, and the calls that gather them where need be."""
    structure = operand.structure
    if isinstance(structure, Identity | Negation):
        return (), sign(structure)
    array = operand.arrays[0]
    if not isinstance(structure, Kronecker):
        return (), array.reshape(-1)
    values = held[: source.size]
    # a factor may be a strided view: taking flattens it in every run, reshaping would copy it now
    return ((kernels.take, (array, kernels.index(source), values)),), values


def _view(target: Array, index: Index) -> Array | None:
    """Return the places as a view where they are evenly spaced."""
    steps = np.diff(index)
    if steps.size and np.any(steps != steps[0]):
        return None
    step = int(steps[0]) if steps.size else 1
    return target[int(index[0]) : int(index[-1]) + 1 : step]
