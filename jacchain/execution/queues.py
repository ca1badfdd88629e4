"""Queues of work: what one of them is given runs in order, and waits for no other."""

from collections.abc import Callable
from itertools import count
from threading import Lock, local
from typing import Any, Final, Generic, Protocol, TypeVar

from jacchain.errors import DeviceError
from jacchain.execution.device import Backend

QUEUES: Final = 4
"""Queues of work that buffers are kept for; the one that was used least recently goes first."""

OF_THREAD: Final = 2
"""CUDA's name for the default stream of whatever thread asks."""

_THREADS: Final = local()
_NUMBERS: Final = count(1)


def number_of_thread() -> int:
    """Return a number that no other thread has or had: an identity is given to later threads again."""
    if not hasattr(_THREADS, "number"):
        _THREADS.number = next(_NUMBERS)
    found: int = _THREADS.number
    return found


class _Buffered(Protocol):
    """What holds buffers."""

    def release(self) -> None:
        """Drop them."""


R = TypeVar("R", bound=_Buffered)


class Queues(Generic[R]):
    """One runner for every queue of a device, as the work of one does not wait for that of another.

    What is exhausted memory gives its buffers back, so that the next call finds all of it.
    """

    def __init__(self, make: Callable[[], R], backend: Backend, /) -> None:
        self.make = make
        self.backend = backend
        self.runs: dict[int, R] = {}
        self.turning = Lock()

    def current(self) -> R:
        """Return the runner of the current queue, on the active device."""
        queue = self.backend.queue()
        with self.turning:
            found = self.runs.pop(queue, None)
            if found is None:
                while len(self.runs) >= QUEUES:
                    self.runs.pop(next(iter(self.runs)))
                found = self.make()
            self.runs[queue] = found  # the last one
        return found

    def release(self) -> None:
        """Drop all buffers."""
        for found in tuple(self.runs.values()):
            found.release()

    def on_device(self, work: Callable[[R], Any], /) -> Any:
        """Return the result of some work with the runner of the current queue."""
        try:
            with self.backend.active():
                return work(self.current())
        except DeviceError:
            self.release()
            raise
