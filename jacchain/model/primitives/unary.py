"""Elementwise functions of one argument: a table by the names of NumPy's and SciPy's universal functions."""

from dataclasses import dataclass
from math import log, pi, sqrt
from sys import float_info
from typing import Final, final

from jacchain.errors import OptionError, unknown_name
from jacchain.model.primitives.elementwise import ElementwisePrimitive, Formulas, is_between

ZERO: Final = ""
"""The derivative of what is constant piece by piece."""

_MILLS: Final = f"{1 / sqrt(2 * pi)!r} * exp(-0.5 * (x * x) - y)"
"""The normal density over the distribution, of whose logarithm it is the derivative."""


def _inverse_square(least: int) -> str:
    """Return 1/x², of at most that of a number."""
    return f"square(reciprocal(maximum(absolute(x), {least})))"


def _series(least: int, *coefficients: float) -> str:
    """Return a polynomial of 1/x²."""
    *rest, formula = map(repr, coefficients)
    for coefficient in reversed(rest):
        formula = f"{coefficient} + {_inverse_square(least)} * ({formula})"
    return f"({formula})"


# Far out the formulas of the value cancel: asymptotic series take over (DLMF 7.12.1, 7.12.4) where both are good.
_NORMAL_FAR: Final = (
    f"where(less(x, -300), -x - x * {_inverse_square(300)} * {_series(300, 1.0, -2.0)}, {_MILLS})",
    f"where(less(x, -100), {_series(100, -1.0, 1.0, -6.0)}, -({_MILLS}) * (x + {_MILLS}))",
)
_ERROR_FAR: Final = (
    f"where(greater(x, 100), {-1 / sqrt(pi)!r} * {_inverse_square(100)} * {_series(100, 1.0, -1.5, 3.75)}, "
    f"2 * (x * y) - {2 / sqrt(pi)!r})",
    f"where(greater(x, 50), {2 / sqrt(pi)!r} * (x * square({_inverse_square(50)})) * "
    f"{_series(50, 1.0, -3.0, 11.25, -52.5)}, 2 * (y + x * (2 * (x * y) - {2 / sqrt(pi)!r})))",
)
_DAWSON_FAR: Final = (
    f"where(greater(absolute(x), 100), -0.5 * {_inverse_square(100)} * {_series(100, 1.0, 1.5, 3.75)}, "
    "1 - 2 * (x * y))",
    f"where(greater(absolute(x), 50), x * square({_inverse_square(50)}) * {_series(50, 1.0, 3.0, 11.25, 52.5)}, "
    "-2 * (y + x * (1 - 2 * (x * y))))",
)

DERIVATIVES: Final[dict[str, str]] = {
    "positive": "1",
    "conjugate": "1",
    "negative": "-1",
    "square": "x + x",
    "reciprocal": "-(y * y)",
    "sqrt": "0.5 / y",
    "cbrt": "1 / (3 * (y * y))",
    "exp": "y",
    "exp2": f"{log(2)!r} * y",
    "exp10": f"{log(10)!r} * y",
    "expm1": "exp(x)",  # y + 1 would lose the digits of a small derivative
    "log": "reciprocal(x)",
    "log2": f"{1 / log(2)!r} / x",
    "log10": f"{1 / log(10)!r} / x",
    "log1p": "reciprocal(1 + x)",
    "sin": "cos(x)",
    "cos": "-sin(x)",
    "tan": "1 + y * y",
    "arcsin": "1 / sqrt((1 - x) * (1 + x))",
    "arccos": "-1 / sqrt((1 - x) * (1 + x))",
    "arctan": "1 / (1 + x * x)",
    "sinh": "cosh(x)",
    "cosh": "sinh(x)",
    "tanh": "1 - y * y",
    "arcsinh": "1 / sqrt(1 + x * x)",
    "arccosh": "1 / sqrt((x - 1) * (x + 1))",
    "arctanh": "1 / ((1 - x) * (1 + x))",
    "deg2rad": f"{pi / 180!r}",
    "radians": f"{pi / 180!r}",
    "rad2deg": f"{180 / pi!r}",
    "degrees": f"{180 / pi!r}",
    **dict.fromkeys(
        ["sign", "floor", "ceil", "rint", "trunc", "logical_not", "isfinite", "isinf", "isnan", "signbit"], ZERO
    ),
    "expit": "y * (1 - y)",
    "logit": "1 / (x * (1 - x))",
    "log_expit": "expit(-x)",
    "erf": f"{2 / sqrt(pi)!r} * exp(-(x * x))",
    "erfc": f"{-2 / sqrt(pi)!r} * exp(-(x * x))",
    "erfcx": _ERROR_FAR[0],
    "erfinv": f"{sqrt(pi) / 2!r} * exp(y * y)",
    "erfcinv": f"{-sqrt(pi) / 2!r} * exp(y * y)",
    "ndtr": f"{1 / sqrt(2 * pi)!r} * exp(-0.5 * (x * x))",
    "log_ndtr": _NORMAL_FAR[0],
    "ndtri": f"{sqrt(2 * pi)!r} * exp(0.5 * (y * y))",
    "gamma": "y * psi(x)",
    "gammaln": "psi(x)",
    "psi": "zeta(2, x)",
    "dawsn": _DAWSON_FAR[0],
    "entr": "-1 - log(x)",
    "exp1": "-exp(-x) / x",
    "expi": "exp(x) / x",
    "j0": "-j1(x)",
    "i0": "i1(x)",
}
"""By name, in terms of the argument x and the value y."""

CURVATURES: Final[dict[str, str]] = {
    "square": "2",
    "reciprocal": "2 * (y * y * y)",
    "sqrt": "-0.25 / (y * y * y)",
    "cbrt": f"{-2 / 9!r} / (y * y * (y * y) * y)",
    "exp": "y",
    "exp2": f"{log(2) ** 2!r} * y",
    "exp10": f"{log(10) ** 2!r} * y",
    "expm1": "exp(x)",
    "log": "-1 / (x * x)",
    "log2": f"{-1 / log(2)!r} / (x * x)",
    "log10": f"{-1 / log(10)!r} / (x * x)",
    "log1p": "-1 / ((1 + x) * (1 + x))",
    "sin": "-y",
    "cos": "-y",
    "tan": "2 * y * (1 + y * y)",
    "arcsin": "x / ((1 - x) * (1 + x) * sqrt((1 - x) * (1 + x)))",
    "arccos": "-x / ((1 - x) * (1 + x) * sqrt((1 - x) * (1 + x)))",
    "arctan": "-2 * (x / (1 + x * x)) / (1 + x * x)",
    "sinh": "y",
    "cosh": "y",
    "tanh": "-2 * y * (1 - y * y)",
    "arcsinh": "-x / (1 + x * x) / sqrt(1 + x * x)",
    "arccosh": "-x / ((x - 1) * (x + 1) * sqrt((x - 1) * (x + 1)))",
    "arctanh": "2 * (x / ((1 - x) * (1 + x))) / ((1 - x) * (1 + x))",
    "expit": "y * (1 - y) * (1 - 2 * y)",
    "logit": "(2 * x - 1) / (x * (1 - x) * (x * (1 - x)))",
    "log_expit": "-(expit(x) * expit(-x))",
    "erf": f"{-4 / sqrt(pi)!r} * (x * exp(-(x * x)))",
    "erfc": f"{4 / sqrt(pi)!r} * (x * exp(-(x * x)))",
    "erfcx": _ERROR_FAR[1],
    "erfinv": f"{pi / 2!r} * (y * exp(2 * (y * y)))",
    "erfcinv": f"{pi / 2!r} * (y * exp(2 * (y * y)))",
    "ndtr": f"{-1 / sqrt(2 * pi)!r} * (x * exp(-0.5 * (x * x)))",
    "log_ndtr": _NORMAL_FAR[1],
    "ndtri": f"{2 * pi!r} * (y * exp(y * y))",
    "gamma": "y * (psi(x) * psi(x) + zeta(2, x))",
    "gammaln": "zeta(2, x)",
    "psi": "-2 * zeta(3, x)",
    "dawsn": _DAWSON_FAR[1],
    "entr": "-1 / x",
    "exp1": "exp(-x) * (1 + x) / (x * x)",
    "expi": "exp(x) * (x - 1) / (x * x)",
    # y'' + y'/x + y = 0 and y'' + y'/x - y = 0; the quotient is 1/2 at zero
    "j0": "(j1(x) + 0.5 * equal(x, 0)) / (x + equal(x, 0)) - y",
    "i0": "y - (i1(x) + 0.5 * equal(x, 0)) / (x + equal(x, 0))",
}
"""The second derivatives that are not zero everywhere, by name, in terms of x and y."""

VALUES: Final[dict[str, str]] = {
    "positive": "x",
    "conjugate": "x",
    "square": "x * x",
    "logical_not": "equal(x, 0)",
    **dict.fromkeys(("deg2rad", "radians"), f"{pi / 180!r} * x"),
    **dict.fromkeys(("rad2deg", "degrees"), f"{180 / pi!r} * x"),
}
"""Where the value is not simply the function of that name."""


@final
@dataclass(frozen=True, slots=True)
class Unary(ElementwisePrimitive):
    """An elementwise function of one argument.

    Parameters
    ----------
    function : str
        Its name in NumPy or SciPy; see `DERIVATIVES`.

    Notes
    -----
    Derivatives are made of the value where that saves a function. Those of tanh and expit, 1 - y² and y (1 - y), then
    have an error of half a unit in the last place of 1, which is much of what is left of them where y is close to 1: a
    relative one of 1e-8 for tanh at 10 and expit at 20, of 4 % for tanh at 18, and they are 0 from 20 and 37 on. Second
    derivatives have the same.

    Examples
    --------
    >>> Unary("tanh").local(0, [0.0, 1.0]).arrays[0].round(3)
    array([1.  , 0.42])
    >>> print(Unary("negative").local(0, [0.0, 1.0]))
    negation 2
    """

    function: str

    def __post_init__(self) -> None:
        if self.function not in DERIVATIVES:
            unknown_name("elementwise function", self.function, DERIVATIVES)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function

    @property
    def formulas(self) -> Formulas:
        """The value and the derivatives."""
        value = VALUES.get(self.function, f"{self.function}(x)")
        return _formulas(value, DERIVATIVES[self.function] or None, CURVATURES.get(self.function))


@final
@dataclass(frozen=True, slots=True)
class Absolute(ElementwisePrimitive):
    """x ↦ |x|.

    Parameters
    ----------
    at_zero : float
        The derivative at the kink, from -1 to 1.

    Examples
    --------
    >>> Absolute(at_zero=-1.0).local(0, [-3.0, 0.0, 2.0]).arrays[0]
    array([-1., -1.,  1.])
    """

    at_zero: float = 0.0

    def __post_init__(self) -> None:
        if not is_between(-1, self.at_zero, 1):
            raise OptionError(f"at_zero = {self.at_zero!r} is no subgradient of |x|", "choose a number from -1 to 1")

    @property
    def formulas(self) -> Formulas:
        """The value and the derivative."""
        derivative = f"sign(x) + {float(self.at_zero)!r} * equal(x, 0)" if self.at_zero else "sign(x)"
        return Formulas("absolute(x)", (derivative,))


@final
@dataclass(frozen=True, slots=True)
class Power(ElementwisePrimitive):
    """x ↦ xⁿ for a fixed exponent.

    Small whole exponents are products, which are faster than powers and exact at zero. A half is the square root.

    Parameters
    ----------
    exponent : float
        n.

    Examples
    --------
    >>> Power(3).local(0, [0.0, -2.0]).arrays[0]
    array([ 0., 12.])
    """

    exponent: float

    def __post_init__(self) -> None:
        if not is_between(-float_info.max, self.exponent, float_info.max):
            raise OptionError(f"exponent {self.exponent!r} is not a finite number", "give a float")
        object.__setattr__(self, "exponent", float(self.exponent))

    @property
    def name(self) -> str:
        """The function with its exponent."""
        return f"power {self.exponent:g}"

    @property
    def formulas(self) -> Formulas:
        """The value and the derivative."""
        match self.exponent:
            case 0.0:
                return Formulas("power(x, 0)", (None,))
            case 1.0:
                return Formulas("x", ("1",))
            case 2.0:
                return _formulas("(x * x)", "2.0 * x", "2")
            case -1.0:
                return _formulas("reciprocal(x)", DERIVATIVES["reciprocal"], CURVATURES["reciprocal"])
            case 0.5:
                return _formulas("sqrt(x)", DERIVATIVES["sqrt"], CURVATURES["sqrt"])
            case -0.5:
                return _formulas("1 / sqrt(x)", "-0.5 * y / x", "0.75 * y / (x * x)")
            case n:
                twice = min(n * (n - 1), float_info.max)
                return _formulas(_power(n), f"{n!r} * {_power(n - 1)}", f"{twice!r} * {_power(n - 2)}")


LARGEST_PRODUCT: Final = 16
"""The largest whole exponent that is written as a product; beyond, a power is as fast."""


def _formulas(value: str, derivative: str | None, curvature: str | None) -> Formulas:
    return Formulas(value, (derivative,), curvatures=() if curvature is None else ((0, 0, curvature),))


def _power(n: float) -> str:
    if not n.is_integer() or abs(n) > LARGEST_PRODUCT:
        return f"power(x, {n!r})"
    return _product(int(n)) if n > 0 else f"(1 / {_product(-int(n))})"


def _product(n: int) -> str:
    """Return xⁿ by repeated squaring."""
    if n == 1:
        return "x"
    if n == 2:
        return "(x * x)"
    return f"square({_product(n // 2)})" if n % 2 == 0 else f"({_product(n - 1)} * x)"


UNARY: Final[dict[str, ElementwisePrimitive]] = {
    **{name: Unary(name) for name in DERIVATIVES},
    "absolute": Absolute(),
    "fabs": Absolute(),
}
"""The primitive of each universal function of one argument, by its name."""
