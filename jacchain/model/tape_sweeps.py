"""The passes over a tape: adjoints backward, tangents forward."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.model.array_protocol import Overloaded
from jacchain.model.entry import Entry
from jacchain.model.local_jacobian import FormedJacobian, FreeJacobian
from jacchain.model.propagation import added, is_counting, pulled, pushed


def is_differentiated(entries: Sequence[Entry], /) -> bool:
    """Return whether a pass must itself be differentiated or counted, and so is made of operations."""
    return is_counting() or any(isinstance(entry.value, Overloaded) or True in entry.locals for entry in entries)


def adjoints(entries: Sequence[Entry], node: int, seed: Array, /) -> Sequence[Any]:
    """Return the adjoints of all entries for an adjoint of one of them; None for zero."""
    if is_differentiated(entries):
        return _operated_adjoints(entries, node, seed)
    return _adjoints(entries, node, seed.reshape(1, -1))


def adjoints_together(entries: Sequence[Entry], node: int, seeds: Array, wanted: Sequence[int], /) -> list[Any]:
    """Return the adjoints of some entries, for several seeds in one pass: a row for each."""
    found = _adjoints(entries, node, seeds.reshape(len(seeds), -1))
    dtype = seeds.dtype
    adjoints = [found[k] for k in wanted]
    return [
        np.zeros((len(seeds), entries[k].value.size), dtype) if u is None else u.copy()
        for k, u in zip(wanted, adjoints, strict=True)
    ]


def adjoints_apart(entries: Sequence[Entry], node: int, seeds: Array, wanted: Sequence[int], /) -> list[Any]:
    """Return the same, by a pass for each seed, of operations that may be differentiated."""
    passes = [_operated_adjoints(entries, node, seed) for seed in seeds]
    if len(passes) == 1:
        return [_or_zeros(passes[0][k], entries[k], seeds.dtype) for k in wanted]
    return [np.stack([_or_zeros(found[k], entries[k], seeds.dtype) for found in passes]) for k in wanted]


def _or_zeros(u: Any, entry: Entry, dtype: "np.dtype[Any]") -> Any:
    return np.zeros(entry.shape, dtype) if u is None else u


def _adjoints(entries: Sequence[Entry], node: int, seeds: Array) -> list[Array | None]:
    """Return the adjoints of all entries, in rows: the one pass back over the tape.

    An entry's adjoint is complete when its turn comes, as everything that it is an operand of stands after it.
    """
    found: list[Array | None] = [None] * len(entries)
    found[node] = seeds
    for k in range(node, -1, -1):
        u, entry = found[k], entries[k]
        if u is None:
            continue
        for operand, local in zip(entry.operands, entry.locals, strict=True):
            if isinstance(local, FreeJacobian | FormedJacobian):
                share, before = local.adjoints(u), found[operand]
                found[operand] = share if before is None else before + share
    return found


def _operated_adjoints(entries: Sequence[Entry], node: int, seed: Any) -> list[Any]:
    """Return the adjoints of all entries, of their shapes: the same pass, of operations on overloaded values."""
    found: list[Any] = [None] * len(entries)
    found[node] = seed
    for k in range(node, -1, -1):
        u, entry = found[k], entries[k]
        if u is None or entry.operation is None:
            continue
        xs = tuple(entries[operand].value for operand in entry.operands)
        for position, (operand, local) in enumerate(zip(entry.operands, entry.locals, strict=True)):
            if local is not None:
                found[operand] = added(found[operand], pulled(entry.operation, position, xs, entry.value, u))
    return found


def tangents(entries: Sequence[Entry], node: int, tangent: Array, /) -> Sequence[Any]:
    """Return the tangents of all entries along one of them: the one pass forward over the tape; None for zero."""
    if is_differentiated(entries):
        return _operated_tangents(entries, node, tangent)
    found: list[Array | None] = [None] * len(entries)
    found[node] = tangent.reshape(-1, 1)
    for k, entry in enumerate(entries[node + 1 :], node + 1):
        for operand, local in zip(entry.operands, entry.locals, strict=True):
            v, before = found[operand], found[k]
            if isinstance(local, FreeJacobian | FormedJacobian) and v is not None:
                share = local.tangents(v)
                found[k] = share if before is None else before + share
    return found


def _operated_tangents(entries: Sequence[Entry], node: int, tangent: Any) -> list[Any]:
    """Return the same, of operations on overloaded values."""
    found: list[Any] = [None] * len(entries)
    found[node] = tangent
    for k, entry in enumerate(entries[node + 1 :], node + 1):
        xs = tuple(entries[operand].value for operand in entry.operands)
        for position, (operand, local) in enumerate(zip(entry.operands, entry.locals, strict=True)):
            v = found[operand]
            if local is not None and v is not None and entry.operation is not None:
                found[k] = added(found[k], pushed(entry.operation, position, xs, entry.value, v))
    return found
