"""Swinging up the pole of a cart: an optimal control problem by direct trapezoidal collocation."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import SizeError
from jacchain.workloads.nonlinear.program import NonlinearProgram

CART, POLE, LENGTH, GRAVITY = 1.0, 0.3, 0.5, 9.81
"""Masses in kg, the pole's length in m, and m/s²."""

DISTANCE, DURATION = 1.0, 2.0
"""How far the cart is to go, in m, and in which time, in s."""

TRACK, FORCE = 2.0, 20.0
"""Bounds of the cart's place, in m, and of the motor's force, in N."""

OPTIMA: Final = {10: 59.5154016517, 20: 60.6824649024, 30: 59.6861634596, 50: 59.1477573234, 100: 58.8967101559}
"""The least integral of the squared force, in N² s, by the number of intervals."""


class Trajectory(NamedTuple):
    """Each of shape (N + 1,): place and angle, their velocities, and the force."""

    place: Array
    angle: Array
    speed: Array
    spin: Array
    force: Array


@dataclass(frozen=True, slots=True)
class CartPole:
    """The functions of the problem for a number of equal intervals.

    The variables are the five rows of a Trajectory one after the other, so that each row, and each row without its
    first or last point, is a contiguous slice. The dynamics are evaluated once for all points.

    Examples
    --------
    >>> CartPole(2).trajectory(np.arange(15.0)).force.tolist()
    [12.0, 13.0, 14.0]
    """

    intervals: int

    def trajectory(self, x: Array, /) -> Trajectory:
        """Return the rows of x."""
        points = self.intervals + 1
        return Trajectory(*(x[k * points : (k + 1) * points] for k in range(len(Trajectory._fields))))

    def objective(self, x: Array, /) -> Array:
        """Return the integral of the squared force, by the trapezoidal rule."""
        force = self.trajectory(x).force
        weights = np.full(self.intervals + 1, DURATION / self.intervals)
        weights[[0, -1]] /= 2
        value: Array = np.sum(weights * force**2)
        return value

    def constraints(self, x: Array, /) -> Array:
        """Return the defects: what each state gains over an interval, less the trapezoid of its rate."""
        place, angle, speed, spin, force = self.trajectory(x)
        half = 0.5 * DURATION / self.intervals
        rates = (speed, spin, *accelerations(angle, spin, force))
        states = (place, angle, speed, spin)
        return np.concatenate(
            [s[1:] - s[:-1] - half * (rate[1:] + rate[:-1]) for s, rate in zip(states, rates, strict=True)]
        )


def accelerations(angle: Array, spin: Array, force: Array, /) -> tuple[Array, Array]:
    """Return the accelerations of the cart and of the pole's angle, which is 0 where the pole hangs.

    Examples
    --------
    >>> cart, pole = accelerations(np.array([0.0]), np.array([0.0]), np.array([2.0]))
    >>> cart.tolist(), pole.tolist()
    ([2.0], [-4.0])
    """
    sine, cosine = np.sin(angle), np.cos(angle)
    pull = LENGTH * POLE * sine * spin**2
    inertia = CART + POLE * (1.0 - cosine**2)
    cart = (pull + force + POLE * GRAVITY * cosine * sine) / inertia
    pole = -(pull * cosine + force * cosine + (CART + POLE) * GRAVITY * sine) / (LENGTH * inertia)
    return cart, pole


def cartpole(n: int = 100, /) -> NonlinearProgram:
    """Return the problem with n intervals: 5 (n + 1) variables and 4 n equations.

    The states at both ends are fixed by bounds. The start moves place and angle evenly from end to end.

    Raises
    ------
    SizeError
        Fewer than two intervals.

    Examples
    --------
    >>> problem = cartpole(10)
    >>> problem.n, problem.m
    (55, 40)
    """
    if n < 2:
        raise SizeError(f"{n} interval{'s' * (n != 1)} cannot swing up the pole", "give at least 2")
    model, points = CartPole(n), n + 1
    ends = ((0.0, DISTANCE), (0.0, np.pi), (0.0, 0.0), (0.0, 0.0))
    bound = np.repeat([TRACK, np.inf, np.inf, np.inf, FORCE], points)
    lower, upper, x0 = -bound, bound.copy(), np.zeros(5 * points)
    for k, (first, last) in enumerate(ends):
        x0[k * points : (k + 1) * points] = np.linspace(first, last, points)
        for place, value in ((k * points, first), (k * points + n, last)):
            lower[place] = upper[place] = value
    zero = np.zeros(4 * n)
    return NonlinearProgram(
        name="cartpole",
        title="cart-pole swing-up, direct trapezoidal collocation",
        objective=model.objective,
        constraints=model.constraints,
        x0=x0,
        lower=lower,
        upper=upper,
        constraint_lower=zero,
        constraint_upper=zero,
        optima=(OPTIMA[n],) if n in OPTIMA else (),
        source="Kelly: An Introduction to Trajectory Optimization, SIAM Review 59 (2017), section 6 and appendix E",
    )
