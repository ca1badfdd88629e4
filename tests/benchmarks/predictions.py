"""Predicted seconds of programs against measured ones, for problems that a profile was not made from."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contender import Contender
from benchmarks.race import Times
from benchmarks.row import Row
from benchmarks.seconds import calibrated
from jacchain.derivatives import jacobian
from jacchain.execution.backend import CPU
from jacchain.execution.calibration.given_chain import chain_of_layers, executable, given_layers
from jacchain.execution.calibration.timing import Task, stopwatch
from jacchain.execution.calibration.verification import dense_structures, rank_correlation, structured
from jacchain.execution.duration import program_seconds
from jacchain.execution.program import Program
from jacchain.execution.tuned import tuned
from jacchain.planning.planner import plan
from jacchain.planning.pricing.profile import Rates
from jacchain.workloads.networks import autoencoder, chain

SEED = 2026
"""Of chains that calibration does not know."""

SECONDS = 20.0
"""For the turns in which times are taken that predictions are held against."""

WANTED = 0.2
"""Median relative error that was promised."""


class Work(NamedTuple):
    """A program, whether its products are made in the ways of the profile, and a call that runs it."""

    name: str
    program: Program
    is_plain: bool
    call: Callable[[], Any]


def row(*, peers: bool) -> Row:
    """Return the row: programs as they come, and as a profile makes them."""
    rates = calibrated().rates_of(8)
    works = list(_works())
    contenders = [Contender(work.name, "other", work.call, answer=None) for work in works]
    title = "predicted against measured, float64: chains, structured chains and autoencoders"
    return Row("predicted", title, contenders, [], notes=partial(_notes, rates, works))


def _works() -> Iterator[Work]:
    profile = calibrated()
    problems = chain(), autoencoder(), autoencoder((2048, 512, 16, 512, 2048))
    for title, problem in zip(("chain 50", "autoencoder 784", "autoencoder 2048"), problems, strict=True):
        for suffix, given in (("", None), (", ways", profile)):
            runs = jacobian(problem.function, profile=given)
            call = partial(runs, problem.point)
            yield Work(f"{title}{suffix}", runs.program(problem.point), given is None, call)
    random = Random(SEED)
    for links in (5, 8, 12, 20, 30, 50):
        for kind, draw in (("dense", dense_structures), ("structured", structured)):
            yield from _chains(f"{links} {kind} links", draw(random, links, 500))


def _chains(name: str, structures: Sequence[Any]) -> Iterator[Work]:
    """Yield the programs of a chain: the optimal and the reverse order, plain and in the profile's ways."""
    dtype = np.dtype(float)
    layers = given_layers(structures, dtype, CPU)
    for planner, backend, suffix in (
        ("optimal", CPU, ""),
        ("optimal", tuned(CPU, calibrated()), ", ways"),
        ("reverse", CPU, ", reverse"),
    ):
        found = plan(chain_of_layers(layers), planner=planner)
        runs = executable(found, layers, dtype, backend)
        call = partial(runs, np.zeros(found.chain.sizes[0]))
        yield Work(f"{name}{suffix}", runs.program, backend is CPU, call)


def _notes(rates: Rates, works: Sequence[Work], _times: Sequence[Times]) -> list[str]:
    """Return predictions beside times taken as calibration takes them: the fastest of many turns, by its clock."""
    predicted = {work.name: program_seconds(rates, work.program, plain=work.is_plain) for work in works}
    tasks = [Task(work.name, ((work.call, ()),), predicted[work.name]) for work in works]
    measured = stopwatch(CPU).race(tasks, perf_counter() + SECONDS, tick=lambda: None)
    lines = [f"profile: {calibrated().name}; seconds are the fastest of many turns"]
    for name, seconds in predicted.items():
        ratio = seconds / measured[name]
        lines.append(f"{name:34} predicted {1e6 * seconds:10.1f} us, {ratio:6.3f} x {1e6 * measured[name]:10.1f} us")
    for what, chosen in (("NumPy's own products", True), ("the profile's ways", False)):
        names = [work.name for work in works if work.is_plain == chosen]
        errors = [abs(predicted[name] / measured[name] - 1) for name in names]
        rank = rank_correlation([predicted[name] for name in names], [measured[name] for name in names])
        met = "met" if median(errors) <= WANTED else "missed"
        lines.append(
            f"{met}: {what}: median relative error {median(errors):.1%} over {len(names)} programs, wanted "
            f"<= {WANTED:.0%}; rank correlation {rank:.3f}"
        )
    return lines
