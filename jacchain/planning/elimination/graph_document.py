"""Plans of branching graphs as documents of schema ``jacchain.graph-plan/v1``, in JSON."""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jacchain.algebra.addition import addition
from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Identity, stored
from jacchain.errors import FileError, JacchainError, unknown_name
from jacchain.planning.cost import Cost
from jacchain.planning.document import converted, decoded, expect_schema, expect_types
from jacchain.planning.draft import Draft
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.paths import path_sums
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.planning.elimination.problem import Problem, prepared
from jacchain.planning.elimination.spans import spans
from jacchain.planning.graph import Chain, Graph
from jacchain.planning.graph_document import EdgeEntry, VertexEntry, graph_entries, graph_of
from jacchain.planning.node import Add, Adjoint, GraphNode, Local, Mode, Multiply, Tangent
from jacchain.planning.plan import Baseline, Baselines
from jacchain.planning.predictions import expect_predictions, without_predictions

GRAPH_PLAN_SCHEMA: Final = "jacchain.graph-plan/v1"

LOCALS: Final[dict[str, Mode]] = {
    "local": "given",
    "accumulate-tangent": "tangent",
    "accumulate-adjoint": "adjoint",
    "identity": "given",
}
"""Operations on a link alone, and how each forms its local Jacobian."""

OPERANDS: Final = {**dict.fromkeys(LOCALS, 0), "tangent": 1, "adjoint": 1, "multiply": 2, "add": 2}
"""Every operation, and how many earlier steps it reads."""

WHERE = "the plan"


class GraphStepEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One step: the Jacobian of `head` with respect to `tail`, from an edge and earlier steps, all by number."""

    op: str
    tail: str | int
    head: str | int
    edge: int | None
    operands: list[int]
    structure: str
    flops: int
    bytes: int
    predicted_seconds: float | None = None


class CostEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What a textbook order costs."""

    flops: int | None
    predicted_seconds: float | None = None


class GraphPlanEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A document of a graph's plan."""

    schema: str
    planner: str
    flops: int
    peak: int
    order: list[str | int]
    reason: str
    baselines: dict[str, CostEntry]
    steps: list[GraphStepEntry]
    results: list[int | None]
    vertices: list[VertexEntry]
    edges: list[EdgeEntry]
    requests: list[tuple[str | int, str | int]]
    itemsize: int = 8
    lower_bound: int = 0
    seconds: float = 1.0
    seed: int = 0
    unit_free: bool = False
    tape_limit: int | None = None
    cost: Cost = "multiplications"
    predicted_seconds: float | None = None
    profile: str | None = None


def graph_plan_to_json(plan: GraphPlan, /) -> str:
    """Return a plan as one JSON document of schema ``jacchain.graph-plan/v1``."""
    document = {
        "schema": GRAPH_PLAN_SCHEMA,
        "planner": plan.planner,
        "flops": plan.flops,
        "peak": plan.peak,
        "order": list(plan.order),
        "reason": plan.reason,
        "baselines": {name: msgspec.to_builtins(CostEntry(*cost)) for name, cost in plan.baselines.items()},
        "steps": [msgspec.to_builtins(step) for step in _step_entries(plan)],
        "results": list(plan.roots),
        **graph_entries(plan.graph),
        "itemsize": plan.itemsize,
        "lower_bound": plan.lower_bound,
        "seconds": plan.search_seconds,
        "seed": plan.seed,
        "unit_free": plan.unit_free,
        "tape_limit": plan.tape_limit,
        "cost": plan.cost,
        "predicted_seconds": plan.seconds,
        "profile": plan.profile,
    }
    without_predictions(document)
    return json.dumps(document, indent=2)


def graph_plan_from_json(text: str | bytes, /) -> GraphPlan:
    """Return the plan of a JSON document, its steps priced anew and compared with what the document says."""
    raw = decoded(text, WHERE, toml=False)
    expect_schema(raw, GRAPH_PLAN_SCHEMA, WHERE)
    expect_types(raw, "edges", WHERE)
    entry: GraphPlanEntry = converted(raw, GraphPlanEntry, WHERE)
    graph = graph_of(entry.vertices, entry.edges, entry.requests, WHERE)
    problem = _problem(graph, entry)
    nodes = _nodes(problem, entry.steps)
    _expect_results(entry, len(nodes))
    plan = GraphPlan(
        graph,
        entry.planner,
        nodes,
        tuple(entry.results),
        sum(node.flops for node in nodes),
        entry.peak,
        Baselines(
            tuple((name, Baseline(cost.flops, cost.predicted_seconds)) for name, cost in entry.baselines.items())
        ),
        entry.reason,
        entry.itemsize,
        entry.lower_bound,
        tuple(entry.order),
        entry.seconds,
        entry.seed,
        entry.unit_free,
        entry.tape_limit,
        entry.cost,
        entry.predicted_seconds,
        entry.profile,
        expect_predictions(entry, WHERE),
    )
    _compare(entry, plan, problem)
    return plan


def _problem(graph: Graph, entry: GraphPlanEntry) -> Problem:
    if entry.tape_limit is not None and entry.tape_limit < 0:
        raise FileError(f"{WHERE} is wrong at $.tape_limit: {entry.tape_limit}", "make the plan anew")
    try:
        return prepared(graph, unit_free=entry.unit_free, tape_limit=entry.tape_limit)
    except JacchainError as error:
        raise FileError(f"{WHERE} is wrong at $.tape_limit: {error.what}", error.cure) from None


def _nodes(problem: Problem, steps: Sequence[GraphStepEntry]) -> tuple[GraphNode, ...]:
    nodes: list[GraphNode] = []
    for k, step in enumerate(steps):
        try:
            nodes.append(_node(problem, step, nodes))
        except JacchainError as error:
            raise FileError(f"{WHERE} is wrong at $.steps[{k}]: {error.what}", error.cure) from None
    return tuple(nodes)


def _node(problem: Problem, step: GraphStepEntry, nodes: Sequence[GraphNode]) -> GraphNode:
    """Return the node of a step, priced anew."""
    if step.op not in OPERANDS:
        unknown_name("operation", step.op, OPERANDS)
    below = step.operands
    if len(below) != OPERANDS[step.op] or any(not 0 <= k < len(nodes) for k in below):
        cure = f"name {OPERANDS[step.op]} earlier steps by their numbers, from 0"
        raise FileError(f"{step.op} of the steps {below}", cure)
    if step.op == "identity":
        if step.tail not in problem.graph.sizes:
            unknown_name("vertex", step.tail, map(str, problem.graph.sizes))
        return Local(-1, "given", Identity(problem.graph.sizes[step.tail]), 0)
    structures = [nodes[k].structure for k in below]
    if step.op == "multiply":
        made = product(structures[0], structures[1])
        return Multiply(below[0], below[1], made.structure, made.cost)
    if step.op == "add":
        return Add(below[0], below[1], addition(structures[0], structures[1]).structure)
    edge = -1 if step.edge is None else step.edge
    if not 0 <= edge < len(problem.links):
        raise FileError(f"edge {step.edge} is not known", f"name one of the edges 0 to {len(problem.links) - 1}")
    link = problem.links[edge]
    draft = Draft(Chain([link]))
    if step.op in LOCALS:
        found = draft.nodes[draft.local(0, LOCALS[step.op])]
        return Local(edge, LOCALS[step.op], found.structure, found.flops)
    cost = link.tangent_cost if step.op == "tangent" else link.adjoint_cost
    if cost is None:
        raise FileError(f"edge {edge} has no {step.op}", f"give it a cost of {step.op}s, or make the plan anew")
    if step.op == "tangent":
        columns = structures[0].columns
        return Tangent(edge, below[0], Dense(link.outputs, columns), columns * cost)
    rows = structures[0].rows
    return Adjoint(below[0], edge, Dense(rows, link.inputs), rows * cost)


def _expect_results(entry: GraphPlanEntry, count: int) -> None:
    """Refuse results that are no steps, or not one for each request."""
    if len(entry.results) != len(entry.requests):
        raise FileError(
            f"{WHERE} is wrong at $.results: {len(entry.results)} of them for {len(entry.requests)} requests",
            "give one for each",
        )
    for k, result in enumerate(entry.results):
        if result is not None and not 0 <= result < count:
            raise FileError(f"{WHERE} is wrong at $.results[{k}]: there is no step {result}", "make the plan anew")


def _compare(entry: GraphPlanEntry, plan: GraphPlan, problem: Problem) -> None:
    """Refuse a document that says something else than its steps do."""
    if entry.planner not in GRAPH_PLANNERS:
        raise FileError(f"{WHERE} is of an unknown planner {entry.planner!r}", f"valid: {', '.join(GRAPH_PLANNERS)}")
    if plan.flops != entry.flops:
        raise FileError(
            f"{WHERE} states {entry.flops} multiplications, but its steps make {plan.flops}",
            "make the plan anew: its edges or steps were changed",
        )
    if entry.itemsize < 1 or entry.peak < 0 or not 0 <= entry.lower_bound <= plan.flops:
        raise FileError(
            f"{WHERE} states a peak of {entry.peak} bytes at {entry.itemsize} a number and a lower bound of "
            f"{entry.lower_bound}, but it takes {plan.flops} multiplications",
            "make the plan anew",
        )
    if not 0 < entry.seconds < float("inf") or entry.seed < 0:
        raise FileError(f"{WHERE} states {entry.seconds} seconds from seed {entry.seed}", "make the plan anew")
    for name, cost in entry.baselines.items():
        if name not in GRAPH_PLANNERS or cost.flops is None or cost.flops < 0:
            raise FileError(f"{WHERE} is wrong at $.baselines: {name} of {cost.flops}", "make the plan anew")
    if sorted(map(repr, entry.order)) != sorted(repr(problem.vertices[vertex]) for vertex in problem.interior):
        raise FileError(f"{WHERE} is wrong at $.order: not each interior vertex once", "make the plan anew")
    _expect_meaning(entry, plan)


def _expect_meaning(entry: GraphPlanEntry, plan: GraphPlan) -> None:
    """Refuse steps that do not meet, that say something else of themselves, or that miss a path."""
    itself = {root for root, pair in zip(plan.roots, plan.graph.requests, strict=True) if pair[0] == pair[1]}
    if any(isinstance(node, Local) and node.link < 0 and k not in itself for k, node in enumerate(plan.nodes)):
        raise FileError(f"{WHERE}'s steps have an identity that is no result", "make the plan anew")
    try:
        found = _step_entries(plan)
    except JacchainError as error:
        raise FileError(f"{WHERE} is wrong at $.steps: {error.what}", error.cure) from None
    for k, (step, other) in enumerate(zip(entry.steps, found, strict=True)):
        if step != other:
            raise FileError(f"{WHERE} is wrong at $.steps[{k}]: it is not what its operation makes", "make it anew")
    for k, (is_whole, (output, source)) in enumerate(zip(path_sums(plan), plan.graph.requests, strict=True)):
        if not is_whole:
            raise FileError(
                f"{WHERE} is wrong at $.results[{k}]: it is not the sum over all paths from {source!r} to {output!r}",
                "make the plan anew",
            )


def _step_entries(plan: GraphPlan) -> list[GraphStepEntry]:
    entries: list[GraphStepEntry] = []
    for node, span in zip(plan.nodes, spans(plan.graph, plan.nodes, plan.roots), strict=True):
        op, edge, below = _operation(node)
        sizes = node.flops, stored(node.structure) * plan.itemsize
        seconds = plan.step_seconds[len(entries)] if plan.step_seconds else None
        entries.append(GraphStepEntry(op, span.tail, span.head, edge, below, str(node.structure), *sizes, seconds))
    return entries


def _operation(node: GraphNode) -> tuple[str, int | None, list[Any]]:
    match node:
        case Local(-1):
            return "identity", None, []
        case Local(link, mode):
            return ("local" if mode == "given" else f"accumulate-{mode}"), link, []
        case Multiply(left, right):
            return "multiply", None, [left, right]
        case Tangent(link, right):
            return "tangent", link, [right]
        case Adjoint(left, link):
            return "adjoint", link, [left]
        case Add(left, right):
            return "add", None, [left, right]
