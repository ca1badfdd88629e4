"""Timing contenders in turn, so that a drifting machine treats them alike."""

import gc
from collections.abc import Iterator, Sequence
from math import ceil
from random import Random
from statistics import median, quantiles
from time import perf_counter, sleep
from typing import NamedTuple

from benchmarks.contender import Contender

BATCH = 0.004
"""Seconds that a timed batch of calls takes at least."""

PAUSE = 0.06
"""Seconds after which idle threads of another library no longer spin."""


class Times(NamedTuple):
    """Seconds of a call, one number a round; None in rounds that the contender sat out."""

    contender: Contender
    rounds: tuple[float | None, ...]
    calls: int
    """Calls in a batch."""

    @property
    def known(self) -> list[float]:
        """The rounds that the contender ran in."""
        return [seconds for seconds in self.rounds if seconds is not None]

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return median(self.known)

    @property
    def minimum(self) -> float:
        """The fastest round."""
        return min(self.known)


class Ratio(NamedTuple):
    """The median of the ratios of rounds, with its quartiles."""

    median: float
    low: float
    high: float


def ratio(above: Times, below: Times, /) -> Ratio:
    """Return how many times as long one contender takes as another, from the rounds that both ran in."""
    pairs = zip(above.rounds, below.rounds, strict=True)
    found = [a / b for a, b in pairs if a is not None and b is not None]
    low, middle, high = quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
    return Ratio(middle, low, high)


def race(contenders: Sequence[Contender], seconds: float, /, *, rounds: int, seed: int = 0) -> list[Times]:
    """Time the contenders in turn for about so many seconds, one untimed call before each batch.

    The turns are drawn anew in every round: with one fixed order, whoever follows a contender that sweeps the caches or
    gives memory back pays for it, even after an untimed call. One that takes ten times as long as the others runs in
    every fifth round only, one of another library in every third.

    Parameters
    ----------
    contenders : sequence of Contender
    seconds : float
    rounds : int
        That are run at least.
    seed : int
        Of the turns.
    """
    batches = [_batch(contender) for contender in contenders]
    strides = _strides(contenders, [calls * each for calls, each in batches])
    times: list[list[float | None]] = [[] for _ in contenders]
    random = Random(seed)
    gc.collect()
    gc.disable()
    try:
        start, number, family = perf_counter(), 0, contenders[0].family
        while number < rounds or perf_counter() - start < seconds:
            for kept in times:
                kept.append(None)
            for k in _turns(contenders, random):
                if number % strides[k] == 0:
                    if contenders[k].family != family:
                        family = contenders[k].family
                        sleep(PAUSE)
                    contenders[k].call()
                    times[k][-1] = _timed(contenders[k], batches[k][0])
            number += 1
    finally:
        gc.enable()
    return [Times(c, tuple(found), calls) for c, found, (calls, _) in zip(contenders, times, batches, strict=True)]


def _turns(contenders: Sequence[Contender], random: Random) -> Iterator[int]:
    """Yield the numbers of the contenders in a random order that keeps families together."""
    families = list(dict.fromkeys(contender.family for contender in contenders))
    random.shuffle(families)
    for family in families:
        members = [k for k, contender in enumerate(contenders) if contender.family == family]
        random.shuffle(members)
        yield from members


def _strides(contenders: Sequence[Contender], durations: Sequence[float]) -> list[int]:
    usual = median(durations)
    foreign = [3 if contender.family != contenders[0].family else 1 for contender in contenders]
    return [5 if duration > 10 * usual else other for duration, other in zip(durations, foreign, strict=True)]


def _batch(contender: Contender) -> tuple[int, float]:
    """Return how many calls make a time long enough to measure, and about how long one takes."""
    contender.call()
    calls = 1
    while True:
        each = _timed(contender, calls)
        if each * calls >= BATCH / 4 or calls > 100_000:
            return max(1, ceil(BATCH / each)), each
        calls *= 4


def _timed(contender: Contender, calls: int) -> float:
    call = contender.call
    start = perf_counter()
    for _ in range(calls):
        call()
    return (perf_counter() - start) / calls
