"""Blocks put in their places in one larger matrix: what is asked for of a Hessian, made of its parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.distinct import distinct
from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.pattern import pattern
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Identity, Negation, Sparse, Structure, csr_arrays, sparse
from jacchain.algebra.symmetric import mirror_entries, mirror_scratch

Places = NDArray[np.intp]

LARGEST: Final = 1 << 22
"""Numbers of a matrix up to which it is found out which of them the blocks cover."""


class Part(NamedTuple):
    """One block: a node of a plan, and where its rows and columns go.

    Attributes
    ----------
    node : int
    rows, columns : array of int, or None
        For each row and each column its number in the whole; None for all in order. No two are the same.
    is_turned : bool
        It is the transpose of the node's matrix that goes there.
    """

    node: int
    rows: Places | None
    columns: Places | None
    is_turned: bool = False


@final
@dataclass(frozen=True, eq=False)
class Assembly:
    """A matrix of placed blocks; where they overlap they add, and where there are none it is zero.

    Attributes
    ----------
    rows, columns : int
    parts : tuple of Part
    is_sparse : bool
        It is left as a sparse matrix, with the union of the blocks' patterns; else as a dense one.
    is_symmetric : bool
        It is known to be symmetric, and is to be so to the last bit.
    """

    rows: int
    columns: int
    parts: tuple[Part, ...]
    is_sparse: bool = False
    is_symmetric: bool = False

    def structure(self, structures: Sequence[Structure], /) -> Structure:
        """Return the structure of the whole, given those of the parts."""
        if not self.is_sparse:
            return Dense(self.rows, self.columns)
        keys = [_keys(self, part, structure).places for part, structure in zip(self.parts, structures, strict=True)]
        found = distinct(np.concatenate([np.empty(0, np.int64), *keys]))
        rows, columns = np.divmod(found, self.columns)
        indptr = np.searchsorted(rows, np.arange(self.rows + 1))
        return sparse(self.rows, self.columns, indptr, columns)

    def scratch(self, structures: Sequence[Structure], /) -> int:
        """Return the numbers of workspace that assembling takes, mirroring included."""
        pairs = zip(self.parts, structures, strict=True)
        moved = [2 * _entries(structure) for part, structure in pairs if not self._is_viewed(part, structure)]
        mirrored = [mirror_scratch(self.structure(structures))] if self.is_symmetric else []
        return max([*moved, *mirrored], default=0)

    @property
    def is_one_part(self) -> bool:
        """Whether one part is all there is, and as it is."""
        if self.is_sparse or len(self.parts) != 1:
            return False
        (part,) = self.parts
        return part.rows is None and part.columns is None and not part.is_turned

    @property
    def is_overlapping(self) -> bool:
        """Whether some row has its number from two sets of rows that parts go to."""
        found = {id(part.rows): part.rows for part in self.parts}.values()
        taken = [np.arange(self.rows) if rows is None else rows for rows in found]
        return bool(taken) and len(distinct(np.concatenate(taken))) < sum(map(len, taken))

    def _is_viewed(self, part: Part, structure: Structure) -> bool:
        """Whether a part goes to evenly spaced rows and columns, so that it is copied as it is."""
        if self.is_sparse or not isinstance(structure, Dense):
            return False
        return None not in (_as_slice(part.rows, self.rows), _as_slice(part.columns, self.columns))

    def calls(
        self, kernels: Kernels, operands: Sequence[Operand], out: Operand, scratch: Array, /, *, is_mirrored: bool
    ) -> Calls:
        """Return the calls that put the parts into `out`; one half is written over the other if it is mirrored."""
        (target,) = out.arrays
        flat = target.reshape(-1)
        covered = _Covered(self.rows * self.columns if isinstance(out.structure, Dense) else flat.size)
        made: list[Calls] = []
        for part, operand in zip(self.parts, operands, strict=True):
            if self._is_viewed(part, operand.structure):
                block = target[_as_slice(part.rows, self.rows), _as_slice(part.columns, self.columns)]
                values = operand.arrays[0].T if part.is_turned else operand.arrays[0]
                is_first = covered.is_known and covered.take(_keys(self, part, operand.structure).places)
                made.append(
                    ((kernels.copyto, (block, values)),) if is_first else ((kernels.add, (block, values, block)),)
                )
                continue
            found = _keys(self, part, operand.structure)
            places = _within(out.structure, found.places)
            is_first = covered.take(places)
            made.append(_placed(kernels, operand, found.sources, places, flat, scratch, is_first=is_first))
        calls = tuple(call for group in made for call in group)
        if not covered.is_all:
            calls = ((kernels.fill, (0, target)), *calls)
        if is_mirrored:
            calls += mirror_entries(kernels, out, scratch)
        return calls


class _Keys(NamedTuple):
    """Where the entries of a part go in the flattened whole, and which of its stored numbers they are."""

    places: NDArray[np.int64]
    sources: Places | None


def _entries(structure: Structure) -> int:
    if isinstance(structure, Identity | Negation):
        return structure.size
    return len(pattern(structure).indices)


def _keys(whole: Assembly, part: Part, structure: Structure) -> _Keys:
    """Return the places of a part's entries."""
    if isinstance(structure, Identity | Negation):
        rows = columns = np.arange(structure.size)
        sources = None
    else:
        found = pattern(structure)
        rows = np.repeat(np.arange(structure.rows), np.diff(found.indptr))
        columns, sources = found.indices.astype(np.int64), found.source.astype(np.intp)
    if part.is_turned:
        rows, columns = columns, rows
    rows = rows if part.rows is None else part.rows[rows]
    columns = columns if part.columns is None else part.columns[columns]
    return _Keys(rows.astype(np.int64) * whole.columns + columns, sources)


def _within(structure: Structure, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of flattened entries among the stored numbers."""
    if not isinstance(structure, Sparse):
        return keys
    indptr, indices = csr_arrays(structure)
    rows = np.repeat(np.arange(structure.rows, dtype=np.int64), np.diff(indptr))
    return np.searchsorted(rows * structure.columns + indices, keys)


def _as_slice(places: Places | None, size: int) -> slice | None:
    """Return evenly spaced places as a slice."""
    if places is None:
        return slice(0, size)
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if step < 1 or (np.diff(places) != step).any():
        return None
    first = int(places[0]) if len(places) else 0
    return slice(first, first + step * (len(places) - 1) + 1 if len(places) else first, step)


def _placed(
    kernels: Kernels,
    operand: Operand,
    sources: Places | None,
    places: NDArray[np.int64],
    flat: Array,
    scratch: Array,
    *,
    is_first: bool,
) -> Calls:
    """Return the calls that add a part's numbers to some of a flat array."""
    if len(places) == 0:
        return ()
    where = _as_slice(places, flat.size)
    values: Array = -1 if isinstance(operand.structure, Negation) else 1
    calls: Calls = ()
    if operand.arrays:
        values = operand.arrays[0].reshape(-1)
        if sources is not None and not np.array_equal(sources, np.arange(len(values))):
            held = scratch[len(places) : 2 * len(places)]
            calls, values = ((kernels.take, (values, kernels.index(sources), held)),), held
    if where is not None:
        view = flat[where]
        return (*calls, (kernels.copyto, (view, values)) if is_first else (kernels.add, (view, values, view)))
    index = kernels.index(places)
    if is_first:
        return (*calls, (kernels.scatter, (values, index, flat)))
    held = scratch[: len(places)]
    return (
        *calls,
        (kernels.take, (flat, index, held)),
        (kernels.add, (held, values, held)),
        (kernels.scatter, (held, index, flat)),
    )


@final
class _Covered:
    """Which numbers of a matrix have been written."""

    def __init__(self, size: int) -> None:
        self.mask = np.zeros(size if size <= LARGEST else 0, bool)
        self.is_known = size <= LARGEST
        self.is_mixed = False
        """Something was added to numbers of which only some had been written."""

    def take(self, places: NDArray[np.int64]) -> bool:
        """Note that numbers are written, and return whether none of them was before."""
        if not self.is_known:
            return False
        before = self.mask[places]
        is_first = not before.any()
        self.is_mixed |= not is_first and not before.all()
        self.mask[places] = True
        return is_first

    @property
    def is_all(self) -> bool:
        """Whether every number has been written before anything was added to it."""
        return self.is_known and not self.is_mixed and bool(self.mask.all())
