"""Where arrays live and which kernels work on them: the processor, or a CUDA device through CuPy."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal, NamedTuple, final

import numpy as np

from jacchain.algebra.homes import FINDERS
from jacchain.algebra.kernels import Array, Kernels
from jacchain.algebra.numpy_kernels import NUMPY, NUMPY_COLD
from jacchain.errors import DeviceError, MissingExtraError
from jacchain.execution.device import Backend, Device
from jacchain.execution.exhaustion import asked, exhausted, is_exhaustion
from jacchain.execution.program import ALIGNMENT
from jacchain.execution.queues import OF_THREAD, number_of_thread

__all__ = ["Backend", "Device", "exhausted"]  # defined next door, and asked for here

COUNTS_REFERENCES: Final = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether reference counts tell reliably that an array is not in use; where not, every large result is fresh."""


@final
class HostBackend(NamedTuple):
    """NumPy."""

    kernels: Kernels
    result_kernels: Kernels

    @property
    def device(self) -> Device:
        """The processor."""
        return Device("cpu")

    def references(self, array: Array, /) -> int:
        """Return the references to the array: a view holds the array it is a view of."""
        return sys.getrefcount(array) if COUNTS_REFERENCES else -1

    def with_kernels(self, kernels: Kernels, result_kernels: Kernels, /) -> "HostBackend":
        """Return the same with other kernels."""
        return HostBackend(kernels, result_kernels)

    def workspace(self, nbytes: int, dtype: "np.dtype[Any]", /) -> Array:
        """Return an uninitialised array that starts at an aligned address."""
        held = np.empty(nbytes + ALIGNMENT, dtype=np.uint8)
        start = -held.ctypes.data % ALIGNMENT
        return held[start : start + nbytes].view(dtype)

    def units(self, size: int, dtype: "np.dtype[Any]", /) -> Array:
        """Return the identity as a view of 2·size - 1 numbers: entry (i, j) is number size - 1 + j - i."""
        numbers = np.zeros(2 * size - 1, dtype)
        numbers[size - 1] = 1
        step = numbers.strides[0]
        return np.lib.stride_tricks.as_strided(numbers[size - 1 :], (size, size), (-step, step), writeable=False)

    def owns(self, value: object, /) -> bool:
        """Whether it is a NumPy array."""
        return isinstance(value, np.ndarray)

    def place(self, array: Array, out: Array | None = None, /) -> Array:
        """Return the array itself, or a copy in `out`."""
        if out is None:
            return array
        np.copyto(out, array)
        return out

    def fetch(self, array: Array, out: Array | None = None, /) -> Array:
        """Return the array itself, or a copy in `out`."""
        return self.place(array, out)

    def active(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()

    def queue(self) -> int:
        """Return 0: a call returns when it is done."""
        return 0

    def synchronise(self) -> None:
        """Do nothing."""

    def free_bytes(self) -> None:
        """Return None."""

    def supports(self, dtype: "np.dtype[Any]", /) -> bool:  # noqa: ARG002  (the protocol's)
        """Return True."""
        return True


CPU: Final[Backend] = HostBackend(NUMPY, NUMPY_COLD)


@final
class CudaBackend(NamedTuple):
    """One CUDA device through CuPy. Its kernels' namespace is the module; work goes to CuPy's current stream."""

    number: int
    kernels: Kernels
    result_kernels: Kernels

    @property
    def device(self) -> Device:
        """The device."""
        return Device("cuda", self.number)

    def references(self, array: Array, /) -> int:
        """Return the references to the array and to its memory.

        CuPy's views hold the array, the pointer to its memory, or the memory: slices hold the first and the last,
        `as_strided` only the pointer. What another library is lent holds the array.
        """
        if not COUNTS_REFERENCES:
            return -1
        return sys.getrefcount(array) + sys.getrefcount(array.data) + sys.getrefcount(array.data.mem)

    def with_kernels(self, kernels: Kernels, result_kernels: Kernels, /) -> "CudaBackend":
        """Return the same with other kernels."""
        return CudaBackend(self.number, kernels, result_kernels)

    def workspace(self, nbytes: int, dtype: "np.dtype[Any]", /) -> Array:
        """Return an uninitialised array of CuPy's memory pool, which aligns to 512 bytes."""
        return self.kernels.xp.empty(nbytes // dtype.itemsize, dtype)

    def units(self, size: int, dtype: "np.dtype[Any]", /) -> Array:
        """Return the identity, written out: cuBLAS copies what has such strides as a view would need."""
        return self.kernels.xp.eye(size, dtype=dtype)

    def owns(self, value: object, /) -> bool:
        """Whether it is a CuPy array of this very device."""
        return cuda_number(value) == self.number

    def place(self, array: Array, out: Array | None = None, /) -> Array:
        """Return the array on the device; one of the host is copied."""
        xp = self.kernels.xp
        if out is None:
            return array if isinstance(array, xp.ndarray) else xp.asarray(array)
        if isinstance(array, np.ndarray | np.generic) and out.flags.c_contiguous:
            out.set(np.asarray(array, out.dtype, order="C"))
        else:
            self.kernels.copyto(out, xp.asarray(array))
        return out

    def fetch(self, array: Array, out: Array | None = None, /) -> Array:
        """Return a copy on the host, when the work that fills the array is done."""
        if out is None:
            return self.kernels.xp.asnumpy(array)
        if out.flags.c_contiguous and out.dtype == array.dtype:
            return array.get(out=out)
        np.copyto(out, array.get())
        return out

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this CuPy's current device, and say what can be done where its memory is exhausted."""
        cuda = self.kernels.xp.cuda
        try:
            with cuda.Device(self.number):
                yield
        except cuda.memory.OutOfMemoryError as error:
            exhausted(self, asked(error))
        except RuntimeError as error:  # of cuBLAS, cuSPARSE, cuSOLVER, the runtime and the driver
            if is_exhaustion(error):
                exhausted(self, None)
            raise

    def queue(self) -> int:
        """Return the address of the current stream; of the stream that each thread has of its own, the thread's."""
        address = int(self.kernels.xp.cuda.get_current_stream().ptr)
        return -number_of_thread() if address == OF_THREAD else address

    def synchronise(self) -> None:
        """Wait for the device."""
        self.kernels.xp.cuda.Device(self.number).synchronize()

    def free_bytes(self) -> int:
        """Return what the device has left, and what CuPy's memory pool holds and nobody uses."""
        xp = self.kernels.xp
        with xp.cuda.Device(self.number):
            return int(xp.cuda.runtime.memGetInfo()[0] + xp.get_default_memory_pool().free_bytes())

    def supports(self, dtype: "np.dtype[Any]", /) -> bool:
        """Return True for float32 and float64, which every CUDA device has."""
        return dtype.itemsize in (4, 8)


def is_cuda_installed() -> bool:
    """Whether the library for CUDA devices is installed; it is not loaded for that."""
    return find_spec("cupy") is not None


def _cupy() -> Any:
    """Return CuPy's module, which is loaded now."""
    if not is_cuda_installed():
        raise MissingExtraError(
            "CUDA devices need CuPy, which is not installed",
            "pip install 'jacchain[gpu12]' for CUDA 12 or 'jacchain[gpu13]' for CUDA 13, or use device='cpu'",
        )
    try:
        return import_module("cupy")
    except ImportError as error:
        raise DeviceError(f"CuPy is installed, but cannot be loaded: {_first_line(error)}", CUDA_CURE) from error


CUDA_CURE: Final = "look whether nvidia-smi lists a device and its driver suits the CuPy installed, or use device='cpu'"


def _first_line(error: BaseException) -> str:
    lines = [line.strip(" =") for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)


@cache
def _cuda(number: int) -> Backend:
    """Return the backend of a CUDA device.

    Raises
    ------
    MissingExtraError
        CuPy is not installed.
    DeviceError
        It is, but no device can be used, or not so many.
    """
    xp = _cupy()
    try:
        count = xp.cuda.runtime.getDeviceCount()
    except xp.cuda.runtime.CUDARuntimeError as error:
        what = f"CuPy is installed, but no CUDA device can be used: {_first_line(error)}"
        raise DeviceError(what, CUDA_CURE) from error
    if number >= count:
        known = "the only CUDA device is cuda:0" if count == 1 else f"the CUDA devices are cuda:0 to cuda:{count - 1}"
        raise DeviceError(f"there is no cuda:{number}: {known}" if count else "there is no CUDA device", CUDA_CURE)
    from jacchain.execution.cuda_kernels import CudaKernels

    kernels = CudaKernels(xp, import_module("cupyx.scipy.sparse"), import_module("cupyx.scipy.special"))
    return CudaBackend(number, kernels, kernels)


def cuda_number(value: object, /) -> int | None:
    """Return the number of the device that a CuPy array lies on; None for anything else. CuPy is not loaded for it."""
    found = getattr(sys.modules.get("cupy"), "ndarray", None)
    if found is None or not isinstance(value, found):
        return None
    return int(value.device.id)


Maker = Callable[[int], Backend]


class Kind(NamedTuple):
    """A kind of devices: how a backend for one of them is made, and on which device of the kind an array lies."""

    make: Maker
    number_of: Callable[[object], int | None]
    """None for what is no array of the kind."""


KINDS: dict[str, Kind] = {
    "cpu": Kind(lambda _: CPU, lambda value: 0 if isinstance(value, np.ndarray) else None),
    "cuda": Kind(_cuda, cuda_number),
}
"""All kinds by their names; tests add a strict one."""

AUTOMATIC: list[Device] = [Device("cpu")]
"""Where "auto" works with arrays of the host; tests put another there."""


def as_device(name: object, /) -> Device | Literal["auto"]:
    """Return the device of a name such as "cpu", "cuda" or "cuda:1", whether it exists or not; "auto" is kept.

    Raises
    ------
    DeviceError
        No such name.

    Examples
    --------
    >>> as_device("cuda:1")
    Device(kind='cuda', number=1)
    >>> as_device("gpu")
    Traceback (most recent call last):
    jacchain.errors.DeviceError: unknown device 'gpu'
    give one of auto, cpu, cuda, ...or a numbered one such as cuda:1
    """
    kind, _, number = name.partition(":") if isinstance(name, str) else ("", "", "")
    if name == "auto":
        return "auto"
    is_numbered = number.isdecimal() and kind != "cpu"
    if kind in KINDS and (name == kind or is_numbered):
        return Device(kind, int(number or 0))
    known = ", ".join(["auto", *KINDS])
    raise DeviceError(f"unknown device {name!r}", f"give one of {known}, or a numbered one such as cuda:1")


def backend_at(device: Device, /) -> Backend:
    """Return the backend of a device.

    Raises
    ------
    MissingExtraError, DeviceError
        What the device needs is not installed; it does not exist or cannot be used.
    """
    return KINDS[device.kind].make(device.number)


def backend_of(value: object, /) -> Backend | None:
    """Return the backend of the device that an array lies on; None for what is no array of any."""
    for kind in KINDS.values():
        number = kind.number_of(value)
        if number is not None:
            return kind.make(number)
    return None


def kernels_of(array: Array, /) -> Kernels:
    """Return the operations on arrays like one."""
    if type(array) is np.ndarray:
        return NUMPY
    return (backend_of(array) or CPU).kernels


FINDERS.append(lambda array: None if backend_of(array) is None else kernels_of(array))


def home_of(values: Iterable[object], /) -> Backend:
    """Return the backend of the one device that arrays lie on; numbers, lists and the like lie on none.

    Raises
    ------
    DeviceError
        They lie on different devices.

    Examples
    --------
    >>> print(home_of([np.ones(3), 2.0]).device)
    cpu
    """
    found: Backend | None = None
    for value in values:
        other = backend_of(value)
        if found is None or other is None:
            found = found or other
        elif other.device != found.device:
            raise DeviceError(
                f"one array lies on {found.device} and another on {other.device}", "move them to the same device first"
            )
    return found or CPU


def chosen_backend(home: Backend, device: Device | Literal["auto"], dtype: "np.dtype[Any]", /) -> Backend:
    """Return where the arithmetic is done with arrays that lie on a device.

    Parameters
    ----------
    home : Backend
        Where the arrays lie: from the host they may be brought elsewhere, and results back; from elsewhere nowhere.
    device : Device or "auto"
        What was asked for.
    dtype : dtype
        Of the arithmetic.

    Raises
    ------
    MissingExtraError, DeviceError
        The device cannot be used, or is not that of the arrays, or does not have the dtype.
    """
    is_host = home.device.kind == "cpu"
    if device == "auto":
        found = backend_at(AUTOMATIC[0]) if is_host else home
    elif is_host or device == home.device:
        found = home if device == home.device else backend_at(device)
    else:
        raise DeviceError(
            f"the arrays lie on {home.device}, but device={str(device)!r} was asked for",
            f"leave device= out to work on {home.device}, or move the arrays first",
        )
    if not found.supports(dtype):
        raise DeviceError(f"{found.device} has no {dtype}", "convert the arrays to float32, or use device='cpu'")
    return found
