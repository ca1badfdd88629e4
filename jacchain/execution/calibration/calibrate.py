"""Calibration: one profile from all that is measured on a device."""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import islice
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from jacchain.algebra.structure import Dense
from jacchain.errors import OptionError
from jacchain.execution.backend import Backend
from jacchain.execution.calibration.given_chain import chain_of_layers, executable, given_layers
from jacchain.execution.calibration.operations import operation_tasks, operations_of
from jacchain.execution.calibration.products import SIZES, grid_of, product_tasks
from jacchain.execution.calibration.timing import Task, stopwatch
from jacchain.execution.calibration.tuning import measured_ways
from jacchain.execution.calibration.verification import Verification, trials, verification_of
from jacchain.planning.planner import plan
from jacchain.planning.pricing.profile import Profile, Rates
from jacchain.planning.pricing.this_machine import this_machine
from jacchain.planning.pricing.way_table import no_ways

SECONDS: Final = 60.0
"""Time that a calibration may take unless told otherwise."""

SHARE: Final = 0.35
"""Of that time, for the ways of thin products; then all else is measured in one race, and verified."""

Progress = Callable[[float], object]
"""What is told how much of the work, from 0 to 1, is done."""


class Calibration(NamedTuple):
    """A profile, and how well it predicts; one verification for each of its rates."""

    profile: Profile
    verifications: tuple[Verification, ...]


def calibrate(
    backend: Backend,
    /,
    *,
    seconds: float = SECONDS,
    dtypes: Sequence[str] = ("float64", "float32"),
    progress: Progress = lambda _: None,
    name: str | None = None,
) -> Calibration:
    """Measure a device for about so many seconds, with the threads that its libraries take now.

    Raises
    ------
    OptionError
        Seconds that are not positive.
    """
    if not 0 < seconds < float("inf"):
        raise OptionError(f"seconds is {seconds}", "give a time above 0, such as 60")
    start, each = perf_counter(), seconds / len(dtypes)
    found = []
    for k, dtype in enumerate(dtypes):
        tick = lambda: progress(min((perf_counter() - start) / seconds, 1.0))  # noqa: E731  (as short as its use)
        with backend.active():
            found.append(_calibrated(backend, np.dtype(dtype), each, start + k * each, tick))
    progress(1.0)
    machine = this_machine(device=model(backend))
    today = date.today().isoformat()
    profile = Profile(name or f"{machine.processor}, {today}", machine, today, tuple(rates for rates, _ in found))
    return Calibration(profile, tuple(verified for _, verified in found))


class Extent(NamedTuple):
    """How much is measured in so many seconds.

    Attributes
    ----------
    seconds : float
        That it takes.
    sizes, limit : tuple of int, int
        Of products, and their multiplications; larger ones take their share more.
    numbers : int
        That other operations work on.
    largest, chains : int
        Size and number of the chains that are verified.
    """

    seconds: float
    sizes: tuple[int, ...]
    limit: int
    numbers: int
    largest: int
    chains: int


EXTENTS: Final = (
    Extent(8.0, SIZES, 1 << 27, 1 << 20, 500, 28),
    Extent(2.0, SIZES[::2], 1 << 27, 1 << 17, 150, 28),
    Extent(0.0, (1, 7, 55), 1 << 27, 1 << 14, 50, 6),
)
"""For the processor, the longest first."""

ON_DEVICES: Final = (Extent(8.0, (*SIZES, 4000), 1 << 36, 1 << 24, 2000, 28), *EXTENTS[1:])
"""For other devices, which are filled by larger products only."""


def _calibrated(
    backend: Backend, dtype: "np.dtype[Any]", seconds: float, begun: float, tick: Callable[[], object]
) -> tuple[Rates, Verification]:
    is_host = backend.device.kind == "cpu"
    extent = next(extent for extent in (EXTENTS if is_host else ON_DEVICES) if seconds >= extent.seconds)
    ways = measured_ways(dtype, begun + SHARE * seconds, tick=tick) if is_host else no_ways()
    chains = list(islice(trials(backend, dtype, extent.largest), extent.chains))
    tasks = [*operation_tasks(backend, dtype, extent.numbers), *(trial.task for trial in chains)]
    tasks += [_run_task(backend, dtype), *product_tasks(backend, dtype, extent.sizes, ways, extent.limit)]
    times = stopwatch(backend).race(tasks, begun + seconds, tick=tick)
    grid, found = grid_of(extent.sizes, times), operations_of(times)
    run = max(times["run"] - found.call, 0.0)
    constants = found.call, run, found.loop, found.item, found.segment, found.turned
    rates = Rates(str(dtype), grid, ways, *constants, found.curves)
    return rates, verification_of(chains, rates, times)


def _run_task(backend: Backend, dtype: "np.dtype[Any]") -> Task:
    """Return the run of two links of one number, which takes one call and what every run takes besides."""
    layers = given_layers([Dense(1, 1), Dense(1, 1)], dtype, backend)
    program = executable(plan(chain_of_layers(layers)), layers, dtype, backend)
    return Task("run", ((program, (backend.place(np.zeros(1, dtype)),)),), 2e-6)


def model(backend: Backend, /) -> str:
    """Return "cpu", or what the maker calls the device; where that is not known, its name here."""
    match backend.device.kind:
        case "cpu":
            return "cpu"
        case "cuda":
            properties = backend.kernels.xp.cuda.runtime.getDeviceProperties(backend.device.number)
            return str(properties["name"].decode())
        case _:
            return str(backend.device)
