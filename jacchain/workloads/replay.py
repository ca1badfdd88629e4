"""A chain of random links like those of a plan: the same sizes, structures and ways to be applied."""

from typing import Final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.structure import Structure, array_shapes, stored
from jacchain.errors import OptionError, SizeError, unknown_name
from jacchain.layers import Function
from jacchain.model.sequential import Sequential
from jacchain.planning.link import Link
from jacchain.planning.plan import Plan
from jacchain.workloads.problem import DTYPES, Dtype, Problem

MOST: Final = 10**10
"""Numbers beyond which no random links are made."""


def replay(plan: Plan, /, *, seed: int = 0, dtype: Dtype | None = None) -> Problem:
    """Return x ↦ J_n … J_1 x with random local Jacobians J_k of the structures of a plan's links.

    Links with a tangent_cost or an adjoint_cost give J·v or uᵀ·J and state those costs and the tape.

    Parameters
    ----------
    plan : Plan
    seed : int
        Of the values.
    dtype : {"float32", "float64"}, optional
        By default the one whose numbers have the plan's bytes.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> problem = replay(plan([4, 2, 3]))
    >>> problem.derivative("optimal")(problem.point).shape
    (3, 4)
    """
    if dtype not in (None, *DTYPES):
        unknown_name("dtype", dtype, DTYPES)
    if seed < 0:
        raise OptionError(f"seed {seed} is negative", "give a whole number of at least 0")
    numbers = sum(map(stored, (link.local for link in plan.chain.links))) + sum(plan.chain.sizes)
    if numbers > MOST:
        raise SizeError(f"the plan's links hold {numbers:,} numbers, more than {MOST:,}", "run a plan of smaller sizes")
    kind = dtype or ("float32" if plan.itemsize == 4 else "float64")
    rng = np.random.default_rng(seed)
    links = plan.chain.links
    layers = [_layer(link, rng, kind, link.name or f"F{k}") for k, link in enumerate(links, 1)]
    rows, columns = links[-1].outputs, links[0].inputs
    count = f"{len(links)} random link{'s' if len(links) > 1 else ''}"
    return Problem(
        "plan",
        f"Jacobian of a chain of {count} ({rows} x {columns})",
        Sequential(layers),
        rng.normal(size=columns).astype(kind),
        "jacobian",
        (f"{count} of the plan's sizes and structures, {kind}, seed {seed}",),
    )


def _layer(link: Link, rng: np.random.Generator, dtype: Dtype, name: str) -> Function:
    matrix = _random(link.local, rng, dtype)
    return Function(
        lambda x: matrix.matmat(x[:, None])[:, 0],
        jacobian=(lambda _: matrix) if link.is_explicit else None,
        jvp=None if link.tangent_cost is None else lambda _, v: matrix.matmat(v),
        vjp=None if link.adjoint_cost is None else lambda _, u: matrix.rmatmat(u.T).T,
        outputs=link.outputs,
        structure=link.local if link.is_explicit else None,
        vectorized=True,
        tangent_cost=link.tangent_cost,
        adjoint_cost=link.adjoint_cost,
        tape=link.tape,
        name=name,
    )


def _random(structure: Structure, rng: np.random.Generator, dtype: Dtype) -> Matrix:
    """Return a matrix of a structure whose rows have a length of about one, so that long products stay in range."""
    shapes = array_shapes(structure)
    arrays: list[Array] = []
    for shape in shapes:
        width = shape[-1] if len(shape) > 1 else 1
        arrays.append((rng.normal(size=shape) / np.sqrt(width)).astype(dtype))
    return Matrix(structure, tuple(arrays))
