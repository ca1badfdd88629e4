"""Plans as documents of schema ``jacchain.plan/v1``, in JSON."""

import json
from typing import NoReturn

import msgspec

from jacchain.algebra.structure import stored
from jacchain.errors import FileError, InfeasibleError, JacchainError, unknown_name
from jacchain.planning.cost import Cost
from jacchain.planning.document import LinkEntry, chain_of, converted, decoded, expect_schema, link_entry
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain
from jacchain.planning.limits import under_tape_limit
from jacchain.planning.memory import arrange, held
from jacchain.planning.node import Adjoint, Local, Mode, Multiply, Node, Tangent
from jacchain.planning.plan import Baseline, Baselines, Plan, names
from jacchain.planning.planners import PLANNERS
from jacchain.planning.predictions import expect_predictions, without_predictions
from jacchain.planning.schedule import Schedule, Task, broken
from jacchain.planning.slicing import Axis, Slicing, sliced
from jacchain.planning.spine import settled

PLAN_SCHEMA = "jacchain.plan/v1"


class StepEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One step of a plan: what is formed, from what."""

    op: str
    result: str
    operands: list[str]
    structure: str
    flops: int
    bytes: int
    predicted_seconds: float | None = None


class TaskEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A step on a worker, from one multiplication to another."""

    step: str
    worker: int
    start: int
    end: int


class BaselineEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What a textbook order costs; null where the chain does not allow it."""

    flops: int | None
    predicted_seconds: float | None = None


class PlanEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A plan document."""

    schema: str
    planner: str
    flops: int
    peak: int
    bracketing: str
    reason: str
    baselines: dict[str, BaselineEntry]
    steps: list[StepEntry]
    links: list[LinkEntry]
    itemsize: int = 8
    tape_limit: int | None = None
    memory: int | None = None
    chunk_size: int | None = None
    chunk_axis: Axis | None = None
    workers: int | None = None
    makespan: int | None = None
    lower_bound: int = 0
    once: int = 0
    schedule: list[TaskEntry] | None = None
    cost: Cost = "multiplications"
    predicted_seconds: float | None = None
    profile: str | None = None


def plan_to_json(plan: Plan, /) -> str:
    """Return a plan as one JSON document of schema ``jacchain.plan/v1``."""
    document = PlanEntry(
        schema=PLAN_SCHEMA,
        planner=plan.planner,
        flops=plan.flops,
        peak=plan.peak,
        bracketing=plan.bracketing,
        reason=plan.reason,
        baselines={name: BaselineEntry(*baseline) for name, baseline in plan.baselines.items()},
        steps=_step_entries(plan),
        links=[],
        itemsize=plan.itemsize,
        tape_limit=plan.tape_limit,
        memory=plan.memory,
        chunk_size=plan.chunk_size,
        chunk_axis=None if plan.slicing is None else plan.slicing.axis,
        workers=None if plan.schedule is None else plan.schedule.workers,
        makespan=plan.makespan,
        lower_bound=plan.lower_bound,
        once=plan.once,
        schedule=_task_entries(plan),
        cost=plan.cost,
        predicted_seconds=plan.seconds,
        profile=plan.profile,
    )
    found = msgspec.to_builtins(document)
    without_predictions(found)
    found["links"] = [link_entry(link) for link in plan.chain.links]
    return json.dumps(found, indent=2)


def plan_from_json(text: str | bytes, /) -> Plan:
    """Return the plan of a JSON document, its steps priced anew and compared with what the document says."""
    raw = decoded(text, "the plan", toml=False)
    expect_schema(raw, PLAN_SCHEMA, "the plan")
    entry = converted(raw, PlanEntry, "the plan")
    chain = chain_of(entry.links, "the plan")
    _expect_limits(entry)
    limited = _under_tape_limit(chain, entry)
    slicing = None if entry.chunk_size is None else _slicing(chain, entry)
    nodes = _nodes(limited if slicing is None else sliced(limited, slicing), entry.steps)
    flops, once = sum(node.flops for node in nodes), 0
    if slicing is not None:
        found = settled(sliced(limited, slicing), slicing.axis, nodes)
        nodes, flops, once = found.nodes, found.flops(chain, slicing), found.once
    plan = Plan(
        chain,
        entry.planner,
        nodes,
        flops,
        entry.peak,
        Baselines(tuple((name, Baseline(b.flops, b.predicted_seconds)) for name, b in entry.baselines.items())),
        entry.reason,
        entry.itemsize,
        entry.tape_limit,
        entry.memory,
        entry.lower_bound,
        slicing,
        once,
        _schedule(entry, nodes),
        entry.cost,
        entry.predicted_seconds,
        entry.profile,
        _step_seconds(entry, nodes),
    )
    _compare(entry, plan)
    return plan


def _expect_limits(entry: PlanEntry) -> None:
    """Refuse limits that make no sense, that the plan breaks, or of which one half is missing."""
    if (entry.chunk_size is None) != (entry.chunk_axis is None):
        raise FileError("the plan is wrong at $.chunk_size: it needs a $.chunk_axis and that needs it", "give both")
    if (entry.workers is None) != (entry.schedule is None):
        raise FileError("the plan is wrong at $.workers: they need a $.schedule and that needs them", "give both")
    for name, value in (("memory", entry.memory), ("tape_limit", entry.tape_limit), ("workers", entry.workers)):
        if value is not None and value < (0 if name == "tape_limit" else 1):
            raise FileError(f"the plan is wrong at $.{name}: {value}", "make the plan anew")
    if entry.memory is not None and entry.peak > entry.memory:
        raise FileError(
            f"the plan states a peak of {entry.peak} bytes, but a limit of {entry.memory}", "make the plan anew"
        )


def _step_seconds(entry: PlanEntry, nodes: tuple[Node, ...]) -> tuple[float, ...]:
    """Return the predicted seconds of the nodes, which may stand in another order than the document's steps."""
    found = expect_predictions(entry, "the plan", is_sliced=entry.chunk_size is not None)
    given = {step.result: seconds for step, seconds in zip(entry.steps, found, strict=bool(found))}
    return tuple(given[name] for name in names(nodes)) if given else ()


def _under_tape_limit(chain: Chain, entry: PlanEntry) -> Chain:
    try:
        return under_tape_limit(chain, entry.tape_limit)
    except InfeasibleError as error:
        raise FileError(f"the plan is wrong at $.tape_limit: {error.what}", error.cure) from None


def _slicing(chain: Chain, entry: PlanEntry) -> Slicing:
    assert entry.chunk_size is not None
    assert entry.chunk_axis is not None
    slicing = Slicing(entry.chunk_axis, entry.chunk_size)
    if not 1 <= slicing.size <= slicing.length(chain):
        raise FileError(
            f"the plan is wrong at $.chunk_size: {slicing.size} of {slicing.length(chain)} {slicing.axis}",
            "make the plan anew",
        )
    return slicing


def _schedule(entry: PlanEntry, nodes: tuple[Node, ...]) -> Schedule | None:
    """Return the schedule of a document, if no worker does two things at once or starts before it can."""
    if entry.schedule is None or entry.workers is None:
        return None
    place = {name: k for k, name in enumerate(names(nodes))}
    tasks = tuple(Task(place.get(task.step, -1), task.worker, task.start, task.end) for task in entry.schedule)
    problem = broken(Schedule(entry.workers, tasks), nodes)
    if problem:
        raise FileError(f"the plan is wrong at $.schedule: {problem}", "make the plan anew")
    return Schedule(entry.workers, tasks)


def _task_entries(plan: Plan) -> list[TaskEntry] | None:
    if plan.schedule is None:
        return None
    called = names(plan.nodes)
    return [TaskEntry(called[task.node], task.worker, task.start, task.end) for task in plan.schedule.tasks]


def _compare(entry: PlanEntry, plan: Plan) -> None:
    """Refuse a document that says something else than its steps do."""
    if entry.planner not in PLANNERS:
        raise FileError(f"the plan is of an unknown planner {entry.planner!r}", f"valid: {', '.join(PLANNERS)}")
    if plan.flops != entry.flops or entry.makespan not in (None, plan.makespan):
        raise FileError(
            f"the plan states {entry.flops} multiplications and a makespan of {entry.makespan}, "
            f"but its steps make {plan.flops} and {plan.makespan}",
            "make the plan anew: its links or steps were changed",
        )
    chain = plan.chain if plan.slicing is None else sliced(plan.chain, plan.slicing)
    least = held(chain, plan.nodes[-1]) * entry.itemsize
    if entry.once != plan.once:
        raise FileError(
            f"the plan makes {entry.once} steps once, but its slices share {plan.once}", "make the plan anew"
        )
    if entry.itemsize < 1 or entry.peak < least or not 0 <= entry.lower_bound <= plan.makespan:
        raise FileError(
            f"the plan states a peak of {entry.peak} bytes at {entry.itemsize} a number and a lower bound of "
            f"{entry.lower_bound}, but its result has {least} bytes and its makespan is {plan.makespan}",
            "make the plan anew",
        )
    for name, baseline in entry.baselines.items():
        if name not in PLANNERS or (baseline.flops is not None and baseline.flops < 0):
            raise FileError(f"the plan is wrong at $.baselines: {name} of {baseline.flops}", "make the plan anew")
    if entry.steps != _step_entries(plan) or entry.bracketing != plan.bracketing:
        raise FileError("the plan's steps or bracketing are not those of its order", "make the plan anew")


def _step_entries(plan: Plan) -> list[StepEntry]:
    called = names(plan.nodes)
    entries: list[StepEntry] = []
    for name, node in zip(called, plan.nodes, strict=True):
        match node:
            case Local():
                op, operands = ("local" if node.mode == "given" else f"accumulate-{node.mode}"), [f"F{node.link + 1}"]
            case Multiply():
                op, operands = "multiply", [called[node.left], called[node.right]]
            case Tangent():
                op, operands = "tangent", [f"F{node.link + 1}", called[node.right]]
            case Adjoint():
                op, operands = "adjoint", [called[node.left], f"F{node.link + 1}"]
        size = stored(node.structure) * plan.itemsize
        seconds = plan.step_seconds[len(entries)] if plan.step_seconds else None
        entries.append(StepEntry(op, name, operands, str(node.structure), node.flops, size, seconds))
    return entries


def _nodes(chain: Chain, steps: list[StepEntry]) -> tuple[Node, ...]:
    draft = Draft(chain)
    made: dict[str, int] = {}
    for k, step in enumerate(steps):
        try:
            made[step.result] = _add(draft, step, made)
        except JacchainError as error:
            raise FileError(f"the plan is wrong at $.steps[{k}]: {error.what}", error.cure) from None
    shape = (chain.sizes[-1], chain.sizes[0])
    last = draft.nodes[-1].structure if draft.nodes else None
    if last is None or (last.rows, last.columns) != shape or names(tuple(draft.nodes))[-1] != _whole(chain):
        raise FileError("the plan is wrong at $.steps: the last step is not the whole chain", "make the plan anew")
    return arrange(chain, draft.nodes, len(draft.nodes) - 1)[0]


def _whole(chain: Chain) -> str:
    return "J1" if len(chain) == 1 else f"P{len(chain)}:1"


def _add(draft: Draft, step: StepEntry, made: dict[str, int]) -> int:
    modes: dict[str, Mode] = {"local": "given", "accumulate-tangent": "tangent", "accumulate-adjoint": "adjoint"}
    if step.op not in (*modes, "multiply", "tangent", "adjoint"):
        unknown_name("operation", step.op, [*modes, "multiply", "tangent", "adjoint"])
    if len(step.operands) != (1 if step.op in modes else 2):
        raise FileError(f"{step.op} has {len(step.operands)} operands", "make the plan anew")

    def link(name: str) -> int:
        number = int(name[1:]) if name[:1] == "F" and name[1:].isdecimal() and len(name) < 20 else 0
        if not 1 <= number <= len(draft.chain):
            _unknown_operand(name, f"name one of the links F1 … F{len(draft.chain)}")
        return number - 1

    def node(name: str) -> int:
        if name not in made:
            _unknown_operand(name, "name the result of an earlier step")
        return made[name]

    if step.op in modes:
        return draft.local(link(step.operands[0]), modes[step.op])
    first, second = step.operands
    if step.op == "multiply":
        return draft.multiply(node(first), node(second))
    return (
        draft.tangent(link(first), node(second)) if step.op == "tangent" else draft.adjoint(node(first), link(second))
    )


def _unknown_operand(name: str, cure: str) -> NoReturn:
    raise FileError(f"operand {name!r} is not known", cure)
