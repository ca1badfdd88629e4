"""The four modes of second order as they are defined: derivatives of derivatives by dual numbers and tapes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array
from jacchain.errors import SizeError, TraceError, unknown_name
from jacchain.model.array_protocol import Overloaded
from jacchain.model.dual import dual_jvp
from jacchain.model.layer import as_host_point
from jacchain.model.propagation import counted
from jacchain.model.substitution import substituted
from jacchain.model.tape import Tape, Variable
from jacchain.planning.names import MODES, Mode

Function = Callable[[Any], Any]
"""Of one array, made of NumPy's functions; gives one number. It may branch on values."""


@final
class CountedHessian(NamedTuple):
    """A Hessian, and what it took.

    Attributes
    ----------
    hessian : array
        Of n × n for n numbers of the point, row by row.
    multiplications : int
        Products by local derivatives that pass tangents and adjoints on, in all runs; see `propagation.Count`.
    runs : int
        How often the function was called.
    """

    hessian: Array
    multiplications: int
    runs: int


def hessian_by(f: Function, x: ArrayLike, /, mode: Mode) -> CountedHessian:
    """Return the Hessian of a function of one array by one of the four modes, without a plan and without symmetry.

    For an elementary step v = φ(a, b, …) with slopes φ_a and second derivatives φ_ab, the recurrences are:

    forward_over_forward
        Of duals of duals, one run for every pair of unit tangents ȧ, á:
        v̇ = Σ φ_a ȧ, v́ = Σ φ_a á, v̇́ = Σ φ_a ȧ́ + Σ (Σ φ_ab b́) ȧ. The result is ẏ́.
    forward_over_reverse
        A tape of duals, one run for every unit tangent: v̇ = Σ φ_a ȧ forward; then backward both
        ā += v̄ φ_a and ā̇ += v̄̇ φ_a + v̄ (Σ φ_ab ḃ). The result is ẋ̄, a column.
    reverse_over_forward
        Duals of a tape's variables, one run for every unit tangent: v̇ = Σ φ_a ȧ is recorded beside v; then
        backward over both: ā += ẇ̄ φ_a for tangents, and ā += v̄ φ_a + v̇̄ (Σ φ_ab ḃ) for values. The result is x̄, a row.
    reverse_over_reverse
        A tape of a tape's variables, one run: ā += v̄ φ_a is recorded on the outer tape as it goes; then backward over
        values and adjoints alike, once for every number of x̄. The result is its gradient, a row.

    Of n steps of one operand each, with x of one number, the first two modes take 5 n - 1 multiplications and the last
    two 5 n - 2, as products with the constants that a pass starts from are not all of the same kind. That is where φ_a
    and φ_aa are values of their own. Where φ_a is the value, as of exp, it has no slope of its own to multiply by, and
    every mode takes 4 n - 1; where it is constant, the first two take 2 n and the last two n, and none where it is 1.

    Parameters
    ----------
    f : callable
    x : array
        The point, of n numbers.
    mode : str

    Raises
    ------
    OptionError
        Unknown mode, or an operation whose derivative cannot be differentiated again; see `propagation.pushed`.
    SizeError
        f does not give one number.

    Examples
    --------
    >>> def f(x):
    ...     return np.sin(x[0] * x[1])
    >>> for mode in MODES:
    ...     print(mode, *hessian_by(f, [1.0, 0.0], mode)[1:])
    forward_over_forward 44 4
    forward_over_reverse 24 2
    reverse_over_forward 20 2
    reverse_over_reverse 19 1
    >>> hessian_by(f, [1.0, 0.0], "reverse_over_reverse").hessian
    array([[0., 1.],
           [1., 0.]])
    """
    if mode not in MODES:
        unknown_name("mode", mode, MODES)
    point = np.array(
        as_host_point(np.asarray(x, float) if isinstance(x, list | tuple | float) else x, "x", "duals and tapes work")
    )
    runs = 0

    def called(value: Any) -> Any:
        nonlocal runs
        runs += 1
        with substituted():
            y = f(value)
        if (y.shape if isinstance(y, Overloaded) else np.shape(y)) != ():
            raise SizeError(f"the function gives shape {np.shape(y)}", "give a function of one number")
        return y

    with counted() as count:
        hessian = _MODES[mode](called, point)
    return CountedHessian(np.array(hessian, point.dtype), count.multiplications, runs)


def second_derivative(f: Function, x: float, /, mode: Mode = "forward_over_forward") -> float:
    """Return f″(x) of a function of one number by one of the four modes.

    Examples
    --------
    >>> [second_derivative(lambda x: x * x * x, 2.0, mode) for mode in MODES]
    [12.0, 12.0, 12.0, 12.0]
    """
    return float(hessian_by(lambda value: f(value[0]), np.array([x], float), mode).hessian[0, 0])


def _forward_over_forward(f: Function, x: Array) -> Array:
    def entry(first: Array, second: Array) -> Any:
        def slope(value: Any) -> Any:
            return dual_jvp(f, value, first)[1]

        return _number(dual_jvp(slope, x, second)[1])

    units = _units(x)
    return np.array([[entry(first, second) for second in units] for first in units])


def _forward_over_reverse(f: Function, x: Array) -> Array:
    def gradient(value: Any) -> Any:
        tape = Tape(dtype=x.dtype)
        point = tape.variable(value)
        return _gradient(tape, f(point), point)

    return np.stack([dual_jvp(gradient, x, unit)[1].reshape(-1) for unit in _units(x)], axis=1)


def _reverse_over_forward(f: Function, x: Array) -> Array:
    def row(unit: Array) -> Array:
        tape = Tape(dtype=x.dtype)
        point = tape.variable(x)
        found: Array = _gradient(tape, dual_jvp(f, point, unit)[1], point).reshape(-1)
        return found

    return np.stack([row(unit) for unit in _units(x)])


def _reverse_over_reverse(f: Function, x: Array) -> Array:
    outer, inner = Tape(dtype=x.dtype), Tape(dtype=x.dtype)
    point = outer.variable(x)
    variable = inner.variable(point)
    slopes = _gradient(inner, f(variable), variable).reshape(-1)
    return np.stack([_gradient(outer, slopes[k], point).reshape(-1) for k in range(x.size)])


def _units(x: Array) -> Array:
    return np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)


def _gradient(tape: Tape, y: Any, x: Variable) -> Any:
    """Return the gradient of what may be a constant."""
    if isinstance(y, Variable) and y._tape is tape:
        return tape.gradient(y, x)
    return np.zeros(x.shape, x.dtype)


def _number(y: Any) -> float:
    if isinstance(y, Overloaded):
        raise TraceError(f"the second derivative is {y!r}", "give a function that keeps nothing of its argument")
    return float(y)


_MODES: Final[Mapping[str, Callable[[Function, Array], Array]]] = MappingProxyType(
    {
        "forward_over_forward": _forward_over_forward,
        "forward_over_reverse": _forward_over_reverse,
        "reverse_over_forward": _reverse_over_forward,
        "reverse_over_reverse": _reverse_over_reverse,
    }
)
