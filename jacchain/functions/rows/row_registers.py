"""Rows of a workspace that steps of one stage share: each is free again after the last step that reads it."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.functions.rows.row_writer import kind
from jacchain.functions.scalar.registers import LATE
from jacchain.functions.scalar.steps import ScalarStep

SLOW = frozenset({"take", "put", "sums"})
"""What still reads its operands after it has begun to write."""


def empty(length: int, dtype: "np.dtype[Any]", /) -> Array:
    """Return an array for a row; for a number one without axes, which NumPy combines with rows more quickly."""
    return np.empty(length if length > 1 else (), dtype)


def flat(array: Array, /) -> Array:
    """Return an array as a row, or without axes if it is one number."""
    return array.reshape(-1 if array.size > 1 else ())


@final
class RowRegisters:
    """The arrays in use, and those that are free.

    Parameters
    ----------
    dtype : dtype
    last : mapping of int to int
        For each step the place, in the stage, of the last one that reads it.
    """

    def __init__(self, dtype: "np.dtype[Any]", last: Mapping[int, int], /) -> None:
        self._dtype = dtype
        self._last = last
        self._held: dict[int, Array] = {}
        self._bases: dict[int, int] = {}
        self._free: dict[int, list[Array]] = {}

    def see(self, view: int, base: int, /) -> None:
        """Note that a step is a view of another."""
        self._bases[view] = base

    def taken(self, k: int, place: int, step: ScalarStep, length: int, /) -> Array:
        """Return the array of a step; of one that it reads last, where it may write over that."""
        if kind(step.function) not in LATE | SLOW:
            for operand in step.operands:
                held = self._held.get(operand)
                if held is not None and held.size == length and self._is_last(operand, place, step):
                    del self._held[operand]
                    self._held[k] = held
                    return held
        free = self._free.setdefault(length, [])
        self._held[k] = free.pop() if free else empty(length, self._dtype)
        return self._held[k]

    def free(self, place: int, /) -> None:
        """Set free what no later step reads."""
        for k in [k for k in self._held if self._last.get(k, -1) <= place]:
            array = self._held.pop(k)
            self._free.setdefault(array.size, []).append(array)

    def _is_last(self, operand: int, place: int, step: ScalarStep) -> bool:
        """Whether a step reads another last, and no view of it."""
        others = [k for k in step.operands if k != operand]
        return self._last[operand] <= place and not any(self._root(k) == operand for k in others)

    def _root(self, k: int) -> int:
        while k in self._bases:
            k = self._bases[k]
        return k
