"""The product of two structured matrices: one row per pair of types in one table.

Each row says what the product looks like, how many multiplications it costs, and how it is computed. What is predicted
and what is done stand side by side, so that they cannot drift apart.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from jacchain.algebra import blocks, dense, kronecker, negation, scaling, symbolic
from jacchain.algebra.expand import expand_calls, expand_cost
from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand, Price, Product, Rule, full
from jacchain.algebra.structure import (
    Dense,
    Structure,
)
from jacchain.errors import SizeError


class _Expansion(NamedTuple):
    """The product with one operand expanded to dense: which one, what it costs, and the workspace it takes."""

    left: bool
    cost: int
    scratch: int


def _expansion(left: Structure, right: Structure) -> _Expansion:
    """Return the cheaper of the two expansions; the right operand's if they cost the same."""
    onto_right = product(left, Dense(right.rows, right.columns))
    onto_left = product(Dense(left.rows, left.columns), right)
    choices = (
        _Expansion(False, expand_cost(right) + onto_right.cost, right.rows * right.columns + onto_right.scratch),
        _Expansion(True, expand_cost(left) + onto_left.cost, left.rows * left.columns + onto_left.scratch),
    )
    return min(choices, key=lambda choice: choice.cost)


def _cost_fallback(left: Structure, right: Structure) -> int:
    return _expansion(left, right).cost


def _scratch_fallback(left: Structure, right: Structure) -> int:
    return _expansion(left, right).scratch


def _expanded(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
    expands_left = _expansion(left.structure, right.structure).left
    operand = left if expands_left else right
    rows, columns = operand.structure.rows, operand.structure.columns
    dense = Operand(Dense(rows, columns), (scratch[: rows * columns].reshape(rows, columns),))
    calls = expand_calls(kernels, operand.structure, operand.arrays, dense.arrays[0])
    pair = (dense, right) if expands_left else (left, dense)
    return calls + multiply_calls(kernels, *pair, out, scratch[rows * columns :])


FALLBACK: Final = Rule(full, _cost_fallback, _expanded, _scratch_fallback)
"""The one rule for pairs that the table declines: expand the operand that makes it cheaper, then multiply."""


PRODUCTS: Final[dict[tuple[type, type], Rule]] = {
    **negation.RULES,
    **scaling.RULES,
    **dense.RULES,
    **kronecker.RULES,
    **blocks.RULES,
    **symbolic.RULES,
}
"""One rule for every pair of structure types; each part of the table stands beside the functions it names."""


@lru_cache(maxsize=1 << 15)
def price(left: Structure, right: Structure, /) -> Price:
    """Return what left · right costs, without forming its structure.

    Raises
    ------
    SizeError
        The inner sizes do not meet.
    """
    if left.columns != right.rows:
        raise SizeError(
            f"cannot multiply {left} by {right}: {left.columns} columns meet {right.rows} rows",
            "give matrices whose inner sizes are equal",
        )
    rule = PRODUCTS[type(left), type(right)]
    rule = rule if rule.accepts(left, right) else FALLBACK
    return Price(rule.cost(left, right), rule)


@lru_cache(maxsize=1 << 15)
def product(left: Structure, right: Structure, /) -> Product:
    """Return the predicted structure, cost and workspace of left · right.

    Costs are multiplications (fused multiply-adds) as exact integers.

    Raises
    ------
    SizeError
        The inner sizes do not meet.

    Examples
    --------
    >>> from jacchain.algebra.structure import Diagonal
    >>> found = product(Diagonal(6), Dense(6, 4))
    >>> print(found.structure, found.cost)
    dense 6x4 24
    """
    cost, rule = price(left, right)
    return Product(rule.result(left, right), cost, rule.scratch(left, right), rule)


def multiply_calls(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array, /) -> Calls:
    """Return the calls that write left · right into `out`.

    `out` has the predicted structure and `scratch` the predicted number of entries; all arrays are contiguous and of
    one dtype. The calls hold views of the arrays, so they can be run again whenever the values have changed.
    """
    return price(left.structure, right.structure).rule.apply(kernels, left, right, out, scratch)
