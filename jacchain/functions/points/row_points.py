"""Programs of single numbers at many points: every step is one call on a row of points."""

from typing import Any

import numpy as np

from jacchain.execution.operation import Shape
from jacchain.functions.rows.layout import mirrored
from jacchain.functions.rows.number_executable import of_numbers
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.scalar.many_points import PointsExecutable
from jacchain.functions.scalar.scalar_program import ScalarProgram
from jacchain.functions.scalar.steps import CONSTANT, ScalarStep


def points_of_rows(program: RowProgram, name: str, /) -> PointsExecutable:
    """Return a result of a program of single numbers at many points, flat: of a sparse matrix what its layout has."""
    assert program.is_numbers, "rows of several numbers have no room for points"
    found = of_numbers(program, name)
    return PointsExecutable(found, program.expression.dtype, [(len(found.results),)])


def points_of_hessian(program: RowProgram, name: str, shape: Shape, dtype: "np.dtype[Any]", /) -> PointsExecutable:
    """Return a symmetric result of a program of single numbers at many points, as whole matrices.

    Parameters
    ----------
    program : RowProgram
    name : str
        Of the result, whose lower triangle the program makes.
    shape : tuple of int
        Of a block: that of the argument, twice.
    dtype : dtype
    """
    lower, found = program.layouts[name], of_numbers(program, name)
    assert lower is not None, "a Hessian is a matrix"
    (rows, columns), steps = lower.shape, (*found.steps, ScalarStep(CONSTANT, ()))
    whole = mirrored(lower)
    places = whole.layout.rows.astype(np.intp) * columns + whole.layout.indices
    results = [len(steps) - 1] * (rows * columns)  # zeros
    for place, source in zip(places.tolist(), whole.places.tolist(), strict=True):
        results[place] = found.results[source]
    return PointsExecutable(ScalarProgram(steps, found.inputs, tuple(results)), dtype, [shape])
