"""How tangents and adjoints pass an operation, in operations that can themselves be differentiated."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, final

import numpy as np

from jacchain.errors import OptionError
from jacchain.execution.operation import Operation, Shape
from jacchain.model.array_protocol import Overloaded, apply
from jacchain.model.expression import evaluated, facts_of
from jacchain.model.fixed_map import FixedMap
from jacchain.model.local_product import LocalProduct
from jacchain.model.mask import as_mask, is_comparison
from jacchain.model.number_formulas import is_number, number_formulas
from jacchain.model.primitives.binary import Binary
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.formula import leaf
from jacchain.model.primitives.matmul import MatMul
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.unary import Unary
from jacchain.model.slope import Slope, formula_applied

ADD: Final = Binary("add")
MULTIPLY: Final = Binary("multiply")
NEGATIVE: Final = Unary("negative")


@final
class Count:
    """Multiplications by local derivatives: products that pass tangents and adjoints on, at every level.

    What is elemental costs nothing: values of operations, and their derivatives of first and second order.
    """

    multiplications: int = 0
    _passing: int = 0


_COUNT: ContextVar[Count | None] = ContextVar("jacchain_count", default=None)


@contextmanager
def counted() -> Iterator[Count]:
    """Count the multiplications of what is done with dual numbers and tapes inside.

    Examples
    --------
    >>> from jacchain.model.dual import Dual
    >>> with counted() as count:
    ...     y = np.sin(Dual(1.0, 1.0)) * 3.0
    >>> count.multiplications
    2
    """
    count = Count()
    token = _COUNT.set(count)
    try:
        yield count
    finally:
        _COUNT.reset(token)


def is_counting() -> bool:
    """Return whether multiplications are counted now."""
    return _COUNT.get() is not None


def shape_of(x: Any, /) -> Shape:
    """Return the shape of a number, an array or an overloaded value."""
    return x.shape if isinstance(x, Overloaded) else np.shape(x)


def applied(operation: Operation, /, *operands: Any) -> Any:
    """Return the value of an operation on numbers, arrays and overloaded values; comparisons of numbers give booleans.

    Examples
    --------
    >>> applied(MULTIPLY, 2, 3), applied(Unary("exp"), 0.0)
    (6, 1.0)
    """
    if any(isinstance(operand, Overloaded) for operand in operands):
        return apply(operation, *operands)
    count = _COUNT.get()
    if count is not None and count._passing:
        count.multiplications += _multiplications(operation, operands)
    return _evaluated(operation, operands)


def _multiplications(operation: Operation, operands: Sequence[Any]) -> int:
    shapes = [np.shape(operand) for operand in operands]
    match operation:
        case Binary("multiply"):
            return int(np.prod(shapes[0], dtype=int))
        case MatMul():
            return int(np.prod(shapes[0], dtype=int)) * (shapes[1][-1] if len(shapes[1]) > 1 else 1)
        case FixedMap():
            return operation.multiplications
        case LocalProduct():
            return operation.multiplications([np.asarray(operand) for operand in operands])
        case _:
            return 0


def _evaluated(operation: Operation, operands: Sequence[Any]) -> Any:
    """Return the value of an operation on numbers and arrays; numbers stay Python's where that goes."""
    if isinstance(operation, ElementwisePrimitive) and all(map(is_number, operands)):
        formulas = number_formulas(operation, operands)
        try:
            if formulas is not None:
                y = formulas.value(*operands)
                return bool(y) if is_comparison(operation) else y
        except (ArithmeticError, ValueError):  # outside the function's domain, where NumPy has an answer
            pass
    found = [x.dtype for x in operands if not is_number(x)]
    dtype = np.result_type(*found) if found else np.dtype(float)
    y = evaluated(operation, tuple(np.asarray(x, dtype) for x in operands))
    return as_mask(y) if is_comparison(operation) else y


def pushed(operation: Operation, k: int, xs: Sequence[Any], y: Any, v: Any, /) -> Any:
    """Return J_k v for a tangent v of operand k, of y's shape; None where the derivative is zero everywhere.

    Parameters
    ----------
    operation : Operation
    k : int
    xs : sequence of numbers, arrays or overloaded values
        The operands.
    y : like these
        The value.
    v : like these
        Of the shape of x_k.

    Raises
    ------
    OptionError
        The operation is of a kind whose derivative cannot be differentiated again here.

    Examples
    --------
    >>> from jacchain.model.dual import Dual
    >>> x = Dual(3.0, 1.0)
    >>> pushed(MULTIPLY, 0, (x, x), x * x, 5.0)
    Dual(15.0, 5.0)
    """
    with _passing():
        match operation:
            case ElementwisePrimitive():
                return _scaled(operation, k, xs, y, v)
            case MatMul():
                return applied(operation, *((v, xs[1]) if k == 0 else (xs[0], v)))
            case FixedMap():
                return applied(operation, v)
            case LocalProduct() if k == len(xs) - 1:
                return applied(operation, *xs[:-1], v)
            case _:
                return _through(_mapped(operation, k, xs), xs, v)


def pulled(operation: Operation, k: int, xs: Sequence[Any], y: Any, u: Any, /) -> Any:
    """Return u J_k for an adjoint u of y's shape, of the shape of operand k; None where the derivative is zero.

    Parameters and errors are those of `pushed`.

    Examples
    --------
    >>> pulled(MatMul(), 0, (np.ones((1, 2)), np.array([2.0, 3.0])), np.array([5.0]), np.array([1.0]))
    array([[2., 3.]])
    """
    with _passing():
        match operation:
            case ElementwisePrimitive():
                return _scaled(operation, k, xs, y, u)
            case MatMul():
                return _pulled_through_product(k, xs, u)
            case FixedMap():
                return applied(operation.transposed, u)
            case LocalProduct() if k == len(xs) - 1:
                return applied(operation.transposed, *xs[:-1], u)
            case _:
                found = _mapped(operation, k, xs)
                return _through(found and found.transposed, xs, u)


@contextmanager
def _passing() -> Iterator[None]:
    count = _COUNT.get()
    if count is None:
        yield
        return
    count._passing += 1
    try:
        yield
    finally:
        count._passing -= 1


def added(a: Any, b: Any, /) -> Any:
    """Return the sum of two tangents or adjoints; None stands for zero."""
    if a is None or b is None:
        return b if a is None else a
    return applied(ADD, a, b)


def _scaled(operation: ElementwisePrimitive, k: int, xs: Sequence[Any], y: Any, v: Any) -> Any:
    """Return an elementwise operation's derivative times a tangent or an adjoint, number by number."""
    formulas = operation.formulas
    formula = formulas.derivatives[k]
    if formula is None:
        return None
    match leaf(formula):
        case 1.0:
            return v
        case -1.0:
            return applied(NEGATIVE, v)
        case float() as slope:
            return applied(MULTIPLY, _like(slope, v), v)
        case str() as name:
            return applied(MULTIPLY, y if name == "y" else xs[formulas.place(name)], v)
        case None:
            return applied(MULTIPLY, _slope(operation, k, xs, y), v)


def _slope(operation: ElementwisePrimitive, k: int, xs: Sequence[Any], y: Any) -> Any:
    """Return the derivative: an elemental function too, or where no second derivative is stated, what its formula is.

    A trace gets the formula, since it may be differentiated more than once more.
    """
    formulas = operation.formulas
    if isinstance(operation, Slope) or any(isinstance(x, Overloaded) and x._is_symbolic() for x in xs):
        formula = formulas.derivatives[k]
        assert formula is not None, "there is a derivative"
        return formula_applied(formula, {**dict(zip(formulas.arguments, xs, strict=True)), "y": y})
    return applied(Slope(operation, k), *xs)


def _like(number: float, other: Any) -> Any:
    """Return a number as what can meet another number by number."""
    if is_number(other):
        return number
    return np.full(shape_of(other), number, _dtype(other))


def _dtype(x: Any) -> "np.dtype[Any]":
    found: np.dtype[Any] = x.dtype if hasattr(x, "dtype") else np.dtype(float)
    return found


def _pulled_through_product(k: int, xs: Sequence[Any], u: Any) -> Any:
    """Return U Xᵀ or Aᵀ U for the product A X of matrices, vectors, or stacks of matrices of one shape."""
    left, right = (shape_of(x) for x in xs)
    matrix = left[-2:] if len(left) > 1 else (1, *left)
    other = right[-2:] if len(right) > 1 else (*right, 1)
    stack = left[:-2]
    adjoint = _reshaped(u, (*stack, matrix[0], other[1]))
    if k == 0:
        return _reshaped(applied(MatMul(), adjoint, _turned(_reshaped(xs[1], (*stack, *other)))), left)
    return _reshaped(applied(MatMul(), _turned(_reshaped(xs[0], (*stack, *matrix))), adjoint), right)


def _reshaped(x: Any, shape: Shape) -> Any:
    return x if shape_of(x) == shape else applied(Reshape(shape), x)


def _turned(x: Any) -> Any:
    """Return x with its last two axes exchanged."""
    axes = list(range(len(shape_of(x))))
    return applied(Transpose((*axes[:-2], axes[-1], axes[-2])), x)


def _mapped(operation: Operation, k: int, xs: Sequence[Any]) -> FixedMap | LocalProduct | None:
    """Return what a tangent of operand k goes through; None where the derivative is zero everywhere.

    The product of the local Jacobian, which is an operation of the point as well, unless it does not depend on that.
    """
    shapes = tuple(map(shape_of, xs))
    facts = facts_of(operation, shapes)
    local = facts.locals[k]
    if local is None:
        return None
    if not isinstance(operation, LocalProduct):
        is_constant = facts.curvatures == () and not local.reads
        return LocalProduct(operation, k, False, shapes, is_constant)
    if any(isinstance(x, Overloaded) for x in xs):
        raise OptionError(
            f"a second derivative of {operation.operation.name} is differentiated again",
            "compose it of elementwise functions, products and sums, whose derivatives of any order are known",
        )
    return operation.bent(k, [np.asarray(x) for x in xs])


def _through(found: FixedMap | LocalProduct | None, xs: Sequence[Any], w: Any) -> Any:
    match found:
        case None:
            return None
        case LocalProduct(is_alone=False):
            return applied(found, *xs, w)
        case _:
            return applied(found, w)
