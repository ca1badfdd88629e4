"""The tape: what a function does with numbers, written down step by step, and passed back over in reverse."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jacchain.algebra.kernels import Array
from jacchain.errors import DtypeError, OptionError, SizeError, TraceError
from jacchain.execution.operation import Operation, Shape
from jacchain.model.array_protocol import Asked, Overloaded
from jacchain.model.entry import Entry
from jacchain.model.expression import evaluated
from jacchain.model.layer import as_host_point
from jacchain.model.level import Level, fresh_level
from jacchain.model.live import Live, live_numbers
from jacchain.model.local_jacobian import local_jacobian
from jacchain.model.mask import as_mask, is_comparison
from jacchain.model.propagation import applied, is_counting
from jacchain.model.substitution import substituted
from jacchain.model.tape_sweeps import adjoints, adjoints_apart, adjoints_together, is_differentiated, tangents
from jacchain.model.trace import as_float, real


@final
class Variable(Overloaded):
    """A value on a tape: it has numbers, so code may branch on it. Made by `Tape.variable` and by operations.

    It holds no adjoint: adjoints exist only within one pass over the whole tape in reverse order, in which each is
    complete before it is passed on, so no pass can take the steps in a wrong order.
    """

    __slots__ = ("_node", "_tape")

    def __init__(self, tape: "Tape", node: int, /) -> None:
        self._tape, self._node = tape, node

    @property
    def value(self) -> Any:
        """The numbers, or the dual number or the variable of another tape that it was made of."""
        value = self._tape._entries[self._node].value
        return value if isinstance(value, Overloaded) else value[()]

    @property
    def node(self) -> int:
        """The number of the entry."""
        return self._node

    @property
    def shape(self) -> Shape:
        """The length of every axis."""
        return self._tape._entries[self._node].shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The tape's."""
        found: np.dtype[Any] = self._tape.dtype
        return found

    def backward(self, *_: object) -> None:
        """Refuse: a single value cannot pass its adjoint on, as others may still have to add to it."""
        raise TraceError(
            f"v{self._node} is asked to pass its adjoint back on its own", "use tape.gradient(output, inputs)"
        )

    def _apply(self, operation: Operation, operands: tuple[Overloaded, ...], /) -> Any:
        return self._tape._record(operation, [self._tape._node(operand, operation.name) for operand in operands])

    def _constant(self, numbers: NDArray[Any], /) -> "Variable":
        return self._tape._constant(numbers)

    def _is_mask(self) -> bool:
        return False  # comparisons give plain booleans

    def _numbers(self, asked: Asked, /) -> NDArray[Any]:
        if asked in ("float", "int", "array"):
            raise TraceError(
                "plain numbers are asked of a variable (float(), math.sin, numpy.asarray), which the tape would miss",
                "use NumPy's functions, join by numpy.stack, or take x.value for a constant",
            )
        value = self.value
        return value._numbers("index") if isinstance(value, Overloaded) else np.asarray(value)

    @property
    def _level(self) -> Level:
        return self._tape._level

    def _lifted(self, operand: Overloaded, /) -> Overloaded:
        return self._tape._added(Entry(None, (), operand, constant=operand))

    def _is_symbolic(self) -> bool:
        value = self.value
        return isinstance(value, Overloaded) and value._is_symbolic()

    def __repr__(self) -> str:
        value = self.value
        return f"v{self._node} = ({value!r})" if isinstance(value, Overloaded) else f"v{self._node} = {value!r}"


@final
class Tape:
    """A record of what is done with variables: their values and local Jacobians, as the work goes on.

    Every entry's operands come before it, so the order of recording is topological: tangents go forward over the tape,
    adjoints backward. Where a value is used several times its adjoints add up, as the adjoint of duplication is a sum.

    Parameters
    ----------
    dtype : dtype
        float64 or float32, of every number on it.

    Examples
    --------
    >>> tape = Tape()
    >>> x, y = tape.variable(2.0, "x"), tape.variable(5.0, "y")
    >>> f = np.log(x) + x * y - np.sin(y)
    >>> [float(slope) for slope in tape.gradient(f, [x, y])]  # y + 1/x and x - cos y
    [5.5, 1.7163378145367738]
    >>> print(tape.table(f, x))
    entry  operation           value    tangent    adjoint
    v0     x                       2          1        5.5
    v1     y                       5          0    1.71634
    v2     log v0           0.693147        0.5          1
    v3     multiply v0 v1         10          5          1
    v4     add v2 v3         10.6931        5.5          1
    v5     sin v1          -0.958924          0         -1
    v6     subtract v4 v5    11.6521        5.5          1
    """

    def __init__(self, *, dtype: Any = float) -> None:
        try:
            self.dtype = np.dtype(dtype)
        except TypeError:
            raise OptionError(f"a tape of dtype {dtype!r}", "give float32 or float64") from None
        if self.dtype not in (np.float32, np.float64):
            raise OptionError(f"a tape of dtype {self.dtype}", "give float32 or float64")
        self._entries: list[Entry] = []
        self._level: Level = fresh_level()

    @property
    def entries(self) -> Sequence[Entry]:
        """What was recorded, in order. It grows; no entry changes."""
        return tuple(self._entries)

    def variable(self, value: Any, name: str = "") -> Variable:
        """Return a variable of a value that derivatives may be asked with respect to.

        The value may be a dual number, or a variable of a tape that was begun before this one. Then so are the
        derivatives: a gradient of dual numbers carries the gradient's tangent, and one of variables is on their tape.

        Raises
        ------
        DtypeError
            Integers, complex numbers or objects in an array; values of another dtype than the tape's.
        TraceError
            A variable of this tape, or a value that stands on it.

        Examples
        --------
        >>> first, second = Tape(), Tape()
        >>> x = first.variable(3.0, "x")
        >>> inner = second.variable(x)
        >>> slope = second.gradient(inner * inner * inner, inner)
        >>> slope.value, first.gradient(slope, x)
        (np.float64(27.0), array(18.))
        """
        if isinstance(value, Overloaded):
            return self._added(Entry(None, (), self._lower(value), name=name))
        plain = as_float(value, name or "a variable") if isinstance(value, int) else value
        array = np.array(as_host_point(plain, name or "a variable", "tapes work"), self.dtype)
        return self._added(Entry(None, (), array, name=name))

    def call(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Return what a function gives for variables, even where it asks for plain arrays at first.

        That is what SciPy's softmax and logsumexp do, and ``numpy.array`` of several variables.

        Examples
        --------
        >>> tape = Tape()
        >>> tape.call(lambda x: np.array([x, 2 * x]), tape.variable(1.0))
        v3 = array([1., 2.])
        """
        with substituted():
            return function(*arguments)

    def gradient(self, output: Variable, inputs: "Variable | Sequence[Variable]", /) -> Any:
        """Return the derivatives of one number by reverse accumulation.

        Parameters
        ----------
        output : Variable
            Of one number.
        inputs : Variable, or several
            Any variables on the tape, not only those it began with.

        Returns
        -------
        array, or list of arrays
            Of the inputs' shapes.

        Raises
        ------
        SizeError
            The output is not one number.
        TraceError
            Values that are not on this tape.
        """
        self._node(output, "the gradient")
        if output.size != 1:
            raise SizeError(f"the gradient of a value of shape {output.shape}", "give one number, or use jacobian")
        return self._by_adjoints(output, inputs, np.ones((1, *output.shape), self.dtype), ())

    def jacobian(self, output: Variable, inputs: "Variable | Sequence[Variable]", /) -> Any:
        """Return the Jacobian, of the output's shape followed by the input's: one adjoint for each output number."""
        self._node(output, "the Jacobian")
        units = np.eye(output.size, dtype=self.dtype).reshape(output.size, *output.shape)
        return self._by_adjoints(output, inputs, units, output.shape)

    def live(self, *outputs: Variable, tangents: int = 1, adjoints: int = 1) -> Live:
        """Return the numbers that forward and reverse mode hold; see `live_numbers`."""
        nodes = [self._node(output, "live") for output in outputs] or [len(self._entries) - 1]
        itemsize = self.dtype.itemsize
        return live_numbers(self._entries, nodes, tangents=tangents, adjoints=adjoints, itemsize=itemsize)

    def table(self, output: Variable, along: Variable | None = None, tangent: ArrayLike = 1.0, /) -> str:
        """Return the textbook's table: every entry's value, tangent and adjoint, in at most 80 columns.

        Parameters
        ----------
        output : Variable
            Of one number; the adjoints are its derivatives.
        along : Variable, optional
            The variable that moves; without, there is no column of tangents.
        tangent : array
            How it moves: of its shape, or one number for all of its numbers.

        Raises
        ------
        SizeError
            The output is not one number, or the tangent has another shape.
        DtypeError
            A tangent that is not of real numbers.
        TraceError
            Values that are not on this tape.
        """
        node = self._node(output, "the table")
        if output.size != 1:
            raise SizeError(f"a table for a value of shape {output.shape}", "give one number")
        columns: dict[str, Sequence[Any]] = {}
        if along is not None:
            columns["tangent"] = self._tangents(self._node(along, "the table"), tangent)
        columns["adjoint"] = adjoints(self._entries, node, np.ones(output.shape, self.dtype))
        return "\n".join(self._table(columns))

    def __str__(self) -> str:
        """Return a listing: entries and values."""
        return "\n".join(self._table({}))

    def _added(self, entry: Entry) -> Variable:
        if isinstance(entry.value, np.ndarray):
            entry.value.flags.writeable = False
        self._entries.append(entry)
        return Variable(self, len(self._entries) - 1)

    def _constant(self, numbers: NDArray[Any]) -> Variable:
        array = np.array(real(numbers, "a constant"), self.dtype)
        return self._added(Entry(None, (), array, constant=array))

    def _lower(self, value: Overloaded) -> Overloaded:
        """Return a value that may stand on this tape."""
        if value._level >= self._level:
            raise TraceError(
                f"the tape is given {value!r}, which was begun after it", "begin the tape of the inner derivative last"
            )
        if value.dtype != self.dtype:
            raise DtypeError(f"a tape of {self.dtype} is given {value.dtype}", f"make a Tape(dtype={value.dtype})")
        return value

    def _record(self, operation: Operation, operands: Sequence[int]) -> Any:
        """Add the value of an operation and its local Jacobians; a comparison gives plain booleans instead."""
        entries = [self._entries[k] for k in operands]
        xs = tuple(entry.value for entry in entries)
        is_differentiated = is_counting() or any(isinstance(x, Overloaded) for x in xs)
        y = applied(operation, *xs) if is_differentiated else evaluated(operation, xs)
        if is_comparison(operation):
            return y if is_differentiated else as_mask(y)
        if all(entry.constant is not None for entry in entries):
            return self._added(Entry(None, (), y, constant=y))
        found = tuple(
            None if entry.constant is not None else is_differentiated or local_jacobian(operation, k, xs, y)
            for k, entry in enumerate(entries)
        )
        return self._added(Entry(operation, tuple(operands), y, found))

    def _node(self, value: object, what: str) -> int:
        if not isinstance(value, Variable) or value._tape is not self:
            raise TraceError(f"{what} meets {value!r}, which is not on this tape", "use variables of one tape")
        return value._node

    def _by_adjoints(
        self, output: Variable, inputs: "Variable | Sequence[Variable]", seeds: Array, shape: Shape
    ) -> Any:
        """Return the derivatives by inputs of what the seeds, each of the output's shape, make of the output."""
        node = self._node(output, "the derivative")
        several = inputs if isinstance(inputs, list | tuple) else [inputs]
        wanted = [self._node(one, "the derivative") for one in several]
        sweep = adjoints_apart if is_differentiated(self._entries) else adjoints_together
        parts = sweep(self._entries, node, seeds, wanted)
        shapes = [(*shape, *self._entries[k].shape) for k in wanted]
        found = [part if part.shape == s else part.reshape(s) for part, s in zip(parts, shapes, strict=True)]
        return found[0] if isinstance(inputs, Variable) else found

    def _tangents(self, node: int, tangent: ArrayLike) -> Sequence[Any]:
        """Return the tangents of all entries along one of them."""
        shape = self._entries[node].shape
        tangent = real(tangent, "the tangent")
        if tangent.shape not in (shape, ()):
            raise SizeError(
                f"the tangent of v{node} has shape {tangent.shape}, but v{node} has {shape}", "make them equal"
            )
        return tangents(self._entries, node, np.array(np.broadcast_to(tangent.astype(self.dtype), shape)))

    def _table(self, columns: Mapping[str, Sequence[Any]]) -> list[str]:
        from jacchain.model.tape_table import table_lines

        return table_lines(self._entries, {"value": [entry.value for entry in self._entries], **columns})
