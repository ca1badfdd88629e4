"""Products that are symmetric, AᵀA and PᵀGP: one half is computed, the other is its mirror image."""

from typing import NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels, panels
from jacchain.algebra.pattern import pattern, transpose, transposed
from jacchain.algebra.product import multiply_calls, product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Sparse, Structure, array_shapes


class Symmetric(NamedTuple):
    """The predicted structure of a symmetric product, and its multiplications."""

    structure: Structure
    cost: int


class Bound(NamedTuple):
    """Calls that make a matrix, and the matrix whose arrays they fill."""

    calls: Calls
    result: Operand


def gram(a: Structure, /) -> Symmetric:
    """Return the structure and cost of AᵀA.

    A dense m×n matrix costs m·n·(n+1)/2 (a symmetric rank-m update); any other structure costs what the product table
    says of Aᵀ and A.

    Examples
    --------
    >>> gram(Dense(10, 4))
    Symmetric(structure=Dense(rows=4, columns=4), cost=100)
    """
    if isinstance(a, Dense):
        return Symmetric(Dense(a.columns, a.columns), a.rows * a.columns * (a.columns + 1) // 2)
    made = product(transpose(a), a)
    return Symmetric(made.structure, made.cost)


def congruence(g: Structure, p: Structure, /) -> Symmetric:
    """Return the structure and cost of PᵀGP for a symmetric G: first GP, then the upper half of Pᵀ(GP).

    The half is made in panels of rows, each from its diagonal block on. It is made in full where P is not dense.

    Examples
    --------
    >>> congruence(Dense(10, 10), Dense(10, 4))
    Symmetric(structure=Dense(rows=4, columns=4), cost=560)
    """
    middle = product(g, p)
    if isinstance(p, Dense) and isinstance(middle.structure, Dense):
        return Symmetric(Dense(p.columns, p.columns), middle.cost + half_cost(p))
    made = product(transpose(p), middle.structure)
    return Symmetric(made.structure, middle.cost + made.cost)


def gram_calls(kernels: Kernels, a: Operand, /) -> Bound:
    """Return the calls that make AᵀA, in arrays of its own."""
    xp = kernels.xp
    if isinstance(a.structure, Dense):
        out = _empty(kernels, gram(a.structure).structure, a)
        return Bound(((kernels.gram, (a.arrays[0], out.arrays[0])),), out)
    if not a.arrays:  # I or -I
        return Bound((), Operand(gram(a.structure).structure, ()))
    calls, turned = _turned(kernels, a)
    made = product(turned.structure, a.structure)
    out = _empty(kernels, made.structure, a)
    scratch = xp.empty(made.scratch, a.arrays[0].dtype)
    return Bound(calls + multiply_calls(kernels, turned, a, out, scratch), out)


def congruence_calls(kernels: Kernels, g: Operand, p: Operand, /) -> Bound:
    """Return the calls that make PᵀGP, in arrays of its own."""
    first = _product_calls(kernels, g, p)
    middle = first.result
    if not (isinstance(p.structure, Dense) and isinstance(middle.structure, Dense)):
        calls, turned = _turned(kernels, p)
        last = _product_calls(kernels, turned, middle)
        return Bound(first.calls + calls + last.calls, last.result)
    out = _empty(kernels, Dense(p.structure.columns, p.structure.columns), p)
    return Bound(first.calls + half_calls(kernels, p.arrays[0], middle.arrays[0], out.arrays[0]), out)


def half_calls(kernels: Kernels, p: Array, t: Array, out: Array, /) -> Calls:
    """Return the calls that write PᵀT, which is known to be symmetric, into `out`: one half, then the mirror image.

    On the host the half is made in panels of rows, each from its diagonal block on; on a device all is one product.
    """
    return kernels.half(p, t, out) + mirror_calls(kernels, out)


def scaled_gram_cost(p: Dense, /) -> int:
    """Return the multiplications of c PᵀP."""
    return gram(p).cost + p.columns * p.columns


def scaled_gram_calls(kernels: Kernels, p: Array, scale: Array, out: Array, /) -> Calls:
    """Return the calls that write c PᵀP into `out`, for a number c."""
    return (kernels.gram, (p, out)), (kernels.multiply, (out, scale, out))


def mirror_calls(kernels: Kernels, array: Array, /) -> Calls:
    """Return the calls that write the upper half of a square array over the lower half."""
    xp = kernels.xp
    calls: list[Call] = []
    for start, end in panels(array.shape[0]):
        block = array[start:end, start:end]
        below = xp.tril(xp.ones(block.shape, dtype=bool), -1)
        calls.append((_mirror, (xp, block, below)))
        if end < array.shape[0]:
            calls.append((kernels.copyto, (array[end:, start:end], array[start:end, end:].T)))
    return tuple(calls)


def mirror_scratch(structure: Structure, /) -> int:
    """Return the numbers of workspace that `mirror_entries` takes."""
    return 0 if isinstance(structure, Dense) else len(pattern(structure).indices)


def mirror_entries(kernels: Kernels, a: Operand, scratch: Array, /) -> Calls:
    """Return the calls that write the lower half of a square matrix over the upper half; each entry is stored once."""
    if isinstance(a.structure, Dense):
        return mirror_calls(kernels, a.arrays[0])
    found, size = pattern(a.structure), a.structure.rows
    rows = np.repeat(np.arange(size, dtype=np.int64), np.diff(found.indptr))
    upper = np.flatnonzero(found.indices > rows)
    below = np.searchsorted(rows * size + found.indices, found.indices[upper].astype(np.int64) * size + rows[upper])
    if len(upper) == 0:
        return ()
    values, held = a.arrays[0].reshape(-1), scratch[: len(upper)]
    return (
        (kernels.take, (values, kernels.index(found.source[below]), held)),
        (kernels.scatter, (held, kernels.index(found.source[upper]), values)),
    )


def _mirror(xp: Array, block: Array, below: Array) -> None:
    xp.copyto(block, block.T, where=below)


def _product_calls(kernels: Kernels, left: Operand, right: Operand) -> Bound:
    made = product(left.structure, right.structure)
    out = _empty(kernels, made.structure, left, right)
    dtype = next((array.dtype for operand in (left, right) for array in operand.arrays), None)
    return Bound(multiply_calls(kernels, left, right, out, kernels.xp.empty(made.scratch, dtype)), out)


def transpose_calls(kernels: Kernels, a: Operand, out: Operand, /) -> Calls:
    """Return the calls that write the transpose of a matrix into `out`."""
    if isinstance(a.structure, Sparse):
        order = kernels.index(transposed(a.structure).order)
        return ((kernels.take, (a.arrays[0], order, out.arrays[0])),)
    pairs = zip(out.arrays, a.arrays, strict=True)
    return tuple((kernels.copyto, (target, a if a.ndim == 1 else a.swapaxes(-1, -2))) for target, a in pairs)


def _turned(kernels: Kernels, a: Operand) -> Bound:
    """Return the calls that make the transpose, in arrays of its own where the layout differs."""
    structure = transpose(a.structure)
    if structure == a.structure and all(array.ndim == 1 for array in a.arrays) and not isinstance(structure, Sparse):
        return Bound((), a)
    out = _empty(kernels, structure, a)
    return Bound(transpose_calls(kernels, a, out), out)


def _empty(kernels: Kernels, structure: Structure, *like: Operand) -> Operand:
    dtype = next((array.dtype for operand in like for array in operand.arrays), None)
    arrays: Arrays = tuple(kernels.xp.empty(shape, dtype) for shape in array_shapes(structure))
    return Operand(structure, arrays)


def half_cost(p: Structure, /) -> int:
    """Return the multiplications of the panels of PᵀT for a dense P.

    Examples
    --------
    >>> half_cost(Dense(10, 4)), half_cost(Dense(10, 32))
    (160, 7680)
    """
    return p.rows * sum((end - start) * (p.columns - start) for start, end in panels(p.columns))
