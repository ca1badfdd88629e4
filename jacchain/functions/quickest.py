"""Functions of few numbers are quicker number by number than by arrays: the choice between the two."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from math import prod

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.execution.backend import CPU, Backend, chosen_backend
from jacchain.execution.operation import Shape
from jacchain.execution.tuned import priced_on, tuned
from jacchain.functions.options import FunctionOptions
from jacchain.functions.prepared_function import (
    Cut,
    Piece,
    PreparedFunction,
    Wanted,
    expect_number,
    inner_tree,
    prepared_function,
)
from jacchain.functions.scalar.one_point import ScalarExecutable
from jacchain.functions.scalar.python_code import python_code
from jacchain.functions.scalar.scalar_derivative import quicker
from jacchain.model.expression import Expression


def quickest(
    expression: Expression, options: FunctionOptions, /, *, wanted: Wanted, with_value: bool, home: Backend = CPU
) -> PreparedFunction:
    """Return a derivative as a straight-line program of numbers, or on arrays where that should take less time.

    Raises
    ------
    SizeError, InfeasibleError, DeviceError
        See `prepared_function`.
    """
    if wanted == "gradient":
        expect_number(expression)
    backend = chosen_backend(home, options.device, expression.dtype)
    options = options._replace(pricing=priced_on(backend, options.pricing, options.device))
    backend = tuned(backend, options.pricing.profile)
    if backend.device.kind != "cpu":  # numbers one by one are for the host
        return prepared_function(expression, options, wanted=wanted, with_value=with_value, backend=backend)
    found = quicker(expression, options, with_value=with_value)
    source = None if found is None else python_code(found.program)
    if found is None or source is None:
        return prepared_function(expression, options, wanted=wanted, with_value=with_value, backend=backend)

    @cache
    def on_arrays() -> PreparedFunction:
        return prepared_function(expression, options, wanted=wanted, with_value=with_value, backend=backend)

    def by_arrays(arguments: Sequence[Array], check: bool) -> Array:
        made = on_arrays()
        blocks, values = made.results(made.run(arguments, check=check), structured=False)
        return np.concatenate([np.reshape(block, -1) for block in (*blocks, *values)])

    run = ScalarExecutable(found.program, source, expression.dtype, by_arrays)
    pieces = _pieces(expression, options, wanted)
    shapes = tuple(expression.nodes[k].shape for k in expression.outputs) if with_value else ()
    cuts = _cuts([*(piece.shape for piece in pieces), *shapes])
    inner = inner_tree(expression, options.argnums)
    return PreparedFunction(expression, found.plan, run, pieces, shapes, inner, cuts)


def _pieces(expression: Expression, options: FunctionOptions, wanted: Wanted) -> tuple[Piece, ...]:
    """Return the blocks, each of which is a result of its own."""
    found: list[Piece] = []
    for output in expression.outputs:
        for source in expression.inputs_of(options.argnums):
            head, tail = expression.nodes[output].shape, expression.nodes[source].shape
            shape = tail if wanted == "gradient" else head + tail
            found.append(Piece(len(found), output == source, prod(head), prod(tail), shape))
    return tuple(found)


def _cuts(shapes: Sequence[Shape]) -> tuple[Cut, ...]:
    """Return the places of arrays that lie one after the other."""
    ends = accumulate(map(prod, shapes), initial=0)
    return tuple(Cut(first, last, shape) for (first, last), shape in zip(pairwise(ends), shapes, strict=True))
