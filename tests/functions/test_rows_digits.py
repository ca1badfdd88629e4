"""Programs over rows lose no digits that products of matrices keep: large offsets, neighbours, ends of domains."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jacchain.lagrangian.lagrangian import Lagrangian

ENGINES = ("rows", "numbers")


class HyperDual(NamedTuple):
    """A rational number with two infinitesimals: exact derivatives of polynomials."""

    real: Fraction
    first: Fraction
    second: Fraction
    both: Fraction

    def __add__(self, other):
        return HyperDual(*(a + b for a, b in zip(self, lifted(other), strict=True)))

    def __neg__(self):
        return HyperDual(*(-a for a in self))

    def __sub__(self, other):
        return self + -lifted(other)

    def __rsub__(self, other):
        return lifted(other) - self

    def __mul__(self, other):
        (a, b, c, d), (e, f, g, h) = self, lifted(other)
        return HyperDual(a * e, a * f + b * e, a * g + c * e, a * h + b * g + c * f + d * e)

    def __pow__(self, power):
        found = self
        for _ in range(power - 1):
            found = found * self
        return found

    __radd__, __rmul__ = __add__, __mul__


def lifted(number: Any) -> HyperDual:
    return number if isinstance(number, HyperDual) else HyperDual(Fraction(float(number)), *[Fraction(0)] * 3)


def exact(function: Any, point: Any) -> tuple[Any, Any]:
    """Return the gradient and the Hessian, rounded once."""
    n = len(point)
    gradient, hessian = np.empty(n), np.empty((n, n))
    for i in range(n):
        for j in range(i, n):
            seeded = np.empty(n, object)
            for k in range(n):
                seeded[k] = HyperDual(Fraction(point[k]), Fraction(k == i), Fraction(k == j), Fraction(0))
            found = lifted(function(seeded))
            gradient[i], hessian[i, j] = float(found.first), float(found.both)
            hessian[j, i] = hessian[i, j]
    return gradient, hessian


class OffsetPolynomial(NamedTuple):
    """Sums, differences and products of powers of differences, most of them of large neighbours."""

    offset: float
    steps: tuple[tuple[int, int, str], ...]

    def __call__(self, x):
        half, c, d = len(x) // 2, self.offset + 0.5, self.offset + 0.7
        a, b = x[:half], x[half:]
        parts = [
            lambda: a - b,
            lambda: a - c,
            lambda: d - b,
            lambda: a - b - 0.5,
            lambda: (a - c) * (b - d),
            lambda: a * b - a * c,
            lambda: (a - b) + (b - d),
            lambda: 1e-3 * (a - c) - (c - b),
            lambda: a + b,
        ]
        found: Any = 0.0
        for k, (part, power, operation) in enumerate(self.steps):
            term = parts[part]() ** power
            if k == 0:
                found = term
            elif operation == "*":
                found = found * term
            else:
                found = found + term if operation == "+" else found - term
        return np.sum(found)


def offset_polynomials() -> st.SearchStrategy[OffsetPolynomial]:
    step = st.tuples(st.integers(0, 8), st.integers(1, 3), st.sampled_from("*+-"))
    offsets = st.sampled_from([0.0, 1e4, 1e6, 1e8])
    return st.builds(OffsetPolynomial, offsets, st.lists(step, min_size=2, max_size=4).map(tuple))


def errors(engine: str, function: Any, point: Any, expected: tuple[Any, Any]) -> tuple[float, float]:
    """Return the largest errors of the gradient and of the Hessian, against their largest numbers."""
    lagrangian = Lagrangian(function, None, point, engine=engine)
    found = lagrangian.gradient(point), lagrangian.hessian(point).toarray()
    gradient, hessian = (
        float(np.abs(one - other).max()) / max(float(np.abs(other).max()), 1e-300)
        for one, other in zip(found, expected, strict=True)
    )
    return gradient, hessian


@given(function=offset_polynomials(), seed=st.integers(0, 999))
@settings(max_examples=12, deadline=None)
def test_polynomials_of_large_neighbours_are_as_exact_as_by_products_of_matrices(function, seed):
    point = function.offset + np.random.default_rng(seed).random(4)
    expected = exact(function, point)
    by_matrices = errors("matrices", function, point, expected)
    for engine in ENGINES:
        for one, other in zip(errors(engine, function, point, expected), by_matrices, strict=True):
            assert one <= 100 * max(other, 2.0**-52)


def log_ends(x):
    return np.sum(np.log((1 - x) * (1 + x)))


def log_ends_curvature(x):
    return -1 / (1 - x) ** 2 - 1 / (1 + x) ** 2


def root_ends(x):
    return np.sum(np.sqrt((1 - x) * (1 + x)))


def root_ends_curvature(x):
    return -1 / ((1 - x) * (1 + x)) ** 1.5


def inverse_ends(x):
    return np.sum(1 / ((1 - x) * (1 + x)))


def inverse_ends_curvature(x):
    return 1 / (1 - x) ** 3 + 1 / (1 + x) ** 3


def quotient_ends(x):
    return np.sum((x - 2) / ((x - 1) * 3))


def quotient_ends_curvature(x):
    return -2 / (x - 1) ** 3 / 3


def cube_ends(x):
    return np.sum((x - 1) ** 3 * (x - 2))


def cube_ends_curvature(x):
    return 6 * (x - 1) * (x - 2) + 6 * (x - 1) ** 2


def tiny_ends(x):
    return np.sum(1 / ((1 - x) + np.finfo(float).tiny))


def tiny_ends_curvature(x):
    return 2 / (1 - x) ** 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("distance", [1e-2, 1e-5, 1e-8, 1e-11])
@pytest.mark.parametrize(
    ("function", "curvature"),
    [
        (log_ends, log_ends_curvature),
        (root_ends, root_ends_curvature),
        (inverse_ends, inverse_ends_curvature),
        (quotient_ends, quotient_ends_curvature),
        (cube_ends, cube_ends_curvature),
        (tiny_ends, tiny_ends_curvature),
    ],
)
def test_second_derivatives_are_exact_up_to_the_ends_of_domains(engine, function, curvature, distance):
    point = np.array([1 - distance, 0.5, 0.25])
    found = Lagrangian(function, None, point, engine=engine).hessian(point).diagonal()
    np.testing.assert_allclose(found, curvature(point), rtol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_tiny_number_beside_a_divisor_does_not_overflow(engine):
    tiny = np.finfo(float).tiny
    point = np.array([3.0, 5.0])
    lagrangian = Lagrangian(lambda x: np.sum(1 / (x + tiny)), None, point, engine=engine)
    np.testing.assert_allclose(lagrangian.gradient(point), -1 / point**2, rtol=1e-15)
    np.testing.assert_allclose(lagrangian.hessian(point).diagonal(), 2 / point**3, rtol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_small_coefficient_is_no_zero(engine):
    point = np.array([0.5, 2.0])
    lagrangian = Lagrangian(lambda x: np.sum(x**2 - (1 - 2.0**-52) * x**2), None, point, engine=engine)
    np.testing.assert_allclose(lagrangian.hessian(point).diagonal(), 2.0**-51, rtol=1e-15)
