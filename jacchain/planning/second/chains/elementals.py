"""What is given of a chain: the structures of the first and second derivatives of its links, and what products cost."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Literal, NamedTuple, final

from jacchain.algebra.structure import Dense, Diagonal, Identity, Negation
from jacchain.errors import OptionError
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link, as_size
from jacchain.planning.second.chains.tensor import DENSE, ZERO, TensorStructure

Kind = Literal["dense", "diagonal", "unit"]

SUPPORTED: Final = "dense, diagonal, identity or negation"


@final
class Cell(NamedTuple):
    """A sum of terms: H(j; i, m) = Σ over start < k ≤ stop of J(j,k) F″_k [J(k-1,i), J(k-1,m)].

    `output` is j; `first` and `second` are the vertices i and m at which the two arms end.
    """

    output: int
    first: int
    second: int
    start: int
    stop: int


@final
class Elementals:
    """The derivatives of a chain's links as planners see them, and the cost of every product of them.

    Parameters
    ----------
    chain : Chain
        Of explicit links that are dense, diagonal, an identity or a negation.
    symmetric : bool
        Of tensors whose arms end at one vertex only one half is computed.

    Raises
    ------
    OptionError
        A link of another structure, or one with costs of its own.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> given = Elementals(chain_of_sizes([3, 4, 2]), symmetric=True)
    >>> given.lift_cost(Cell(2, 0, 0, 0, 1), 1), given.pull_cost(Cell(2, 0, 1, 1, 2), 1, 0)
    (48, 96)
    """

    def __init__(self, chain: Chain, /, *, symmetric: bool) -> None:
        self.chain, self.symmetric, self.sizes = chain, symmetric, chain.sizes
        for number, link in enumerate(chain.links, 1):
            _refuse(number, link)
        kinds = [_kind(link) for link in chain.links]
        self._full = [0, *accumulate(int(kind == "dense") for kind in kinds)]
        self._scaling = [0, *accumulate(int(kind != "unit") for kind in kinds)]
        bent = [not link.is_linear for link in chain.links]
        self._last_bent = [0, *accumulate((k if is_bent else 0 for k, is_bent in enumerate(bent, 1)), max)]
        beyond = len(bent) + 1
        later = (k if is_bent else beyond for k, is_bent in reversed([*enumerate(bent, 1)]))
        self._next_bent = [*reversed([*accumulate(later, min)]), beyond]
        self.is_bent = all(bent)
        self.is_dense = all(kind == "dense" for kind in kinds)

    def __len__(self) -> int:
        return len(self.chain)

    def last_bent(self, start: int, stop: int, /) -> int:
        """Return the last link k, start < k ≤ stop, that is not linear; `start` if all are."""
        return max(start, self._last_bent[stop])

    def next_bent(self, start: int, /) -> int:
        """Return the first link k > start that is not linear; one beyond the last if there is none."""
        return self._next_bent[start]

    def trimmed(self, cell: Cell, /) -> Cell | None:
        """Return a cell without the terms of linear links at its ends; None if it is zero."""
        if self.is_bent:
            return cell
        start, stop = self._next_bent[cell.start] - 1, self._last_bent[cell.stop]
        return cell._replace(start=start, stop=stop) if start < stop else None

    def kind(self, upper: int, lower: int, /) -> Kind:
        """Return what J(upper, lower) is."""
        if self._full[upper] > self._full[lower]:
            return "dense"
        return "diagonal" if self._scaling[upper] > self._scaling[lower] else "unit"

    def product_cost(self, upper: int, middle: int, lower: int, /) -> int:
        """Return the multiplications of J(upper, middle) J(middle, lower)."""
        left, right = self.kind(upper, middle), self.kind(middle, lower)
        if "unit" in (left, right):
            return 0
        rows, columns = self.sizes[upper], self.sizes[lower]
        if left == right == "diagonal":
            return rows
        return rows * columns * (self.sizes[middle] if left == right else 1)

    def structure(self, cell: Cell, /) -> TensorStructure:
        """Return what a cell looks like, in whatever order it is made."""
        j, i, m, _, _ = cell
        is_symmetric = self.symmetric and i == m
        return TensorStructure(self.sizes[j], self.sizes[i], self.sizes[m], self._axes(cell), is_symmetric)

    def _axes(self, cell: Cell) -> str:
        if self.is_dense:
            return DENSE
        j, i, m, start, stop = cell
        last = self.last_bent(start, stop)
        if last == start:
            return ZERO
        full = self._full
        is_first = full[j] == full[i]  # no dense map lies between the output and the end of the arm
        is_second = full[j] == full[m]
        if full[last] == full[min(i, m)]:
            return "aaa" if is_first or is_second else "abb"
        return "aab" if is_first else "aba" if is_second else DENSE

    def computed(self, cell: Cell, /) -> int:
        """Return the entries of a cell that are computed."""
        if not self.is_dense:
            return self.structure(cell).computed
        rows, first, second = (self.sizes[end] for end in cell[:3])
        is_half = self.symmetric and cell.first == cell.second
        return rows * (first * (first + 1) // 2 if is_half else first * second)

    def lift_factor(self, cell: Cell, middle: int, /) -> int:
        """Return the multiplications for each entry of J(output, middle) times the same cell with that output."""
        if self.is_dense:
            return self.sizes[middle]
        kind = self.kind(cell.output, middle)
        if kind != "dense":
            return int(kind == "diagonal")
        below = self._axes(cell._replace(output=middle))
        return self.sizes[middle] if below.count(below[0]) == 1 else 1

    def pull_factor(self, cell: Cell, middle: int, arm: int, /) -> int:
        """Return the same for J(middle, end) on an arm of the same cell with that arm ending at `middle`."""
        if self.is_dense:
            return self.sizes[middle]
        j, i, m, start, stop = cell
        kind = self.kind(middle, (i, m)[arm])
        if kind != "dense":
            return int(kind == "diagonal")
        above = self._axes(Cell(j, middle, m, start, stop) if arm == 0 else Cell(j, i, middle, start, stop))
        return self.sizes[middle] if above.count(above[1 + arm]) == 1 else 1

    def lift_cost(self, cell: Cell, middle: int, /) -> int:
        """Return the multiplications of J(output, middle) times the same cell with the output `middle`."""
        return self.computed(cell) * self.lift_factor(cell, middle)

    def pull_cost(self, cell: Cell, middle: int, arm: int, /) -> int:
        """Return the multiplications of the same cell with an arm at `middle`, times J(middle, end) on that arm."""
        return self.computed(cell) * self.pull_factor(cell, middle, arm)


def seeded_twice(chain: Chain, /, *, tangents: int | None = None, adjoints: int | None = None) -> Chain:
    """Return the longer chain whose tensor is U·H[V, V], where V has `tangents` columns and U has `adjoints` rows.

    Both are linear links. Weights u of the outputs, as a Lagrangian has them, are one adjoint.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> print(seeded_twice(chain_of_sizes([13, 16, 4]), adjoints=1))
    13 → 16 → 4 → 1
    """
    links: Sequence[Link] = chain.links
    if tangents is not None:
        links = [Link(as_size(tangents, "tangents"), links[0].inputs, name="tangents", linear=True), *links]
    if adjoints is not None:
        links = [*links, Link(links[-1].outputs, as_size(adjoints, "adjoints"), name="adjoints", linear=True)]
    return Chain(links)


def _kind(link: Link) -> Kind:
    match link.local:
        case Dense():
            return "dense"
        case Diagonal():
            return "diagonal"
        case _:
            return "unit"


def _refuse(number: int, link: Link) -> None:
    """Raise the error of a link whose second derivative has no known structure, or whose costs would be left out."""
    if not isinstance(link.local, Dense | Diagonal | Identity | Negation):
        why = "whose second derivative has no structure known here"
        if link.is_linear:
            why = "and products of such Jacobians with tensors are not planned here"
        raise OptionError(
            f"link {number} is {link.local}, {why}",
            f"plans of order 2 take links that are {SUPPORTED}; state it as dense",
        )
    for cost in ("tangent_cost", "adjoint_cost", "accumulate_cost"):
        if getattr(link, cost):
            raise OptionError(
                f"link {number} has {cost} {getattr(link, cost)}",
                f"plans of order 2 take the derivatives of links as given: leave out {cost}",
            )
