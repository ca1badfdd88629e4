"""Times of calls on a machine that does other things as well: the fastest of short batches, taken in turn."""

from collections.abc import Callable, Hashable, Sequence
from time import perf_counter, thread_time
from typing import Final, NamedTuple, final

from jacchain.algebra.kernels import Calls, run
from jacchain.execution.backend import Backend
from jacchain.planning.pricing.this_machine import this_machine

BATCH: Final = 8e-5
"""Seconds that a batch takes at least: a hundred times what reading the clock takes."""

MOST: Final = 4000
"""Repetitions of a batch."""


ROUNDS: Final = 100
"""Rounds of a race at most."""

TICK: Final = 64
"""Tasks between two reports of progress."""


class Task(NamedTuple):
    """Calls to be timed, and about how long they take; `is_needed` even where the time has run out."""

    key: Hashable
    calls: Calls
    expected: float
    is_needed: bool = True


@final
class Stopwatch(NamedTuple):
    """A clock for calls on a backend.

    Where one thread does all the work its own time is taken, which stands still while others have the processor; else,
    and on a device, that on the wall.
    """

    backend: Backend
    clock: Callable[[], float]

    def timed(self, calls: Calls, expected: float, /) -> float:
        """Return the seconds that calls take, from one batch of them after a run that warms the caches.

        Parameters
        ----------
        calls : calls
        expected : float
            Seconds that they take, about: decides how often they are repeated.
        """
        repeats = min(max(int(BATCH / max(expected, 1e-8)), 1), MOST)
        batch, clock, synchronise = calls * repeats, self.clock, self.backend.synchronise
        run(calls)
        synchronise()
        start = clock()
        run(batch)
        synchronise()
        return (clock() - start) / repeats

    def race(self, tasks: Sequence[Task], deadline: float, /, *, tick: Callable[[], object]) -> dict[Hashable, float]:
        """Return the seconds of each task, the fastest of several rounds.

        In a round all tasks take their turns, so that what disturbs the machine for a while disturbs them alike. After
        the deadline no task is begun but those of the first round that are needed; the others have no time then.
        """
        found: dict[Hashable, float] = {}
        number = 0
        while number < ROUNDS and (number == 0 or perf_counter() < deadline):
            for k, task in enumerate(tasks):
                known = found.get(task.key)
                is_due = task.is_needed if number == 0 else known is not None
                if is_due or perf_counter() < deadline:
                    seconds = self.timed(task.calls, task.expected if known is None else known)
                    found[task.key] = seconds if known is None else min(known, seconds)
                if k % TICK == 0:
                    tick()
            number += 1
        return found


def stopwatch(backend: Backend, /) -> Stopwatch:
    """Return the clock that suits a backend and the threads of its BLAS."""
    is_alone = backend.device.kind == "cpu" and this_machine().threads == 1
    return Stopwatch(backend, thread_time if is_alone else perf_counter)
