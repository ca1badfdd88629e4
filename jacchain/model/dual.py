"""Dual numbers: values that carry their tangents along."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array
from jacchain.errors import OptionError, SizeError, TraceError
from jacchain.execution.operation import Operation, Shape
from jacchain.model.array_protocol import Asked, Overloaded, may_be_numbers
from jacchain.model.expression import evaluated
from jacchain.model.layer import as_point, expect_host
from jacchain.model.level import LITERAL, Level, deeper, fresh_level
from jacchain.model.local_jacobian import local_jacobian
from jacchain.model.mask import as_mask, is_comparison
from jacchain.model.number_formulas import is_number, number_formulas
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.propagation import added, applied, is_counting, pushed, shape_of
from jacchain.model.substitution import substituted
from jacchain.model.trace import as_float, real
from jacchain.model.tree import flatten


@final
class Dual(Overloaded):
    """a + a′ε with ε² = 0: a value and its tangent. f(a + a′ε) = f(a) + J a′ε for every f made of supported functions.

    Parameters
    ----------
    value : int, float, array, or another dual number or variable of a tape
        Python's numbers stay what they are, so that of integers ``+``, ``-``, ``*``, ``abs`` and powers by whole
        numbers from 0 on are exact, however large. Arrays are float32 or float64.
    tangent : int, float, array, or another dual number or variable of a tape
        Of the value's shape; or of one axis more, the last, for several tangents at once, which are plain arrays.

    Raises
    ------
    SizeError
        A tangent of another shape, or another number of tangents than that of what it meets.
    DtypeError
        An array of integers, complex numbers or objects; an integer too large for a float meets one.
    TraceError
        An unsupported function, or a tangent that would be lost: ``float(x)``, ``math.sin(x)``, ``numpy.asarray(x)``.

    Notes
    -----
    Comparisons are of values and give plain booleans, so code may branch. Only ``==`` and ``!=`` of two duals compare
    the tangents too; ``numpy.equal`` does not. At a kink a branch decides: ``x if x >= 0 else -x`` has slope 1 at 0,
    and ``x if x > 0 else -x`` slope -1. ``abs(x)`` has slope 0 there, the choice of `primitives.unary.Absolute`.

    A dual number of dual numbers carries derivatives of derivatives: (a + bε) + (c + dε)ε′ with ε² = ε′² = 0, and d
    is the second derivative where b and c are 1. To it, a dual number of plain numbers is a constant in ε′. All dual
    numbers of plain numbers share one ε: for a derivative within a derivative use `dual_jvp`, which takes a new ε.

    Examples
    --------
    >>> -Dual(1, 2) * Dual(3, 4)
    Dual(-3, -10)
    >>> x = Dual(0.0, 1.0)
    >>> (x if x >= 0 else -x).tangent, (x if x > 0 else -x).tangent
    (1.0, -1.0)
    >>> np.sum(np.sin(Dual([0.0, 0.0], [1.0, 2.0])))
    Dual(0.0, 3.0)
    >>> Dual(Dual(5, 1), Dual(1, 0)) ** 3
    Dual(Dual(125, 75), Dual(75, 30))
    """

    __slots__ = ("_at", "_tangent", "_value")

    _value: Any
    _tangent: Any
    """None for what depends on nothing."""
    _at: Level

    def __init__(self, value: Any, tangent: Any) -> None:
        self._value, self._tangent, self._at = value, tangent, LITERAL
        if is_number(value) and is_number(tangent):
            return
        if isinstance(value, Overloaded) or isinstance(tangent, Overloaded):
            self._value, self._tangent = _parts_that_fit(value, tangent)
            self._at = deeper(max(part._level for part in (value, tangent) if isinstance(part, Overloaded)))
            return
        self._value = np.array(as_point(_float(value, "the value of a Dual"), "the value of a Dual"))
        tangents = as_point(_float(tangent, "the tangent of a Dual"), "the tangent of a Dual")
        self._tangent = np.array(tangents, self._value.dtype)
        shape = self._value.shape
        if self._tangent.shape[: len(shape)] != shape or self._tangent.ndim > len(shape) + 1:
            raise SizeError(
                f"the tangent of a Dual has shape {self._tangent.shape}, but the value has shape {shape}",
                f"give shape {shape}, or {(*shape, 'p')} for p tangents",
            )
        self._value.flags.writeable = self._tangent.flags.writeable = False

    @property
    def value(self) -> Any:
        """The value: a number or an array, or what the dual number was made of."""
        return _public(self._value)

    @property
    def tangent(self) -> Any:
        """The tangent, or several along the last axis."""
        if self._tangent is None:
            return 0 if is_number(self._value) else np.zeros(self.shape, self.dtype)[()]
        return _public(self._tangent)

    @property
    def shape(self) -> Shape:
        """The length of every axis of the value."""
        return shape_of(self._value)

    @property
    def dtype(self) -> "np.dtype[Any]":
        """float32 or float64; Python's numbers count as float64."""
        return np.dtype(float) if is_number(self._value) else self._value.dtype

    def __eq__(self, other: object) -> Any:
        """Return where values are equal and, if the other is dual too, tangents; nothing else equals a dual."""
        if not may_be_numbers(other):
            return NotImplemented
        same = np.equal(self, other)  # type: ignore[call-overload]  # NumPy's annotations know no overloaded values
        if not isinstance(other, Dual) or other._at != self._at:
            return same
        if _is_nested(self, other):
            return same & (self.tangent == other.tangent)
        count = _count((self, other))
        agree = np.all(np.equal(_stacked(self, count or 1), _stacked(other, count or 1)), axis=-1)
        return bool(same and agree) if np.ndim(agree) == 0 else same & agree

    def __ne__(self, other: object) -> Any:
        """Return where values or tangents differ."""
        if not may_be_numbers(other):
            return NotImplemented
        same = self == other
        return not same if isinstance(same, bool) else np.logical_not(same)

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"Dual({_shown(self.value)}, {_shown(self.tangent)})"

    def _apply(self, operation: Operation, operands: tuple[Overloaded, ...], /) -> Any:
        duals = [_own(self._at, operation, operand) for operand in operands]
        if _is_nested(*duals) or is_counting():
            return _parts_applied(self._at, operation, duals)
        found = _numbers_applied(operation, duals)
        if found is None:
            found = _arrays_applied(operation, duals)
        if isinstance(found, Dual):
            found._at = self._at
        return found

    def _constant(self, numbers: NDArray[Any], /) -> "Dual":
        if self.ndim == 0 and self._is_of_number() and numbers.ndim == 0:
            number = numbers.item()
            if isinstance(number, int | float):
                return _dual(int(number) if isinstance(number, bool) else number, None, self._at)
        return _dual(np.array(real(numbers, "a constant"), self.dtype), None, self._at)

    def _is_of_number(self) -> bool:
        """Return whether the innermost value is a Python number."""
        return self._value._is_of_number() if isinstance(self._value, Dual) else is_number(self._value)

    def _is_mask(self) -> bool:
        return False  # comparisons give plain booleans

    def _numbers(self, asked: Asked, /) -> NDArray[Any]:
        tangent = self._tangent
        if asked in ("float", "int", "array") and (isinstance(tangent, Overloaded) or np.any(self.tangent)):
            raise TraceError(
                "plain numbers are asked of a Dual (float(), math.sin, numpy.asarray), and its tangent would be lost",
                "use NumPy's functions, join by numpy.stack, or take x.value and x.tangent",
            )
        return self._value._numbers(asked) if isinstance(self._value, Overloaded) else np.asarray(self._value)

    @property
    def _level(self) -> Level:
        return self._at

    def _lifted(self, operand: Overloaded, /) -> Overloaded:
        return _dual(operand, None, self._at)

    def _is_symbolic(self) -> bool:
        return any(isinstance(part, Overloaded) and part._is_symbolic() for part in (self._value, self._tangent))


def _dual(value: Any, tangent: Any, level: Level = LITERAL) -> Dual:
    """Return a dual number of parts that are known to fit."""
    found = object.__new__(Dual)
    found._value, found._tangent, found._at = value, tangent, level
    for part in (value, tangent):
        if isinstance(part, np.ndarray):
            part.flags.writeable = False
    return found


def _public(part: Any) -> Any:
    """Return an array without axes as a number of NumPy's."""
    return part[()] if isinstance(part, np.ndarray) else part


def _parts_that_fit(*parts: Any) -> tuple[Any, ...]:
    """Return value and tangent of which one at least is overloaded, the other a number or an array."""
    shapes = tuple(map(shape_of, parts))
    if shapes[0] != shapes[1]:
        cure = f"give shape {shapes[0]}; several tangents at once are for plain arrays"
        raise SizeError(f"the tangent of a Dual has shape {shapes[1]}, but the value has shape {shapes[0]}", cure)
    dtype = next(part.dtype for part in parts if isinstance(part, Overloaded))
    is_plain = [not isinstance(part, Overloaded) and not is_number(part) for part in parts]
    return tuple(np.array(real(x, "a part of a Dual"), dtype) if k else x for x, k in zip(parts, is_plain, strict=True))


def _is_nested(*duals: Dual) -> bool:
    return any(isinstance(part, Overloaded) for dual in duals for part in (dual._value, dual._tangent))


def _float(values: Any, what: str) -> Any:
    """Return Python's numbers, and those in lists, as floats, and everything else as it is."""
    if isinstance(values, int):
        return as_float(values, what)
    if isinstance(values, list | tuple) and real(values, what).dtype.kind in "biu":
        return np.asarray(values, float)
    expect_host(values, what, "duals work")
    return values


def _shown(part: Any) -> str:
    return repr(part.item() if isinstance(part, np.ndarray | np.generic) and part.ndim == 0 else part)


def _own(level: Level, operation: Operation, operand: Overloaded) -> Dual:
    if not isinstance(operand, Dual) or operand._at != level:
        raise TraceError(
            f"{operation.name} meets a Dual and {operand!r}", "do one thing at a time: trace, or use duals"
        )
    return operand


def _parts_applied(level: Level, operation: Operation, duals: Sequence[Dual]) -> Any:
    """Return the value of an operation on duals of any parts: its value, and its derivative's product, of the parts."""
    values = [x._value for x in duals]
    y = applied(operation, *values)
    if is_comparison(operation):
        return y
    if _count(duals) is not None:
        raise SizeError(
            f"{operation.name} of dual numbers of dual numbers with several tangents each", "give one tangent at a time"
        )
    tangent = None
    for k, x in enumerate(duals):
        if x._tangent is not None:
            tangent = added(tangent, pushed(operation, k, values, y, x._tangent))
    return _dual(y, tangent, level)


def _numbers_applied(operation: Operation, duals: Sequence[Dual]) -> Any:
    """Return the value of an operation on Python's numbers; None where arrays are needed, as for NaN and infinity."""
    if not isinstance(operation, ElementwisePrimitive):
        return None
    if not all(is_number(x._value) and (x._tangent is None or is_number(x._tangent)) for x in duals):
        return None
    values = [x._value for x in duals]
    scalar = number_formulas(operation, values)
    if scalar is None:
        return None
    try:
        y = scalar.value(*values)
        if is_comparison(operation):
            return bool(y)
        tangent = 0
        for derivative, dual in zip(scalar.derivatives, duals, strict=True):
            if derivative is not None and dual._tangent:
                slope = derivative(*values, y) if callable(derivative) else derivative
                tangent += slope * dual._tangent
    except (ArithmeticError, ValueError):  # outside the function's domain, where NumPy has an answer
        return None
    return _dual(y, tangent)


def _arrays_applied(operation: Operation, duals: Sequence[Dual]) -> Any:
    """Return the value of an operation on arrays."""
    dtype = _dtype(duals)
    xs = tuple(np.asarray(_float(x._value, "the value of a Dual"), dtype) for x in duals)
    y = evaluated(operation, xs)
    if is_comparison(operation):
        return as_mask(y)
    moving = [(k, x) for k, x in enumerate(duals) if _moves(x)]
    if not moving:
        return _dual(y, None)
    count = _count([x for _, x in moving])
    total: Array = np.zeros((y.size, count or 1), dtype)
    for k, x in moving:
        local = local_jacobian(operation, k, xs, y)
        if local is not None:
            tangents = np.asarray(_float(x._tangent, "the tangent of a Dual"), dtype)
            total = total + local.tangents(tangents.reshape(x.size, count or 1))
    return _dual(y, total.reshape(y.shape if count is None else (*y.shape, count)))


def _dtype(duals: Sequence[Dual]) -> "np.dtype[Any]":
    """Return the common dtype of the arrays; Python's numbers adapt to them."""
    found = [x._value.dtype for x in duals if not is_number(x._value)]
    return np.result_type(*found) if found else np.dtype(float)


def _moves(x: Dual) -> bool:
    """Return whether there is a tangent: none is carried for constants."""
    return x._tangent is not None and not (is_number(x._tangent) and x._tangent == 0)


def _count(duals: Sequence[Dual]) -> int | None:
    """Return how many tangents an additional axis has, or None where there is no such axis."""
    axes = {shape_of(x._tangent)[x.ndim :] for x in duals if _moves(x)}
    if len(axes) > 1:
        counts = " and ".join(str(axis[0]) if axis else "1 without an axis" for axis in sorted(axes))
        raise SizeError(
            f"duals of different numbers of tangents meet: {counts}", "give all the same number of tangents"
        )
    return next((axis[0] for axis in axes if axis), None)


def _stacked(x: Dual, count: int) -> NDArray[Any]:
    """Return the tangents along a last axis that is always there."""
    if not _moves(x):
        return np.zeros((*x.shape, count))
    return np.asarray(x._tangent).reshape(*x.shape, count)


def dual_jvp(fun: Callable[..., Any], x: Any, v: Any, /) -> tuple[Any, Any]:
    """Return f(x) and J v, by calling the function once on dual numbers: forward mode without a plan.

    Parameters
    ----------
    fun : callable
        As for `jacchain.trace`, but it may also branch on values.
    x : array, number, or a tuple of arguments, which may nest
    v : like x
        The tangent; every array has the shape of x's, or one more axis at the end for several tangents.

    Raises
    ------
    OptionError
        v nests otherwise than x.
    TraceError
        The function does something unsupported.

    Examples
    --------
    >>> value, tangent = dual_jvp(lambda x: x if x[0] > 0 else x * x, np.array([-1.0, 3.0]), np.array([1.0, 1.0]))
    >>> value, tangent
    (array([1., 9.]), array([-2.,  6.]))

    Derivatives of derivatives are kept apart: x does not move with y.

    >>> dual_jvp(lambda x: x * dual_jvp(lambda y: x + y, 1.0, 1.0)[1], 1.0, 1.0)
    (1.0, 1.0)
    """
    leaves, tree = flatten(x, "x")
    tangents, other = flatten(v, "the tangent v")
    if tree != other:
        raise OptionError("the tangent v nests otherwise than x", "give arrays nested in the same way")
    level = fresh_level()
    made = [Dual(leaf, tangent) for leaf, tangent in zip(leaves, tangents, strict=True)]
    duals = tree.unflatten([_dual(x._value, x._tangent, level) for x in made])
    with substituted():
        result = fun(*duals) if isinstance(duals, tuple) else fun(duals)
    found, results = flatten(result, "the result", cure="return arrays or numbers made of the arguments")
    count = _count(made)
    pairs = [_parts(leaf, level, count) for leaf in found]
    return results.unflatten([pair[0] for pair in pairs]), results.unflatten([pair[1] for pair in pairs])


def _parts(leaf: Any, level: Level, count: int | None) -> tuple[Any, Any]:
    """Return the value and the tangent of a result, which may be a constant of this derivative."""
    value, tangent = (leaf._value, leaf._tangent) if isinstance(leaf, Dual) and leaf._at == level else (leaf, None)
    if tangent is None:
        shape = shape_of(value)
        is_single = getattr(value, "dtype", None) == np.float32
        tangent = np.zeros(shape if count is None else (*shape, count), np.float32 if is_single else float)
    return _own_copy(value), _own_copy(tangent)


def _own_copy(part: Any) -> Any:
    """Return an array that the caller may write into."""
    return np.array(part)[()] if isinstance(part, np.ndarray) else part
