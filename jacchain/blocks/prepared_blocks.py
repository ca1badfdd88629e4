"""From the structures of blocks to a program, which is kept: blocks with other numbers are only run."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, final

from jacchain.algebra.kernels import Arrays
from jacchain.algebra.structure import Structure
from jacchain.blocks.given import Given, link_of
from jacchain.execution.graph.lower import Place, Request, lower_graph
from jacchain.execution.operation import Applied
from jacchain.execution.program import Program
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.graph import Edge, Graph, Vertex

KEPT = 16
"""Programs that are kept; the one used longest ago goes first."""

Pair = tuple[Vertex, Vertex]
"""An output and an input."""


@final
class Skeleton(NamedTuple):
    """Everything that plan and program depend on: blocks without their numbers, and what is asked of them.

    Attributes
    ----------
    sizes : tuple of (variable, int)
        In topological order.
    structures : tuple of (pair, Structure)
    requests : tuple of pairs
    itemsize : int
    planner, seconds, seed, structured
        See `compose`.
    """

    sizes: tuple[tuple[Vertex, int], ...]
    structures: tuple[tuple[Pair, Structure], ...]
    requests: tuple[Pair, ...]
    itemsize: int
    planner: str
    seconds: float
    seed: int
    structured: bool


@final
class PreparedBlocks(NamedTuple):
    """The plan of a skeleton, and its program.

    Attributes
    ----------
    plan : GraphPlan
    program : Program or None
        None where every request is zero or an identity.
    made : tuple of pairs
        What the program's results are.
    """

    plan: GraphPlan
    program: Program | None
    made: tuple[Pair, ...]


def prepared_blocks(skeleton: Skeleton, /) -> PreparedBlocks:
    """Return the plan and the program of a skeleton, the kept ones if it is known.

    Raises
    ------
    OptionError, InfeasibleError
        As `plan_graph`.
    """
    try:
        hash(skeleton)
    except TypeError:  # an option that is no option
        return _prepared.__wrapped__(skeleton)
    return _prepared(skeleton)


@lru_cache(maxsize=KEPT)
def _prepared(skeleton: Skeleton) -> PreparedBlocks:
    edges = [Edge(source, output, link_of(structure)) for (output, source), structure in skeleton.structures]
    plan = plan_graph(
        Graph(dict(skeleton.sizes), edges, skeleton.requests),
        planner=skeleton.planner,
        seconds=skeleton.seconds,
        seed=skeleton.seed,
        unit_free=True,
        itemsize=skeleton.itemsize,
    )
    asked = zip(skeleton.requests, plan.roots, strict=True)
    roots = {pair: root for pair, root in asked if root is not None and pair[0] != pair[1]}
    if not roots:
        return PreparedBlocks(plan, None, ())
    # all is constant here: folded products would all be kept, and none would be freed
    request = Request(plan.nodes, tuple(roots.values()), is_dense=not skeleton.structured, is_folded=False)
    program = lower_graph(request, nodes_of(skeleton), (), places_of(skeleton), itemsize=skeleton.itemsize)
    return PreparedBlocks(replace(plan, peak=program.peak), program, tuple(roots))


def nodes_of(skeleton: Skeleton, arrays: Sequence[Arrays] = (), /) -> list[Applied]:
    """Return a node for each variable, with the arrays of the structures, in their order, or without any."""
    numbers = {variable: k for k, (variable, _) in enumerate(skeleton.sizes)}
    entries: dict[Vertex, list[int]] = {variable: [] for variable in numbers}
    for k, ((output, _), _) in enumerate(skeleton.structures):
        entries[output].append(k)
    found = []
    for variable, size in skeleton.sizes:
        operands = tuple(numbers[skeleton.structures[k][0][1]] for k in entries[variable])
        structures = tuple(skeleton.structures[k][1] for k in entries[variable])
        held = tuple(arrays[k] for k in entries[variable]) if arrays else ()
        operation = Given(str(variable), structures, held) if structures else None
        found.append(Applied(operation, operands, (size,), name=str(variable)))
    return found


def places_of(skeleton: Skeleton, /) -> list[Place]:
    """Return where each structure belongs: to which node, and to which of its operands."""
    numbers = {variable: k for k, (variable, _) in enumerate(skeleton.sizes)}
    known = dict.fromkeys(numbers, 0)
    found = []
    for (output, _), _ in skeleton.structures:
        found.append(Place(numbers[output], known[output]))
        known[output] += 1
    return found
