"""Rules with the negation -I: the other operand with its sign turned, for no multiplications."""

from typing import Final

from jacchain.algebra.kernels import Array, Call, Calls, Kernels
from jacchain.algebra.rule import Operand, Rule, nothing
from jacchain.algebra.structure import (
    STRUCTURES,
    Identity,
    Negation,
    Structure,
)


def _turned_left(left: Structure, _right: Negation) -> Structure:
    return Negation(left.size) if isinstance(left, Identity) else left


def _turned_right(_left: Negation, right: Structure) -> Structure:
    return Negation(right.size) if isinstance(right, Identity) else right


def _cancelled(left: Negation, _right: Negation) -> Identity:
    return Identity(left.size)


def _turned(kernels: Kernels, operand: Operand, out: Operand) -> Calls:
    """Return the calls for -A; of A⊗B only one factor is turned: -(A⊗B) = (-A)⊗B."""
    calls: list[Call] = []
    for k, (a, b) in enumerate(zip(operand.arrays, out.arrays, strict=True)):
        calls.append((kernels.negative, (a, b)) if k == 0 else (kernels.copyto, (b, a)))
    return tuple(calls)


def _negate_left(kernels: Kernels, left: Operand, _right: Operand, out: Operand, _scratch: Array) -> Calls:
    return _turned(kernels, left, out)


def _negate_right(kernels: Kernels, _left: Operand, right: Operand, out: Operand, _scratch: Array) -> Calls:
    return _turned(kernels, right, out)


_STORED: Final = tuple(kind for kind in STRUCTURES if kind not in (Identity, Negation))

RULES: Final[dict[tuple[type, type], Rule]] = {
    **{(kind, Negation): Rule(_turned_left, nothing, _negate_left, in_place="left") for kind in _STORED},
    **{(Negation, kind): Rule(_turned_right, nothing, _negate_right, in_place="right") for kind in _STORED},
    (Identity, Negation): Rule(_turned_left, nothing, _negate_left),
    (Negation, Identity): Rule(_turned_right, nothing, _negate_right),
    (Negation, Negation): Rule(_cancelled, nothing, _negate_left),
}
