"""Chains as documents of schema ``jacchain.chain/v1``, in JSON or TOML."""

import json
import tomllib
from typing import Any, assert_never

import msgspec

from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    Structure,
    csr_arrays,
    sparse,
    sparse_like,
)
from jacchain.errors import FileError, JacchainError, unknown_name
from jacchain.planning.graph import Chain
from jacchain.planning.jcdp import chain_from_jcdp, looks_like_jcdp
from jacchain.planning.link import Link, as_size

CHAIN_SCHEMA = "jacchain.chain/v1"

_EXPLAINED = "jacchain explain FILE reads this one"

KINDS = {
    "jacchain.chain/v1": ("a chain", "jacchain plan FILE plans this one"),
    "jacchain.graph/v1": ("a graph", "jacchain plan FILE plans this one"),
    "jacchain.plan/v1": ("the plan of a chain", f"{_EXPLAINED}, and jacchain run --plan FILE runs it"),
    "jacchain.graph-plan/v1": ("the plan of a graph", _EXPLAINED),
    "jacchain.hessian-plan/v1": ("the plan of a chain's Hessian", _EXPLAINED),
    "jacchain.ladder-plan/v1": ("the plan of a function's Hessian", "no command reads this one"),
}
"""What documents are, by their schemas, and what reads them."""

TYPES = ("kronecker", "kronecker-pattern", "block-diagonal", "sparse")

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
    borrowed: bool = False
    name: str | None = None
    linear: bool = False


class ChainEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A chain file."""

    schema: str
    links: list[LinkEntry]


def chain_from_text(text: str | bytes, /, *, source: str = "the chain") -> Chain:
    """Return the chain of a document of schema ``jacchain.chain/v1``, in JSON or TOML, or of one in jcdp's JSON.

    Raises
    ------
    FileError
        Neither JSON nor TOML, another schema, or wrong at a stated place.

    Examples
    --------
    >>> print(chain_from_text('{"schema": "jacchain.chain/v1", "links": [{"inputs": 3, "outputs": 2}]}'))
    3 → 2
    """
    raw = decoded(text, source)
    if looks_like_jcdp(raw):
        return chain_from_jcdp(raw, source=source)
    expect_schema(raw, CHAIN_SCHEMA, source)
    expect_types(raw, "links", source)
    entry = converted(raw, ChainEntry, source)
    return chain_of(entry.links, source)


def chain_to_json(chain: Chain, /) -> str:
    """Return a chain as one JSON document of schema ``jacchain.chain/v1``."""
    return json.dumps({"schema": CHAIN_SCHEMA, "links": [link_entry(link) for link in chain.links]}, indent=2)


def decoded(text: object, source: str, *, toml: bool = True) -> Any:
    """Return what a text in JSON, or TOML where allowed, says; refuse all else."""
    if not isinstance(text, str | bytes):
        raise FileError(f"{source} is {text!r}", "give text or bytes")
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


def expect_schema(raw: Any, schema: str, source: str) -> None:
    """Refuse a document of another schema."""
    if not isinstance(raw, dict):
        raise FileError(f"{source} holds a {type(raw).__name__}, not an object", f'write {{"schema": "{schema}", …}}')
    found = raw.get("schema")
    if found != schema:
        stated = f"is of schema {found!r}" if "schema" in raw else "states no schema"
        kind, reader = KINDS.get(str(found), (None, None))
        said = "" if kind is None else f", {kind}"
        raise FileError(f"{source} {stated}{said}", f"expected {schema!r}{'' if reader is None else f'; {reader}'}")


def expect_types(raw: dict[str, Any], where: str, source: str) -> None:
    """Refuse structures of an unknown type among a document's links, with the valid ones."""
    links = raw.get(where)
    for k, link in enumerate(links if isinstance(links, list) else ()):
        found = link.get("structure") if isinstance(link, dict) else None
        if isinstance(found, dict) and found.get("type") not in TYPES:
            try:
                unknown_name("structure", found.get("type"), TYPES)
            except JacchainError as error:
                place = f"$.{where}[{k}].structure"
                raise FileError(f"{source} is wrong at {place}: {error.what}", error.cure) from None


def converted(raw: Any, kind: type[Any], source: str) -> Any:
    """Return a document as its type, or name the place where it is wrong."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at ")
        raise FileError(
            f"{source} is wrong at {place.strip('`') or 'the top'}: {problem}", "correct it at that place"
        ) from None


def chain_of(entries: list[LinkEntry], source: str) -> Chain:
    """Return the chain of the links of a document."""
    links = []
    for k, entry in enumerate(entries):
        try:
            links.append(link_of(entry))
        except JacchainError as error:
            raise FileError(f"{source} is wrong at $.links[{k}]: {error.what}", error.cure) from None
    try:
        return Chain(links)
    except JacchainError as error:
        raise FileError(f"{source} is wrong at $.links: {error.what}", error.cure) from None


def link_of(entry: LinkEntry, /) -> Link:
    """Return the link of a document's entry."""
    return Link(
        entry.inputs,
        entry.outputs,
        structure=_structure(entry.structure, entry),
        accumulate_cost=entry.accumulate_cost,
        tangent_cost=entry.tangent_cost,
        adjoint_cost=entry.adjoint_cost,
        tape=entry.tape,
        borrowed=entry.borrowed,
        name=entry.name,
        linear=entry.linear,
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


def link_entry(link: Link) -> dict[str, Any]:
    """Return a link as the object of a chain file."""
    entry = LinkEntry(
        inputs=link.inputs,
        outputs=link.outputs,
        structure=None if link.structure is None else _structure_entry(link.local),
        accumulate_cost=link.accumulate_cost,
        tangent_cost=link.tangent_cost,
        adjoint_cost=link.adjoint_cost,
        tape=link.tape,
        borrowed=link.borrowed,
        name=link.name,
        linear=link.linear,
    )
    found: dict[str, Any] = msgspec.to_builtins(entry)
    return found


def _structure_entry(structure: Structure) -> StructureEntry:
    match structure:
        case Identity():
            return "identity"
        case Negation():
            return "negation"
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
