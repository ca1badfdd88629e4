"""Dual numbers: values that carry their tangents along."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array
from jacchain.errors import OptionError, SizeError, TraceError
from jacchain.execution.operation import Operation, Shape
from jacchain.model.array_protocol import Asked, Overloaded, may_be_numbers
from jacchain.model.expression import evaluated
from jacchain.model.layer import as_point
from jacchain.model.local_jacobian import local_jacobian
from jacchain.model.mask import as_mask, is_comparison
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.unary import Absolute, Power
from jacchain.model.substitution import substituted
from jacchain.model.trace import as_float, real
from jacchain.model.tree import flatten


@final
class Dual(Overloaded):
    """a + a′ε with ε² = 0: a value and its tangent. f(a + a′ε) = f(a) + J a′ε for every f made of supported functions.

    Parameters
    ----------
    value : int, float or array
        Python's numbers stay what they are, so that of integers ``+``, ``-``, ``*``, ``abs`` and powers by whole
        numbers from 0 on are exact, however large. Arrays are float32 or float64.
    tangent : int, float or array
        Of the value's shape; or of one axis more, the last, for several tangents at once.

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

    Examples
    --------
    >>> -Dual(1, 2) * Dual(3, 4)
    Dual(-3, -10)
    >>> x = Dual(0.0, 1.0)
    >>> (x if x >= 0 else -x).tangent, (x if x > 0 else -x).tangent
    (1.0, -1.0)
    >>> np.sum(np.sin(Dual([0.0, 0.0], [1.0, 2.0])))
    Dual(0.0, 3.0)
    """

    __slots__ = ("_tangent", "_value")

    _value: Any
    _tangent: Any
    """None for what depends on nothing."""

    def __init__(self, value: Any, tangent: Any) -> None:
        if isinstance(value, Dual) or isinstance(tangent, Dual):
            raise OptionError("a dual number of dual numbers", "give numbers or arrays: one order is carried along")
        self._value, self._tangent = value, tangent
        if _is_number(value) and _is_number(tangent):
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
        """The value: a number or an array."""
        return self._value if _is_number(self._value) else self._value[()]

    @property
    def tangent(self) -> Any:
        """The tangent, or several along the last axis."""
        if self._tangent is None:
            return np.zeros_like(self._value)[()]
        return self._tangent if _is_number(self._tangent) else self._tangent[()]

    @property
    def shape(self) -> Shape:
        """The length of every axis of the value."""
        return () if _is_number(self._value) else tuple(self._value.shape)

    @property
    def dtype(self) -> "np.dtype[Any]":
        """float32 or float64; Python's numbers count as float64."""
        return np.dtype(float) if _is_number(self._value) else self._value.dtype

    def __eq__(self, other: object) -> Any:
        """Return where values are equal and, if the other is dual too, tangents; nothing else equals a dual."""
        if not may_be_numbers(other):
            return NotImplemented
        same = np.equal(self, other)  # type: ignore[call-overload]  # NumPy's annotations know no overloaded values
        if not isinstance(other, Dual):
            return same
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
        duals = [_own(operation, operand) for operand in operands]
        found = _numbers_applied(operation, duals)
        return _arrays_applied(operation, duals) if found is None else found

    def _constant(self, numbers: NDArray[Any], /) -> "Dual":
        if _is_number(self._value) and numbers.ndim == 0 and isinstance(number := numbers.item(), int | float):
            return _dual(int(number) if isinstance(number, bool) else number, 0)
        return _dual(np.array(real(numbers, "a constant"), self.dtype), None)

    def _is_mask(self) -> bool:
        return False  # comparisons give plain booleans

    def _numbers(self, asked: Asked, /) -> NDArray[Any]:
        if asked in ("float", "int", "array") and np.any(self.tangent):
            raise TraceError(
                "plain numbers are asked of a Dual (float(), math.sin, numpy.asarray), and its tangent would be lost",
                "use NumPy's functions, join by numpy.stack, or take x.value and x.tangent",
            )
        return np.asarray(self._value)


LARGEST_WHOLE_EXPONENT: Final = 1 << 16
"""The largest exponent whose powers of integers stay exact; beyond, they might fill the memory, and are floats."""


def _dual(value: Any, tangent: Any) -> Dual:
    """Return a dual number of parts that are known to fit."""
    found = object.__new__(Dual)
    found._value, found._tangent = value, tangent
    for part in (value, tangent):
        if isinstance(part, np.ndarray):
            part.flags.writeable = False
    return found


def _is_number(value: object) -> bool:
    """Return whether something is a Python number, which stays one."""
    return type(value) is int or type(value) is float


def _float(values: Any, what: str) -> Any:
    """Return Python's numbers, and those in lists, as floats, and everything else as it is."""
    if isinstance(values, int):
        return as_float(values, what)
    if isinstance(values, list | tuple) and real(values, what).dtype.kind in "biu":
        return np.asarray(values, float)
    return values


def _shown(part: Any) -> str:
    return repr(part.item() if np.ndim(part) == 0 and hasattr(part, "item") else part)


def _own(operation: Operation, operand: Overloaded) -> Dual:
    if not isinstance(operand, Dual):
        raise TraceError(
            f"{operation.name} meets a Dual and {operand!r}", "do one thing at a time: trace, or use duals"
        )
    return operand


class _Scalar(NamedTuple):
    """An elementwise function of Python's numbers, and its partial derivatives, which also take the value.

    A derivative that is a number is that everywhere; None is zero.
    """

    value: Callable[..., Any]
    derivatives: tuple[Callable[..., Any] | int | None, ...]


@lru_cache(maxsize=1 << 10)
def _whole(operation: ElementwisePrimitive) -> _Scalar | None:
    """Return the functions of integers that give integers of an operation that has formulas of floats; else None."""
    match operation:
        case Power(exponent) if exponent.is_integer() and 0 < exponent <= LARGEST_WHOLE_EXPONENT:
            n = int(exponent)
            return _Scalar(lambda x: x**n, (lambda x, _: n * x ** (n - 1),))
        case Absolute(at_zero):
            slope = int(at_zero) if float(at_zero).is_integer() else at_zero
            return _Scalar(abs, (lambda x, _: (x > 0) - (x < 0) or slope,))
    return None


@lru_cache(maxsize=1 << 10)
def _scalar(operation: ElementwisePrimitive) -> _Scalar | None:
    """Return the functions of numbers of an elementwise primitive, or None where there are none."""
    formulas = operation.formulas
    names = formulas.arguments
    source = operation.value_source(names)
    if source is None:
        return None
    found: list[Callable[..., Any] | int | None] = []
    for k, formula in enumerate(formulas.derivatives):
        derivative = operation.derivative_source(k, names, "y")
        match formula:
            case None | "1" | "-1":
                found.append(formula and int(formula))
            case _ if derivative is None:
                return None
            case _:
                found.append(_compiled(derivative, (*names, "y")))
    return _Scalar(_compiled(source, names), tuple(found))


def _compiled(source: str, names: Sequence[str]) -> Callable[..., Any]:
    found: Callable[..., Any] = eval(f"lambda {', '.join(names)}: {source}", {"math": math})
    return found


def _numbers_applied(operation: Operation, duals: Sequence[Dual]) -> Any:
    """Return the value of an operation on Python's numbers; None where arrays are needed, as for NaN and infinity."""
    if not isinstance(operation, ElementwisePrimitive):
        return None
    if not all(_is_number(x._value) and _is_number(x._tangent) for x in duals):
        return None
    values = [x._value for x in duals]
    scalar = _whole(operation) if all(type(value) is int for value in values) else None
    scalar = scalar or _scalar(operation)
    if scalar is None:
        return None
    try:
        y = scalar.value(*values)
        if is_comparison(operation):
            return bool(y)
        tangent = 0
        for derivative, dual in zip(scalar.derivatives, duals, strict=True):
            if derivative is not None and dual._tangent != 0:
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
    found = [x._value.dtype for x in duals if not _is_number(x._value)]
    return np.result_type(*found) if found else np.dtype(float)


def _moves(x: Dual) -> bool:
    """Return whether there is a tangent: none is carried for constants."""
    return x._tangent is not None and not (_is_number(x._tangent) and x._tangent == 0)


def _count(duals: Sequence[Dual]) -> int | None:
    """Return how many tangents an additional axis has, or None where there is no such axis."""
    axes = {np.shape(x._tangent)[x.ndim :] for x in duals if _moves(x)}
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
    """
    leaves, tree = flatten(x, "x")
    tangents, other = flatten(v, "the tangent v")
    if tree != other:
        raise OptionError("the tangent v nests otherwise than x", "give arrays nested in the same way")
    duals = tree.unflatten([Dual(leaf, tangent) for leaf, tangent in zip(leaves, tangents, strict=True)])
    with substituted():
        result = fun(*duals) if isinstance(duals, tuple) else fun(duals)
    found, results = flatten(result, "the result", cure="return arrays or numbers made of the arguments")
    count = _count([dual for dual in flatten(duals)[0] if isinstance(dual, Dual)])
    pairs = [_parts(leaf, count) for leaf in found]
    return results.unflatten([pair[0] for pair in pairs]), results.unflatten([pair[1] for pair in pairs])


def _parts(leaf: Any, count: int | None) -> tuple[Any, Any]:
    """Return the value and the tangent of a result, which may be a constant."""
    if isinstance(leaf, Dual) and leaf._tangent is not None:
        if _is_number(leaf._value):
            return leaf.value, leaf.tangent
        return np.array(leaf._value)[()], np.array(leaf._tangent)[()]
    value = leaf.value if isinstance(leaf, Dual) else leaf
    return value, np.zeros(np.shape(value) if count is None else (*np.shape(value), count))[()]
