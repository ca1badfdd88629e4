"""Jacobians of scalar code: at one point, and at thousands of points against jax; and what each order multiplies."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks import jax_peers
from benchmarks.contender import Array, Contender
from benchmarks.row import Row
from benchmarks.scalar_functions import gas_points, robot_arm, robot_points, roe_flux
from benchmarks.target import Target
from jacchain.derivatives import jacobian
from jacchain.functions.scalar.scalarise import scalar_graph
from jacchain.model.trace import trace
from jacchain.planning.elimination.planner import plan_graph

POINTS = 4096

LONGEST = 30e-6
"""Seconds that a Jacobian at one point may take."""

PLANNERS = ("forward", "reverse", "markowitz", "search")


class Code(NamedTuple):
    """A function of scalar code, and points for it."""

    title: str
    function: Callable[..., Any]
    points: Callable[..., Array]


CODES = {
    "arm": Code("forward kinematics of a robot arm, 6 to 6", robot_arm, robot_points),
    "roe": Code("Roe flux, 6 to 3", roe_flux, gas_points),
}


def point_row(name: str, /, *, peers: bool) -> Row:
    """Return the row of a Jacobian at one point, with the counts of multiplications as its notes."""
    code = CODES[name]
    derivative, x = jacobian(code.function), code.points(1)[0]
    contenders = [
        Contender("the function itself, NumPy", "plain", partial(code.function, x), answer=None),
        Contender("jacchain J(x)", "jacchain", partial(derivative, x)),
    ]
    if peers:
        contenders += jax_peers.function_jacobian(code.function, x)
    title = f"{code.title}, Jacobian at one point, float64"
    targets = [Target("jacchain J(x)", (), LONGEST)]
    return Row(f"{name}-point", title, contenders, targets, notes=lambda _: counts(code))


def points_row(name: str, dtype: str, /, *, peers: bool) -> Row:
    """Return the row of Jacobians at many points, against the better of jax's forward and reverse mode."""
    code = CODES[name]
    derivative, x = jacobian(code.function), code.points(POINTS, dtype)
    contenders = [Contender("jacchain J.batched(X)", "jacchain", partial(derivative.batched, x))]
    rivals: list[Contender] = jax_peers.points_jacobian(code.function, x) if peers else []
    targets = [Target("jacchain J.batched(X)", tuple(rival.name for rival in rivals if rival.role == "jax"), 1.0)]
    tolerance = 1e-9 if np.dtype(dtype) == float else 1e-4
    title = f"{code.title}, Jacobians at {POINTS:,} points, {dtype}"
    return Row(f"{name}-{dtype}", title, contenders + rivals, targets if rivals else [], tolerance)


def counts(code: Code, /, *, seconds: float = 1.0) -> list[str]:
    """Return how many multiplications each planner's order takes: every product counts, or none by 1 and -1."""
    graph = scalar_graph(trace(code.function, code.points(1)[0]))
    lines = [f"{len(graph.sizes)} vertices, {len(graph.edges)} edges; multiplications:"]
    lines.append(f"{'':16}" + "".join(f"{planner:>11}" for planner in PLANNERS))
    for title, unit_free in (("plain", False), ("unit_free", True)):
        found = [plan_graph(graph, planner=name, seconds=seconds, unit_free=unit_free).flops for name in PLANNERS]
        lines.append(f"{title:16}" + "".join(f"{count:>11,}" for count in found))
    return lines
