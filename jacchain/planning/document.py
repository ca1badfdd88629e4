"""Chains and plans as documents: ``jacchain.chain/v1`` (JSON or TOML) and ``jacchain.plan/v1`` (JSON)."""

import json
import tomllib
from typing import Any, NoReturn, assert_never

import msgspec

from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Sparse,
    Structure,
    csr_arrays,
    sparse,
    sparse_like,
)
from jacchain.errors import FileError, JacchainError, unknown_name
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain, Link, as_size
from jacchain.planning.memory import arrange
from jacchain.planning.node import Adjoint, Local, Mode, Multiply, Node, Tangent
from jacchain.planning.plan import Baseline, Baselines, Plan, names

CHAIN_SCHEMA = "jacchain.chain/v1"
PLAN_SCHEMA = "jacchain.plan/v1"

Factor = int | tuple[int, int]


class KroneckerEntry(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="kronecker"):
    """A⊗B; a factor is a size (the identity) or [rows, columns]."""

    left: Factor
    right: Factor


class BlocksEntry(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="block-diagonal"):
    """Equal-sized diagonal blocks."""

    count: int
    rows: int
    columns: int


class SparseEntry(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="sparse"):
    """A CSR pattern."""

    indptr: list[int]
    indices: list[int]


class PatternEntry(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="kronecker-pattern"):
    """The pattern of A⊗I: A is [rows, columns], I a size."""

    left: tuple[int, int]
    right: int


StructureEntry = PatternEntry | KroneckerEntry | BlocksEntry | SparseEntry | str


class LinkEntry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One link of a chain file."""

    inputs: int
    outputs: int
    structure: StructureEntry | None = None
    accumulate_cost: int | None = None
    tangent_cost: int | None = None
    adjoint_cost: int | None = None
    tape: int = 0
    name: str | None = None


class ChainEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A chain file."""

    schema: str
    links: list[LinkEntry]


class StepEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One step of a plan: what is formed, from what."""

    op: str
    result: str
    operands: list[str]
    structure: str
    flops: int
    bytes: int


class BaselineEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What a textbook order costs; null where the chain does not allow it."""

    flops: int | None


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


def chain_from_text(text: str | bytes, /, *, source: str = "the chain") -> Chain:
    """Return the chain of a document of schema ``jacchain.chain/v1``, in JSON or TOML.

    Raises
    ------
    FileError
        Neither JSON nor TOML, another schema, or wrong at a stated place.

    Examples
    --------
    >>> print(chain_from_text('{"schema": "jacchain.chain/v1", "links": [{"inputs": 3, "outputs": 2}]}'))
    3 → 2
    """
    raw = _decoded(text, source)
    _expect_schema(raw, CHAIN_SCHEMA, source)
    entry = _converted(raw, ChainEntry, source)
    return _chain(entry.links, source)


def chain_to_json(chain: Chain, /) -> str:
    """Return a chain as one JSON document of schema ``jacchain.chain/v1``."""
    return json.dumps({"schema": CHAIN_SCHEMA, "links": [_link_entry(link) for link in chain.links]}, indent=2)


def plan_to_json(plan: Plan, /) -> str:
    """Return a plan as one JSON document of schema ``jacchain.plan/v1``."""
    document = PlanEntry(
        schema=PLAN_SCHEMA,
        planner=plan.planner,
        flops=plan.flops,
        peak=plan.peak,
        bracketing=plan.bracketing,
        reason=plan.reason,
        baselines={name: BaselineEntry(baseline.flops) for name, baseline in plan.baselines.items()},
        steps=_step_entries(plan),
        links=[],
        itemsize=plan.itemsize,
    )
    found = msgspec.to_builtins(document)
    found["links"] = [_link_entry(link) for link in plan.chain.links]
    return json.dumps(found, indent=2)


def plan_from_json(text: str | bytes, /) -> Plan:
    """Return the plan of a JSON document, its steps priced anew and compared with what the document says."""
    raw = _decoded(text, "the plan", toml=False)
    _expect_schema(raw, PLAN_SCHEMA, "the plan")
    entry = _converted(raw, PlanEntry, "the plan")
    chain = _chain(entry.links, "the plan")
    nodes, need = _nodes(chain, entry.steps)
    flops = sum(node.flops for node in nodes)
    if (flops, need * entry.itemsize) != (entry.flops, entry.peak):
        raise FileError(
            f"the plan states {entry.flops} multiplications and a peak of {entry.peak} bytes, "
            f"but its steps make {flops} and {need * entry.itemsize}",
            "make the plan anew: its links or steps were changed",
        )
    baselines = Baselines(tuple((name, Baseline(b.flops)) for name, b in entry.baselines.items()))
    return Plan(chain, entry.planner, nodes, flops, entry.peak, baselines, entry.reason, entry.itemsize)


def _decoded(text: str | bytes, source: str, *, toml: bool = True) -> Any:
    try:
        content = text.removeprefix("\ufeff") if isinstance(text, str) else text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{source} is not text: {error.reason} at byte {error.start}", "save it as UTF-8") from None
    if not content.strip():
        raise FileError(f"{source} is empty", "write a document into it")
    try:
        return json.loads(content, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (RecursionError, ValueError) as error:
        problem = str(error)
    if not toml or content.lstrip()[:1] == "{":
        raise FileError(f"{source} is not JSON ({problem})", "correct it at that place")
    try:
        return tomllib.loads(content)
    except (RecursionError, ValueError) as error:
        raise FileError(
            f"{source} is neither JSON ({problem}) nor TOML ({error})", "correct it at that place"
        ) from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for k, (key, _) in enumerate(pairs) if key in dict(pairs[:k]))
        raise ValueError(f"{twice!r} stands twice in one object")
    return found


def _expect_schema(raw: Any, schema: str, source: str) -> None:
    if not isinstance(raw, dict):
        raise FileError(f"{source} holds a {type(raw).__name__}, not an object", f'write {{"schema": "{schema}", …}}')
    if raw.get("schema") != schema:
        stated = f"is of schema {raw['schema']!r}" if "schema" in raw else "states no schema"
        raise FileError(f"{source} {stated}", f"expected {schema!r}")


def _converted(raw: Any, kind: type[Any], source: str) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at ")
        raise FileError(
            f"{source} is wrong at {place.strip('`') or 'the top'}: {problem}", "correct it at that place"
        ) from None


def _chain(entries: list[LinkEntry], source: str) -> Chain:
    links = []
    for k, entry in enumerate(entries):
        try:
            links.append(_link(entry))
        except JacchainError as error:
            raise FileError(f"{source} is wrong at $.links[{k}]: {error.what}", error.cure) from None
    try:
        return Chain(links)
    except JacchainError as error:
        raise FileError(f"{source} is wrong at $.links: {error.what}", error.cure) from None


def _link(entry: LinkEntry) -> Link:
    return Link(
        entry.inputs,
        entry.outputs,
        structure=_structure(entry.structure, entry),
        accumulate_cost=entry.accumulate_cost,
        tangent_cost=entry.tangent_cost,
        adjoint_cost=entry.adjoint_cost,
        tape=entry.tape,
        name=entry.name,
    )


def _structure(entry: StructureEntry | None, link: LinkEntry) -> Structure | str | None:
    match entry:
        case None | str():
            return entry
        case KroneckerEntry(left, right):
            return Kronecker(_factor(left), _factor(right))
        case BlocksEntry(count, rows, columns):
            sizes = (
                as_size(value, f"block {what}")
                for value, what in ((count, "count"), (rows, "rows"), (columns, "columns"))
            )
            return BlockDiagonal(*sizes)
        case PatternEntry(left, right):
            return sparse_like(Kronecker(_dense_factor(left), Identity(as_size(right, "an identity factor"))))
        case SparseEntry(indptr, indices):
            return sparse(as_size(link.outputs, "outputs"), as_size(link.inputs, "inputs"), indptr, indices)
        case _:
            assert_never(entry)


def _factor(factor: Factor) -> Identity | Dense:
    return Identity(as_size(factor, "an identity factor")) if isinstance(factor, int) else _dense_factor(factor)


def _dense_factor(sizes: tuple[int, int]) -> Dense:
    return Dense(as_size(sizes[0], "rows of a factor"), as_size(sizes[1], "columns of a factor"))


def _link_entry(link: Link) -> dict[str, Any]:
    entry = LinkEntry(
        link.inputs,
        link.outputs,
        None if link.structure is None else _structure_entry(link.local),
        link.accumulate_cost,
        link.tangent_cost,
        link.adjoint_cost,
        link.tape,
        link.name,
    )
    found: dict[str, Any] = msgspec.to_builtins(entry)
    return found


def _structure_entry(structure: Structure) -> StructureEntry:
    match structure:
        case Identity():
            return "identity"
        case Diagonal():
            return "diagonal"
        case Dense():
            return "dense"
        case Kronecker(left, right):
            return KroneckerEntry(_factor_entry(left), _factor_entry(right))
        case BlockDiagonal(count, rows, columns):
            return BlocksEntry(count, rows, columns)
        case Sparse(of=Kronecker(left, right)):
            return PatternEntry((left.rows, left.columns), right.rows)
        case Sparse():
            indptr, indices = csr_arrays(structure)
            return SparseEntry(indptr.tolist(), indices.tolist())
        case _:
            assert_never(structure)


def _factor_entry(factor: Identity | Dense) -> Factor:
    return factor.size if isinstance(factor, Identity) else (factor.rows, factor.columns)


def _step_entries(plan: Plan) -> list[StepEntry]:
    from jacchain.algebra.structure import stored

    called = names(plan.nodes)
    entries = []
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
        entries.append(StepEntry(op, name, operands, str(node.structure), node.flops, size))
    return entries


def _nodes(chain: Chain, steps: list[StepEntry]) -> tuple[tuple[Node, ...], int]:
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
    return arrange(draft.nodes, len(draft.nodes) - 1)


def _whole(chain: Chain) -> str:
    return "J1" if len(chain) == 1 else f"P{len(chain)}:1"


def _add(draft: Draft, step: StepEntry, made: dict[str, int]) -> int:
    modes: dict[str, Mode] = {"local": "given", "accumulate-tangent": "tangent", "accumulate-adjoint": "adjoint"}
    if step.op not in (*modes, "multiply", "tangent", "adjoint"):
        unknown_name("operation", step.op, [*modes, "multiply", "tangent", "adjoint"])
    if len(step.operands) != (1 if step.op in modes else 2):
        raise FileError(f"{step.op} has {len(step.operands)} operands", "make the plan anew")

    def link(name: str) -> int:
        number = int(name[1:]) if name[:1] == "F" and name[1:].isdecimal() else 0
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
