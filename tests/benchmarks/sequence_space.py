"""Total Jacobians of a macroeconomic model in sequence space: planned, and accumulated forward along its blocks."""

from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.contender import Array, Contender
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.algebra.matrix import Matrix
from jacchain.blocks.compose import compose
from jacchain.blocks.total_jacobians import TotalJacobians
from jacchain.execution.graph.run import GraphExecutable
from jacchain.workloads.sequence_space import SHOCKS, UNKNOWNS, accumulated_forward, sequence_space_blocks

INPUTS = (*UNKNOWNS, *SHOCKS)
TWO = ("goods", "assets")

PLANNED, FORWARD, WHOLE = "jacchain, planned", "jacchain, planner='forward'", "jc.compose, blocks read anew"
PLAIN = "NumPy and SciPy sparse, forward"


def row(which: str, *, peers: bool) -> Row:
    """Return the row of "all" outputs, or of "two"."""
    blocks = sequence_space_blocks()
    outputs = tuple(variable for block in blocks for variable in block) if which == "all" else TWO
    start = perf_counter()
    planned = compose(blocks, outputs, INPUTS, structured=True)
    seconds = perf_counter() - start
    forward = compose(blocks, outputs, INPUTS, structured=True, planner="forward")
    by_hand = partial(accumulated_forward, blocks, outputs, INPUTS)
    whole = partial(compose, blocks, outputs, INPUTS, structured=True)
    pairs = [
        pair for pair, root in zip(planned.plan.graph.requests, planned.plan.roots, strict=True) if root is not None
    ]
    contenders = [
        Contender(PLAIN, "plain", by_hand, answer=lambda totals: np.array([_written(totals[pair]) for pair in pairs])),
        Contender(PLANNED, "jacchain", partial(_bound(planned), ()), answer=partial(_matrices, planned)),
        Contender(FORWARD, "other", partial(_bound(forward), ()), answer=partial(_matrices, forward)),
        Contender(WHOLE, "other", whole, answer=lambda found: np.array([_written(found[pair]) for pair in pairs])),
    ]
    wanted = 2 if which == "all" else 3
    notes = _notes(planned, wanted, seconds)
    title = f"sequence space, T=300: {len(outputs)} outputs from {len(INPUTS)} inputs"
    return Row(f"blocks-{which}", title, contenders, [Target(PLANNED, (PLAIN,), 1.0)], notes=lambda _: notes)


def _notes(found: TotalJacobians, wanted: int, seconds: float) -> list[str]:
    """Return what the plans cost, and what planning takes."""
    ours, theirs = found.plan.flops, found.plan.baselines["forward"].flops or 0
    met = "met" if theirs >= wanted * ours else "missed"
    return [
        f"{met}: {ours:,} multiplications, forward accumulation takes {theirs:,}: {theirs / ours:.2f} x as many",
        f"{'':{len(met)}}  wanted >= {wanted} x",
        f"the first jc.compose, planning included: {seconds:.2f} s",
    ]


def _bound(found: TotalJacobians) -> GraphExecutable:
    assert found.run is not None
    return found.run


def _matrices(found: TotalJacobians, flat: Array) -> Array:
    """Return the results of a run, written out."""
    return np.array([Matrix(*operand).todense() for operand in _bound(found).operands(flat)])


def _written(total: Any) -> Array:
    if isinstance(total, Matrix):
        return np.asarray(total.todense())
    return np.asarray(total if isinstance(total, np.ndarray) else total.toarray())
