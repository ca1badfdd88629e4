"""Discrete convolution along an axis."""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple, final, get_args

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Sparse, Structure
from jacchain.errors import unknown_name
from jacchain.execution.operation import CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes
from jacchain.model.primitives.selection import gathered
from jacchain.model.primitives.unit_pattern import Index, pattern
from jacchain.planning.link import Link

Mode = Literal["full", "same", "valid"]


class Band(NamedTuple):
    """The pattern of a local Jacobian, and where each of its entries lies in the other operand.

    Or that of the curvature, and where its entries lie in the adjoint.
    """

    structure: Sparse | Dense
    source: Index


@final
@dataclass(frozen=True, slots=True)
class Convolve(Primitive):
    """(a, v) ↦ Σ_j a[…, i - j] v[j]: every row of `a`, along the last axis, with a vector, as ``numpy.convolve``.

    The local Jacobian is a sparse band with respect to either, whose entries are those of the other. Those of the
    curvature are the adjoint's: it is full where the mode is.

    Parameters
    ----------
    mode : {"full", "same", "valid"}
    rows : int
        Number of rows of `a`.

    Examples
    --------
    >>> Convolve("full", 1).value([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    array([0. , 1. , 2.5, 4. , 1.5])
    >>> print(Convolve("valid", 1).local(0, [1.0, 2.0, 3.0], [5.0, 7.0]).todense())
    [[7. 5. 0.]
     [0. 7. 5.]]
    """

    mode: Mode
    rows: int

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            unknown_name("mode", self.mode, get_args(Mode))

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a band that is gathered from the other operand."""
        if [len(shape) > 0 for shape in shapes] != [True, True]:
            refuse_shapes("convolve", shapes, "give an array of at least one axis, and a vector")
        a, v = shapes
        if len(v) != 1 or prod(a[:-1]) != self.rows:
            refuse_shapes("convolve", shapes, f"give an array of {self.rows} rows, and a vector")
        rows, n, m = self.rows, a[-1], v[0]
        found = []
        for position, other in enumerate((m, rows * n)):
            structure: Structure = _band(rows, n, m, self.mode, position).structure
            link = Link(structure.columns, structure.rows, structure=structure, name=self.name)
            found.append(LocalFacts(link=link, reads=(1 - position,), scratch=other))
        output = (*a[:-1], _part(n, m, self.mode)[1])
        curvature = CurvatureFacts(first=0, second=1, structure=_bend(rows, n, m, self.mode).structure, applies=True)
        return OperationFacts(
            output=output, locals=tuple(found), scratch=rows * n if rows > 1 else 0, curvatures=(curvature,)
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls: one for a vector, two for each number of v for many rows at once."""
        a, v = xs
        if self.rows == 1:
            return ((_convolve, (kernels, a.reshape(-1), v, self.mode, y.reshape(-1))),)
        calls: list[Call] = [(kernels.fill, (0, y))]
        n, (start, count) = a.shape[-1], _part(a.shape[-1], v.size, self.mode)
        for j in range(v.size):
            # number i of the part is number i + start of the whole, and takes number i + start - j of a
            first, last = max(0, j - start), min(count, n + j - start)
            if first < last:
                part = a[..., first + start - j : last + start - j]
                held = scratch[: part.size].reshape(part.shape)
                target = y[..., first:last]
                calls.append((kernels.xp.multiply, (part, v[j : j + 1], held)))
                calls.append((kernels.xp.add, (target, held, target)))
        return tuple(calls)

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, _y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that gather the entries from the other operand."""
        other, columns = xs[1 - k], out.structure.columns
        n, m = (columns // self.rows, other.size) if k == 0 else (other.shape[-1], columns)
        return gathered(kernels, other, _band(self.rows, n, m, self.mode, k).source, out.arrays[0], scratch)

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], _xs: Arrays, _y: Array, u: Array, out: Operand, _s: Array, /
    ) -> Calls:
        """Return the call that gathers the entries from the adjoint."""
        n, m = out.structure.rows // self.rows, out.structure.columns
        source = kernels.index(_bend(self.rows, n, m, self.mode).source)
        return ((kernels.take, (u, source, out.arrays[0].reshape(-1))),)

    def bend_calls(
        self, kernels: Kernels, pair: tuple[int, int], _xs: Arrays, _y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls for the correlations of the adjoint, where the mode has cut it, with the tangent."""
        a, w = (out, v) if pair == (0, 1) else (v, out)
        n, m = a.size // self.rows, w.size
        start, count = _part(n, m, self.mode)
        whole = kernels.xp.zeros((self.rows, n + m - 1), u.dtype)
        given = (kernels.copyto, (whole[:, start : start + count], u.reshape(self.rows, count)))
        rows = a.reshape(self.rows, n)
        if pair == (0, 1):
            return (given, *((_correlate, (kernels, whole[k], v, rows[k])) for k in range(self.rows)))
        return (given, (kernels.fill, (0, out)), (_correlate_all, (kernels, whole, rows, out)))


def _part(n: int, m: int, mode: Mode) -> tuple[int, int]:
    """Return the first number of the whole convolution that a mode gives, and how many."""
    least = min(n, m)
    match mode:
        case "full":
            return 0, n + m - 1
        case "same":
            return (least - 1) // 2, max(n, m)
        case "valid":
            return least - 1, max(n, m) - least + 1


@lru_cache(maxsize=32)
def _band(rows: int, n: int, m: int, mode: Mode, position: int) -> Band:
    """Return the band with respect to a, of entries of v, or with respect to v, of entries of a."""
    start, count = _part(n, m, mode)
    columns = (n, m)[position]
    partners = n + m - columns
    whole = np.arange(start, start + count)[:, None]  # a row takes the pairs of places that sum to it
    if columns <= partners:
        column = np.arange(columns) + np.zeros_like(whole)
        partner = whole - column
    else:
        partner = np.arange(partners)[::-1] + np.zeros_like(whole)
        column = whole - partner
    is_met = (partner >= 0) & (partner < partners) & (column >= 0) & (column < columns)
    row, (place, source) = np.arange(rows)[:, None], (column[is_met], partner[is_met])
    places, sources = (row * n + place, row * 0 + source) if position == 0 else (row * 0 + place, row * n + source)
    indptr = np.concatenate([[0], np.cumsum(np.tile(is_met.sum(axis=1), rows))])
    width = rows * n if position == 0 else m
    return Band(pattern(rows * count, width, indptr, places.reshape(-1)), sources.reshape(-1))


@lru_cache(maxsize=32)
def _bend(rows: int, n: int, m: int, mode: Mode) -> Band:
    """Return the pattern of the curvature, and where in the adjoint each of its entries lies."""
    start, count = _part(n, m, mode)
    source = np.arange(n)[:, None] + np.arange(m) - start
    is_met = (source >= 0) & (source < count)
    sources = np.arange(rows)[:, None] * count + source[is_met]
    if is_met.all():
        return Band(Dense(rows * n, m), sources.reshape(-1))
    indptr = np.concatenate([[0], np.cumsum(np.tile(is_met.sum(axis=1), rows))])
    columns = np.tile(np.broadcast_to(np.arange(m), source.shape)[is_met], rows)
    return Band(pattern(rows * n, m, indptr, columns), sources.reshape(-1))


def _correlate(kernels: Kernels, a: Array, v: Array, out: Array) -> None:
    kernels.copyto(out, kernels.xp.correlate(a, v, "valid"))


def _correlate_all(kernels: Kernels, a: Array, v: Array, out: Array) -> None:
    for one, other in zip(a, v, strict=True):
        kernels.xp.add(out, kernels.xp.correlate(one, other, "valid"), out)


def _convolve(kernels: Kernels, a: Array, v: Array, mode: Mode, out: Array) -> None:
    kernels.copyto(out, kernels.xp.convolve(a, v, mode))
