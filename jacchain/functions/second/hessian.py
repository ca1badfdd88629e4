"""The Hessian of a function, as a function of its arguments."""

from collections.abc import Callable
from typing import Any, final

from jacchain.errors import OptionError
from jacchain.execution.program import Program
from jacchain.execution.run import Counted
from jacchain.functions.options import FunctionOptions
from jacchain.functions.points.batched_hessian import BatchedHessian
from jacchain.functions.points.points import PointTraces
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.second.prepared_hessian import PreparedHessian
from jacchain.functions.traces import FunctionTraces, refuse_names
from jacchain.model.expression import Expression
from jacchain.planning.second.hessian_plan import HessianPlan


@final
class Hessian:
    """The Hessian of a function, or of its results with weights. Made by `hessian`.

    The function is called once for every nesting, shapes and dtypes of its arguments; after that a call does
    arithmetic only.
    """

    __slots__ = ("_many", "_traces", "function", "options")

    def __init__(self, function: Callable[..., Any], options: FunctionOptions, /) -> None:
        self.function = function
        self.options = options
        self._traces = FunctionTraces(function, lambda expression, home: PreparedHessian(expression, options, home))
        self._many = PointTraces(function, lambda expression, home: BatchedHessian(expression, options, home))

    def __call__(self, *arguments: Any, weights: Any = None, **named: Any) -> Any:
        """Return the second derivatives at some arguments.

        Parameters
        ----------
        *arguments
            Those of the function, all by position: arrays and numbers, nested in tuples, lists and dicts.
        weights : array or nested, optional
            Nested and shaped like the function's result: the Hessian of the weighted sum is returned.

        Returns
        -------
        array, or nested like the arguments, twice
            Of shape s + s for an argument of shape s, symmetric to the last bit. Without weights and for a function of
            several numbers: of the result's shape followed by that, nested like the results.

        Raises
        ------
        TraceError
            The function does what cannot be recorded.
        SizeError
            Weights of another shape than the result.
        OptionError
            An operation states no curvature.
        NonFiniteError
            With ``check=True``: NaN or infinity, with the node's name.
        """
        refuse_names(named)
        leaves, found = self._traces.at(arguments)
        return found.hessian(leaves, weights, check=self.options.check)

    def batched(self, *arguments: Any, weights: Any = None) -> Any:
        """Return the second derivatives at many points at once.

        Functions of few numbers are done number by number, each step for a row of points; all others on arrays with an
        axis of points, as many at a time as fit into the cache.

        Parameters
        ----------
        *arguments
            Those of the function, every array with one axis more: the first, which counts the points.
        weights : array or nested, optional
            Nested like the function's result, with the first axis more: the Hessian of the weighted sum is returned.

        Returns
        -------
        array, or nested like the arguments, twice
            As for one point, but every array has the number of points as its first axis; symmetric to the last bit.

        Raises
        ------
        SizeError
            Arrays of different numbers of points; weights of another shape than the results.
        OptionError
            An operation states no curvature; ``structured=True``, which is for one point only.
        NonFiniteError
            With ``check=True``: NaN or infinity, with the point and the node's name.

        Examples
        --------
        >>> import numpy as np
        >>> from jacchain import hessian
        >>> hessian(lambda x: x[0] ** 2 * x[1]).batched(np.array([[1.0, 2.0], [3.0, 0.0]]))
        array([[[4., 2.],
                [2., 0.]],
        <BLANKLINE>
               [[0., 6.],
                [6., 0.]]])
        """
        points, found = self._many.at(arguments)
        return found(points, weights)

    def taylor(self, *arguments: Any) -> tuple[float, Any, Any]:
        """Return the value, the gradient and the Hessian of a function of one number: they share all that they can.

        Parameters
        ----------
        *arguments
            Those of the function.

        Returns
        -------
        value : float
        gradient : array, or nested like the arguments
        hessian : array, or nested like the arguments, twice
            As dense arrays.

        Examples
        --------
        >>> import numpy as np
        >>> from jacchain import hessian
        >>> hessian(lambda x: np.sum(x**3)).taylor(np.array([1.0, 2.0]))
        (9.0, array([ 3., 12.]), array([[ 6.,  0.],
               [ 0., 12.]]))
        """
        leaves, found = self._traces.at(arguments)
        return found.taylor(leaves, check=self.options.check)

    def times(self, x: Any, v: Any, /, weights: Any = None) -> Any:
        """Return the product of the Hessian with a vector, without the Hessian.

        Parameters
        ----------
        x : array or nested
            The argument; a tuple stands for several arguments.
        v : array or nested
            Like the arguments that are differentiated.
        weights : array or nested, optional
            Like the function's result.

        Notes
        -----
        Through a `scan` it takes six sweeps over the steps: values, tangents, states and tangents again to be stored,
        the pass back over these, and for the other adjoints states and a pass back once more. Each sweep takes some
        microseconds for every step, however few its numbers are, so of few numbers the whole Hessian takes no longer,
        as its sweeps carry all columns together. Measured in times of a gradient, the Hessian and the product: 200
        steps of 20 numbers, 3 to 4 and 3 to 5; 50 steps of 60 numbers, 5 and 3; 50 steps of 200 numbers, 50 and 3.
        """
        leaves, found = self._traces.at(x if isinstance(x, tuple) else (x,))
        return found.times(leaves, v, weights, check=self.options.check)

    def expression(self, *arguments: Any) -> Expression:
        """Return what the function was recorded to do with arguments like these."""
        return self._traces.at(arguments)[1].expression

    def plan(self, *arguments: Any) -> HessianPlan:
        """Return the plan for arguments like these: of a function of several numbers, with weights.

        The program made of it may take fewer multiplications: what is constant is multiplied once and kept, and some
        symmetric products have a cheaper way. Number by number, those of values and local derivatives are added.
        """
        return self._traces.at(arguments)[1].plan

    def program(self, *arguments: Any) -> Program | RowProgram:
        """Return the program for arguments like these: on arrays, or number by number where that is quicker."""
        found = self._traces.at(arguments)[1]
        return (found.alone if found.is_number else found.with_weights).program

    def count(self, *arguments: Any) -> Counted:
        """Run once and return the multiplications and bytes that it really took."""
        leaves, found = self._traces.at(arguments)
        if not found.is_number:
            raise OptionError(f"{found.expression.name} gives several numbers", "count the Hessian of one number")
        return found.alone.count(leaves)

    def release(self) -> None:
        """Drop the traces, plans, programs and buffers; the next call makes them anew."""
        self._traces.release()
        self._many.release()

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"hessian({name}, argnums={self.options.argnums}, planner={self.options.planner!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return Hessian, (self.function, self.options)
