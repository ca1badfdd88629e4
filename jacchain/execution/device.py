"""A device and what is asked of it: where arrays live, and which kernels work on them."""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import numpy as np

from jacchain.algebra.kernels import Array, Kernels


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

    def references(self, array: Array, /) -> int:
        """Return a number that is larger while somebody holds an array or a view of it; -1 where none tells that."""

    def with_kernels(self, kernels: Kernels, result_kernels: Kernels, /) -> "Backend":
        """Return the same with other kernels."""

    def workspace(self, nbytes: int, dtype: "np.dtype[Any]", /) -> Array:
        """Return an uninitialised 1-D array of so many bytes that starts at an aligned address."""

    def units(self, size: int, dtype: "np.dtype[Any]", /) -> Array:
        """Return an identity matrix that is only read, in as little memory as the device allows."""

    def owns(self, value: object, /) -> bool:
        """Whether it is an array of this very device."""

    def place(self, array: Array, out: Array | None = None, /) -> Array:
        """Return an array of the host or of the device on the device: in `out`, of its shape, or as it is or a new one.

        The numbers take on the dtype of `out`.
        """

    def fetch(self, array: Array, out: Array | None = None, /) -> Array:
        """Return an array of the device on the host: in `out`, of its shape and dtype, or in a new one."""

    def active(self) -> AbstractContextManager[None]:
        """Return the context in which arrays are made on the device and calls run there.

        Raises
        ------
        DeviceError
            On leaving it: the memory of the device was exhausted.
        """

    def queue(self) -> int:
        """Return a number of what orders the work that is started now: within one, later work finds earlier done."""

    def synchronise(self) -> None:
        """Wait until everything that was started is done."""

    def free_bytes(self) -> int | None:
        """Return the bytes that can still be taken on the device; None for the host, which is not asked."""

    def supports(self, dtype: "np.dtype[Any]", /) -> bool:
        """Return whether the device works with numbers of a dtype, float32 or float64."""
