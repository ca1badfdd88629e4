"""Burgers' equation: a wave that steepens, smooths and is pushed; four parameters, three observations."""

from functools import partial
from typing import Any, Final

import numpy as np

from jacchain.errors import SizeError
from jacchain.model.scan import scan
from jacchain.planning.link import as_size
from jacchain.workloads.problem import Dtype
from jacchain.workloads.simulation import Simulation

CELLS: Final = 10_000
"""Cells of [0, 1]."""

STEPS: Final = 100
"""Explicit steps."""

COURANT: Final = 0.4
"""dt/dx. With a wave of height 1 and a viscosity of 0.5 dx this is stable: ν dt/dx² = 0.2 is at most 1/2, and
(dt/dx)² = 0.16 at most 2 · 0.2."""

POINT: Final = (1.0, 0.3, 0.5, 0.2)
"""Amplitude and phase of the wave at the start, viscosity in units of a cell's width, and the force."""


def euler(u: Any, _: None, diffusion: Any, push: Any) -> tuple[Any, None]:
    """Return the wave after one explicit step, its ends held, and no output.

    u_k + dt (u_{k-1}² - u_{k+1}²)/(4 dx) + ν dt/dx² (u_{k-1} - 2 u_k + u_{k+1}) + dt g: Euler's method for
    u_t + (u²/2)_x = ν u_xx + g with central differences.

    Parameters
    ----------
    u : array of shape (n,)
    diffusion : number
        ν dt/dx².
    push : number
        dt g.
    """
    square = u * u
    flow = (COURANT / 4) * (square[:-2] - square[2:])
    inside = u[1:-1] + flow + diffusion * (u[:-2] - 2 * u[1:-1] + u[2:]) + push
    return np.concatenate([u[:1], inside, u[-1:]]), None


def observations(parameters: Any, /, *, cells: int = CELLS, steps: int = STEPS) -> Any:
    """Return energy, mean and one number of the wave after some steps.

    Parameters
    ----------
    parameters : array of shape (4,)
        Amplitude a and phase p of the wave a sin(2πx + p) at the start, viscosity over dx, and force.
    cells, steps : int

    Returns
    -------
    array of shape (3,)
        The mean of u²/2, the mean of u, and u at a third of the way.

    Examples
    --------
    >>> observations(np.array([0.0, 0.0, 0.5, 0.0]), cells=9, steps=2).tolist()
    [0.0, 0.0, 0.0]
    """
    amplitude, phase, viscosity, force = (parameters[k] for k in range(4))
    x = (np.arange(cells, dtype=parameters.dtype) + 0.5) / cells
    wave = amplitude * np.sin(2 * np.pi * x + phase)
    wave, _ = scan(euler, wave, None, COURANT * viscosity, (COURANT / cells) * force, length=steps)
    return np.stack([np.sum(wave * wave) / (2 * cells), np.sum(wave) / cells, wave[cells // 3]])


def burgers(cells: int | None = None, steps: int | None = None, *, dtype: Dtype = "float64") -> Simulation:
    """Return three observations of the wave after some steps as functions of four parameters.

    Parameters
    ----------
    cells : int, optional
        At least 3; 10,000 unless given.
    steps : int, optional
        100 unless given.
    dtype : {"float64", "float32"}

    Raises
    ------
    SizeError
        Fewer than 3 cells, of which none would be inside, or no step.
    """
    size = as_size(CELLS if cells is None else cells, "the number of cells")
    count = as_size(STEPS if steps is None else steps, "the number of steps")
    if size < 3:
        raise SizeError(f"{size} cells, of which the ends are held", "give at least 3")
    return Simulation(
        "burgers",
        "Jacobian of three observations with respect to four parameters (3 x 4)",
        partial(observations, cells=size, steps=count),
        np.array(POINT, dtype),
        (
            f"{size:,} cells, {count:,} explicit steps with dt/dx = {COURANT:g}, {dtype}",
            "amplitude, phase, viscosity and force to energy, mean and one value",
        ),
    )
