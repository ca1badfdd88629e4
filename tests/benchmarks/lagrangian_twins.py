"""Hessians of the Lagrangian written by hand in NumPy, by someone who knows the structure and reuses every array.

Each gives the lower triangle of σ ∇²f − Σ λ_i ∇²g_i, the values row by row, in one array that the next call overwrites.
"""

from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from benchmarks.contender import Array
from jacchain.workloads.nonlinear.cartpole import CART, DURATION, GRAVITY, LENGTH, POLE


class Twin(Protocol):
    """A Hessian by hand."""

    rows: Array
    columns: Array

    def hessian(self, x: Array, multipliers: Array, objective_factor: float, /) -> Array:
        """Return the values of the lower triangle."""


def lower_triangle(twin: Twin, n: int, values: Array, /) -> csr_array:
    """Return the values as a sparse matrix."""
    return csr_array((values.copy(), (twin.rows, twin.columns)), shape=(n, n))


class HandWrittenHS071:
    """Of HS071, in Python's numbers: ten values do not fill a vector unit."""

    def __init__(self) -> None:
        self.rows, self.columns = np.tril_indices(4)
        self.values = np.empty(10)

    def hessian(self, x: Array, multipliers: Array, factor: float, /) -> Array:
        """Return the values."""
        a, b, c, d = x.tolist()
        first, second = multipliers.tolist()
        diagonal = -2.0 * second
        fd, fa = factor * d, factor * a
        ab, cd = first * a * b, first * c * d
        self.values[:] = (
            *(2.0 * fd + diagonal, fd - cd, diagonal, fd - first * b * d, -first * a * d, diagonal),
            *(factor * (2.0 * a + b + c) - first * b * c, fa - first * a * c, fa - ab, diagonal),
        )
        return self.values


class HandWrittenRosenbrock:
    """Of the chained Rosenbrock problem: two diagonals.

    Whoever derives sin(b − c) sin(b + c) twice by hand finds 2 cos 2b, −2 cos 2c and 0: one cosine for each variable.
    It is (1 − t²)/(1 + t²) with t = tan b, since NumPy's tangent of float64 is several times as fast as its cosine.
    """

    def __init__(self, n: int, /) -> None:
        row = np.arange(n)
        self.rows = np.repeat(row, 2)[1:]
        self.columns = np.stack([row - 1, row], axis=1).reshape(-1)[1:]
        self.values, self.one = np.empty(2 * n - 1), np.array(1.0)
        self.diagonal, self.below = np.empty(n), np.empty(n - 1)
        self.cosine, self.first = np.empty(n - 1), np.empty(n - 1)
        self.weight, self.exponential, self.product, self.part = (np.empty(n - 2) for _ in range(4))

    def hessian(self, x: Array, multipliers: Array, factor: float, /) -> Array:
        """Return the values."""
        diagonal, below, first, cosine = self.diagonal, self.below, self.first, self.cosine
        weight, exponential, product, part = self.weight, self.exponential, self.product, self.part
        left, right, middle = x[:-1], x[1:], x[1:-1]
        # σ (1200 a² − 400 b + 2), and 200 σ for the neighbour
        np.multiply(left, -400.0 * factor, below)
        np.multiply(below, left, first)
        np.multiply(first, -3.0, first)
        np.multiply(right, 400.0 * factor, cosine)
        np.subtract(first, cosine, first)
        np.add(first, 202.0 * factor, diagonal[:-1])
        diagonal[0] -= 200.0 * factor
        diagonal[-1] = 200.0 * factor
        # −λ times the second derivatives of −a e^(a − b): −(2 + a) e, (1 + a) e, −a e
        np.subtract(x[:-2], middle, exponential)
        np.exp(exponential, exponential)
        np.multiply(exponential, multipliers, exponential)
        np.multiply(exponential, x[:-2], product)
        np.add(exponential, product, part)
        below[:-1] -= part
        part += exponential
        diagonal[:-2] += part
        # −2λ (9b + cos 2b) and 2λ cos 2c
        np.tan(right, first)
        np.multiply(first, first, first)
        np.subtract(self.one, first, cosine)
        first += self.one
        cosine /= first
        np.add(multipliers, multipliers, weight)
        np.multiply(middle, 9.0, part)
        part += cosine[:-1]
        part *= weight
        part -= product
        diagonal[1:-1] -= part
        weight *= cosine[1:]
        diagonal[2:] += weight
        self.values[::2] = diagonal
        self.values[1::2] = below
        return self.values


class HandWrittenCartPole:
    """Of the cart-pole problem: both accelerations have one denominator I, so they are weighted before it divides.

    With the weights w of a point, L holds N/I with N = α sin q + β sin q cos q + B u. Half its second derivative in the
    velocity has the numerator A = p sin q + o sin q cos q, that in u and q comes of B = w_1 − r cos q. Numbers that
    NumPy would have to convert at each call are arrays without axes; rows are joined where that spares a call.
    """

    def __init__(self, intervals: int, /) -> None:
        n = self.points = intervals + 1
        angle, spin, force = (np.arange(k * n, (k + 1) * n) for k in (1, 3, 4))
        self.rows = np.concatenate([angle, np.repeat(spin, 2), np.repeat(force, 2)])
        pairs = [np.stack([angle, other], axis=1).reshape(-1) for other in (spin, force)]
        self.columns = np.concatenate([angle, *pairs])
        self.values = np.empty(5 * n)
        self.of_angle, of_spin, of_force = self.values[:n], self.values[n : 3 * n], self.values[3 * n :]
        self.outputs = (of_spin[::2], of_spin[1::2], of_force[::2], of_force[1::2])
        half = 0.5 * DURATION / intervals
        self.force_weights = np.full(n, 4.0 * half)
        self.force_weights[[0, -1]] /= 2.0
        self.padded, self.weights = np.zeros((2, n + 1)), np.empty((2, n))
        self.sides = self.padded[:, 1:-1], self.padded[:, 1:], self.padded[:, :-1]
        self.waves, self.slopes_of_waves = np.empty((2, n)), np.empty((2, n))  # sin q, sin q cos q; cos q, cos 2q
        self.scales, self.shares = np.empty((2, n)), np.empty((2, n))  # α, β; p, o
        self.products = np.empty((2, n))
        self.values_of, self.slopes_of = np.empty((3, n)), np.empty((3, n))  # N, A, B
        self.quotients = np.empty((3, n))
        self.ratios, self.inverse, self.part, self.bend = np.empty((2, n)), np.empty(n), np.empty(n), np.empty(n)
        self.half, self.minus_two, self.one, self.two, self.three = map(np.array, (half, -2.0, 1.0, 2.0, 3.0))
        self.pole, self.cart, self.double_pole = map(np.array, (POLE, CART, 2.0 * POLE))
        self.of_shares = np.repeat([[LENGTH * POLE], [-POLE]], n, axis=1)
        gravities = -(CART + POLE) * GRAVITY / LENGTH, POLE * GRAVITY, 1.0 / LENGTH
        self.of_alpha, self.of_beta, self.of_lever = map(np.array, gravities)

    def hessian(self, x: Array, multipliers: Array, factor: float, /) -> Array:
        """Return the values."""
        n = self.points
        spin, force = x[3 * n : 4 * n], x[4 * n :]
        self._waves(x[n : 2 * n])
        self._numerators(multipliers, spin, force)
        inverse, part, bend, quotients = self.inverse, self.part, self.bend, self.quotients
        value, (ratio, second), (mixed, twice, of_force, squared) = self.values_of, self.ratios, self.outputs
        # slopes of the quotients: (N' − N ρ)/I with ρ = I'/I
        np.multiply(value, ratio, quotients)
        np.subtract(self.slopes_of, quotients, quotients)
        quotients *= inverse
        np.add(spin, spin, part)
        np.multiply(quotients[1], part, mixed)
        np.add(inverse, inverse, part)
        np.multiply(value[1], part, twice)
        of_force[:] = quotients[2]
        np.multiply(self.force_weights, factor, squared)
        # (N'' − N I''/I)/I − 2 ρ (N' − N ρ)/I with N'' = w_1 u − N − 3 β sin q cos q; bend holds the last term
        np.multiply(self.weights[0], force, part)
        part -= value[0]
        np.multiply(bend, self.three, bend)
        part -= bend
        np.multiply(value[0], second, bend)
        part -= bend
        part *= inverse
        np.multiply(ratio, quotients[0], bend)
        np.multiply(bend, self.two, bend)
        np.subtract(part, bend, self.of_angle)
        return self.values

    def _waves(self, angle: Array) -> None:
        """Write what depends on the angle alone: the waves, 1/I, I'/I and I''/I of I = m_1 + m_2 sin²q."""
        (sine, both), (cosine, double), inverse = self.waves, self.slopes_of_waves, self.inverse
        np.sin(angle, sine)
        np.cos(angle, cosine)
        np.multiply(sine, cosine, both)
        np.multiply(sine, sine, inverse)
        np.multiply(inverse, self.minus_two, double)
        np.add(double, self.one, double)
        np.multiply(inverse, self.pole, inverse)
        np.add(inverse, self.cart, inverse)
        np.reciprocal(inverse, inverse)
        np.multiply(both, inverse, self.ratios[0])
        np.multiply(double, inverse, self.ratios[1])
        np.multiply(self.ratios, self.double_pole, self.ratios)

    def _numerators(self, multipliers: Array, spin: Array, force: Array) -> None:
        """Write N, A, B and their slopes."""
        n, w, part = self.points, self.weights, self.part
        products, scales, shares = self.products, self.scales, self.shares
        middle, after, before = self.sides
        # a point's weights: h/2 times the sum of the multipliers on both sides
        middle[:] = multipliers[2 * n - 2 :].reshape(2, n - 1)
        np.add(after, before, w)
        np.multiply(w, self.half, w)
        np.multiply(w, self.of_shares, shares)
        np.multiply(spin, spin, part)
        np.multiply(shares, part, scales)
        np.multiply(w[1], self.of_alpha, part)
        scales[0] += part
        np.multiply(w[0], self.of_beta, part)
        scales[1] += part
        value, slope = self.values_of, self.slopes_of
        for found, waves in ((slope, self.slopes_of_waves), (value, self.waves)):
            np.multiply(shares, waves, products)
            np.add(products[0], products[1], found[1])
            np.multiply(scales, waves, products)
            np.add(products[0], products[1], found[0])
        self.bend[:] = products[1]
        np.multiply(w[1], self.of_lever, part)
        np.multiply(part, self.waves[0], slope[2])
        np.multiply(part, self.slopes_of_waves[0], part)
        np.subtract(w[0], part, value[2])
        for found in (value, slope):
            np.multiply(found[2], force, part)
            found[0] += part
