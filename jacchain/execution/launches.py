"""What a program takes on a CUDA device: how many kernels are launched, and whether that is worth it."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, Final, NamedTuple, final

from jacchain.algebra.kernels import Array, Call, Kernels
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.structure import stored
from jacchain.errors import DeviceError, MissingExtraError
from jacchain.execution.backend import backend_at, is_cuda_installed
from jacchain.execution.bind import Binding
from jacchain.execution.device import Backend, Device
from jacchain.execution.duration import FREE, program_seconds
from jacchain.execution.fusion import Fusing, parts
from jacchain.execution.program import Instruction, Program
from jacchain.execution.run import Executable
from jacchain.planning.pricing.profile import Rates
from jacchain.planning.pricing.store import dependable

SEVERAL: Final = {"_csr_dot": 2, "csr_dot": 2, "_dot_csr": 4, "dot_csr": 4, "_gram": 1}
"""Calls that launch more than one kernel, by name: sparse products, whose result is copied and numbers gathered."""

WORTH: Final = 1.2
"""How many times sooner a device has to be done than the host for ``device="auto"`` to take it."""

LEAST_FLOPS: Final = 10_000_000
"""Multiplications below which no device is looked for: the host needs half a millisecond for them, and loading the
library of the device takes a second."""


@final
class Forecast(NamedTuple):
    """What one run is predicted to take on a device, and on the host; all in seconds.

    Attributes
    ----------
    launches : int
        Kernels.
    launching : float
        All launches, one after the other.
    arithmetic : float
        What the device would take if a launch took nothing and it was always full.
    copying : float
        Of the point and the parameters there, and of the result back.
    device, host : float
        One run on either: on the device launches overlap with arithmetic, so that the longer counts, and copies come
        besides.
    """

    launches: int
    launching: float
    arithmetic: float
    copying: float
    device: float
    host: float

    @property
    def is_worth(self) -> bool:
        """Whether the device is so much quicker that it should be taken."""
        return self.device * WORTH <= self.host


def kernel_launches(calls: Iterable[Call], kernels: Kernels = NUMPY, /) -> int:
    """Return how many kernels a CUDA device launches for some calls.

    One each, but more for sparse products, joins and stacks times a shared matrix, and one for all elementwise calls
    that are fused.

    Parameters
    ----------
    calls : iterable of Call
    kernels : Kernels
        That the calls are made of.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.ones(3)
    >>> kernel_launches([(np.multiply, (a, a, a)), (np.concatenate, ((a, a), 0, np.ones(6)))])
    3
    """
    return sum(1 if isinstance(part, Fusing) else _launches(*part) for part in parts(calls, kernels))


def _launches(function: Callable[..., object], arguments: tuple[Any, ...]) -> int:
    called = function.func if isinstance(function, partial) else function
    name = getattr(called, "__name__", "")
    if name == "matmul" and len(arguments) == 3:
        return _products(*arguments)
    return len(arguments[0]) if name == "concatenate" else SEVERAL.get(name, 1)


def _products(a: Array, b: Array, out: Array) -> int:
    """Return the launches of a stack of products: where a factor is shared, arrays of pointers are made first."""
    is_joined = b.ndim == 2 and a.flags.c_contiguous and out.flags.c_contiguous
    if is_joined or a.shape[:-2] == b.shape[:-2]:
        return 1
    return 1 + 3 * (len(out.shape) - 2)


def calls_of(run: Executable, /) -> list[Call]:
    """Return all calls of a run of a program, bound to buffers that nothing else uses."""
    binding = Binding(run.program, run.sources, run.facts, run.dtype, run.backend)
    tail = binding.tail(run.backend.kernels.xp.empty(run.shape, run.dtype))
    return [*run.prologue, *binding.once, *binding.head, *(call for group in tail for call in group.calls)]


def forecast(program: Program, launches: int, device: Rates, host: Rates, /) -> Forecast:
    """Return what a run of a program is predicted to take.

    Parameters
    ----------
    program : Program
    launches : int
        See `kernel_launches`.
    device, host : Rates
        Of the device and of the host, for numbers of the program's size.
    """
    launching = launches * device.call
    copying = _copied(program, device)
    busy = max(program_seconds(device, program), launching)
    arithmetic, here = _arithmetic(program, device), program_seconds(host, program)
    return Forecast(launches, launching, arithmetic, copying, busy + copying, here)


def _arithmetic(program: Program, device: Rates) -> float:
    """Return the seconds of all multiplications and passes at the rates of large arrays."""
    most = device.grid.sizes[-1]
    each = device.grid.at(most, most, most) / most**3
    curve = device["multiply"]
    one = curve.seconds[-1] / curve.sizes[-1]
    return sum(_work(program, step, each, one) for step in program.instructions)


def _work(program: Program, step: Instruction, each: float, one: float) -> float:
    made = program.registers[step.result]
    if made.storage < 0 or step.op in FREE:
        return 0.0
    return max(step.flops * each, stored(made.structure) * one)


def _copied(program: Program, device: Rates) -> float:
    """Return the seconds of copying the point and what is given to the device, and the result back."""
    points = [stored(program.registers[s.result].structure) for s in program.instructions if s.op in ("point", "seed")]
    there = sum(device["to_device"].at(size * program.itemsize) for size in (*_given(program), *points) if size)
    return there + device["to_host"].at(program.result_bytes)


def _given(program: Program) -> list[int]:
    """Return the numbers of what the layers own already."""
    return [stored(register.structure) for register in program.registers if register.storage < 0]


def quicker_device(program: Program, launches: Callable[[], int], /) -> Backend | None:
    """Return the CUDA device where a program on arrays of the host should be run; None for the host.

    It is taken where it is predicted to be done 1.2 times sooner, copies included, and where there is one with memory
    enough: its library is only loaded then. Where that is not installed, not even a profile is read.
    """
    if program.flops < LEAST_FLOPS or program.lanes or program.slices is not None or not is_cuda_installed():
        return None
    device, host = (dependable(kind, program.itemsize).rates_of(program.itemsize) for kind in ("cuda", "cpu"))
    if not forecast(program, 0, device, host).is_worth:  # not even if launches took nothing
        return None
    found = _usable()
    needed = program.peak + sum(_given(program)) * program.itemsize
    if found is None or needed > (needed if (free := found.free_bytes()) is None else free):
        return None
    return found if forecast(program, launches(), device, host).is_worth else None


@cache
def _usable() -> Backend | None:
    """Return the first CUDA device, where there is one that can be used."""
    try:
        return backend_at(Device("cuda"))
    except (MissingExtraError, DeviceError):
        return None
