"""The sum of two structured matrices: one row per pair of types in one table, like the table of products.

Sums take no multiplications. A row lists the ways to add a pair of types; the first that accepts two structures is
theirs. Structure is kept where both operands have it; else the sum is the union of two sparse patterns, or dense.
"""

from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any, Final

from jacchain.algebra.entries import add_entries, add_scratch, has_entries, sign, write_calls
from jacchain.algebra.expand import expand_calls, expand_cost
from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand, Sum, SumRule, always
from jacchain.algebra.scaling import spread
from jacchain.algebra.structure import (
    STRUCTURES,
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    Structure,
)
from jacchain.errors import SizeError

Row = tuple[SumRule, ...]
Unit = Identity | Negation


def _filled(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return ((kernels.fill, (sign(left.structure) + sign(right.structure), out.arrays[0])),)


UNITS: Final = SumRule(always, lambda a, _: Diagonal(a.size), _filled)
"""Sums of I and -I: a diagonal of 2, 0 or -2."""


def _are_same(left: Structure, right: Structure) -> bool:
    return left == right and has_entries(left)


def _entrywise(kernels: Kernels, left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return tuple((kernels.add, arrays) for arrays in zip(left.arrays, right.arrays, out.arrays, strict=True))


SAME: Final = SumRule(_are_same, lambda a, _: a, _entrywise, in_place="either")
"""Equal structures: the stored numbers add. A⊗B with two dense factors is no sum of factors."""


def _onto_right(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
    return write_calls(kernels, right, out) + add_entries(kernels, left, out, scratch)


def _right_has_entries(_left: Structure, right: Structure) -> bool:
    return has_entries(right)


ONTO: Final = SumRule(always, lambda _, b: b, _onto_right, in_place="right")
"""The right operand has places for the entries of the left one."""

ONTO_FACTOR: Final = ONTO._replace(accepts=_right_has_entries)
"""±I + A⊗I = (A ± I)⊗I, and ±I + I⊗B = I⊗(B ± I)."""

ONTO_SPREAD: Final = SumRule(_right_has_entries, lambda _, b: spread(b), _onto_right)
"""A diagonal tells the rows of A⊗I and the blocks of I⊗B apart, and fits into their pattern."""

ONTO_PATTERN: Final = ONTO._replace(accepts=lambda _, b: b.of is not None)
"""The pattern of a square A⊗I holds the diagonal."""

ONTO_SPREAD_PATTERN: Final = ONTO._replace(accepts=lambda a, b: a == b.of)
"""A⊗I and what has the pattern of it."""

ONTO_BLOCKS: Final = ONTO._replace(
    accepts=lambda a, b: (a.left, a.right) == (Identity(b.count), Dense(b.block_rows, b.block_columns))
)
"""I⊗B and as many blocks of B's size."""

ONTO_DENSE: Final = ONTO._replace(accepts=lambda a, _: has_entries(a), scratch=lambda a, _: add_scratch(a))
"""The entries of the left operand are added in their places; it is not written out."""


def _have_entries(left: Structure, right: Structure) -> bool:
    return has_entries(left) and has_entries(right)


def _united(left: Structure, right: Structure) -> Structure:
    from jacchain.algebra.union import union_structure

    return union_structure(left, right)


def _scratch_united(left: Structure, right: Structure) -> int:
    from jacchain.algebra.union import union_scratch

    return union_scratch(left, right)


def _unite(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
    from jacchain.algebra.union import union_calls

    return union_calls(kernels, left, right, out, scratch)


UNION: Final = SumRule(_have_entries, _united, _unite, _scratch_united)
"""The union of two patterns: sparse, or dense where it is full."""

UNION_ONTO: Final = UNION._replace(accepts=lambda a, b: _have_entries(a, b) and _united(a, b) == b, in_place="right")
"""The pattern of the right operand holds that of the left one."""


def _expand_right(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
    calls = expand_calls(kernels, right.structure, right.arrays, out.arrays[0])
    return calls + add_entries(kernels, left, out, scratch)


EXPANDED: Final = SumRule(
    lambda _, b: not has_entries(b),
    lambda a, _: Dense(a.rows, a.columns),
    _expand_right,
    lambda a, _: add_scratch(a),
    cost=lambda a, b: sum(expand_cost(s) for s in (a, b) if not has_entries(s)),
)
"""A⊗B with two dense factors has to be written out: the only sum that takes multiplications, one for every entry."""


def mirrored(rule: SumRule, /) -> SumRule:
    """Return the same way for operands in the other order: a + b = b + a."""
    return SumRule(
        lambda a, b: rule.accepts(b, a),
        lambda a, b: rule.result(b, a),
        lambda kernels, a, b, out, scratch: rule.apply(kernels, b, a, out, scratch),
        lambda a, b: rule.scratch(b, a),
        {"left": "right", "right": "left"}.get(rule.in_place, rule.in_place),
        lambda a, b: rule.cost(b, a),
    )


_UNIT_ROWS: Final[dict[type, Row]] = {
    Diagonal: (ONTO,),
    Kronecker: (ONTO_FACTOR, EXPANDED),
    BlockDiagonal: (ONTO,),
    Sparse: (ONTO_PATTERN, UNION_ONTO, UNION),
    Dense: (ONTO_DENSE,),
}

_ROWS: Final[dict[tuple[type, type], Row]] = {
    (Identity, Identity): (UNITS,),
    (Identity, Negation): (UNITS,),
    (Negation, Negation): (UNITS,),
    **{(unit, kind): row for unit in (Identity, Negation) for kind, row in _UNIT_ROWS.items()},
    (Diagonal, Diagonal): (SAME,),
    (Diagonal, Kronecker): (ONTO_SPREAD, EXPANDED),
    (Diagonal, BlockDiagonal): (ONTO,),
    (Diagonal, Sparse): (ONTO_PATTERN, UNION_ONTO, UNION),
    (Diagonal, Dense): (ONTO_DENSE,),
    (Kronecker, Kronecker): (SAME, UNION, EXPANDED, mirrored(EXPANDED)),
    (Kronecker, BlockDiagonal): (ONTO_BLOCKS, UNION, mirrored(EXPANDED)),
    (Kronecker, Sparse): (ONTO_SPREAD_PATTERN, UNION_ONTO, UNION, mirrored(EXPANDED)),
    (Kronecker, Dense): (ONTO_DENSE, mirrored(EXPANDED)),
    (BlockDiagonal, BlockDiagonal): (SAME, UNION),
    (BlockDiagonal, Sparse): (UNION_ONTO, UNION),
    (BlockDiagonal, Dense): (ONTO_DENSE,),
    (Sparse, Sparse): (SAME, UNION_ONTO, mirrored(UNION_ONTO), UNION),
    (Sparse, Dense): (ONTO_DENSE,),
    (Dense, Dense): (SAME,),
}

ADDITIONS: Final[dict[tuple[type, type], Row]] = {
    **_ROWS,
    **{
        (b, a): tuple(map(mirrored, _ROWS[a, b])) for a, b in combinations_with_replacement(STRUCTURES, 2) if a is not b
    },
}
"""The ways to add every pair of structure types, in order of preference; half of it is the mirror of the other."""


def _chosen(left: Any, right: Any) -> SumRule:
    return next(rule for rule in ADDITIONS[type(left), type(right)] if rule.accepts(left, right))


@lru_cache(maxsize=1 << 15)
def addition(left: Structure, right: Structure, /) -> Sum:
    """Return the predicted structure, cost and workspace of left + right.

    Raises
    ------
    SizeError
        The shapes differ.

    Examples
    --------
    >>> print(addition(Identity(6), Kronecker(Dense(2, 2), Identity(3))).structure)
    kronecker (2x2)⊗I(3)
    >>> print(addition(Diagonal(6), BlockDiagonal(3, 2, 2)).structure)
    block-diagonal 3x(2x2)
    """
    if (left.rows, left.columns) != (right.rows, right.columns):
        raise SizeError(
            f"cannot add {left} and {right}: {left.rows}x{left.columns} meets {right.rows}x{right.columns}",
            "give matrices of one shape",
        )
    rule = _chosen(left, right)
    return Sum(rule.result(left, right), rule.cost(left, right), rule.scratch(left, right), rule)


def add_calls(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array, /) -> Calls:
    """Return the calls that write left + right into `out`.

    `out` has the predicted structure and `scratch` the predicted number of entries; all arrays are contiguous and of
    one dtype. The calls hold views of the arrays, so they can be run again whenever the values have changed.
    """
    return addition(left.structure, right.structure).rule.apply(kernels, left, right, out, scratch)
