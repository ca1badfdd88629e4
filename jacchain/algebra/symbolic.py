"""Sparse by sparse: the patterns are multiplied once, the numbers at every call by gather, multiply and segment sum.

Where the entries of both lie evenly one call does it; see `jacchain.algebra.spread`.
"""

from typing import Any, Final

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.rule import Operand, Rule
from jacchain.algebra.spread import even_calls, is_even
from jacchain.algebra.structure import BlockDiagonal, Kronecker, Sparse, Structure


def _gatherable(left: Structure, right: Structure) -> bool:
    from jacchain.algebra.pattern import is_gatherable

    return is_gatherable(left) and is_gatherable(right)


def _symbolic(left: Structure, right: Structure) -> Structure:
    from jacchain.algebra.pattern import product_structure

    return product_structure(left, right)


def _cost_symbolic(left: Structure, right: Structure) -> int:
    from jacchain.algebra.pattern import product_cost

    return product_cost(left, right)


def _scratch_symbolic(left: Structure, right: Structure) -> int:
    return 0 if is_even(left, right) else 2 * _cost_symbolic(left, right)


def _gathered(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
    if is_even(left.structure, right.structure):
        return even_calls(kernels, left, right, out)
    from jacchain.algebra.pattern import product_triples

    triples = product_triples(left.structure, right.structure)
    count = triples.left.size
    if count == 0:
        return ()
    a, b = scratch[:count], scratch[count : 2 * count]
    return (
        (kernels.take, (left.arrays[0], kernels.index(triples.left), a)),
        (kernels.take, (right.arrays[0], kernels.index(triples.right), b)),
        (kernels.multiply, (a, b, a)),
        (kernels.segment_sum, (a, kernels.segments(triples.starts, count), out.arrays[0].reshape(-1))),
    )


SYMBOLIC: Final = Rule(_symbolic, _cost_symbolic, _gathered, _scratch_symbolic, accepts=_gatherable)


def either(*rules: Rule) -> Rule:
    """Return the rule that is the first of some that accepts, and symbolic where none does."""

    def chosen(left: Any, right: Any) -> Rule:
        return next((rule for rule in rules if rule.accepts(left, right)), SYMBOLIC)

    def apply(kernels: Kernels, left: Operand, right: Operand, out: Operand, scratch: Array) -> Calls:
        return chosen(left.structure, right.structure).apply(kernels, left, right, out, scratch)

    return Rule(
        lambda left, right: chosen(left, right).result(left, right),
        lambda left, right: chosen(left, right).cost(left, right),
        apply,
        lambda left, right: chosen(left, right).scratch(left, right),
        accepts=lambda left, right: chosen(left, right).accepts(left, right),
    )


RULES: Final[dict[tuple[type, type], Rule]] = {
    (Kronecker, Sparse): SYMBOLIC,
    (BlockDiagonal, Sparse): SYMBOLIC,
    (Sparse, Kronecker): SYMBOLIC,
    (Sparse, BlockDiagonal): SYMBOLIC,
    (Sparse, Sparse): SYMBOLIC,
}
