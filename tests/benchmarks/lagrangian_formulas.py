"""The nonlinear programs once more, in words that CasADi and jax share: objective and constraints of x."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jacchain.workloads.nonlinear.cartpole import CART, DURATION, GRAVITY, LENGTH, POLE


class Words(NamedTuple):
    """What the formulas need of a library beside operators and slices."""

    sin: Callable[[Any], Any]
    cos: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    total: Callable[[Any], Any]
    joined: Callable[[list[Any]], Any]


Formulas = Callable[[Any, Words], tuple[Any, Any]]


def hs071(x: Any, words: Words, /) -> tuple[Any, Any]:
    """Return f and g of HS071."""
    square = x[0] * x[0] + x[1] * x[1] + x[2] * x[2] + x[3] * x[3]
    return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2], words.joined([x[0] * x[1] * x[2] * x[3], square])


def rosenbrock(x: Any, words: Words, /) -> tuple[Any, Any]:
    """Return f and g of the chained Rosenbrock problem."""
    left, right = x[:-1], x[1:]
    a, b, c = x[:-2], x[1:-1], x[2:]
    wave = words.sin(b - c) * words.sin(b + c)
    return (
        words.total(100.0 * (left**2 - right) ** 2 + (left - 1.0) ** 2),
        3.0 * b**3 + 2.0 * c - 5.0 + wave + 4.0 * b - a * words.exp(a - b) - 3.0,
    )


def cartpole(x: Any, words: Words, /) -> tuple[Any, Any]:
    """Return f and g of the cart-pole problem."""
    points = x.shape[0] // 5
    place, angle, speed, spin, force = (x[k * points : (k + 1) * points] for k in range(5))
    step = DURATION / (points - 1)
    sine, cosine = words.sin(angle), words.cos(angle)
    pull = LENGTH * POLE * sine * spin**2
    inertia = CART + POLE * (1.0 - cosine**2)
    cart = (pull + force + POLE * GRAVITY * cosine * sine) / inertia
    pole = -(pull * cosine + force * cosine + (CART + POLE) * GRAVITY * sine) / (LENGTH * inertia)
    rates = (speed, spin, cart, pole)
    defects = [
        s[1:] - s[:-1] - 0.5 * step * (rate[1:] + rate[:-1])
        for s, rate in zip((place, angle, speed, spin), rates, strict=True)
    ]
    return 0.5 * step * words.total(force[1:] ** 2 + force[:-1] ** 2), words.joined(defects)


FORMULAS: dict[str, Formulas] = {"hs071": hs071, "rosenbrock": rosenbrock, "cartpole": cartpole}
