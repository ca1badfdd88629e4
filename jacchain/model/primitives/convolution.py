"""Discrete convolution along an axis."""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple, final, get_args

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Sparse, Structure
from jacchain.errors import unknown_name
from jacchain.execution.operation import LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes
from jacchain.model.primitives.selection import gathered
from jacchain.model.primitives.unit_pattern import Index, pattern
from jacchain.planning.link import Link

Mode = Literal["full", "same", "valid"]


class Band(NamedTuple):
    """The pattern of a local Jacobian, and where each of its entries lies in the other operand."""

    structure: Sparse
    source: Index


@final
@dataclass(frozen=True, slots=True)
class Convolve(Primitive):
    """(a, v) ↦ Σ_j a[…, i - j] v[j]: every row of `a`, along the last axis, with a vector, as ``numpy.convolve``.

    The local Jacobian is a sparse band with respect to either, whose entries are those of the other.

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
        return OperationFacts(output=output, locals=tuple(found), scratch=rows * n if rows > 1 else 0)

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


def _convolve(kernels: Kernels, a: Array, v: Array, mode: Mode, out: Array) -> None:
    kernels.copyto(out, kernels.xp.convolve(a, v, mode))
