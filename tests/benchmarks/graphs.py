"""Elimination orders of published expression graphs: multiplications against recorded counts."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.contender import Contender
from benchmarks.race import Times
from benchmarks.row import Row
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.graph import Edge, Graph

SECONDS = 1.0
"""What a search may take."""

MOST = 1.01
"""How often the best known count a search may need."""


class Case(NamedTuple):
    """A published graph with the counts that were recorded for it."""

    name: str
    graph: Graph
    counts: dict[str, int]


def search_row(path: Path | None, *, peers: bool) -> Row:
    """Return the row of the published graphs; what is timed is the quick planners on one of them, or a random one."""
    cases = [] if path is None else published(path)
    graph = cases[0].graph if cases else random_graph()
    contenders = [
        Contender(f"planned by {name}", "other", partial(plan_graph, graph, planner=name), answer=None)
        for name in ("forward", "markowitz")
    ]
    title = f"elimination orders of {len(cases) or 'no'} published graphs, search in {SECONDS:g} s"
    return Row("search-published", title, contenders, [], notes=partial(_counts, path, cases))


def published(path: Path) -> list[Case]:
    """Return the graphs of the published set, all of scalars (counts: arXiv 2406.05027 and local search)."""
    return [_case(found) for found in json.loads(path.read_text())["graphs"]]


def _case(found: dict[str, Any]) -> Case:
    vertices = sorted({vertex for edge in found["edges"] for vertex in edge})
    edges = [Edge(tail, head) for tail, head in found["edges"]]
    requests = [(output, source) for output in found["outputs"] for source in found["inputs"]]
    counts = {name: found[name] for name in ("forward", "reverse", "markowitz", "learned", "best_known")}
    return Case(found["name"], Graph(dict.fromkeys(vertices, 1), edges, requests), counts)


def random_graph() -> Graph:
    """Return a graph like the published ones: every vertex depends on one or two of those shortly before it."""
    rng = Random(0)
    edges = [
        Edge(tail, head)
        for head in range(6, 106)
        for tail in sorted({head - rng.randint(1, 6) for _ in range(2)})
        if tail >= 0
    ]
    return Graph(dict.fromkeys(range(106), 1), edges)


def _counts(path: Path | None, cases: Sequence[Case], _times: Sequence[Times]) -> list[str]:
    if path is None:
        return ["not compared with the published counts: give their file by --graphs"]
    heads = ("forward", "reverse", "greedy", "learned", "known", "ours", "/learned", "/known", "seconds")
    found = [f"{'':18}" + "".join(f"{head:>9}" for head in heads)]
    for case in cases:
        counts = case.counts
        started = perf_counter()
        ours = plan_graph(case.graph, planner="search", seconds=SECONDS)
        seconds = perf_counter() - started
        baselines = [ours.baselines[name].flops for name in ("forward", "reverse", "markowitz")]
        ratios = ours.flops / counts["learned"], ours.flops / counts["best_known"]
        cells = "".join(f"{count:>9}" for count in (*baselines, counts["learned"], counts["best_known"], ours.flops))
        found.append(f"{case.name:18}{cells}" + "".join(f"{ratio:>9.3f}" for ratio in ratios) + f"{seconds:>9.2f}")
        found += [
            f"  {name} takes {count} here, {counts[name]} were recorded"
            for name, count in zip(("forward", "reverse", "markowitz"), baselines, strict=True)
            if count != counts[name]
        ]
        if ratios[0] > 1 or ratios[1] > MOST:
            found.append(f"  missed: wanted at most the learned count, and {MOST:g} x the best known one")
    return found
