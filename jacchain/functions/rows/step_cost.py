"""About how long steps on rows take."""

from collections.abc import Sequence
from typing import Final

from jacchain.functions.rows.row_writer import Routes, kind
from jacchain.functions.scalar.steps import ScalarStep

CALL: Final = 450.0
"""Nanoseconds of a call besides the numbers."""

QUICK: Final = frozenset({"add", "subtract", "multiply", "negative", "absolute", "square", "maximum", "minimum"})

EACH: Final = {"divide": 0.8, "reciprocal": 0.8, "sqrt": 1.0, "exp": 1.0, "log": 2.0, "take": 0.8, "sum": 0.3}
"""Nanoseconds for each number, where it is neither quick nor slow."""

EACH_QUICK: Final = 0.3
EACH_SLOW: Final = 5.5


def cost(step: ScalarStep, length: int, routes: Routes, /) -> float:
    """Return about how many nanoseconds a step takes; a view takes none."""
    match kind(step.function):
        case "input" | "constant":
            return 0.0
        case "take" if routes.of(step.function)[0].is_even:
            return 0.0
        case "put":
            return len(step.operands) * CALL + length * EACH_QUICK
        case name:
            each = EACH_QUICK if name in QUICK else EACH.get(name, EACH_SLOW)
            return CALL + length * each


def total_cost(steps: Sequence[ScalarStep], lengths: Sequence[int], routes: Routes, /) -> float:
    """Return about how many nanoseconds all steps take."""
    return sum(cost(step, length, routes) for step, length in zip(steps, lengths, strict=True))
