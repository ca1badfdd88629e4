"""Functions of a few numbers that fill pages with scalar code: the tests and the benchmarks differentiate them."""

from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.contender import Array

ARM_LENGTHS = (175.0, 890.0, 50.0, 575.0, 1035.0, 185.0)
"""Millimetres: the offset and the lengths of the upper arm and the elbow, the base, the forearm and the wrist."""

HEAT_RATIO = 1.4
"""Of specific heats, for air."""


def robot_arm(q: Array, xp: ModuleType = np) -> Any:
    """Return where the hand of an arm with six joints is, and how it is turned: three Euler angles (z, y, z).

    Parameters
    ----------
    q : (6,) array
        The angles of the joints.
    xp : module
        Whose functions to use.

    References
    ----------
    Siciliano, Sciavicco, Villani, Oriolo: Robotics, section 2.9 (anthropomorphic arm with a spherical wrist).
    """
    a1, a2, a3, d1, d4, d6 = ARM_LENGTHS
    c1, c2, c4, c5, c6 = xp.cos(q[0]), xp.cos(q[1]), xp.cos(q[3]), xp.cos(q[4]), xp.cos(q[5])
    s1, s2, s4, s5, s6 = xp.sin(q[0]), xp.sin(q[1]), xp.sin(q[3]), xp.sin(q[4]), xp.sin(q[5])
    c23, s23 = xp.cos(q[1] + q[2]), xp.sin(q[1] + q[2])
    # the wrist's frame in the plane of the arm: approach a, and what is needed of slide s and normal n
    plane = c23 * c4 * s5 + s23 * c5
    ax = c1 * plane + s1 * s4 * s5
    ay = s1 * plane - c1 * s4 * s5
    az = s23 * c4 * s5 - c23 * c5
    sz = -(s23 * c4 * c5 + c23 * s5) * s6 - s23 * s4 * c6
    nz = (s23 * c4 * c5 + c23 * s5) * c6 - s23 * s4 * s6
    reach = a1 + a2 * c2 + a3 * c23 + d4 * s23
    px = c1 * reach + d6 * ax
    py = s1 * reach + d6 * ay
    pz = d1 + a2 * s2 + a3 * s23 - d4 * c23 + d6 * az
    first = xp.arctan2(ay, ax)
    second = xp.arctan2(xp.sqrt(ax * ax + ay * ay), az)
    third = xp.arctan2(sz, -nz)
    return xp.stack([px, py, pz, first, second, third])


def roe_flux(u: Array, xp: ModuleType = np) -> Any:
    """Return Roe's flux between two states of a gas in one dimension.

    Parameters
    ----------
    u : (6,) array
        Density, momentum and energy to the left, then to the right.
    xp : module
        Whose functions to use.

    References
    ----------
    P. L. Roe: Approximate Riemann solvers, parameter vectors, and difference schemes, J. Comput. Phys. 43 (1981).
    """
    left, right = u[:3], u[3:]
    density, speed, pressure, enthalpy = _state(left)
    density_r, speed_r, pressure_r, enthalpy_r = _state(right)
    # Roe's averages
    root, root_r = xp.sqrt(density), xp.sqrt(density_r)
    total = root + root_r
    v = (root * speed + root_r * speed_r) / total
    h = (root * enthalpy + root_r * enthalpy_r) / total
    sound_squared = (HEAT_RATIO - 1) * (h - 0.5 * v * v)
    sound = xp.sqrt(sound_squared)
    # the strengths of the three waves
    dp, du = pressure_r - pressure, speed_r - speed
    mean = root * root_r
    entropy = density_r - density - dp / sound_squared
    slow = (dp - mean * sound * du) / (2 * sound_squared)
    fast = (dp + mean * sound * du) / (2 * sound_squared)
    w1, w2, w3 = xp.abs(v - sound) * slow, xp.abs(v) * entropy, xp.abs(v + sound) * fast
    # the mean of both fluxes, less half of what the waves carry
    mass = left[1] + right[1] - (w1 + w2 + w3)
    momentum = left[1] * speed + pressure + right[1] * speed_r + pressure_r
    momentum = momentum - (w1 * (v - sound) + w2 * v + w3 * (v + sound))
    energy = left[1] * enthalpy + right[1] * enthalpy_r
    energy = energy - (w1 * (h - v * sound) + 0.5 * w2 * v * v + w3 * (h + v * sound))
    return 0.5 * xp.stack([mass, momentum, energy])


def _state(u: Any) -> tuple[Any, Any, Any, Any]:
    """Return density, speed, pressure and enthalpy of a state."""
    density, speed = u[0], u[1] / u[0]
    pressure = (HEAT_RATIO - 1) * (u[2] - 0.5 * u[1] * speed)
    return density, speed, pressure, (u[2] + pressure) / density


def robot_points(count: int, dtype: Any = float) -> Array:
    """Return angles of joints that stay away from the wrist's singularity."""
    random = np.random.default_rng(0)
    return random.uniform(0.3, 1.2, (count, 6)).astype(dtype)


def gas_points(count: int, dtype: Any = float) -> Array:
    """Return pairs of states of a gas."""
    random = np.random.default_rng(0)
    density, speed, pressure = random.uniform(0.5, 2, (3, count, 2))
    energy = pressure / (HEAT_RATIO - 1) + 0.5 * density * speed**2
    return np.stack([density, density * speed, energy], axis=-1).reshape(count, 6).astype(dtype)
