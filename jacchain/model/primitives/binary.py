"""Elementwise functions of two arguments, and of a mask and two: a table by the names of universal functions."""

from dataclasses import dataclass
from math import log
from typing import Final, Literal, final

from jacchain.errors import OptionError, unknown_name
from jacchain.model.primitives.elementwise import ElementwisePrimitive, Formulas, is_between

ARGUMENTS: Final = ("a", "b")

COMPARISONS: Final = (
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"),
    *("logical_and", "logical_or", "logical_xor", "floor_divide"),
)
"""Constant piece by piece: masks of 0 and 1, and whole quotients."""

DERIVATIVES: Final[dict[str, tuple[str | None, str | None]]] = {
    "add": ("1", "1"),
    "subtract": ("1", "-1"),
    "multiply": ("b", "a"),
    "divide": ("1 / b", "-(y / b)"),
    # b a^(b-1) where b is 0, and a^b log a where a is 0, are 0
    "power": ("b * power(a, b - 1 + equal(b, 0))", "y * log(a + equal(a, 0))"),
    "float_power": ("b * power(a, b - 1 + equal(b, 0))", "y * log(a + equal(a, 0))"),
    "arctan2": ("b / (a * a + b * b)", "-a / (a * a + b * b)"),
    "hypot": ("a / (y + equal(y, 0))", "b / (y + equal(y, 0))"),  # 0 at the origin, the subgradient of least norm
    "logaddexp": ("exp(a - y)", "exp(b - y)"),
    "logaddexp2": ("exp2(a - y)", "exp2(b - y)"),
    "copysign": ("sign(a) * copysign(1, b)", None),  # 0 at the kink
    "fmod": ("1", "-trunc(a / b)"),
    "remainder": ("1", "-floor(a / b)"),
    "heaviside": (None, "equal(a, 0)"),
    **dict.fromkeys(COMPARISONS, (None, None)),
    "xlogy": ("log(b)", "a / (b + equal(a, 0))"),
    "xlog1py": ("log1p(b)", "a / (1 + b)"),
    "rel_entr": ("1 + log(a / b)", "-(a / b)"),
    "kl_div": ("log(a / b)", "1 - a / b"),
    "betaln": ("psi(a) - psi(a + b)", "psi(b) - psi(a + b)"),
}
"""By name, in terms of the arguments a and b and the value y."""

CURVATURES: Final[dict[str, tuple[tuple[int, int, str], ...]]] = {
    "multiply": ((0, 1, "1"),),
    "divide": ((0, 1, "-1 / (b * b)"), (1, 1, "2 * y / (b * b)")),
    **dict.fromkeys(
        ("power", "float_power"),
        (
            (0, 0, "b * (b - 1) * power(a, b - 2 + (2 * equal(b, 0) + equal(b, 1)))"),
            (0, 1, "(1 + b * log(a + equal(a, 0))) * power(a, b - 1)"),
            (1, 1, "y * (log(a + equal(a, 0)) * log(a + equal(a, 0)))"),
        ),
    ),
    "arctan2": (
        (0, 0, "-2 * (a / (a * a + b * b)) * (b / (a * a + b * b))"),
        (0, 1, "(a - b) / (a * a + b * b) * ((a + b) / (a * a + b * b))"),
        (1, 1, "2 * (a / (a * a + b * b)) * (b / (a * a + b * b))"),
    ),
    "hypot": (  # 0 at the origin, as the derivative
        (0, 0, "b / (y + equal(y, 0)) * (b / (y + equal(y, 0))) / (y + equal(y, 0))"),
        (0, 1, "-a / (y + equal(y, 0)) * (b / (y + equal(y, 0))) / (y + equal(y, 0))"),
        (1, 1, "a / (y + equal(y, 0)) * (a / (y + equal(y, 0))) / (y + equal(y, 0))"),
    ),
    "logaddexp": (
        (0, 0, "exp((a - y) + (b - y))"),
        (0, 1, "-exp((a - y) + (b - y))"),
        (1, 1, "exp((a - y) + (b - y))"),
    ),
    "logaddexp2": (
        (0, 0, f"{log(2)!r} * exp2((a - y) + (b - y))"),
        (0, 1, f"{-log(2)!r} * exp2((a - y) + (b - y))"),
        (1, 1, f"{log(2)!r} * exp2((a - y) + (b - y))"),
    ),
    "xlogy": ((0, 1, "1 / b"), (1, 1, "-a / (b * b + equal(a, 0))")),
    "xlog1py": ((0, 1, "1 / (1 + b)"), (1, 1, "-a / ((1 + b) * (1 + b))")),
    "rel_entr": ((0, 0, "1 / a"), (0, 1, "-1 / b"), (1, 1, "a / (b * b)")),
    "kl_div": ((0, 0, "1 / a"), (0, 1, "-1 / b"), (1, 1, "a / (b * b)")),
    "betaln": (
        (0, 0, "zeta(2, a) - zeta(2, a + b)"),
        (0, 1, "-zeta(2, a + b)"),
        (1, 1, "zeta(2, b) - zeta(2, a + b)"),
    ),
}
"""The second derivatives that are not zero everywhere, by name: see `Formulas.curvatures`."""

VALUES: Final[dict[str, str]] = {"float_power": "power(a, b)"}


@final
@dataclass(frozen=True, slots=True)
class Binary(ElementwisePrimitive):
    """An elementwise function of two arguments of one shape.

    Parameters
    ----------
    function : str
        Its name in NumPy or SciPy; see `DERIVATIVES`.

    Examples
    --------
    >>> Binary("multiply").local(0, [1.0, 2.0], [3.0, 4.0]).arrays[0]
    array([3., 4.])
    >>> print(Binary("add").local(1, [1.0, 2.0], [3.0, 4.0]))
    identity 2
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
        value = VALUES.get(self.function, f"{self.function}(a, b)")
        return Formulas(value, DERIVATIVES[self.function], ARGUMENTS, CURVATURES.get(self.function, ()))


ExtremumName = Literal["maximum", "minimum", "fmax", "fmin"]


@final
@dataclass(frozen=True, slots=True)
class Extremum(ElementwisePrimitive):
    """The larger or the smaller of two numbers; `fmax` and `fmin` prefer a number to NaN.

    Parameters
    ----------
    function : {"maximum", "minimum", "fmax", "fmin"}
        Its name in NumPy.
    at_tie : float
        The derivative with respect to the first argument where both are equal, from 0 to 1; the second has the rest.

    Examples
    --------
    >>> Extremum("maximum").local(0, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]).arrays[0]
    array([0. , 0.5, 1. ])
    """

    function: ExtremumName
    at_tie: float = 0.5

    def __post_init__(self) -> None:
        if self.function not in ("maximum", "minimum", "fmax", "fmin"):
            unknown_name("extremum", self.function, ("maximum", "minimum", "fmax", "fmin"))
        if not is_between(0, self.at_tie, 1):
            raise OptionError(f"at_tie = {self.at_tie!r} is no share of the first argument", "choose one from 0 to 1")

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function

    @property
    def formulas(self) -> Formulas:
        """The value and the derivatives."""
        first = self._chosen("a", "b", float(self.at_tie))
        second = self._chosen("b", "a", 1 - float(self.at_tie))
        return Formulas(f"{self.function}(a, b)", (first, second), ARGUMENTS)

    def _chosen(self, this: str, other: str, at_tie: float) -> str:
        if self.function.startswith("f"):  # next to NaN, no comparison but with the value tells
            return f"equal({this}, y) * (1 - {1 - at_tie!r} * equal(a, b))"
        beyond = "greater" if self.function == "maximum" else "less"
        match at_tie:
            case 0.0:
                return f"{beyond}({this}, {other})"
            case 1.0:
                return f"{beyond}_equal({this}, {other})"
            case share:
                return f"{beyond}({this}, {other}) + {share!r} * equal(a, b)"


@final
@dataclass(frozen=True, slots=True)
class Where(ElementwisePrimitive):
    """(m, a, b) ↦ a where the mask m of 0 and 1 is 1, and b where it is 0.

    The local Jacobians are the mask and its complement, so a derivative that is infinite or NaN where it is not chosen
    still gives NaN: choose the argument rather than the result, as in ``log(where(x > 0, x, 1))``.

    Examples
    --------
    >>> Where().value([1.0, 0.0], [1.0, 2.0], [3.0, 4.0])
    array([1., 4.])
    """

    @property
    def formulas(self) -> Formulas:
        """The value and the derivatives."""
        return Formulas("where(m, a, b)", (None, "m", "1 - m"), ("m", *ARGUMENTS))


BINARY: Final[dict[str, ElementwisePrimitive]] = {
    **{name: Binary(name) for name in DERIVATIVES},
    "maximum": Extremum("maximum"),
    "minimum": Extremum("minimum"),
    "fmax": Extremum("fmax"),
    "fmin": Extremum("fmin"),
}
"""The primitive of each universal function of two arguments, by its name."""
