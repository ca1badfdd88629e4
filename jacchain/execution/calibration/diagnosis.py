"""What there is to work with: versions, devices, the profile in use, optional packages."""

import platform
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from jacchain.errors import JacchainError
from jacchain.execution.backend import Device, backend_at
from jacchain.execution.calibration.calibrate import model
from jacchain.planning.pricing.profile import Machine, Profile
from jacchain.planning.pricing.store import kept, place
from jacchain.planning.pricing.this_machine import differences, this_machine

EXTRAS: Final = {"plot": "matplotlib", "nlp": "pounce", "coloring": "asdex"}
"""A module of each extra that the graphics extras leave."""

MOST: Final = 64
"""CUDA devices that are looked for."""


class Cache(NamedTuple):
    """A cache of the processor: its level, and the bytes that a core sees."""

    level: int
    nbytes: int


class ProfileInUse(NamedTuple):
    """The profile of a device, where it lies, and what is wrong with it."""

    device: str
    profile: Profile | None
    path: str
    """"" for the shipped one."""
    age: int
    """Days."""
    problems: tuple[str, ...]


class Diagnosis(NamedTuple):
    """All that `jacchain doctor` shows."""

    machine: Machine
    python: str
    scipy: str
    caches: tuple[Cache, ...]
    devices: tuple[str, ...]
    no_devices: tuple[str, ...]
    """Why there are no CUDA devices, and what to do; empty where there are some."""
    profiles: tuple[ProfileInUse, ...]
    extras: tuple[tuple[str, bool], ...]


def diagnosis() -> Diagnosis:
    """Return what there is to work with, here and now."""
    import scipy

    devices, reason = _cuda_devices()
    return Diagnosis(
        this_machine(),
        platform.python_version(),
        scipy.__version__,
        _caches(),
        tuple(map(str, devices)),
        reason,
        tuple(_profile_of(device) for device in (Device("cpu"), *devices)),
        tuple((name, find_spec(module) is not None) for name, module in EXTRAS.items()),
    )


def _cuda_devices() -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Return the usable CUDA devices; where there are none, why."""
    found: list[Device] = []
    for number in range(MOST):
        try:
            backend_at(Device("cuda", number))
        except JacchainError as error:
            return tuple(found), () if found else (error.what, error.cure)
        found.append(Device("cuda", number))
    return tuple(found), ()


def _profile_of(device: Device) -> ProfileInUse:
    name = str(device)
    path = place(name)
    known = str(path) if path.is_file() else ""
    try:
        found = kept(name)
    except JacchainError as error:
        return ProfileInUse(name, None, str(path), 0, (error.what,))
    age = (date.today() - date.fromisoformat(found.date)).days
    problems = () if found.is_shipped else differences(found.machine, this_machine(device=model(backend_at(device))))
    return ProfileInUse(name, found, known, age, tuple(problems))


def _caches() -> tuple[Cache, ...]:
    """Return the data caches of the first core, where Linux tells them."""
    found: dict[int, int] = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, level, size = ((folder / name).read_text().strip() for name in ("type", "level", "size"))
            if kind != "Instruction":
                found[int(level)] = int(size.removesuffix("K")) * 1024
        except (OSError, ValueError):
            continue
    return tuple(Cache(level, nbytes) for level, nbytes in sorted(found.items()))
