"""Records what a NumPy function does with its arguments."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from jacchain.errors import DtypeError, JacchainError, TraceError
from jacchain.execution.operation import Operation, Shape
from jacchain.model.array_protocol import Asked, Overloaded, on_host
from jacchain.model.expression import Expression
from jacchain.model.expression_builder import ExpressionBuilder, Signature
from jacchain.model.layer import as_point
from jacchain.model.level import Level
from jacchain.model.substitution import REPLACED, caller_in_scipy, substituted
from jacchain.model.tree import Tree, flatten

REFUSALS: Final[dict[Asked, tuple[str, str]]] = {
    "bool": (
        "a branch depends on the numbers of a traced value (if, while, and, or, not, in)",
        "choose with numpy.where, numpy.maximum or numpy.minimum, or wrap the branching part in jacchain.Function",
    ),
    "int": (
        "a traced value is used as an index or a count",
        "take counts from shapes and constants; choose with numpy.where",
    ),
    "float": (
        "a Python number is asked of a traced value (float(), math.sin, .item(), or an assignment such as a[0] = x)",
        "use NumPy's functions rather than math's, and numpy.stack or numpy.concatenate rather than assignments",
    ),
    "array": (
        "an array of plain numbers is asked of a traced value",
        "join traced values by numpy.stack or numpy.concatenate; wrap what is not NumPy's own in jacchain.Function",
    ),
    "index": (
        "an index or a choice of items depends on the numbers of a traced value",
        "choose with numpy.where or multiply by a comparison, which give all items; indices must be constants",
    ),
}
"""What is said when numbers are asked of a value that has none."""

RETURNS: Final = "return arrays or numbers made of the arguments"


@final
class Tracer(Overloaded):
    """A value of the function being recorded: a node with a shape, and no numbers."""

    __slots__ = ("_builder", "node")

    def __init__(self, builder: ExpressionBuilder, node: int, /) -> None:
        self._builder, self.node = builder, node

    @property
    def shape(self) -> Shape:
        """The length of every axis."""
        return self._builder.nodes[self.node].shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The dtype of the whole expression."""
        return self._builder.dtype

    def _apply(self, operation: Operation, operands: tuple[Overloaded, ...], /) -> "Tracer":
        nodes = [_own(self._builder, operand, operation.name) for operand in operands]
        return Tracer(self._builder, self._builder.apply(operation, nodes))

    def _constant(self, numbers: NDArray[Any], /) -> "Tracer":
        return Tracer(self._builder, self._builder.constant(real(numbers, "a constant")))

    def _is_mask(self) -> bool:
        return self.node in self._builder.masks

    def _numbers(self, asked: Asked, /) -> NDArray[Any]:
        known: NDArray[Any] | None = self._builder.numbers(self.node)
        if known is not None:
            return known
        what, cure = REFUSALS[asked]
        if asked == "array" and (name := caller_in_scipy()):
            what = f"{name} asks a traced value for its numbers"
            is_late = name.rpartition(".")[2] in REPLACED
            cure = "import it before the trace" if is_late else "wrap it in jacchain.Function with its derivative"
        self._builder.refused = what, cure
        raise TraceError(what, cure)

    @property
    def _level(self) -> Level:
        return self._builder.level

    def _lifted(self, operand: Overloaded, /) -> Overloaded:
        return operand  # it has no numbers to be a constant of

    def _is_symbolic(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"Tracer(%{self.node}, shape={self.shape})"


def trace(fun: Callable[..., Any], /, *examples: object) -> Expression:
    """Record what a NumPy function does, by calling it once.

    Parameters
    ----------
    fun : callable
        Made of NumPy's functions, operators and indexing (see the page of supported functions), of some of SciPy's, of
        layers and of `jacchain.Function`. It should depend on its arguments alone: what else it reads, random numbers
        included, is recorded as it is during this one call.
    *examples : arrays, numbers, or tuples, lists and dicts of these
        Arguments; only their shapes and dtypes count. Their common dtype, float32 or float64, is that of every value.

    Returns
    -------
    Expression

    Raises
    ------
    TraceError
        The function branches on values, writes into traced values, calls something unsupported, or returns no arrays.
    DtypeError
        An argument is not floating-point.

    Notes
    -----
    Loops unroll. ``x += y`` rebinds x, as for a number, and leaves other names of the same array alone.

    Examples
    --------
    >>> import numpy as np
    >>> expression = trace(lambda w, x: np.tanh(w @ x) ** 2, np.ones((2, 3)), np.ones(3))
    >>> print(expression)
    %0 = input w        (2, 3)
    %1 = input x        (3,)
    %2 = matmul %0 %1   (2,)
    %3 = tanh %2        (2,)
    %4 = square %3      (2,)
    return %4
    >>> expression(np.zeros((2, 3)), np.ones(3))
    array([0., 0.])
    """
    name = getattr(fun, "__name__", type(fun).__name__)
    _check_count(fun, name, examples)
    places, points, arguments = _points(fun, examples)
    builder = ExpressionBuilder(_common_dtype(points))
    inputs = [builder.input(np.shape(point), place) for place, point in zip(places, points, strict=True)]
    given = arguments.unflatten([Tracer(builder, node) for node in inputs])
    try:
        with substituted():
            result = fun(*given)
    except (TypeError, ValueError, IndexError) as error:
        # NumPy replaces what is said of an assignment to an item, or of a size
        if isinstance(error, JacchainError) or builder.refused is None:
            raise
        raise TraceError(*builder.refused) from error
    leaves, results = flatten(result, f"the result of {name}", cure=RETURNS)
    if not leaves:
        raise TraceError(f"{name} returns nothing: there is no array in its result", RETURNS)
    outputs = [_output(builder, leaf, place) for leaf, place in zip(leaves, results.places("the result"), strict=True)]
    return builder.expression(inputs, outputs, Signature(name, arguments, results))


def _check_count(fun: Callable[..., Any], name: str, examples: tuple[object, ...]) -> None:
    """Refuse too few or too many arguments, which Python would only count."""
    try:
        taken = signature(fun)
    except (TypeError, ValueError):  # functions written in C may have none
        return
    try:
        taken.bind(*examples)
    except TypeError as error:
        given = "1 argument" if len(examples) == 1 else f"{len(examples)} arguments"
        raise TraceError(
            f"{name}{taken} is called with {given}: {error}",
            "give all arguments, by position, or close over the others: lambda x: f(x, k=2)",
        ) from None


def _points(fun: Callable[..., Any], examples: tuple[object, ...]) -> tuple[list[str], list[Any], Tree]:
    """Return the names of the arguments' arrays, these arrays, and how they nest."""
    places: list[str] = []
    points: list[Any] = []
    trees: list[Tree] = []
    for name, example in zip(_argument_names(fun, len(examples)), examples, strict=True):
        leaves, tree = flatten(example, name)
        for place, leaf in zip(tree.places(name), leaves, strict=True):
            places.append(place)
            # a Python number takes on the dtype of the arrays beside it
            points.append(leaf if type(leaf) is float else as_point(leaf, place))
        trees.append(tree)
    return places, points, Tree(tuple, (), tuple(trees))


def _argument_names(fun: Callable[..., Any], count: int) -> list[str]:
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    try:
        names = [name for name, parameter in signature(fun).parameters.items() if parameter.kind in positional]
    except (TypeError, ValueError):  # functions written in C may have none
        names = []
    return [*names, *(f"argument {k}" for k in range(len(names), count))][:count]


def _common_dtype(points: list[Any]) -> "np.dtype[Any]":
    arrays = [point.dtype for point in points if type(point) is not float]
    return np.result_type(*arrays) if arrays else np.dtype(float)


def _own(builder: ExpressionBuilder, value: Overloaded, what: str) -> int:
    """Return the node of a value of this trace, or refuse one of another."""
    if not isinstance(value, Tracer) or value._builder is not builder or builder.is_closed:
        raise TraceError(
            f"{what} meets {value!r} of another trace or kind of value",
            "return values from the traced function rather than storing them, and pass outer ones as arguments",
        )
    return value.node


def _output(builder: ExpressionBuilder, leaf: Any, place: str) -> int:
    if isinstance(leaf, Overloaded):
        return _own(builder, leaf, place)
    return builder.constant(real(leaf, place))


def as_float(number: int, what: str, /) -> float:
    """Return a Python integer as a float, or raise an error where it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        raise DtypeError(
            f"{what} is an integer too large for a float, of {number.bit_length()} bits",
            "keep to integers, whose sums, products and whole powers are exact as duals",
        ) from None


def real(numbers: Any, what: str, /) -> NDArray[Any]:
    """Return an array of real numbers, or raise an error that says what to do."""
    if isinstance(numbers, np.matrix | np.ma.MaskedArray):
        raise TraceError(f"{what} is a {type(numbers).__name__}", "give an array: numpy.asarray(x) or x.filled(0.0)")
    array = np.asarray(on_host(numbers))
    match array.dtype.kind:
        case "f" | "i" | "u" | "b":
            return array
        case "O" if array.ndim == 0:  # a Python integer of more than 64 bits, None, or a thing that is no number
            value = array.item()
            if isinstance(value, int):
                return np.array(as_float(value, what))
            raise DtypeError(f"{what} is {'None' if value is None else type(value).__name__}", "give real numbers")
        case "O":
            raise TraceError(f"{what} is an array of Python objects", "join traced values by numpy.stack instead")
        case "c":
            raise DtypeError(f"{what} is complex", "give real and imaginary parts as separate real numbers")
        case _:
            raise DtypeError(f"{what} is {array.dtype}", "give real numbers")
