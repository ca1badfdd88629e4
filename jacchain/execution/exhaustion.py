"""A device without memory: what its libraries say of it, and the error that says what can be done."""

from typing import Final, NoReturn

from jacchain.errors import DeviceError
from jacchain.execution.device import Backend

NAMES: Final = ("ALLOC_FAILED", "INSUFFICIENT_RESOURCES", "OUT_OF_MEMORY", "cudaErrorMemoryAllocation")
"""What CUDA's libraries, its runtime and its driver call it."""


def is_exhaustion(error: Exception, /) -> bool:
    """Whether an error of one of these libraries is about memory that cannot be had.

    Examples
    --------
    >>> is_exhaustion(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")), is_exhaustion(RuntimeError("CUBLAS_STATUS_SUCCESS"))
    (True, False)
    """
    return any(name in str(error) for name in NAMES)


def asked(error: object, /) -> int | None:
    """Return the bytes that could not be had, of the array library's own error."""
    found = getattr(error, "_size", None)
    return found if isinstance(found, int) else None


def exhausted(backend: Backend, asked: int | None, /) -> NoReturn:
    """Raise the error of a device without memory for so many bytes more.

    Raises
    ------
    DeviceError
        Naming the bytes that are free and, where there are any, a limit to give as memory=.
    """
    free = backend.free_bytes() or 0
    more = "more memory was" if asked is None else f"{asked:,} bytes were"
    limit = f"give memory={free} or less: an order or slices that fit are taken, with out= of the host for a large "
    raise DeviceError(
        f"{more} asked for on {backend.device}, where {free:,} are free",
        (limit + "result; or " if free else "") + "free arrays of yours, or use device='cpu'",
    ) from None
