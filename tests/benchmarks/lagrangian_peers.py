"""Hessians of the Lagrangian by CasADi, and by jax with sparse colouring, where they are installed.

CasADi's fastest documented form binds buffers once (`Function.buffer`); its call takes NumPy's arrays and gives back a
matrix of its own. jax is compiled, with arrays that already lie on its device.
"""

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import cycle
from typing import Any

import numpy as np
from scipy.sparse import csc_array

from benchmarks.contender import Array, Contender
from benchmarks.lagrangian_formulas import FORMULAS, Words

Answer = Callable[[Array, Array, Array], Array]
"""Takes the values, rows and columns of a lower triangle; gives what is compared."""


def casadi_contenders(name: str, points: Sequence[Array], multipliers: Array, answer: Answer, /) -> list[Contender]:
    """Return CasADi's SX and MX forms with buffers, and SX called."""
    try:
        casadi: Any = import_module("casadi")
    except ImportError:
        return []
    found = []
    for kind in ("SX", "MX"):
        function = _casadi_hessian(casadi, getattr(casadi, kind), name, points[0].size, multipliers.size)
        found.append(_with_buffers(f"casadi {kind}, buffers", function, points, multipliers, answer))
        if kind == "SX":
            found.append(_called("casadi SX, called", function, points, multipliers, answer))
    return found


def _casadi_hessian(casadi: Any, kind: Any, name: str, n: int, m: int) -> Any:
    words = Words(casadi.sin, casadi.cos, casadi.exp, casadi.sum1, lambda parts: casadi.vertcat(*parts))
    x, multipliers, factor = kind.sym("x", n), kind.sym("l", m), kind.sym("s")
    f, g = FORMULAS[name](x, words)
    hessian, _ = casadi.hessian(factor * f - casadi.dot(multipliers, g), x)
    # the upper triangle column by column is the lower one row by row
    return casadi.Function("hessian", [x, multipliers, factor], [casadi.triu(hessian)])


def _places(function: Any) -> tuple[Array, Array]:
    """Return rows and columns of the lower triangle."""
    columns, rows = function.sparsity_out(0).get_triplet()
    return np.array(rows), np.array(columns)


def _with_buffers(name: str, function: Any, points: Sequence[Array], multipliers: Array, answer: Answer) -> Contender:
    rows, columns = _places(function)
    factor, values = np.ones(1), np.empty(rows.size)
    bound = []
    for x in points:
        buffer, evaluate = function.buffer()
        for k, given in enumerate((x, multipliers, factor)):
            buffer.set_arg(k, memoryview(given))
        buffer.set_res(0, memoryview(values))
        bound.append((buffer, evaluate, factor))  # what is bound must stay alive
    turns = cycle([evaluate for _, evaluate, _ in bound])

    def call(_kept: Any = bound) -> Array:
        next(turns)()
        return values

    return Contender(name, "other", call, answer=lambda found: answer(found, rows, columns))


def _called(name: str, function: Any, points: Sequence[Array], multipliers: Array, answer: Answer) -> Contender:
    turns = cycle(points)

    def compared(found: Any) -> Array:
        matrix = csc_array(found.sparse()).tocoo()
        return answer(matrix.data, matrix.coords[1], matrix.coords[0])

    return Contender(name, "other", lambda: function(next(turns), multipliers, 1.0), answer=compared)


def jax_contenders(name: str, points: Sequence[Array], multipliers: Array, answer: Answer, /) -> list[Contender]:
    """Return jax with the sparsity detection and star colouring of asdex."""
    try:
        jax, asdex = import_module("jax"), import_module("asdex")
    except ImportError:
        return []
    jax.config.update("jax_enable_x64", True)
    xp = jax.numpy
    words = Words(xp.sin, xp.cos, xp.exp, xp.sum, lambda parts: xp.concatenate([xp.atleast_1d(p) for p in parts]))

    def lagrangian(x: Any, multipliers: Any, factor: Any) -> Any:
        f, g = FORMULAS[name](x, words)
        return factor * f - xp.dot(multipliers, g)

    placed = [jax.device_put(x) for x in points]
    given = jax.device_put(multipliers), jax.device_put(np.array(1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", asdex.DenseColoringWarning)  # of HS071, whose Hessian is dense
        coloring = asdex.hessian_coloring(lagrangian, placed[0], *given)
    hessian = jax.jit(asdex.hessian_from_coloring(lagrangian, coloring))
    turns = cycle(placed)

    def compared(found: Any) -> Array:
        rows, columns = np.asarray(found.indices).T
        below = rows >= columns
        return answer(np.asarray(found.data)[below], rows[below], columns[below])

    def call() -> Any:
        return jax.block_until_ready(hessian(next(turns), *given))

    return [Contender("jax.jit, asdex colouring", "jax", call, "jax", compared)]
