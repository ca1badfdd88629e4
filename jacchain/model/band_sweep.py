"""Products with the Jacobians of many steps, each on stretches of diagonals, bound to buffers of their own."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple, final

from jacchain.algebra.kernels import Array, Call, Calls, Kernels, gemm, run
from jacchain.execution.backend import home_of
from jacchain.execution.program import ALIGNMENT
from jacchain.model.band import BandedStep, Entry
from jacchain.model.lift import lift
from jacchain.model.step_program import BoundStep, StepProgram, value_program

LARGEST_MATRIX: Final = 1 << 14
"""Numbers of a block of the Jacobian up to which BLAS multiplies with it sooner than calls for each stretch do."""

AT_ONCE: Final = 1 << 12
"""Numbers of what is carried for which what stands on the stretches is made at once, for several steps if need be."""

LARGE_ROW: Final = 1 << 15
"""Bytes of a row from which on one row is finished before the next is begun: what it needs stays in a cache."""


def rows_of_numbers(like: Array, width: int, size: int, /) -> Array:
    """Return uninitialised rows on the device of an array: long ones begin where memory is written to quickest.

    One that begins anywhere else takes twice as long to write, as every store then touches two lines of the cache.
    """
    step = size
    if size * like.itemsize >= LARGE_ROW:
        step = -(-size * like.itemsize // ALIGNMENT) * ALIGNMENT // like.itemsize
    memory = home_of([like]).workspace(width * step * like.itemsize, like.dtype)
    return memory.reshape(width, step)[:, :size]


def is_matrix(band: BandedStep, /) -> bool:
    """Whether every block of the Jacobian is written out."""
    return all(band.rows[entry.output] * band.columns[entry.source] <= LARGEST_MATRIX for entry in band.entries)


def multiplications(band: BandedStep, /) -> int:
    """Return the multiplications of a product of one step with one tangent or adjoint."""
    if is_matrix(band):
        return sum(band.rows[o] * band.columns[k] for o, k in {(entry.output, entry.source) for entry in band.entries})
    return sum(entry.stretch.length for entry in band.entries if _unit(entry) is None)


def _unit(entry: Entry) -> int | None:
    """Return 1 or -1 where that is all that stands on a stretch."""
    is_unit = isinstance(entry.constant, float) and abs(entry.constant) == 1
    return int(entry.constant) if is_unit else None


@lru_cache(maxsize=8)
def _program(band: BandedStep, count: int) -> StepProgram:
    assert band.expression is not None
    return value_program(band.expression if count == 1 else lift(band.expression, count))


class Move(NamedTuple):
    """What a piece of a stretch does to rows: lanes of one array times what stands there are added to those of another.

    Attributes
    ----------
    source, target : int
        Of the arrays.
    first, start : int
        The first lane taken, and the first one added to.
    taken, given : int
        How many lanes: as many, or one of either.
    factor : array or int
        What stands there; 1 or -1 as a number.
    """

    source: int
    target: int
    first: int
    start: int
    taken: int
    given: int
    factor: Any

    @property
    def is_sum(self) -> bool:
        """Whether many lanes make one."""
        return self.given == 1 < self.taken


@final
class BoundBand:
    """The Jacobians of several steps: write `inputs`, run, and take the calls of products with one of them.

    Attributes
    ----------
    inputs : list of array or None
        Buffers of the step's inputs, of all steps along a first axis; None for what is not used.
    """

    def __init__(self, band: BandedStep, kernels: Kernels, count: int, like: Array, /) -> None:
        self.band = band
        self._kernels = kernels
        self._like = like
        self._dtype = like.dtype
        self._room: Array = None
        step = None if band.expression is None else BoundStep(_program(band, count), kernels)
        inputs = [None] * len(band.columns) if step is None else step.inputs
        self.inputs = [x if x is None or count > 1 else x[None] for x in inputs]
        self._step = step
        self._standing = [self._all(entry, count) for entry in band.entries]
        self._matrices: dict[tuple[int, int], Array] = {}
        self._writing: Calls = ()
        if is_matrix(band):
            self._write_matrices(count)

    def run(self) -> None:
        """Work on what the inputs hold."""
        if self._step is not None:
            self._step.run()
        run(self._writing)

    def adjoint_calls(self, at: int, weights: Sequence[Array], outs: Sequence[Array | None], /) -> Calls:
        """Return the calls that write adjoints of the inputs, rows of numbers, given those of the outputs."""
        if self._matrices:
            pairs = [(weights[o], outs[k], matrix[at]) for (o, k), matrix in self._matrices.items()]
            return self._matrix_calls(pairs, outs)
        return self._calls([self._move(n, piece, at, is_adjoint=True) for n, piece in self._pieces()], weights, outs)

    def tangent_calls(self, at: int, seeds: Sequence[Array | None], outs: Sequence[Array], /) -> Calls:
        """Return the calls that write tangents of the outputs, each a row of numbers, given those of the inputs."""
        if self._matrices:
            pairs = [(seeds[k], outs[o], matrix[at].T) for (o, k), matrix in self._matrices.items()]
            return self._matrix_calls(pairs, outs)
        return self._calls([self._move(n, piece, at, is_adjoint=False) for n, piece in self._pieces()], seeds, outs)

    def _all(self, entry: Entry, count: int) -> Array:
        """Return what stands on a stretch in all steps, one step along the first axis."""
        xp = self._kernels.xp
        if entry.constant is None:
            assert self._step is not None
            found = self._step.values[entry.place]
            return found if count > 1 else found[None]
        constant = xp.asarray(entry.constant, dtype=self._dtype)
        return xp.broadcast_to(constant, (count, *constant.shape))

    def _write_matrices(self, count: int) -> None:
        """Bind the calls that write the blocks out."""
        xp, calls = self._kernels.xp, list[Call]()
        seen: dict[tuple[int, int], set[int]] = {}
        shared: set[tuple[int, int]] = set()
        for entry, standing in zip(self.band.entries, self._standing, strict=True):
            pair = entry.output, entry.source
            rows, columns = self.band.rows[entry.output], self.band.columns[entry.source]
            if pair not in self._matrices:
                self._matrices[pair] = xp.zeros((count, rows, columns), dtype=self._dtype)
            flat = self._matrices[pair].reshape(count, -1)
            for start, piece in entry.stretch.pieces():
                step, first = (columns if piece.is_column else columns + 1), piece.row * columns + piece.column
                lanes = range(first, first + (piece.length - 1) * step + 1, step)
                target = flat[:, lanes.start : lanes.stop : step]
                part = standing[:, None] if standing.ndim == 1 else standing[:, start : start + piece.length]
                if seen.setdefault(pair, set()).isdisjoint(lanes):
                    calls.append((self._kernels.copyto, (target, part)))
                else:
                    shared.add(pair)
                    calls.append((self._kernels.add, (target, part, target)))
                seen[pair].update(lanes)
        zeros = [(self._kernels.fill, (0, self._matrices[pair])) for pair in sorted(shared)]
        self._writing = (*zeros, *calls)

    def _pieces(self) -> list[tuple[int, Any]]:
        """Return the pieces that do not go round, the longest first, with the number of their entry."""
        found = [
            (n, (start, piece)) for n, entry in enumerate(self.band.entries) for start, piece in entry.stretch.pieces()
        ]
        return sorted(found, key=lambda item: -item[1][1].length)

    def _move(self, number: int, piece: Any, at: int, *, is_adjoint: bool) -> Move:
        entry, (start, stretch) = self.band.entries[number], piece
        standing = self._standing[number][at, ...]  # a number too is a view
        factor = _unit(entry) or (standing if standing.ndim == 0 else standing[start : start + stretch.length])
        width = 1 if stretch.is_column else stretch.length
        if is_adjoint:
            return Move(entry.output, entry.source, stretch.row, stretch.column, stretch.length, width, factor)
        return Move(entry.source, entry.output, stretch.column, stretch.row, width, stretch.length, factor)

    def _matrix_calls(self, pairs: Sequence[tuple[Array, Array, Array]], outs: Sequence[Array | None]) -> Calls:
        """Return the calls that write the sums of products."""
        kernels, calls, written = self._kernels, list[Call](), set[int]()
        for rows, out, matrix in pairs:
            if id(out) not in written:
                written.add(id(out))
                calls.append(gemm(kernels, (rows, matrix, out)))
                continue
            held = self._held(out.shape)
            calls += [gemm(kernels, (rows, matrix, held)), (kernels.add, (out, held, out))]
        empty = [out for out in outs if out is not None and id(out) not in written]
        return (*((kernels.fill, (0, out)) for out in empty), *calls)

    def _calls(self, moves: Sequence[Move], sources: Sequence[Array | None], outs: Sequence[Array | None]) -> Calls:
        """Return the calls that make moves, first those that write where no other has: then the rest is added."""
        written: list[list[range]] = [[] for _ in outs]
        touched: list[list[range]] = [[] for _ in outs]
        first, later = list[tuple[Move, bool]](), list[tuple[Move, bool]]()
        for move in sorted(moves, key=lambda move: move.is_sum):  # sums are made last, of all rows at once
            lanes = range(move.start, move.start + move.given)
            if _is_apart(lanes, (touched if move.is_sum else written)[move.target]):
                written[move.target].append(lanes)
                first.append((move, True))
            else:
                later.append((move, False))
            touched[move.target].append(lanes)
        calls = [
            (self._kernels.fill, (0, out[:, start:end]))
            for out, taken in zip(outs, written, strict=True)
            if out is not None
            for start, end in _gaps(taken, out.shape[1])
        ]
        ordered = [*first, *later]
        given, made = list[Array](sources), list[Array](outs)  # moves name only those that are there
        width = next(x.shape[0] for x in sources if x is not None)
        is_large = self._dtype.itemsize * max(move.given for move in moves) >= LARGE_ROW
        for rows in [slice(k, k + 1) for k in range(width)] if is_large else [slice(0, width)]:
            for move, is_new in ordered:
                if not move.is_sum:
                    x, out = given[move.source][rows], made[move.target][rows]
                    calls += self._product(move, x, out, is_new=is_new)
        for move, is_new in ordered:
            if move.is_sum:
                calls += self._sum(move, given[move.source], made[move.target], is_new=is_new)
        return tuple(calls)

    def _product(self, move: Move, source: Array, target: Array, *, is_new: bool) -> Calls:
        """Return the calls that write lanes times what stands there, or add that."""
        kernels, factor = self._kernels, move.factor
        x, out = source[:, move.first : move.first + move.taken], target[:, move.start : move.start + move.given]
        if isinstance(factor, int):
            if is_new:
                return ((kernels.copyto, (out, x)),) if factor == 1 else ((kernels.negative, (x, out)),)
            return ((kernels.add if factor == 1 else kernels.xp.subtract, (out, x, out)),)
        held = out if is_new else self._held(out.shape)
        call: Call = (kernels.multiply, (x, factor, held))
        return (call,) if is_new else (call, (kernels.add, (out, held, out)))

    def _sum(self, move: Move, source: Array, target: Array, *, is_new: bool) -> Calls:
        """Return the calls that write the sum of lanes times what stands there, or add it; np.dot would take longer."""
        kernels, out = self._kernels, target[:, move.start : move.start + 1]
        is_direct = is_new and target.shape[1] == 1
        held = out if is_direct else self._held(out.shape)
        x = source[:, move.first : move.first + move.taken]
        call: Call = (kernels.matmul, (x, move.factor[:, None], held))
        if is_direct:
            return (call,)
        return (call, (kernels.copyto, (out, held)) if is_new else (kernels.add, (out, held, out)))

    def _held(self, shape: tuple[int, ...]) -> Array:
        """Return room for one product: the same for all, as it is used at once."""
        size = prod(shape)
        if self._room is None or self._room.size < size:
            self._room = rows_of_numbers(self._like, 1, size)[0]
        return self._room[:size].reshape(shape)


def _is_apart(lanes: range, others: Sequence[range]) -> bool:
    """Whether lanes meet none of some others."""
    return all(lanes.stop <= other.start or other.stop <= lanes.start for other in others)


def _gaps(ranges: Sequence[range], size: int) -> list[tuple[int, int]]:
    """Return what ranges that do not meet leave free."""
    found, place = [], 0
    for taken in sorted(ranges, key=lambda taken: taken.start):
        if place < taken.start:
            found.append((place, taken.start))
        place = taken.stop
    return found if place == size else [*found, (place, size)]
