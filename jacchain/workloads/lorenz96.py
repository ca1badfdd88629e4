"""Lorenz's model of 1996: a chaotic atmosphere on one circle of latitude, and its state after many steps."""

from functools import partial
from typing import Any, Final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import SizeError
from jacchain.model.scan import scan
from jacchain.planning.link import as_size
from jacchain.workloads.problem import Dtype
from jacchain.workloads.simulation import Simulation

STATES: Final = 40
"""Points on the circle, as in the paper."""

STEPS: Final = 200
"""Steps of the integration."""

DT: Final = 0.01
"""Of a step; the unit is five days. The paper steps by 0.05, six hours; two units on, a fifth of that is exact to 1e-7,
and perturbations have grown by about thirty, so that central differences still tell the Jacobian."""

FORCING: Final = 8.0
"""F, at which the model is chaotic."""


def tendency(x: Any, forcing: Any, /) -> Any:
    """Return dx/dt: x_k' = (x_{k+1} - x_{k-2}) x_{k-1} - x_k + F, with indices that go round.

    Source: E. N. Lorenz, Predictability: a problem partly solved, ECMWF Seminar on Predictability, 1996.

    Parameters
    ----------
    x : array of shape (n,)
    forcing : number or array of shape (n,)

    Examples
    --------
    >>> tendency(np.full(40, 8.0), 8.0).any()
    np.False_
    """
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + forcing


def runge_kutta(x: Any, _: None, forcing: Any, *, dt: float = DT) -> tuple[Any, None]:
    """Return the state after one step of the classical method of order 4, and no output."""
    first = tendency(x, forcing)
    second = tendency(x + (dt / 2) * first, forcing)
    third = tendency(x + (dt / 2) * second, forcing)
    fourth = tendency(x + dt * third, forcing)
    return x + (dt / 6) * (first + 2 * (second + third) + fourth), None


def final_state(x: Any, forcing: Any = FORCING, /, *, steps: int = STEPS, dt: float = DT) -> Any:
    """Return the state after some steps.

    Parameters
    ----------
    x : array of shape (n,)
        The state at the start; n is at least 4.
    forcing : number or array of shape (n,)
    steps : int
    dt : float

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> final_state(np.full(5, 8.0), steps=3).tolist()
    [8.0, 8.0, 8.0, 8.0, 8.0]
    """
    return scan(partial(runge_kutta, dt=dt), x, None, forcing, length=steps)[0]


def spun_up(states: int, /, *, seed: int = 0, steps: int = 500) -> Array:
    """Return a state on the attractor: some time after the equilibrium was disturbed at random."""
    rest = FORCING + 0.01 * np.random.default_rng(seed).normal(size=states)
    found: Array = final_state(rest, steps=steps, dt=0.05)
    return found


def lorenz96(
    states: int | None = None, steps: int | None = None, *, seed: int = 0, dtype: Dtype = "float64"
) -> Simulation:
    """Return the final state as a function of the first, on the attractor.

    Parameters
    ----------
    states : int, optional
        At least 4; 40 unless given.
    steps : int, optional
        200 unless given.
    seed : int
        Of the disturbance that the state on the attractor grew from.
    dtype : {"float64", "float32"}

    Raises
    ------
    SizeError
        Fewer than 4 states, with which a point would be its own neighbour, or no step.
    """
    size = as_size(STATES if states is None else states, "the number of states")
    count = as_size(STEPS if steps is None else steps, "the number of steps")
    if size < 4:
        raise SizeError(f"{size} states on the circle", "give at least 4: a point, two before it and one after it")
    return Simulation(
        "lorenz96",
        f"Jacobian of the final state with respect to the first ({size} x {size})",
        partial(final_state, steps=count),
        spun_up(size, seed=seed).astype(dtype),
        (
            f"{size} states, forcing {FORCING:g}, {count:,} Runge-Kutta steps of {DT:g}, {dtype}",
            f"{5 * DT * count:.3g} days; the state at the start is on the attractor, seed {seed}",
        ),
        step=1e-6,  # what has grown by two orders of magnitude has bent by more
    )
