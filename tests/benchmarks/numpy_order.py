"""NumPy's own planning of a matrix chain, as numpy.linalg.multi_dot does it at every call."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from benchmarks.contender import Array


@cache
def _order() -> Any:
    """Return the private function, wherever this NumPy keeps it; None where there is none."""
    for home in ("numpy.linalg._linalg", "numpy.linalg.linalg"):
        try:
            return import_module(home)._multi_dot_matrix_chain_order
        except (ImportError, AttributeError):
            continue
    return None


def is_known() -> bool:
    """Return whether this NumPy has a planning function of its own to time."""
    return _order() is not None


def chain_order(factors: Sequence[Array], /) -> float:
    """Return the least number of multiplications of a product of factors, from left to right."""
    _, costs = _order()(list(factors), return_costs=True)
    return float(costs[0, len(factors) - 1])
