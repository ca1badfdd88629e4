"""A chain of 50 random dense links: multiplying in the optimum order, and finding that order."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks import jax_peers, torch_peers
from benchmarks.contender import Array, Contender
from benchmarks.kernel import kernel
from benchmarks.numpy_order import chain_order
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.derivatives import jacobian
from jacchain.layers import Linear
from jacchain.planning.node import Local, Multiply
from jacchain.planning.plan import Plan
from jacchain.planning.planner import plan
from jacchain.workloads.networks import chain

Steps = list[tuple[int, int]]
Kernel = Callable[..., Any]


def multiply_row(*, peers: bool) -> Row:
    """Return the row of the products."""
    problem = chain()
    matrices = _matrices(problem.function.layers)
    derivative, x = jacobian(problem.function), problem.point
    steps = _steps(derivative.plan(x))
    arrays, shape = buffers(matrices, steps), (len(matrices[-1]), matrices[0].shape[1])
    twins = "NumPy, flat, np.dot(out=)", "NumPy, flat, dot or matmul (out=)"
    contenders = [
        Contender("NumPy, flat", "plain", fresh(matrices, steps)),
        Contender("jacchain J(x)", "jacchain", partial(derivative, x)),
        Contender(twins[0], "out=", flat(arrays, steps, lambda *_: np.dot)),
        Contender(twins[1], "out=", flat(arrays, steps, kernel)),
        Contender("jacchain J(x, out=)", "jacchain out=", partial(derivative, x, out=np.empty(shape, x.dtype))),
        Contender("numpy.linalg.multi_dot (plans too)", "other", partial(np.linalg.multi_dot, matrices[::-1])),
    ]
    if peers:
        contenders += [*jax_peers.chain_product(matrices, steps), *torch_peers.chain_product(matrices)]
    target = Target("jacchain J(x)", twins, 1.05)
    title = f"{len(matrices)} dense links, sizes 5 to 500, float64: multiplying"
    return Row("chain-multiply", title, contenders, [target])


def plan_row(*, peers: bool) -> Row:
    """Return the row of the planning."""
    matrices = _matrices(chain().function.layers)
    sizes = [matrices[0].shape[1], *(len(matrix) for matrix in matrices)]
    theirs = "numpy.linalg.multi_dot's planning"
    contenders = [
        Contender(theirs, "plain", partial(chain_order, matrices[::-1]), answer=float),
        Contender("jc.plan(sizes)", "jacchain", partial(plan, sizes), answer=_flops),
    ]
    target = Target("jc.plan(sizes)", (theirs,), 1 / 3)
    return Row("chain-plan", f"{len(matrices)} dense links, sizes 5 to 500: planning", contenders, [target])


def _flops(found: Any) -> float:
    return float(found.flops)


def _matrices(layers: Sequence[object]) -> list[Array]:
    return [layer.weight for layer in layers if isinstance(layer, Linear)]


def _steps(found: Plan) -> Steps:
    """Return the products of a plan; operands are numbers of matrices, then of earlier products."""
    places: list[int] = []
    steps: Steps = []
    for node in found.nodes:
        match node:
            case Local(link):
                places.append(link)
            case Multiply(left, right):
                steps.append((places[left], places[right]))
                places.append(len(found.chain) + len(steps) - 1)
            case _:
                raise AssertionError(node)
    return steps


def fresh(matrices: Sequence[Array], steps: Steps) -> Callable[[], Array]:
    """Return the flat program with a new array for every product."""

    def run() -> Array:
        found = list(matrices)
        for left, right in steps:
            found.append(found[left] @ found[right])
        return found[-1]

    return run


def buffers(matrices: Sequence[Array], steps: Steps) -> list[Array]:
    """Return the matrices, and after them an array for every product."""
    arrays = list(matrices)
    for left, right in steps:
        arrays.append(np.empty((len(arrays[left]), arrays[right].shape[1])))
    return arrays


def flat(arrays: Sequence[Array], steps: Steps, choose: Callable[..., Kernel]) -> Callable[[], Array]:
    """Return the flat program of products (a, b, out) into buffers."""
    first = len(arrays) - len(steps)
    operands = [(arrays[left], arrays[right], arrays[first + k]) for k, (left, right) in enumerate(steps)]
    calls = [(choose(*arguments), arguments) for arguments in operands]

    def run() -> Array:
        for function, (a, b, out) in calls:
            function(a, b, out)
        return arrays[-1]

    return run
