"""Where arrays live and which kernels work on them: the processor, or a CUDA device through CuPy."""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, Protocol, final

import numpy as np

from jacchain.algebra.kernels import Array, Kernels
from jacchain.algebra.numpy_kernels import NUMPY, NUMPY_COLD
from jacchain.errors import DeviceError
from jacchain.execution.program import ALIGNMENT


class Device(NamedTuple):
    """A place for arrays: a kind of devices, and which of them.

    Examples
    --------
    >>> print(Device("cpu"), Device("cuda", 1))
    cpu cuda:1
    """

    kind: str
    number: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.number}"


class Backend(Protocol):
    """A device, its kernels, and how arrays get there and back."""

    @property
    def device(self) -> Device:
        """Where its arrays live."""

    @property
    def kernels(self) -> Kernels:
        """The operations on its arrays."""

    @property
    def result_kernels(self) -> Kernels:
        """Those for what is written into the result, which is seldom in the cache."""

    @property
    def counts_references(self) -> bool:
        """Whether `sys.getrefcount` of an array tells that nobody holds a view of it."""

    def with_kernels(self, kernels: Kernels, result_kernels: Kernels, /) -> "Backend":
        """Return the same with other kernels."""

    def workspace(self, nbytes: int, dtype: "np.dtype[Any]", /) -> Array:
        """Return an uninitialised 1-D array of so many bytes that starts at an aligned address."""

    def units(self, size: int, dtype: "np.dtype[Any]", /) -> Array:
        """Return an identity matrix that is only read, in as little memory as the device allows."""

    def owns(self, value: object, /) -> bool:
        """Whether it is an array of this very device."""

    def place(self, array: Array, out: Array | None = None, /) -> Array:
        """Return an array of the host on the device: in `out`, which has its shape and dtype, or in a new one."""

    def fetch(self, array: Array, out: Array | None = None, /) -> Array:
        """Return an array of the device on the host."""

    def synchronise(self) -> None:
        """Wait until everything that was started is done."""

    def free_bytes(self) -> int | None:
        """Return the bytes that can still be taken on the device; None for the host, which is not asked."""


@final
class HostBackend(NamedTuple):
    """NumPy."""

    kernels: Kernels
    result_kernels: Kernels

    @property
    def device(self) -> Device:
        """The processor."""
        return Device("cpu")

    @property
    def counts_references(self) -> bool:
        """They do: a view holds the array it is a view of."""
        return True

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

    def synchronise(self) -> None:
        """Do nothing: a call returns when it is done."""

    def free_bytes(self) -> None:
        """Return None."""


CPU: Final[Backend] = HostBackend(NUMPY, NUMPY_COLD)

Maker = Callable[[int], Backend]


class Kind(NamedTuple):
    """A kind of devices: how a backend for one of them is made, and on which device of the kind an array lies."""

    make: Maker
    number_of: Callable[[object], int | None]
    """None for what is no array of the kind."""


KINDS: dict[str, Kind] = {"cpu": Kind(lambda _: CPU, lambda value: 0 if isinstance(value, np.ndarray) else None)}
"""All kinds by their names; tests add a strict one."""


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
    give one of auto, cpu, cuda, or a numbered one such as cuda:1
    """
    kind, _, number = name.partition(":") if isinstance(name, str) else ("", "", "")
    if name == "auto":
        return "auto"
    is_numbered = number.isdecimal() and kind != "cpu"
    if kind in KINDS and (name == kind or is_numbered):
        return Device(kind, int(number or 0))
    known = ", ".join(["auto", *KINDS])
    raise DeviceError(f"unknown device {name!r}", f"give one of {known}, or a numbered one such as cuda:1")


def backend_of(value: object, /) -> Backend | None:
    """Return the backend of the device that an array lies on; None for what is no array of any."""
    for kind in KINDS.values():
        number = kind.number_of(value)
        if number is not None:
            return kind.make(number)
    return None
