"""Derivatives at one point after the other: what many points take where nothing is gained by taking them together."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, final

from jacchain.algebra.kernels import Array
from jacchain.algebra.matrix import Matrix
from jacchain.execution.backend import Backend
from jacchain.execution.duration import program_seconds
from jacchain.execution.operation import Shape
from jacchain.execution.program import Program
from jacchain.functions.options import FunctionOptions
from jacchain.functions.prepared_function import PreparedFunction
from jacchain.functions.quickest import quickest
from jacchain.functions.scalar.scalar_derivative import STEP
from jacchain.functions.second.hessian_run import HessianRun, hessian_run
from jacchain.functions.second.number_run import NumberRun, number_run
from jacchain.model.expression import Expression
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.pricing.profile import Rates


class Single(Protocol):
    """What is done for one point."""

    @property
    def program(self) -> Program | None:
        """What is run; None where that is no program of arrays."""

    def seconds(self, rates: Rates, /) -> float:
        """Return about how long the arithmetic takes."""

    def views(self, points: Sequence[Array], shapes: Sequence[Shape], /) -> None:
        """Return None: results are always written."""

    def write(self, points: Sequence[Array], targets: Sequence[Array], /) -> None:
        """Write the results at one point after the other into arrays whose first axis counts them."""


@final
class SingleDerivative(NamedTuple):
    """The blocks of the Jacobian at one point, as dense arrays, and the values where they are wanted."""

    prepared: PreparedFunction

    @property
    def plan(self) -> GraphPlan:
        """For one point."""
        return self.prepared.plan

    @property
    def program(self) -> Program | None:
        """The program on arrays."""
        found = self.prepared.run.program
        return found if isinstance(found, Program) else None

    def seconds(self, rates: Rates, /) -> float:
        """Return about how long the arithmetic takes."""
        found = self.prepared.run.program
        return program_seconds(rates, found) if isinstance(found, Program) else STEP * found.operations

    def views(self, points: Sequence[Array], shapes: Sequence[Shape], /) -> None:
        """Return None: results are always written."""

    def write(self, points: Sequence[Array], targets: Sequence[Array], /) -> None:
        """Write the results at one point after the other into arrays whose first axis counts them."""
        for k in range(points[0].shape[0]):
            self._write([point[k, ...] for point in points], targets, k)

    def _write(self, point: Sequence[Array], targets: Sequence[Array], k: int) -> None:
        blocks, values = self.prepared.results(self.prepared.run(point), structured=False)
        for target, found in zip(targets, (*blocks, *values), strict=True):
            assert not isinstance(found, Matrix), "they are dense"
            target[k, ...] = found.reshape(target.shape[1:])


@final
class SingleHessian(NamedTuple):
    """The blocks of the Hessian of one number at one point: for every source one for every source."""

    run: HessianRun | NumberRun

    @property
    def program(self) -> Program | None:
        """The program on arrays."""
        return self.run.program if isinstance(self.run, HessianRun) else None

    def seconds(self, rates: Rates, /) -> float:
        """Return about how long the arithmetic takes."""
        if isinstance(self.run, HessianRun):
            return program_seconds(rates, self.run.program)
        return STEP * len(self.run.program.steps)

    def views(self, _points: Sequence[Array], _shapes: Sequence[Shape], /) -> None:
        """Return None: results are always written."""

    def write(self, points: Sequence[Array], targets: Sequence[Array], /) -> None:
        """Write the blocks at one point after the other into arrays whose first axis counts them."""
        for k in range(points[0].shape[0]):
            rows = self.run.blocks([point[k, ...] for point in points])
            for target, block in zip(targets, (block for row in rows for block in row), strict=True):
                target[k, ...] = block.reshape(target.shape[1:])


def single_derivative(
    expression: Expression, options: FunctionOptions, home: Backend, memory: int | None, /, *, with_value: bool
) -> SingleDerivative:
    """Return the derivatives of an expression at one point, number by number or on arrays.

    Raises
    ------
    InfeasibleError
        No order that was tried fits into so many bytes.
    """
    options = options._replace(memory=memory)
    return SingleDerivative(quickest(expression, options, wanted="jacobian", with_value=with_value, home=home))


def single_hessian(
    expression: Expression, sources: Sequence[int], output: int, options: FunctionOptions, backend: Backend, /
) -> SingleHessian:
    """Return the Hessian of one node at one point, number by number or on arrays."""

    def on_arrays() -> HessianRun:
        return hessian_run(expression, sources, output, options, backend=backend)

    found = number_run(expression, options, on_arrays) if backend.device.kind == "cpu" else None
    return SingleHessian(found or on_arrays())
