"""Orders of elimination that may take less time than that of least multiplications, and the choice among them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import fsum
from typing import Final, NamedTuple, final

from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.graph_plan import need
from jacchain.planning.elimination.outcome import Outcome
from jacchain.planning.elimination.planners import GRAPH_BASELINES, GRAPH_PLANNERS, HEAVY, Effort
from jacchain.planning.elimination.problem import Problem
from jacchain.planning.node import GraphNode
from jacchain.planning.quickest.fits import GAIN
from jacchain.planning.quickest.predictor import Predictor
from jacchain.planning.quickest.quickest_reason import kept_reason, quicker_reason
from jacchain.planning.quickest.step_seconds import steps_seconds

SEARCHING: Final = ("auto", "search", "optimal", "exhaustive")
"""The planners that look for an order; the others have one, and keep it."""

SEEDS: Final = 2
"""Searches from other seeds, each in a part of the seconds: orders of about as few multiplications that differ."""

SHARE: Final = 0.2
"""That part."""

Roots = Sequence[int | None]
Write = Callable[[Outcome], tuple[list[GraphNode], list[int | None]]]


@final
class Timed(NamedTuple):
    """An outcome with its nodes and roots, their predicted seconds, and why it was chosen."""

    outcome: Outcome
    nodes: list[GraphNode]
    roots: list[int | None]
    seconds: tuple[float, ...]
    reason: str = ""

    @property
    def total(self) -> float:
        """The seconds of all nodes."""
        return fsum(self.seconds)


def as_timed(problem: Problem, found: Outcome, write: Write, predictor: Predictor, /) -> Timed:
    """Return an outcome with its nodes and their predicted seconds."""
    nodes, roots = write(found)
    return Timed(found, nodes, roots, steps_seconds(predictor, problem.links, nodes))


def quicker(
    problem: Problem,
    planner: str,
    effort: Effort,
    known: Timed,
    write: Write,
    predictor: Predictor,
    room: int | None = None,
    /,
) -> Timed:
    """Return the order that saves at least ``GAIN`` of a known one's predicted time, the quickest tried; else that one.

    Tried are the textbook orders, chains of layers, and searches from other seeds; those that hold more numbers than
    there is room for are not taken.
    """
    if planner not in SEARCHING or len(problem.interior) < 2:
        return known
    best, least = known, (1 - GAIN) * known.total
    for other in _others(problem, planner, effort):
        found = as_timed(problem, other, write, predictor)
        if found.total < least and (room is None or need(problem.graph, found.nodes, found.roots) <= room):
            best, least = found, found.total
    if best is known:
        return known._replace(reason=kept_reason(known.reason, predictor.name, is_exact=False))
    flops = best.outcome.flops, known.outcome.flops
    why = quicker_reason(best.total, flops[0], known.total, flops[1], predictor.name, best.outcome.how)
    return best._replace(reason=why)


def _others(problem: Problem, planner: str, effort: Effort) -> Iterator[Outcome]:
    for name in GRAPH_BASELINES:
        yield GRAPH_PLANNERS[name](problem, effort)._replace(how=f": {name} elimination")
    if problem.entries > HEAVY:
        return
    with suppress(InfeasibleError):
        yield GRAPH_PLANNERS["layered"](problem, effort)._replace(how=": chains of layers")
    if planner in ("auto", "search"):
        for seed in range(effort.seed + 1, effort.seed + 1 + SEEDS):
            yield GRAPH_PLANNERS["search"](problem, Effort(SHARE * effort.seconds, seed))._replace(how="")
