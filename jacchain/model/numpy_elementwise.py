"""NumPy's universal functions, and those that choose between numbers one by one."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from jacchain.errors import SizeError, TraceError
from jacchain.model.array_protocol import MASK_CURE, Overloaded, apply, are_masks, as_number, is_mask, lift
from jacchain.model.primitive import Primitive
from jacchain.model.primitives.binary import BINARY, Where
from jacchain.model.primitives.broadcast import Broadcast
from jacchain.model.primitives.unary import UNARY, Power
from jacchain.model.supported import Supported

SAME: Final[Mapping[str, str]] = {"conj": "conjugate", "abs": "absolute", "true_divide": "divide", "pow": "power"}
"""Other names of the same functions."""

MASK_OPERATORS: Final[Mapping[str, tuple[str, str]]] = {
    "bitwise_and": ("&", "logical_and"),
    "bitwise_or": ("|", "logical_or"),
    "bitwise_xor": ("^", "logical_xor"),
    "invert": ("~", "logical_not"),
}
"""The operators on masks, and what they are."""


def broadcast_all(operands: Sequence[Any], name: str, /) -> list[Any]:
    """Return operands, of which one at least is overloaded, as overloaded values of one shape."""
    lifted = lift(operands)
    shapes = [x.shape for x in lifted]
    if all(shape == shapes[0] for shape in shapes):
        return lifted
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise SizeError(
            f"{name} of shapes {' and '.join(map(str, shapes))}", "make the sizes equal, or 1, from the last axis on"
        ) from None
    return [x if x.shape == shape else apply(Broadcast(shape), x) for x in lifted]


def elementwise(primitive: Primitive, /, *operands: Any) -> Any:
    """Return the value of an elementwise primitive on operands broadcast to one shape."""
    return apply(primitive, *broadcast_all(operands, primitive.name))


def of_masks(sign: str, name: str, /, *operands: Any) -> Any:
    """Return what & | ^ ~ give of masks; of other numbers they would be bits, which have no derivative."""
    for x in operands:
        if not is_mask(x):
            cure = "write ** for a power" if sign == "^" else "compare numbers first, as in x != 0"
            number = f"{type(x).__name__} of shape {np.shape(x)}"
            raise TraceError(f"{sign} meets a {number}, which is no comparison and not boolean", cure)
    return elementwise({**UNARY, **BINARY}[name], *operands)


def power(x1: Any, x2: Any) -> Any:
    """Return x1 ** x2, by products where the exponent is a small whole number."""
    if not isinstance(x2, Overloaded) and np.ndim(x2) == 0:
        exponent = _exponent(x2)
        match exponent:
            case 0.0:
                return x1._constant(np.ones(x1.shape, int))
            case 1.0:
                return as_number(x1)
            case 2.0:
                return apply(UNARY["square"], x1)
            case 0.5:
                return apply(UNARY["sqrt"], x1)
            case _:
                return apply(Power(exponent), x1)
    return elementwise(BINARY["power"], x1, x2)


def _exponent(number: Any) -> float:
    from jacchain.model.trace import real  # which is written in terms of this table

    return float(real(number, "an exponent"))


def add(x1: Any, x2: Any) -> Any:
    """Return x1 + x2; the number 0, with which Python's sum begins, is left out. A sum of masks is their or."""
    if are_masks(x1, x2):
        return elementwise(BINARY["logical_or"], x1, x2)
    for number, other in ((x1, x2), (x2, x1)):
        if isinstance(number, int | float) and number == 0 and not is_mask(other):
            return other
    return elementwise(BINARY["add"], x1, x2)


def subtract(x1: Any, x2: Any) -> Any:
    """Return x1 - x2; refuse a difference of masks, as NumPy does."""
    if are_masks(x1, x2):
        raise TraceError("a difference of masks, which NumPy refuses too", MASK_CURE)
    return elementwise(BINARY["subtract"], x1, x2)


def multiply(x1: Any, x2: Any) -> Any:
    """Return x1 · x2; a product of masks is their and, and a mask again."""
    return elementwise(BINARY["logical_and" if are_masks(x1, x2) else "multiply"], x1, x2)


def negative(x: Any) -> Any:
    """Return -x; refuse it of a mask, as NumPy does."""
    if is_mask(x):
        raise TraceError("the negative of a mask, which NumPy refuses too", MASK_CURE)
    return apply(UNARY["negative"], x)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Return x where the condition is not 0, and y elsewhere."""
    if x is None or y is None:
        return condition._numbers("index").nonzero() if isinstance(condition, Overloaded) else np.nonzero(condition)
    mask = condition != 0 if isinstance(condition, Overloaded) else np.asarray(condition) != 0
    return elementwise(Where(), mask, x, y)


def clip(a: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:  # noqa: A002
    """Return a, but at least a_min and at most a_max."""
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    if low is not None:
        a = np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def rounded(a: Any, decimals: int = 0) -> Any:
    """Return a rounded to a number of decimals; its derivative is 0."""
    scale = 10.0**decimals
    return np.rint(a) if decimals == 0 else np.rint(a * scale) / scale


def fix(x: Any) -> Any:
    """Return x without its fraction; its derivative is 0."""
    return np.trunc(x)


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Return x with NaN and infinity replaced."""
    limit = np.finfo(x.dtype).max
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == np.inf, limit if posinf is None else posinf, x)
    return np.where(x == -np.inf, -limit if neginf is None else neginf, x)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Return of the choices the first whose condition holds."""
    found = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        found = np.where(condition, choice, found)
    return found


SERIES_OF_SINC: Final = 0.03
"""Where sin(πx)/(πx) is as well given by the first five terms of its series."""


def i0(x: Any) -> Any:
    """Return the modified Bessel function of order 0."""
    return apply(UNARY["i0"], x)


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Any:
    """Return whether numbers are nearly equal, as a mask."""
    near = np.less_equal(np.abs(a - b), atol + rtol * np.abs(b))
    return np.logical_or(np.logical_and(near, np.isfinite(b)), np.equal(a, b))  # infinity is close to itself alone


def sinc(x: Any) -> Any:
    """Return sin(πx)/(πx); near 0 by its series, so that all derivatives are right there too."""
    near = np.less(np.abs(x), SERIES_OF_SINC)
    t = np.square(np.pi * np.where(near, x, 0.0))
    series = 1 - t / 6 * (1 - t / 20 * (1 - t / 42 * (1 - t / 72)))
    scaled = np.pi * np.where(near, 1.0, x)
    return np.where(near, series, np.sin(scaled) / scaled)


def _ufunc(name: str) -> Callable[..., Any] | None:
    found: Callable[..., Any] | None = getattr(np, name, None)
    return found if isinstance(found, np.ufunc) else None


def _note(primitive: Primitive) -> str:
    if all(facts is None for facts in primitive.facts(((),) * _operands(primitive)).locals):
        return "derivative 0"
    choices = [name for name in ("at_zero", "at_tie") if hasattr(primitive, name)]
    return f"{choices[0].replace('_', ' ')}: {getattr(primitive, choices[0])}" if choices else ""


def _operands(primitive: Primitive) -> int:
    return 1 if primitive in UNARY.values() else 2


def _rows() -> dict[Callable[..., Any], Supported]:
    names = {**UNARY, **BINARY}
    names |= {alias: names[name] for alias, name in SAME.items()}
    found = {
        ufunc: Supported(partial(elementwise, primitive), _note(primitive))
        for name, primitive in names.items()
        if (ufunc := _ufunc(name))
    }
    for alias, (sign, name) in MASK_OPERATORS.items():
        found[getattr(np, alias)] = Supported(partial(of_masks, sign, name), "of masks")
    return found


def _divmod(x1: Any, x2: Any) -> tuple[Any, Any]:
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


def _modf(x: Any) -> tuple[Any, Any]:
    return x - np.trunc(x), np.trunc(x)


ELEMENTWISE: Final[Mapping[Callable[..., Any], Supported]] = {
    **_rows(),
    np.add: Supported(add, "of masks: or"),
    np.subtract: Supported(subtract, "not of masks"),
    np.multiply: Supported(multiply, "of masks: and"),
    np.negative: Supported(negative, "not of masks"),
    np.power: Supported(power, "a constant exponent is a primitive of its own; 0 at a base of 0"),
    np.divmod: Supported(_divmod, "floor_divide and remainder"),
    np.modf: Supported(_modf, "x - trunc x and trunc x"),
    np.where: Supported(where, "three arguments; the condition's derivative is 0"),
    np.clip: Supported(clip, "maximum and minimum"),
    np.round: Supported(rounded, "derivative 0"),
    np.around: Supported(rounded, "derivative 0"),
    np.fix: Supported(fix, "derivative 0"),
    np.nan_to_num: Supported(nan_to_num, "derivative 0 where replaced"),
    np.select: Supported(select, "nested where"),
    np.real: Supported(lambda val: val, "itself"),
    np.real_if_close: Supported(lambda a: a, "itself"),
    np.sinc: Supported(sinc),
    np.i0: Supported(i0),
    np.isclose: Supported(isclose, "a mask"),
}
"""The rows of what is done number by number."""

SCIPY_ELEMENTWISE: Final[Mapping[str, Supported]] = {
    name: Supported(partial(elementwise, primitive), _note(primitive))
    for name, primitive in {**UNARY, **BINARY}.items()
    if _ufunc(name) is None
}
"""The like of ``scipy.special``, by name."""
