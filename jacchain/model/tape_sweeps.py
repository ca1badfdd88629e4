"""The passes over a tape: adjoints backward, tangents forward."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.model.array_protocol import Overloaded
from jacchain.model.entry import Entry
from jacchain.model.local_jacobian import FormedJacobian, FreeJacobian, LocalJacobian
from jacchain.model.propagation import added, is_counting, pulled, pushed


def is_differentiated(entries: Sequence[Entry], /) -> bool:
    """Return whether a pass must itself be differentiated or counted, and so is made of operations."""
    return is_counting() or any(isinstance(entry.value, Overloaded) or True in entry.locals for entry in entries)


def adjoints(entries: Sequence[Entry], node: int, seed: Array, /) -> Sequence[Any]:
    """Return the adjoints of all entries for an adjoint of one of them; None for zero."""
    if is_differentiated(entries):
        return _swept_back(entries, node, seed, _OPERATED)
    return _swept_back(entries, node, seed.reshape(1, -1), _PLAIN)


def adjoints_together(entries: Sequence[Entry], node: int, seeds: Array, wanted: Sequence[int], /) -> list[Any]:
    """Return the adjoints of some entries, for several seeds in one pass: a row for each."""
    found = _swept_back(entries, node, seeds.reshape(len(seeds), -1), _PLAIN)
    dtype = seeds.dtype
    adjoints = [found[k] for k in wanted]
    return [
        np.zeros((len(seeds), entries[k].value.size), dtype) if u is None else u.copy()
        for k, u in zip(wanted, adjoints, strict=True)
    ]


def adjoints_apart(entries: Sequence[Entry], node: int, seeds: Array, wanted: Sequence[int], /) -> list[Any]:
    """Return the same, by a pass for each seed, of operations that may be differentiated."""
    passes = [_swept_back(entries, node, seed, _OPERATED) for seed in seeds]
    if len(passes) == 1:
        return [_or_zeros(passes[0][k], entries[k], seeds.dtype) for k in wanted]
    return [np.stack([_or_zeros(found[k], entries[k], seeds.dtype) for found in passes]) for k in wanted]


def tangents(entries: Sequence[Entry], node: int, tangent: Array, /) -> Sequence[Any]:
    """Return the tangents of all entries along one of them: the one pass forward over the tape; None for zero."""
    if is_differentiated(entries):
        return _swept_forward(entries, node, tangent, _OPERATED)
    return _swept_forward(entries, node, tangent.reshape(-1, 1), _PLAIN)


class _Algebra(NamedTuple):
    """What a pass is made of. Tangents and adjoints go through an operand of an entry, given all entries."""

    pushed: Callable[[Sequence[Entry], Entry, int, Any], Any]
    pulled: Callable[[Sequence[Entry], Entry, int, Any], Any]
    added: Callable[[Any, Any], Any]


def _local(entry: Entry, position: int) -> LocalJacobian:
    local = entry.locals[position]
    assert isinstance(local, FreeJacobian | FormedJacobian), "a plain tape holds local Jacobians"
    return local


def _operated(pass_on: Callable[..., Any]) -> Callable[[Sequence[Entry], Entry, int, Any], Any]:
    """Return `pushed` or `pulled` for an operand of an entry."""

    def passed(entries: Sequence[Entry], entry: Entry, position: int, w: Any) -> Any:
        xs = tuple(entries[operand].value for operand in entry.operands)
        return pass_on(entry.operation, position, xs, entry.value, w)

    return passed


_PLAIN: Final = _Algebra(  # arrays, in rows or columns
    lambda _, entry, position, v: _local(entry, position).tangents(v),
    lambda _, entry, position, u: _local(entry, position).adjoints(u),
    lambda a, b: b if a is None else a + b,
)
_OPERATED: Final = _Algebra(_operated(pushed), _operated(pulled), added)
"""Operations on overloaded values, of the shapes of the entries."""


def _swept_back(entries: Sequence[Entry], node: int, seed: Any, algebra: _Algebra) -> list[Any]:
    """Return the adjoints of all entries: the one pass back over the tape.

    An entry's adjoint is complete when its turn comes, as everything that it is an operand of stands after it.
    """
    found: list[Any] = [None] * len(entries)
    found[node] = seed
    for k in range(node, -1, -1):
        u, entry = found[k], entries[k]
        if u is None:
            continue
        for position, (operand, local) in enumerate(zip(entry.operands, entry.locals, strict=True)):
            if local is not None:
                found[operand] = algebra.added(found[operand], algebra.pulled(entries, entry, position, u))
    return found


def _swept_forward(entries: Sequence[Entry], node: int, tangent: Any, algebra: _Algebra) -> list[Any]:
    """Return the tangents of all entries."""
    found: list[Any] = [None] * len(entries)
    found[node] = tangent
    for k, entry in enumerate(entries[node + 1 :], node + 1):
        for position, (operand, local) in enumerate(zip(entry.operands, entry.locals, strict=True)):
            v = found[operand]
            if local is not None and v is not None:
                found[k] = algebra.added(found[k], algebra.pushed(entries, entry, position, v))
    return found


def _or_zeros(u: Any, entry: Entry, dtype: "np.dtype[Any]") -> Any:
    return np.zeros(entry.shape, dtype) if u is None else u
