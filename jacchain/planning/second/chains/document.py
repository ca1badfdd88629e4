"""Plans for the Hessian of a chain as documents of schema ``jacchain.hessian-plan/v1``, in JSON."""

import json

import msgspec

from jacchain.errors import FileError, JacchainError, unknown_name
from jacchain.planning.document import LinkEntry, chain_of, converted, decoded, expect_schema, link_entry
from jacchain.planning.graph import Chain
from jacchain.planning.names import MODES, SECOND_CHAIN_NAMES
from jacchain.planning.node import Local, Multiply
from jacchain.planning.plan import Baseline, Baselines
from jacchain.planning.second.chains.chain_plan import ChainHessianPlan, hessian_names
from jacchain.planning.second.chains.draft import HessianDraft
from jacchain.planning.second.chains.elementals import Cell, Elementals
from jacchain.planning.second.chains.node import ChainNode, Elemental, Lift, Pull, Sum, Zero, chain_operands
from jacchain.planning.second.chains.optimal import EVERY
from jacchain.planning.second.chains.planner import baseline_costs, plan_chain_hessian
from jacchain.planning.second.chains.reason import hessian_reason
from jacchain.planning.second.chains.storage import held_numbers, numbers

HESSIAN_PLAN_SCHEMA = "jacchain.hessian-plan/v1"

SMALL = 6
"""Links up to which a lower bound that a document states is held against the cheapest order, planned anew."""

OPERATIONS = ("local", "multiply", "elemental", "zero", "lift", "pull-first", "pull-second", "sum")


class HessianStepEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One step of a plan: what is formed, from what."""

    op: str
    result: str
    operands: list[str]
    structure: str
    flops: int
    bytes: int


class HessianBaselineEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What a textbook order costs."""

    flops: int


class HessianPlanEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A plan for the Hessian of a chain."""

    schema: str
    planner: str
    symmetric: bool
    flops: int
    peak: int
    bracketing: str
    reason: str
    baselines: dict[str, HessianBaselineEntry]
    steps: list[HessianStepEntry]
    links: list[LinkEntry]
    itemsize: int = 8
    lower_bound: int = 0


def hessian_plan_to_json(plan: ChainHessianPlan, /) -> str:
    """Return a plan as one JSON document of schema ``jacchain.hessian-plan/v1``."""
    document = HessianPlanEntry(
        schema=HESSIAN_PLAN_SCHEMA,
        planner=plan.planner,
        symmetric=plan.symmetric,
        flops=plan.flops,
        peak=plan.peak,
        bracketing=plan.bracketing,
        reason=plan.reason,
        baselines={name: HessianBaselineEntry(found.flops or 0) for name, found in plan.baselines.items()},
        steps=step_entries(plan),
        links=[],
        itemsize=plan.itemsize,
        lower_bound=plan.lower_bound,
    )
    found = msgspec.to_builtins(document)
    found["links"] = [link_entry(link) for link in plan.chain.links]
    return json.dumps(found, indent=2)


def hessian_plan_from_json(text: str | bytes, /) -> ChainHessianPlan:
    """Return the plan of a JSON document, its costs, baselines and reason worked out anew.

    A lower bound of more than `SMALL` links is believed where no textbook order is below it.

    Raises
    ------
    FileError
        Not JSON, another schema, wrong at a stated place, or a document whose costs are not those of its steps, or
        whose baselines, planner or lower bound are not true of its chain.
    """
    raw = decoded(text, "the plan", toml=False)
    expect_schema(raw, HESSIAN_PLAN_SCHEMA, "the plan")
    entry: HessianPlanEntry = converted(raw, HessianPlanEntry, "the plan")
    if entry.planner not in SECOND_CHAIN_NAMES:
        raise FileError(f"the plan is of an unknown planner {entry.planner!r}", "make the plan anew")
    chain = chain_of(entry.links, "the plan")
    nodes = _nodes(chain, entry)
    costs = _costs(chain, entry)
    found = ChainHessianPlan(
        chain,
        entry.planner,
        nodes,
        sum(node.flops for node in nodes),
        max(held_numbers(nodes)) * entry.itemsize,
        Baselines(tuple((name, Baseline(cost)) for name, cost in costs.items())),
        hessian_reason(chain, entry.planner, nodes, costs, entry.lower_bound),
        entry.symmetric,
        entry.itemsize,
        entry.lower_bound,
    )
    _compare(entry, found)
    return found


def step_entries(plan: ChainHessianPlan, /) -> list[HessianStepEntry]:
    """Return the steps of a plan by their names."""
    called = hessian_names(plan.nodes)
    found = []
    for name, node in zip(called, plan.nodes, strict=True):
        operands = [called[k] for k in chain_operands(node)]
        size = numbers(node) * plan.itemsize
        found.append(HessianStepEntry(operation(node), name, operands, str(node.structure), node.flops, size))
    return found


def operation(node: ChainNode, /) -> str:
    """Return what a node is called in a document."""
    match node:
        case Pull():
            return "pull-second" if node.arm else "pull-first"
        case Local() | Multiply() | Elemental() | Zero() | Lift() | Sum():
            return type(node).__name__.lower()


def _compare(entry: HessianPlanEntry, plan: ChainHessianPlan) -> None:
    """Refuse a document that says something else than its steps do."""
    stated, true = (entry.flops, entry.peak), (plan.flops, plan.peak)
    if stated != true:
        raise FileError(
            f"the plan states {stated[0]} multiplications and a peak of {stated[1]} bytes, "
            f"but its steps make {true[0]} and {true[1]}",
            "make the plan anew: its links or steps were changed",
        )
    if entry.itemsize < 1 or not _is_possible(entry, plan):
        raise FileError(
            f"the plan states {entry.itemsize} bytes a number and a lower bound of {entry.lower_bound}",
            "make the plan anew",
        )
    own = plan.baselines.get(plan.planner)
    if (own is not None and own.flops != plan.flops) or (plan.planner in MODES and plan.symmetric):
        raise FileError(f"the plan's steps are not those of the planner {plan.planner!r}", "make the plan anew")
    if entry.steps != step_entries(plan) or entry.bracketing != plan.bracketing:
        raise FileError("the plan's steps or bracketing are not those of its order", "make the plan anew")


def _costs(chain: Chain, entry: HessianPlanEntry) -> dict[str, int]:
    """Return what the baselines cost, and refuse others; those of a mode may have been compared by halves or not."""
    stated = {name: baseline.flops for name, baseline in entry.baselines.items()}
    for symmetric in {entry.symmetric, entry.symmetric or entry.planner in MODES}:
        costs = baseline_costs(chain, symmetric=symmetric)
        if stated == costs:
            return costs
    false = next((name for name, flops in stated.items() if costs.get(name) != flops), None)
    said = "some are missing" if false is None else f"{false} of {stated[false]:,}"
    raise FileError(f"the plan is wrong at $.baselines: {said}", "make the plan anew")


def _is_possible(entry: HessianPlanEntry, plan: ChainHessianPlan) -> bool:
    """Whether the stated lower bound may be one."""
    bound, n = entry.lower_bound, len(plan.chain)
    if not bound:
        return True
    if bound < 0 or bound > plan.flops or plan.planner in plan.baselines or n > EVERY:
        return False
    if n <= SMALL:
        return bound <= plan_chain_hessian(plan.chain, symmetric=plan.symmetric).flops
    return all(bound <= (baseline.flops or 0) for baseline in plan.baselines.values())


def _nodes(chain: Chain, entry: HessianPlanEntry) -> tuple[ChainNode, ...]:
    draft = HessianDraft(Elementals(chain, symmetric=entry.symmetric))
    made: dict[str, int] = {}
    for k, step in enumerate(entry.steps):
        try:
            made[step.result] = _add(draft, step, made)
        except JacchainError as error:
            raise FileError(f"the plan is wrong at $.steps[{k}]: {error.what}", error.cure) from None
    whole = Cell(len(chain), 0, 0, 0, len(chain))
    last = draft.places[-1] if draft.places else (0, 0)
    if not isinstance(last, Cell) or draft.given.trimmed(last) != draft.given.trimmed(whole) or last[:3] != whole[:3]:
        raise FileError("the plan is wrong at $.steps: the last step is not the whole tensor", "make the plan anew")
    return tuple(draft.nodes)


def _add(draft: HessianDraft, step: HessianStepEntry, made: dict[str, int]) -> int:
    if step.op not in OPERATIONS:
        unknown_name("operation", step.op, OPERATIONS)
    if len(step.operands) != (0 if step.op in ("local", "elemental", "zero") else 2):
        raise FileError(f"{step.op} has {len(step.operands)} operands", "make the plan anew")
    for name in step.operands:
        if name not in made:
            raise FileError(f"operand {name!r} is not known", "name the result of an earlier step")
    if step.op == "zero":
        return draft.zero()
    if step.operands:
        return _joined(draft, step.op, *(made[name] for name in step.operands))
    links = draft.given.chain.links
    number = int(step.result[1:]) if step.result[1:].isdecimal() and len(step.result) < 20 else 0
    if not 1 <= number <= len(links) or (step.op == "elemental" and links[number - 1].is_linear):
        raise FileError(f"{step.result!r} is no derivative of a link", f"name one of the links 1 … {len(links)}")
    return draft.jacobian(number) if step.op == "local" else draft.elemental(number)


def _joined(draft: HessianDraft, op: str, left: int, right: int) -> int:
    """Add a product or a sum of two nodes that meet."""
    one, two = draft.places[left], draft.places[right]
    match op, one, two:
        case "sum", Cell(), Cell():
            lower, upper = sorted((one, two), key=lambda cell: cell.start)
            between = draft.given.last_bent(lower.stop, max(lower.stop, upper.start))
            if one[:3] == two[:3] and lower.stop <= upper.start and between == lower.stop:
                return draft.add(left, right)
        case "lift", (_, lowest), Cell():
            if lowest == two.output:
                return draft.lift(left, right)
        case "pull-first" | "pull-second", Cell(), (highest, _):
            arm = int(op == "pull-second")
            if highest == one[1 + arm]:
                return draft.pull(left, right, arm)
        case "multiply", (_, lowest), (highest, _):
            if lowest == highest:
                return draft.multiply(left, right)
    raise FileError(f"the operands of {op} do not meet", "make the plan anew")
