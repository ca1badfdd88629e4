"""The Jacobian or gradient of a plain function, as a function of its arguments."""

from collections.abc import Callable
from typing import Any, final

from jacchain.execution.device import Backend
from jacchain.execution.program import Program
from jacchain.execution.run import Counted
from jacchain.functions.batched import BatchedFunction, batched_function
from jacchain.functions.check import check_values
from jacchain.functions.options import FunctionOptions
from jacchain.functions.points.points import PointTraces
from jacchain.functions.prepared_function import PreparedFunction, Wanted
from jacchain.functions.quickest import quickest
from jacchain.functions.scalar.scalar_program import ScalarProgram
from jacchain.functions.traces import FunctionTraces, refuse_names
from jacchain.model.expression import Expression
from jacchain.planning.elimination.graph_plan import GraphPlan


@final
class FunctionDerivative:
    """The Jacobian or gradient of a plain function. Made by `jacobian`, `gradient` and `value_and_jacobian`.

    The function is called once for every nesting, shapes and dtypes of its arguments; after that a call does
    arithmetic only. Arrays that the function takes from elsewhere are constants, as they were when it was called.
    """

    __slots__ = ("_many", "_traces", "function", "options", "wanted", "with_value")

    def __init__(
        self, function: Callable[..., Any], options: FunctionOptions, wanted: Wanted, /, *, with_value: bool
    ) -> None:
        self.function = function
        self.options = options
        self.wanted: Wanted = wanted
        self.with_value = with_value
        self._traces = FunctionTraces(function, self._prepared)
        self._many = PointTraces(function, self._prepared_many)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Return the derivatives at some arguments, all by position.

        Parameters
        ----------
        *arguments
            Those of the function: arrays and numbers, nested in tuples, lists and dicts.

        Returns
        -------
        array, or nested like the results and the arguments
            For every array of the result, nested like the arguments that are differentiated: the Jacobian, of the
            result's shape followed by the argument's; a gradient has the argument's shape. With the value: a pair of
            the function's result and that.

        Raises
        ------
        TraceError
            The function does what cannot be recorded, or an argument is given by name.
        DtypeError
            Integers, complex numbers or objects among the arguments.
        NonFiniteError
            With ``check=True``: NaN or infinity, with the node's name.
        """
        refuse_names(named)
        leaves, found = self._traces.at(arguments)
        if self.options.check:
            check_values(found.expression, leaves)
        flat = found.run(leaves, check=self.options.check)
        blocks, values = found.results(flat, structured=self.options.structured)
        nested = found.nested(blocks)
        return (found.expression.results.unflatten(values), nested) if self.with_value else nested

    def expression(self, *arguments: Any) -> Expression:
        """Return what the function was recorded to do with arguments like these."""
        return self._traces.at(arguments)[1].expression

    def plan(self, *arguments: Any) -> GraphPlan:
        """Return the plan for arguments like these."""
        return self._traces.at(arguments)[1].plan

    def program(self, *arguments: Any) -> Program | ScalarProgram:
        """Return the program for arguments like these: on arrays, or number by number where that is quicker."""
        return self._traces.at(arguments)[1].run.program

    def count(self, *arguments: Any) -> Counted:
        """Run once and return the multiplications and bytes that it really took."""
        leaves, found = self._traces.at(arguments)
        return found.run.count(leaves)

    def batched(self, *arguments: Any) -> Any:
        """Return the derivatives at many points at once.

        Functions of few numbers are done number by number, each step for a row of points; all others on arrays with an
        axis of points, where local Jacobians that do not depend on the point are shared, and so are their products.
        As many points are taken at a time as fit into the cache, or the memory allows.

        Parameters
        ----------
        *arguments
            Those of the function, every array with one axis more: the first, which counts the points.

        Returns
        -------
        array, or nested like the results and the arguments
            As for one point, but every array has the number of points as its first axis.

        Raises
        ------
        OptionError
            ``structured=True``, which is for one point only.
        SizeError
            Arrays of different numbers of points.
        InfeasibleError
            The results, and the workspace of one point, take more than ``memory``.
        NonFiniteError
            With ``check=True``: NaN or infinity, with the point and the node's name.
        """
        points, found = self._many.at(arguments)
        return found(points)

    def plan_batched(self, *arguments: Any) -> GraphPlan:
        """Return the plan for arguments for many points: of those taken at a time, or number by number of one."""
        points, found = self._many.at(arguments)
        return found.plan(points[0].shape[0])

    def release(self) -> None:
        """Drop the traces, plans, programs and buffers; the next call makes them anew."""
        self._traces.release()
        self._many.release()

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"{self.wanted}({name}, argnums={self.options.argnums}, planner={self.options.planner!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # buffers and the calls that hold views of them are not copied but made anew
        return _restored, (self.function, self.options, self.wanted, self.with_value)

    def _prepared(self, expression: Expression, home: Backend) -> PreparedFunction:
        return quickest(expression, self.options, wanted=self.wanted, with_value=self.with_value, home=home)

    def _prepared_many(self, expression: Expression, home: Backend) -> BatchedFunction:
        return batched_function(expression, self.options, self.wanted, home, with_value=self.with_value)


def _restored(
    function: Callable[..., Any], options: FunctionOptions, wanted: Wanted, with_value: bool
) -> FunctionDerivative:
    return FunctionDerivative(function, options, wanted, with_value=with_value)
