"""The derivatives of a Lagrangian at many points at once."""

from dataclasses import replace
from math import prod
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array
from jacchain.execution.backend import CPU
from jacchain.functions.options import FunctionOptions
from jacchain.functions.points.chunks import Chunks
from jacchain.functions.points.lifted_derivative import LiftedDerivative, lifted_derivative
from jacchain.functions.points.lifted_hessian import LiftedHessian, lifted_hessian
from jacchain.functions.points.one_by_one import (
    SingleDerivative,
    SingleHessian,
    single_derivative,
    single_hessian,
)
from jacchain.functions.points.row_points import points_of_rows
from jacchain.functions.scalar.many_points import PointsExecutable
from jacchain.lagrangian.choice import DEFAULT
from jacchain.lagrangian.engine import Engine, Result
from jacchain.lagrangian.recorded import Recorded
from jacchain.lagrangian.rows import WANTED, RowEngine, wanted_of
from jacchain.lagrangian.rows_at_points import RowsAtPoints
from jacchain.lagrangian.sparsity import SparsityPattern
from jacchain.model.expression import Expression

Run = (
    PointsExecutable | RowsAtPoints | Chunks[LiftedDerivative, SingleDerivative] | Chunks[LiftedHessian, SingleHessian]
)
"""Gives one result at many points."""

LARGEST: Final = 1 << 14
"""Numbers of a matrix up to which it is made as a dense block; larger ones are sparse, point by point."""


@final
class ManyPoints:
    """What a Lagrangian asks at many points, where that is quicker than point by point.

    Of a program of single numbers every step is one call on a row of points; rows of numbers become longer by those of
    the other points. What products of matrices make is made with an axis of points, in dense blocks of which the places
    of the pattern are taken.

    Parameters
    ----------
    recorded : Recorded
    engine : Engine
        For one point; its patterns are those of the results.
    planner : str or None
    """

    def __init__(self, recorded: Recorded, engine: Engine, planner: str | None, /) -> None:
        self.recorded = recorded
        self.engine = engine
        self.planner = planner
        self._ready: dict[Result, Run | None] = {}

    def result(self, name: Result, points: Array, multipliers: Array, factor: float, /) -> Array | None:
        """Return a result at points of shape (count, n), of (count, numbers); None where one is taken after the other.

        Parameters
        ----------
        name : str
        points : array of shape (count, n)
        multipliers : array of shape (count, m)
        factor : float
        """
        if name not in self._ready:
            self._ready[name] = self._made(name)
        run = self._ready[name]
        if run is None:
            return None
        given = {"point": points, "multipliers": multipliers, "factor": np.full(len(points), factor, points.dtype)}
        with np.errstate(all="ignore"):
            made = run([given[argument] for argument in self.recorded.inputs])
        if isinstance(run, RowsAtPoints) or made is None:
            return made
        pattern = self._pattern(name)
        if pattern is None or isinstance(run, PointsExecutable):
            return made[0].reshape(len(points), self.length(name))
        return made[0].reshape(len(points), prod(pattern.shape))[:, _keys(pattern)]

    def length(self, name: Result, /) -> int:
        """Return how many numbers a derivative has at one point."""
        pattern = self._pattern(name)
        return self.recorded.variables if pattern is None else pattern.nonzeros

    def _made(self, name: Result) -> Run | None:
        pattern = self._pattern(name)
        if isinstance(self.engine, RowEngine):
            if self.engine.program.is_numbers:
                return points_of_rows(self.engine.program, name)
            return RowsAtPoints(
                self.recorded, wanted_of(self.recorded)[name], self.length(name), self.planner or DEFAULT
            )
        if pattern is not None and prod(pattern.shape) > LARGEST:
            return None
        place = self.recorded.outputs[WANTED[name][1]]
        expression = replace(self.recorded.expression, outputs=(self.recorded.expression.outputs[place],))
        return self._hessians(expression) if name == "hessian" else _jacobians(expression)

    def _hessians(self, expression: Expression) -> Chunks[LiftedHessian, SingleHessian]:
        options, (source, output) = FunctionOptions(planner=self.planner or "optimal"), _ends(expression)
        shape = expression.nodes[source].shape * 2
        return Chunks(
            lambda count: lifted_hessian(expression, [source], output, options, count),
            lambda _: single_hessian(expression, [source], output, options, CPU),
            [shape],
            expression.dtype,
            None,
        )

    def _pattern(self, name: Result) -> SparsityPattern | None:
        match name:
            case "jacobian":
                return self.engine.jacobian_pattern
            case "hessian":
                return self.engine.hessian_pattern
            case _:
                return None


def _keys(pattern: SparsityPattern) -> NDArray[np.int64]:
    return pattern.rows.astype(np.int64) * pattern.shape[1] + pattern.columns


def _jacobians(expression: Expression) -> Chunks[LiftedDerivative, SingleDerivative]:
    options, (source, output) = FunctionOptions(), _ends(expression)
    shape = expression.nodes[output].shape + expression.nodes[source].shape
    return Chunks(
        lambda count: lifted_derivative(expression, options, count, with_value=False),
        lambda _: single_derivative(expression, options, CPU, None, with_value=False),
        [shape],
        expression.dtype,
        None,
    )


def _ends(expression: Expression) -> tuple[int, int]:
    return expression.inputs[0], expression.outputs[0]
