"""What a user's own functions give, written into buffers, or refused by name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jacchain.algebra.kernels import Array, Kernels
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.pattern import transposed
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Diagonal, Sparse, Structure, array_shapes
from jacchain.errors import SizeError
from jacchain.execution.source import Shape
from jacchain.model.layer import as_made, store

Product = Callable[[Array, Array], Any]
"""(x, v) ↦ a product with v at x."""


def store_value(y: Array, function: Callable[[Array], Any], x: Array, name: str, /) -> None:
    """Write a function's value."""
    store(y, function(x), name)


def store_products(
    out: Array, apply: Product, x: Array, seeds: Array, taken: Shape, given: Shape, what: str, /
) -> None:
    """Apply a function to every row of the seeds."""
    for target, seed in zip(out, seeds, strict=True):
        store_product(target, apply, x, seed, taken, given, what)


def store_product(out: Array, apply: Product, x: Array, seed: Array, taken: Shape, given: Shape, what: str, /) -> None:
    """Write one product, or several at once, of which seed and result have stated shapes."""
    made = as_made(apply(x, seed.reshape(taken)), out, what)
    if made.shape != given:
        raise SizeError(f"the {what} gives shape {made.shape}, not {given}", "correct the function")
    store(out, made.reshape(out.shape), what)


def store_matrix(out: Operand, made: Any, shapes: tuple[Shape, Shape], what: str, /) -> None:
    """Write a matrix given as a `Matrix`, as its arrays, or as an array of the output's and the input's shape."""
    outputs, inputs = shapes
    for target, array in zip(out.arrays, _arrays(made, out.structure, what), strict=True):
        found = as_made(array, target, what)
        match out.structure:  # a shape that follows the input's and output's own is as good
            case Dense() if found.shape == outputs + inputs:
                found = found.reshape(target.shape)
            case Diagonal() if found.shape == inputs:
                found = found.reshape(target.shape)
        store(target, found, what)


def store_jacobian(
    out: Operand, jacobian: Callable[[Array], Any], x: Array, shapes: tuple[Shape, Shape], what: str, /
) -> None:
    """Write a function's Jacobian."""
    store_matrix(out, jacobian(x), shapes, what)


def store_hessian(
    out: Operand, hessian: Product, x: Array, u: Array, work: Operand, order: Array | None, what: str, /
) -> None:
    """Write u·∂²f, of which `work` takes the numbers as they come."""
    store_matrix(work, hessian(x, u), (x.shape, x.shape), what)
    store_symmetric(out, work, order)


def mirrored_order(kernels: Kernels, structure: Structure, /) -> Array | None:
    """Return the order in which to gather the numbers of the transpose, of a sparse matrix."""
    return kernels.index(transposed(structure).order) if isinstance(structure, Sparse) else None


def store_symmetric(out: Operand, made: Operand, order: Array | None = None, /) -> None:
    """Write (H + Hᵀ)/2, so that rounding leaves no asymmetry; a sparse one needs its `mirrored_order`."""
    for target, array in zip(out.arrays, made.arrays, strict=True):
        match out.structure:
            case Sparse():
                np.add(array, array[order], out=target)
            case Diagonal():
                np.add(array, array, out=target)
            case _:
                np.add(array, array.swapaxes(-1, -2), out=target)
        np.multiply(target, target.dtype.type(0.5), out=target)


def _arrays(made: Any, structure: Structure, what: str) -> tuple[Any, ...]:
    if isinstance(made, Matrix):
        if made.structure != structure:
            raise SizeError(f"{what} is {made.structure}, not {structure}", "state its structure")
        return made.arrays
    found = made if isinstance(made, tuple) else (made,)
    if len(found) != len(array_shapes(structure)):
        wanted = len(array_shapes(structure))
        raise SizeError(f"{what} gives {len(found)} arrays, not {wanted}", "return a Matrix, or its arrays")
    return found
