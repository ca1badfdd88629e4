"""The base of values that stand for arrays: NumPy's functions on them become primitives."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from numbers import Number
from typing import Any, Literal, Self, final

import numpy as np
from numpy.typing import NDArray

from jacchain.errors import NameUnknownError, TraceError
from jacchain.execution.backend import backend_of
from jacchain.execution.operation import Operation, Shape
from jacchain.model.level import Level
from jacchain.model.numpy_dispatch import call_function, call_ufunc, refuse_dtype, table

Asked = Literal["bool", "int", "float", "array", "index"]
"""What numbers are asked for: a branch, a Python int, a Python number, an array, an index."""

Axes = int | Sequence[int] | None


def _operator(ufunc: np.ufunc) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Return the two methods of a binary operator."""

    def operator(self: Any, other: Any) -> Any:
        return ufunc(self, other)

    def reflected(self: Any, other: Any) -> Any:
        return ufunc(other, self)

    return operator, reflected


def _equality(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return the method of == or !=, which leaves to Python what is no number."""

    def operator(self: Any, other: Any) -> Any:
        return ufunc(self, other) if may_be_numbers(other) else NotImplemented

    return operator


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method that is a function of the value and of what else is given."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return function(self, *args, **options)

    method.__name__ = function.__name__
    method.__doc__ = f"Return what numpy.{function.__name__} does."
    return method


def _methods(*functions: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    return tuple(map(_method, functions))


class Overloaded(ABC):
    """A floating-point array whose operators, methods and NumPy functions apply primitives.

    A subclass says what applying a primitive means: recording it, or computing a value along with its derivative.
    Everything else is final. Comparisons give masks: arrays of the same dtype that hold 0 and 1.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """The length of every axis."""

    @property
    @abstractmethod
    def dtype(self) -> "np.dtype[Any]":
        """float32 or float64; masks have it too."""

    @abstractmethod
    def _apply(self, operation: Operation, operands: tuple["Overloaded", ...], /) -> Self:
        """Return the value of a primitive; self is one of the operands."""

    @abstractmethod
    def _constant(self, numbers: NDArray[Any], /) -> Self:
        """Return a value like self of numbers that depend on nothing."""

    @abstractmethod
    def _is_mask(self) -> bool:
        """Return whether it would be boolean in NumPy, where sums and products of booleans are not numbers."""

    @abstractmethod
    def _numbers(self, asked: Asked, /) -> NDArray[Any]:
        """Return the numbers, or raise a TraceError where they are not known or must not be lost."""

    @property
    @abstractmethod
    def _level(self) -> Level:
        """Of values of different levels, the one of the highest takes the others as constants."""

    @abstractmethod
    def _lifted(self, operand: "Overloaded", /) -> "Overloaded":
        """Return a value of a lower level as a constant like self, or as it is where that cannot be."""

    @abstractmethod
    def _is_symbolic(self) -> bool:
        """Return whether there are no numbers, only a record."""

    @final
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, options)

    @final
    def __array_function__(
        self, function: Callable[..., Any], types: Collection[type], args: Sequence[Any], options: Mapping[str, Any]
    ) -> Any:
        if len(types) > 1:  # there may be arrays of a device among the constants
            args, options = _all_on_host(args), {name: _all_on_host(value) for name, value in options.items()}
        return call_function(function, args, options)

    @final
    def __array__(self, _dtype: object = None, *, copy: bool | None = None) -> NDArray[Any]:
        return self._numbers("array")

    @final
    def __bool__(self) -> bool:
        return bool(self._numbers("bool"))

    @final
    def __int__(self) -> int:
        return int(self._numbers("int"))

    @final
    def __index__(self) -> int:
        self._numbers("int")
        raise TypeError("only integers can be indices and counts")

    @final
    def __float__(self) -> float:
        return float(self._numbers("float"))

    @final
    def __complex__(self) -> complex:
        return complex(self._numbers("float"))

    @final
    def __setitem__(self, key: object, value: object) -> None:
        raise TraceError(
            "an item of a traced value is assigned in place",
            "make a new array: numpy.where, numpy.concatenate or numpy.stack; or work on a list and stack it",
        )

    @final
    def __getitem__(self, key: Any) -> Any:
        from jacchain.model.numpy_indexing import indexed

        return indexed(self, key)

    @final
    def __getattr__(self, name: str) -> Any:
        what = f"a {type(self).__name__} has no attribute {name!r}"
        if name.startswith("_"):  # asked for by protocols, not by anyone who reads it
            raise AttributeError(what)
        if getattr(np, name, None) in table():
            raise NameUnknownError(what, f"call numpy.{name}, which is supported")
        cure = "compose it of supported functions, or wrap what needs it in jacchain.Function"
        raise NameUnknownError(what, cure)

    @final
    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    @final
    def __iter__(self) -> Iterator[Self]:
        return iter([self[k] for k in range(len(self))])

    # operators are ufuncs, as in NumPy
    __add__, __radd__ = _operator(np.add)
    __sub__, __rsub__ = _operator(np.subtract)
    __mul__, __rmul__ = _operator(np.multiply)
    __truediv__, __rtruediv__ = _operator(np.divide)
    __floordiv__, __rfloordiv__ = _operator(np.floor_divide)
    __mod__, __rmod__ = _operator(np.remainder)
    __divmod__, __rdivmod__ = _operator(np.divmod)
    __pow__, __rpow__ = _operator(np.power)
    __matmul__, __rmatmul__ = _operator(np.matmul)
    __and__, __rand__ = _operator(np.bitwise_and)
    __or__, __ror__ = _operator(np.bitwise_or)
    __xor__, __rxor__ = _operator(np.bitwise_xor)
    __lt__, __gt__ = _operator(np.less)[0], _operator(np.greater)[0]
    __le__, __ge__ = _operator(np.less_equal)[0], _operator(np.greater_equal)[0]
    __eq__, __ne__ = _equality(np.equal), _equality(np.not_equal)
    # equality gives a mask, so that Python leaves nothing to hash by
    __round__ = _method(np.round)
    __neg__, __pos__, __abs__, __invert__ = _methods(np.negative, np.positive, np.absolute, np.invert)

    @property
    @final
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    @final
    def size(self) -> int:
        """The number of numbers."""
        return int(np.prod(self.shape, dtype=int))

    @property
    @final
    def T(self) -> Any:  # noqa: N802  (NumPy's name)
        """The transpose."""
        return np.transpose(_plain(self))

    @property
    @final
    def mT(self) -> Any:  # noqa: N802  (NumPy's name)
        """The transpose of the last two axes."""
        return np.matrix_transpose(_plain(self))

    @property
    @final
    def real(self) -> Self:
        """Itself."""
        return self

    @property
    @final
    def flat(self) -> Iterator[Any]:
        """The numbers one by one."""
        return iter(np.ravel(_plain(self)))

    # methods that take what the functions take
    sum, mean, prod, std, var = _methods(np.sum, np.mean, np.prod, np.std, np.var)
    max, min, clip, round = _methods(np.max, np.min, np.clip, np.round)
    cumsum, cumprod, dot, trace = _methods(np.cumsum, np.cumprod, np.dot, np.trace)
    ravel, squeeze, swapaxes, repeat = _methods(np.ravel, np.squeeze, np.swapaxes, np.repeat)
    take, diagonal = _methods(np.take, np.diagonal)
    argmax, argmin, argsort, nonzero, any, all = _methods(np.argmax, np.argmin, np.argsort, np.nonzero, np.any, np.all)

    @final
    def reshape(self, *shape: Any, order: Literal["C"] = "C") -> Any:
        """Return the same numbers in another shape, given as one tuple or as several integers."""
        return np.reshape(_plain(self), shape[0] if len(shape) == 1 else shape, order=order)

    @final
    def transpose(self, *axes: Any) -> Any:
        """Return the axes in another order, given as one tuple or as several integers; reversed by default."""
        return np.transpose(_plain(self), axes[0] if len(axes) == 1 else axes or None)

    @final
    def flatten(self, order: Literal["C"] = "C") -> Any:
        """Return all numbers along one axis."""
        return np.ravel(_plain(self), order=order)

    @final
    def copy(self, order: str = "C") -> Self:  # noqa: ARG002  (NumPy's signature)
        """Return itself, which nothing can change."""
        return self

    @final
    def astype(self, dtype: Any, **_options: Any) -> Self:
        """Return itself for its own dtype, as an expression has one throughout; a mask becomes 0 and 1."""
        wanted = np.dtype(dtype)
        if wanted == np.bool_ and self._is_mask():
            return self
        if wanted.kind != "f":
            cure = "keep it floating-point; a comparison gives 0 and 1 already, numpy.floor drops the fraction"
            raise TraceError(f"a traced value is converted to {wanted}", cure)
        refuse_dtype("a traced value is converted", self.dtype, wanted)
        found: Self = as_number(self)
        return found

    @final
    def item(self, *place: Any) -> Any:
        """Return a Python number, where it is known."""
        return self._numbers("float").item(*place)

    @final
    def tolist(self) -> Any:
        """Return Python numbers in lists, where they are known."""
        return self._numbers("array").tolist()

    @final
    def fill(self, *value: object) -> None:
        """Refuse to write in place, as do `sort` and `put`."""
        self[...] = value

    sort = put = fill


def may_be_numbers(value: object, /) -> bool:
    """Return whether something stands for numbers, rather than being None, a text or a thing of another kind."""
    if isinstance(value, str | bytes):
        return False
    return isinstance(value, Number | list | tuple) or hasattr(value, "__array__")


def _plain(value: Overloaded) -> Any:
    """Return the value as something that NumPy's annotations accept."""
    return value


def is_mask(value: Any, /) -> bool:
    """Return whether something is boolean in NumPy."""
    return value._is_mask() if isinstance(value, Overloaded) else np.asarray(value).dtype == np.bool_


def are_masks(*operands: Any) -> bool:
    """Return whether all operands are boolean in NumPy; one at least is overloaded."""
    if not all(x._is_mask() for x in operands if isinstance(x, Overloaded)):
        return False
    return all(is_mask(x) for x in operands)


def as_number(value: Any, /) -> Any:
    """Return 0 and 1 that add up, for a mask; anything else as it is."""
    return 1.0 * value if is_mask(value) else value


MASK_CURE = "make numbers of it, 1.0 * mask; the operators & | ^ ~ are and, or, xor, not"
"""What is advised where NumPy refuses masks, or takes a sum of them for an or."""


def apply(operation: Operation, /, *operands: Any) -> Any:
    """Return the value of a primitive on operands of which one at least is overloaded; the others are constants."""
    lifted = lift(operands)
    return lifted[0]._apply(operation, tuple(lifted))


def lift(operands: Sequence[Any], /) -> list[Any]:
    """Return operands, of which one at least is overloaded, with the others as constants like it.

    Where several are, it is the one of the highest level: the derivative that was begun last.
    """
    overloaded = [operand for operand in operands if isinstance(operand, Overloaded)]
    first = overloaded[0]
    if len(overloaded) > 1:
        levels = [operand._level for operand in overloaded]
        if levels.count(levels[0]) < len(levels):
            first = overloaded[levels.index(max(levels))]
            operands = [_lowered(first, x) if isinstance(x, Overloaded) else x for x in operands]
        elif len(overloaded) == len(operands):
            return overloaded
    return [x if isinstance(x, Overloaded) else _lifted(first, x) for x in operands]


def _lowered(first: Overloaded, operand: Overloaded) -> Overloaded:
    """Return an overloaded value as one of the level of another."""
    return operand if operand._level == first._level else first._lifted(operand)


def _lifted(first: Overloaded, operand: Any) -> Any:
    if hasattr(operand, "toarray"):
        cure = "give x.toarray(), or wrap the product in jacchain.Function with its jvp and vjp"
        raise TraceError(f"a sparse {type(operand).__name__} meets a traced value", cure)
    return stacked(operand) if is_overloaded(operand) else first._constant(on_host(operand))


def on_host(operand: Any, /) -> Any:
    """Return a constant as an array of the host, copied there if it lies on a device: constants are kept there."""
    backend = None if isinstance(operand, np.ndarray | float | int | list) else backend_of(operand)
    if backend is None:
        return np.asanyarray(operand)
    with backend.active():
        return backend.fetch(operand)


def _all_on_host(values: Any) -> Any:
    """Return values, perhaps in nested lists, with arrays of the host in the place of those of a device."""
    if type(values) in (list, tuple):
        return type(values)(map(_all_on_host, values))
    return on_host(values) if backend_of(values) is not None else values


def stacked(nested: Any, /) -> Any:
    """Return nested lists of numbers, arrays and overloaded values as one value."""
    if isinstance(nested, list | tuple):
        return np.stack([stacked(item) for item in nested])
    return nested


def is_overloaded(value: object, /) -> bool:
    """Return whether something is an overloaded value, or a list or tuple with one in it."""
    if isinstance(value, list | tuple):
        return any(map(is_overloaded, value))
    return isinstance(value, Overloaded)
