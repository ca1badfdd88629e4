"""Functions of a fixed order, which the derivatives of others are made of: Bessel functions and Hurwitz's zeta."""

from dataclasses import dataclass
from typing import Final, final

from jacchain.errors import unknown_name
from jacchain.model.primitives.elementwise import ElementwisePrimitive, Formulas

ORDERS: Final[dict[str, tuple[str, float]]] = {"j1": ("jv", 1.0), "i1": ("iv", 1.0)}
"""Functions whose order is a part of their name."""

_SIGNS: Final[dict[str, str]] = {"jv": "-", "iv": "+", "zeta": ""}


@final
@dataclass(frozen=True, slots=True)
class Ordered(ElementwisePrimitive):
    """x ↦ J_n(x), I_n(x) or ζ(n, x), differentiable as often as one likes.

    The derivatives are (J_{n-1} - J_{n+1}) / 2, (I_{n-1} + I_{n+1}) / 2 and -n ζ(n + 1, ·): DLMF 10.6.1, 10.29.1 and
    25.11.17. Unlike quotients by x they lose no digits near zero.

    Parameters
    ----------
    function : {"jv", "iv", "zeta"}
        Its name in SciPy.
    order : float
        n.

    Examples
    --------
    >>> Ordered("jv", 1.0).local(0, [0.0]).arrays[0]
    array([0.5])
    """

    function: str
    order: float

    def __post_init__(self) -> None:
        if self.function not in _SIGNS:
            unknown_name("function of an order", self.function, _SIGNS)

    @property
    def name(self) -> str:
        """The function with its order."""
        return f"{self.function} {self.order:g}"

    @property
    def formulas(self) -> Formulas:
        """The value and the derivatives."""
        n = self.order
        if self.function == "zeta":
            first, second = f"{-n!r} * {self._of(n + 1)}", f"{n * (n + 1)!r} * {self._of(n + 2)}"
        else:
            sign = _SIGNS[self.function]
            first = f"0.5 * ({self._of(n - 1)} {sign} {self._of(n + 1)})"
            second = f"0.25 * ({self._of(n - 2)} {sign} 2 * {self._of(n)} + {self._of(n + 2)})"
        return Formulas(self._of(n), (first,), curvatures=((0, 0, second),))

    def _of(self, order: float) -> str:
        return f"{self.function}({order!r}, x)"
