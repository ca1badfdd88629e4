"""The product of two structured matrices: one row per pair of types in one table.

Each row says what the product looks like, how many multiplications it costs, and how it is computed. What is predicted
and what is done stand side by side, so that they cannot drift apart.
"""

from functools import lru_cache
from typing import Final

from jacchain.algebra import blocks, dense, kronecker, scaling, symbolic
from jacchain.algebra.expand import expand_calls, expand_cost
from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand, Product, Rule, full
from jacchain.algebra.structure import (
    Dense,
    Kronecker,
    Structure,
)
from jacchain.errors import SizeError


def _expands_left(left: Structure, right: Structure) -> bool:
    """Expand the right operand, unless only it is a Kronecker product: that one is better applied than formed."""
    return isinstance(right, Kronecker) and not isinstance(left, Kronecker)


def _cost_fallback(left: Structure, right: Structure) -> int:
    if _expands_left(left, right):
        return expand_cost(left) + product(Dense(left.rows, left.columns), right).cost
    return expand_cost(right) + product(left, Dense(right.rows, right.columns)).cost


def _scratch_fallback(left: Structure, right: Structure) -> int:
    if _expands_left(left, right):
        return left.rows * left.columns + product(Dense(left.rows, left.columns), right).scratch
    return right.rows * right.columns + product(left, Dense(right.rows, right.columns)).scratch


def _expanded(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
    expands_left = _expands_left(left.structure, right.structure)
    operand = left if expands_left else right
    rows, columns = operand.structure.rows, operand.structure.columns
    dense = Operand(Dense(rows, columns), (scratch[: rows * columns].reshape(rows, columns),))
    calls = expand_calls(kernels, operand.structure, operand.arrays, dense.arrays[0])
    pair = (dense, right) if expands_left else (left, dense)
    return calls + multiply_calls(kernels, *pair, out, scratch[rows * columns :])


FALLBACK: Final = Rule(full, _cost_fallback, _expanded, _scratch_fallback)
"""The one rule for pairs that the table declines: expand an operand to dense, then multiply with a dense operand."""


PRODUCTS: Final[dict[tuple[type, type], Rule]] = {
    **scaling.RULES,
    **dense.RULES,
    **kronecker.RULES,
    **blocks.RULES,
    **symbolic.RULES,
}
"""One rule for every pair of structure types; each part of the table stands beside the functions it names."""


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
    if left.columns != right.rows:
        raise SizeError(
            f"cannot multiply {left} by {right}: {left.columns} columns meet {right.rows} rows",
            "give matrices whose inner sizes are equal",
        )
    rule = PRODUCTS[type(left), type(right)]
    structure = rule.result(left, right)
    if structure is None:
        rule, structure = FALLBACK, full(left, right)
    return Product(structure, rule.cost(left, right), rule.scratch(left, right), rule)


def multiply_calls(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array, /) -> Calls:
    """Return the calls that write left · right into `out`.

    `out` has the predicted structure and `scratch` the predicted number of entries; all arrays are contiguous and of
    one dtype. The calls hold views of the arrays, so they can be run again whenever the values have changed.
    """
    return product(left.structure, right.structure).rule.apply(kernels, left, right, out, scratch)
