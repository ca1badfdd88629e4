"""Tracing and planning functions of about a thousand nodes, of arrays and of single numbers."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.contender import Contender
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.algebra.kernels import Array
from jacchain.model.trace import trace
from jacchain.planning.elimination.planner import plan_graph

POINT = np.linspace(0.0, 1.0, 10)

LIMIT = 1.0
"""Seconds that tracing and planning may take."""


def row(*, peers: bool) -> Row:
    """Return the row of both functions; the one of numbers has three outputs, so that its order is searched for."""
    named = {"arrays": loop(250), "numbers": numbers(1000)}
    contenders, targets = [], []
    for name, function in named.items():
        count = len(trace(function, POINT).nodes)
        whole = f"trace and plan, {count:,} nodes of {name}"
        contenders.append(Contender(whole, "other", partial(_planned, function), answer=None))
        contenders.append(Contender(f"trace alone, {name}", "other", partial(trace, function, POINT), answer=None))
        targets.append(Target(whole, (), LIMIT))
    return Row("trace", "expressions of a thousand nodes", contenders, targets)


def _planned(function: Callable[[Array], Array]) -> int:
    return plan_graph(trace(function, POINT).graph(), unit_free=True).flops


def loop(count: int, /) -> Callable[[Array], Array]:
    """Return a function of arrays with a loop of four operations."""

    def function(x: Array) -> Array:
        a = x
        for _ in range(count):
            a = (np.sin(a) * x + a) * 0.5
        return np.sum(a)

    return function


def numbers(count: int, /) -> Callable[[Array], Array]:
    """Return a function whose numbers each depend on two of the last dozen."""
    rng = np.random.default_rng(0)
    pairs = [(int(i), int(j)) for i, j in rng.integers(1, 13, size=(count, 2))]

    def function(x: Array) -> Array:
        found = [x[k % x.size] for k in range(12)]
        for k, (i, j) in enumerate(pairs):
            found.append(np.sin(found[-i]) * found[-j] if k % 2 else found[-i] + found[-j] * 0.5)
        return np.stack(found[-3:])

    return function
