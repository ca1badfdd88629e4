"""The Jacobian or gradient of a plain function, as a function of its arguments."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import TraceError
from jacchain.execution.operation import Shape
from jacchain.execution.program import Program
from jacchain.execution.run import Counted
from jacchain.functions.batched import BatchedFunction, batched_function, points_of
from jacchain.functions.check import check_values
from jacchain.functions.options import FunctionOptions
from jacchain.functions.prepared_function import PreparedFunction, Wanted
from jacchain.functions.quickest import quickest
from jacchain.functions.scalar.scalar_program import ScalarProgram
from jacchain.model.expression import Expression
from jacchain.model.layer import as_point
from jacchain.model.trace import trace
from jacchain.model.tree import LEAF, Tree, flatten
from jacchain.planning.elimination.graph_plan import GraphPlan

KEPT: Final = 8
"""Shapes, dtypes and nestings of the arguments that a derivative is kept ready for; the oldest goes first."""


class _Key(NamedTuple):
    """What a trace depends on."""

    tree: Tree
    shapes: tuple[Shape, ...]
    dtypes: tuple[object, ...]


class _Ready(NamedTuple):
    """What the last call used, for the next one like it."""

    key: _Key
    is_flat: bool
    """Every argument is one array."""
    found: PreparedFunction


@final
class FunctionDerivative:
    """The Jacobian or gradient of a plain function. Made by `jacobian`, `gradient` and `value_and_jacobian`.

    The function is called once for every nesting, shapes and dtypes of its arguments; after that a call does
    arithmetic only. Arrays that the function takes from elsewhere are constants, as they were when it was called.
    """

    __slots__ = ("_batched", "_known", "_ready", "function", "options", "wanted", "with_value")

    def __init__(
        self, function: Callable[..., Any], options: FunctionOptions, wanted: Wanted, /, *, with_value: bool
    ) -> None:
        self.function = function
        self.options = options
        self.wanted: Wanted = wanted
        self.with_value = with_value
        self._known: dict[_Key, PreparedFunction] = {}
        self._batched: dict[_Key, BatchedFunction] = {}
        self._ready: _Ready | None = None

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
        if named:
            cure = "give all arguments by position, or close over it: lambda x: f(x, k=3)"
            raise TraceError(f"the argument {next(iter(named))!r} is given by name", cure)
        ready = self._ready
        leaves = None if ready is None else _like_before(ready, arguments)
        if ready is None or leaves is None:
            leaves, ready = self._at(arguments)
        found, run = ready.found, ready.found.run
        if self.options.check:
            check_values(found.expression, leaves)
        flat = run(leaves, check=self.options.check)
        blocks, values = found.results(flat, structured=self.options.structured)
        nested = found.nested(blocks)
        return (found.expression.results.unflatten(values), nested) if self.with_value else nested

    def expression(self, *arguments: Any) -> Expression:
        """Return what the function was recorded to do with arguments like these."""
        return self._at(arguments)[1].found.expression

    def plan(self, *arguments: Any) -> GraphPlan:
        """Return the plan for arguments like these."""
        return self._at(arguments)[1].found.plan

    def program(self, *arguments: Any) -> Program | ScalarProgram:
        """Return the program for arguments like these: on arrays, or number by number where that is quicker."""
        return self._at(arguments)[1].found.run.program

    def count(self, *arguments: Any) -> Counted:
        """Run once and return the multiplications and bytes that it really took."""
        leaves, ready = self._at(arguments)
        return ready.found.run.count(leaves)

    def batched(self, *arguments: Any) -> Any:
        """Return the derivatives at many points at once, for functions of few numbers.

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
            The function cannot be written out number by number.
        SizeError
            Arrays of different numbers of points.
        """
        points, tree, dtypes = points_of(arguments)
        key = _Key(tree, tuple(array.shape[1:] for array in points), dtypes)
        if key not in self._batched:
            while len(self._batched) >= KEPT:
                self._batched.pop(next(iter(self._batched)), None)
            examples = [np.empty(shape, array.dtype) for shape, array in zip(key.shapes, points, strict=True)]
            expression = trace(self.function, *tree.unflatten(examples))
            self._batched[key] = batched_function(expression, self.options, self.wanted, with_value=self.with_value)
        return self._batched[key](points)

    def release(self) -> None:
        """Drop the traces, plans, programs and buffers; the next call makes them anew."""
        self._known.clear()
        self._batched.clear()
        self._ready = None

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"{self.wanted}({name}, argnums={self.options.argnums}, planner={self.options.planner!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # buffers and the calls that hold views of them are not copied but made anew
        return _restored, (self.function, self.options, self.wanted, self.with_value)

    def _at(self, arguments: tuple[Any, ...]) -> tuple[list[Array], _Ready]:
        leaves, tree = flatten(arguments, "the arguments")
        arrays = [
            np.asarray(leaf) if type(leaf) in (float, np.ndarray) else as_point(leaf, "an argument") for leaf in leaves
        ]
        key = _Key(tree, tuple(a.shape for a in arrays), tuple(_dtype(leaf) for leaf in leaves))
        ready = self._ready
        if ready is None or ready.key != key:
            found = self._known.get(key)
            if found is None:
                found = self._prepared(arguments)
                while len(self._known) >= KEPT:
                    self._known.pop(next(iter(self._known)), None)
                self._known[key] = found
            ready = self._ready = _Ready(key, _is_flat(tree), found)
        return arrays, ready

    def _prepared(self, arguments: tuple[Any, ...]) -> PreparedFunction:
        expression = trace(self.function, *arguments)
        return quickest(expression, self.options, wanted=self.wanted, with_value=self.with_value)


def _restored(
    function: Callable[..., Any], options: FunctionOptions, wanted: Wanted, with_value: bool
) -> FunctionDerivative:
    return FunctionDerivative(function, options, wanted, with_value=with_value)


def _dtype(leaf: object) -> object:
    return float if isinstance(leaf, float) and not isinstance(leaf, np.floating) else np.asarray(leaf).dtype


def _is_flat(tree: Tree) -> bool:
    return all(child == LEAF for child in tree.children)


def _like_before(ready: _Ready, arguments: tuple[Any, ...]) -> Sequence[Array] | None:
    """Return the arrays of arguments that nest as before, of the same shapes and dtypes; None of any others."""
    leaves: Sequence[Any] | None = arguments if ready.is_flat else ready.key.tree.leaves(arguments)
    if leaves is None or len(leaves) != len(ready.key.shapes):
        return None
    for leaf, shape, dtype in zip(leaves, ready.key.shapes, ready.key.dtypes, strict=True):
        if type(leaf) is np.ndarray:
            if leaf.dtype is not dtype or leaf.shape != shape:
                return None
        elif type(leaf) is not float or dtype is not float:
            return None
    return [np.asarray(leaf) for leaf in leaves] if float in ready.key.dtypes else leaves
