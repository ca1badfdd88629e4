"""Running the lanes of a program on threads, each instruction after those whose results it reads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from jacchain.algebra.kernels import Calls, run
from jacchain.execution.lanes import FIRST
from jacchain.execution.program import Instruction, Program

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it ships no types

KEPT: Final = 4
"""Idle crews of one size that are kept: as many calls can overlap without starting threads anew."""


class _Part(NamedTuple):
    """An instruction of a lane: what it waits for, its calls, and whether another lane waits for it."""

    after: tuple[int, ...]
    calls: Calls
    number: int
    is_awaited: bool


@final
class Together:
    """The calls of a program with lanes: states first, on the calling thread, then each lane on a thread of its own.

    The calling thread takes the first lane. The other threads belong to a crew that is kept from call to call; calls
    that overlap have crews of their own. While lanes run, BLAS keeps to one thread in each of them; whoever else calls
    BLAS meanwhile is limited too, since the libraries know one limit for all. Handing over lanes and waiting for them
    costs about a tenth of a millisecond a call, so that plans of less than some millions of multiplications are done
    sooner by one worker.

    Raises
    ------
    Exception
        What a lane raises; the other lanes stop before their next instruction.
    """

    def __init__(self, program: Program, instructions: Sequence[Instruction], calls: Sequence[Calls], /) -> None:
        made = {step.result: p for p, step in enumerate(instructions)}
        lane_of = {p: number for number, lane in enumerate(program.lanes) for p in lane}
        first = [p for p, step in enumerate(instructions) if step.op in FIRST]
        self.states: Calls = tuple(call for p in first for call in calls[p])
        waits = {
            p: tuple(made[k] for k in instructions[p].operands if lane_of.get(made[k], lane) != lane)
            for p, lane in lane_of.items()
        }
        awaited = {k for after in waits.values() for k in after}
        parts = [tuple(_Part(waits[p], calls[p], p, p in awaited) for p in lane) for lane in program.lanes if lane]
        self.lanes = tuple(parts)
        self.awaited = tuple(awaited)

    def __call__(self) -> None:
        """Run everything once."""
        run(self.states)
        if len(self.lanes) < 2:
            self._alone()
            return
        meeting = _Meeting({k: Event() for k in self.awaited})
        with _one_blas_thread:
            crew = _hired(len(self.lanes) - 1)
            lanes: list[Future[None]] = []
            try:
                for lane in self.lanes[1:]:
                    lanes.append(crew.submit(copy_context().run, meeting.attend, lane))  # errstate comes along
                meeting.attend(self.lanes[0])
            except BaseException as error:
                if not lanes and isinstance(error, RuntimeError):  # the interpreter ends: it starts no threads any more
                    self._alone()
                else:
                    meeting.fail(error)
            finally:
                _settle(meeting, lanes)
                _dismiss(crew, len(self.lanes) - 1)
        if meeting.error is not None:
            raise meeting.error

    def _alone(self) -> None:
        """Run everything once on the calling thread, in the program's own order."""
        for part in sorted((part for lane in self.lanes for part in lane), key=lambda part: part.number):
            run(part.calls)


@final
class _Meeting:
    """One run of the lanes: what is done, and what went wrong first."""

    def __init__(self, done: dict[int, Event], /) -> None:
        self.done = done
        self.error: BaseException | None = None

    def attend(self, lane: Sequence[_Part], /) -> None:
        """Run a lane."""
        try:
            for part in lane:
                for k in part.after:
                    self.done[k].wait()
                if self.error is not None:
                    return
                run(part.calls)
                if part.is_awaited:
                    self.done[part.number].set()
        except BaseException as error:  # handed to the caller, who raises it
            self.fail(error)

    def fail(self, error: BaseException, /) -> None:
        """Note an error and let nobody wait any longer."""
        if self.error is None:
            self.error = error
        for event in self.done.values():
            event.set()


def _settle(meeting: _Meeting, lanes: Sequence["Future[None]"]) -> None:
    """Wait until no lane works on the buffers any more, however often the user interrupts."""
    for lane in lanes:
        while not lane.done():
            try:
                lane.result()
            except KeyboardInterrupt as error:
                meeting.fail(error)


_CREWS: dict[int, list[ThreadPoolExecutor]] = {}
"""Idle threads, by their number."""


def _hired(threads: int) -> ThreadPoolExecutor:
    """Return so many threads that nobody else uses: lanes wait for each other, so all must run."""
    try:
        return _CREWS[threads].pop()
    except (KeyError, IndexError):
        return ThreadPoolExecutor(threads, thread_name_prefix="jacchain")


def _dismiss(crew: ThreadPoolExecutor, threads: int) -> None:
    idle = _CREWS.setdefault(threads, [])
    if len(idle) < KEPT:
        idle.append(crew)
    else:
        crew.shutdown(wait=False)


@lru_cache(1)
def _controller() -> "ThreadpoolController":
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@final
class _OneBlasThread:
    """A limit that the first to enter sets and the last to leave lifts, since it holds for the whole process.

    One thread of its own does both: to threadpoolctl, a limit belongs to the thread that set it first.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.inside = 0
        self.keeper: ThreadPoolExecutor | None = None
        self.lift: Callable[[], Any] = _nothing

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self._kept(self._limit)
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self._kept(self._restore)

    def _limit(self) -> None:
        self.lift = _controller().limit(limits=1, user_api="blas").restore_original_limits

    def _restore(self) -> None:
        self.lift()
        self.lift = _nothing

    def _kept(self, call: Callable[[], None]) -> None:
        """Have the keeper do something; while the interpreter ends, there is none."""
        if self.keeper is None:
            self.keeper = ThreadPoolExecutor(1, thread_name_prefix="jacchain-limit")
        try:
            done = self.keeper.submit(call)
        except RuntimeError:
            return
        done.result()

    def forget(self) -> None:
        """Forget whoever held the lock or the limit: a forked process has only the thread that forked it."""
        self.lock, self.keeper, self.inside = Lock(), None, 0
        self._restore()


def _nothing() -> None:
    """Lift no limit."""


_one_blas_thread = _OneBlasThread()


def _forget() -> None:
    _CREWS.clear()
    _one_blas_thread.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
