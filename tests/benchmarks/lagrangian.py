"""The Hessian of the Lagrangian at a new point: jacchain, by hand, CasADi, and jax with sparse colouring."""

from collections.abc import Callable
from itertools import cycle
from time import perf_counter
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benchmarks.contender import Array, Contender
from benchmarks.lagrangian_peers import casadi_contenders, jax_contenders
from benchmarks.lagrangian_twins import HandWrittenCartPole, HandWrittenHS071, HandWrittenRosenbrock, Twin
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.lagrangian.lagrangian import Lagrangian
from jacchain.workloads.nonlinear.figures import Point, points
from jacchain.workloads.nonlinear.program import NonlinearProgram
from jacchain.workloads.nonlinear.programs import nonlinear_program

OURS = "jacchain L.hessian_values(x, l)"
BY_HAND = "by hand, reused arrays"
COLOURED = "jax.jit, asdex colouring"
SX, MX, CALLED = "casadi SX, buffers", "casadi MX, buffers", "casadi SX, called"

TWINS: dict[str, Callable[[NonlinearProgram], Twin]] = {
    "hs071": lambda program: HandWrittenHS071(),
    "rosenbrock": lambda program: HandWrittenRosenbrock(program.n),
    "cartpole": lambda program: HandWrittenCartPole(program.n // 5 - 1),
}

TARGETS: dict[str, list[Target]] = {
    "hs071": [Target(OURS, (BY_HAND,), 3.0)],
    "rosenbrock": [
        Target(OURS, (BY_HAND,), 1.5),
        Target(OURS, (SX, MX), 3.0, is_speedup=True),
        Target(OURS, (COLOURED,), 3.0, is_speedup=True),
    ],
    "cartpole": [
        Target(OURS, (BY_HAND,), 1.5),
        Target(OURS, (SX,), 1.0, is_speedup=True),
        Target(OURS, (CALLED,), 4.0, is_speedup=True),
    ],
}


def row(name: str, /, *, peers: bool) -> Row:
    """Return the row of a problem; every contender takes two points in turn, so that each call is at a new one."""
    program = nonlinear_program(name)
    start = perf_counter()
    lagrangian = Lagrangian(program.objective, program.constraints, program.x0)
    seconds = perf_counter() - start
    at = points(program, 2)
    at = [point._replace(multipliers=at[0].multipliers) for point in at]
    contenders = _ours(lagrangian, at, program, peers=peers)
    present = {contender.name for contender in contenders}
    targets = [target for target in TARGETS[name] if present.intersection(target.against)]
    pattern = lagrangian.structure
    title = (
        f"Hessian of the Lagrangian, {program.n:,} variables, {program.m:,} constraints, {pattern.nonzeros:,} places"
    )
    return Row(f"lagrangian-{name}", title, contenders, targets, notes=lambda _: _notes(lagrangian, seconds))


def _notes(lagrangian: Lagrangian, seconds: float) -> list[str]:
    engine = str(lagrangian).rpartition("\n")[2].strip()
    return [engine, f"recorded, planned and structured in {seconds:.2f} s", "a call is at a new point each time"]


def _ours(lagrangian: Lagrangian, at: list[Point], program: NonlinearProgram, *, peers: bool) -> list[Contender]:
    """Return the contenders, by hand first: the others' answers are compared with it."""
    name, twin, multipliers = program.name, TWINS[program.name](program), at[0].multipliers
    answer = products(program.n)
    by_hand, new, both, again = cycle(at), cycle(at), cycle(at), cycle([multipliers, -multipliers])
    pattern, out = lagrangian.structure, np.empty(lagrangian.structure.nonzeros)
    rows, columns = pattern.rows, pattern.columns

    def together() -> None:
        x = next(both).x
        lagrangian.objective(x)
        lagrangian.gradient(x)
        lagrangian.constraints(x)
        lagrangian.jacobian_values(x)
        lagrangian.hessian_values(x, multipliers, out=out)

    def ours() -> Array:
        return lagrangian.hessian_values(next(new).x, multipliers, out=out)

    def sparse() -> csr_array:
        return lagrangian.hessian(next(new).x, multipliers)

    found = [
        Contender(
            BY_HAND,
            "plain",
            lambda: twin.hessian(next(by_hand).x, multipliers, 1.0),
            answer=lambda values: answer(values, twin.rows, twin.columns),
        ),
        Contender(OURS, "jacchain", ours, answer=lambda values: answer(values, rows, columns)),
        Contender(
            "the same, other l at one x", "other", lambda: lagrangian.hessian_values(at[0].x, next(again)), answer=None
        ),
        Contender(
            "L.hessian(x, l), csr_array", "other", lambda: lagrangian.hessian(next(new).x, multipliers), answer=None
        ),
        Contender("f, grad f, g, grad g and Hessian", "other", together, answer=None),
    ]
    if peers:
        xs = [point.x for point in at]
        found += casadi_contenders(name, xs, multipliers, answer)
        found += jax_contenders(name, xs, multipliers, answer)
    return found


def products(n: int, /) -> Callable[[Array, Array, Array], Array]:
    """Return what makes of a lower triangle, whatever its places, numbers to compare: products by vectors."""
    vectors = np.random.default_rng(0).normal(size=(n, 3))

    def answer(values: Array, rows: Any, columns: Any) -> Array:
        lower = csr_array((np.array(values), (rows, columns)), shape=(n, n))
        found: Array = lower @ vectors + lower.T @ vectors - lower.diagonal()[:, None] * vectors
        return found

    return answer
