"""Schedules: makespans against recorded ones, and two threads against one."""

import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from threading import Thread
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

import jacchain as jc
from benchmarks.contender import Array, Contender
from benchmarks.race import Times
from benchmarks.row import Row
from jacchain.compositions import Jacobian
from jacchain.layers import Linear, Tanh
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.planner import plan
from jacchain.planning.scheduling.scheduled import scheduled

WORKERS = (2, 3, 4)
LINKS = 8
WANTED = {2: 1.0, 3: 0.5, 4: 0.03}
"""Per cent by which makespans may exceed the published optima, on average."""

HALVES = (900, 900, 900, 900, 120, 900, 900, 900, 900)
"""Sizes around a waist, on both sides of which there is as much to do."""


class Case(NamedTuple):
    """A published chain with its optima, by workers, where these are proven."""

    chain: Chain
    optima: dict[int, int]


def published_row(path: Path | None, *, peers: bool) -> Row:
    """Return the row of the published chains of eight links; what is timed is one of them, or a random one."""
    cases = [] if path is None else published(path)
    chain = cases[0].chain if cases else random_chain()
    contenders = [
        Contender(f"scheduled, {workers} workers", "other", partial(scheduled, chain, workers), answer=None)
        for workers in WORKERS
    ]
    title = f"schedules of {LINKS} matrix-free links"
    return Row("schedule-published", title, contenders, [], notes=partial(_gaps, path, cases))


def published(path: Path) -> list[Case]:
    """Return the chains of eight links of the published set (arXiv 2505.06056): tangent = adjoint = edges."""
    found = []
    for case in json.loads(path.read_text())["cases"]:
        if case["n"] == LINKS:
            ends = zip(case["bnb"], case["bnb_finished"], strict=True)
            optima = {workers: end for workers, (end, is_proven) in enumerate(ends, 1) if is_proven}
            links = zip(pairwise(case["dims"]), case["edges"], strict=True)
            found.append(Case(Chain(Link(*ends, tangent_cost=e, adjoint_cost=e, tape=e) for ends, e in links), optima))
    return found


def random_chain() -> Chain:
    """Return a chain like the published ones."""
    rng = np.random.default_rng(0)
    sizes: list[int] = rng.integers(1, 50, LINKS + 1).tolist()
    edges: list[int] = rng.integers(500, 9000, LINKS).tolist()
    links = zip(pairwise(sizes), edges, strict=True)
    return Chain(Link(*ends, tangent_cost=e, adjoint_cost=e, tape=e) for ends, e in links)


def _gaps(path: Path | None, cases: Sequence[Case], _times: Sequence[Times]) -> list[str]:
    if path is None:
        return ["not compared with the published optima: give their file by --published"]
    found = []
    for workers in WORKERS:
        gaps, seconds, proven = [], [], 0
        for case in cases:
            begin = perf_counter()
            made = plan(case.chain, workers=workers)
            seconds.append(perf_counter() - begin)
            proven += made.makespan == made.lower_bound
            if workers in case.optima:
                gaps.append(100 * (made.makespan / case.optima[workers] - 1))
        found.append(
            f"{workers} workers: {fmean(gaps):.4f} % above the optimum on average ({WANTED[workers]} % wanted), "
            f"{max(gaps):.4f} % at worst, over {len(gaps)} proven optima; {proven} of {len(cases)} proven here; "
            f"at most {max(seconds):.3f} s a chain (1 s wanted)"
        )
    return found


def threads_row(*, peers: bool) -> Row:
    """Return the row of a network with two independent halves, by one worker and by two."""
    rng = np.random.default_rng(0)
    layers: list[Any] = []
    for n, m in pairwise(HALVES):
        layers += [Linear(rng.standard_normal((m, n)) / np.sqrt(n)), Tanh()]
    f, x = jc.Sequential(layers), rng.standard_normal(HALVES[0])
    blas = ThreadpoolController()

    def alone(j: Jacobian) -> Array:
        with blas.limit(limits=1, user_api="blas"):
            return j(x)

    names = {workers: f"{workers} worker{'s' if workers > 1 else ''}" for workers in (1, 2)}
    made = {workers: jc.jacobian(f, workers=workers) for workers in names}
    contenders = [Contender(names[workers], "other", partial(alone, made[workers])) for workers in names]
    predicted = made[1].plan(x).makespan / made[2].plan(x).makespan
    title = f"threads, one of BLAS in each: Jacobian of {' '.join(map(str, HALVES))}"
    return Row("schedule-threads", title, contenders, [], notes=partial(_gain, predicted))


def _gain(predicted: float, times: Sequence[Times]) -> list[str]:
    one, two = times
    measured = (
        f"{one.median / two.median:.2f} times as fast as one, {one.minimum / two.minimum:.2f} in the fastest rounds"
    )
    bare = f"two bare threads do {_bare():.2f} times as many of these products in the same time as one"
    return [f"2 workers are {measured}; predicted {predicted:.2f}", f"on this machine as it is now, {bare}"]


def _bare() -> float:
    """Return what two threads gain on products of the row's sizes, without jacchain: what could be gained at most."""
    size, waist = max(HALVES), min(HALVES)
    a, b = np.ones((size, size)), np.ones((size, waist))
    outs = [np.empty((size, waist)) for _ in range(2)]

    def work(out: Array) -> None:
        for _ in range(20):
            np.dot(a, b, out=out)

    def seconds(threads: int) -> float:
        crew = [Thread(target=work, args=(outs[k],)) for k in range(threads)]
        begin = perf_counter()
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        return perf_counter() - begin

    with ThreadpoolController().limit(limits=1, user_api="blas"):
        found = [(seconds(1), seconds(2)) for _ in range(8)]
    return 2 * min(one for one, _ in found) / min(two for _, two in found)
