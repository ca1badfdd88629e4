"""Sums, means, products and extremes along axes."""

from abc import abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Literal, final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Identity, Structure
from jacchain.errors import OptionError
from jacchain.execution.operation import VALUE, CurvatureFacts, LocalFacts, OperationFacts, Shape
from jacchain.model.layer import constant
from jacchain.model.primitive import Primitive, sole
from jacchain.model.primitives.axes import Groups, grouped, pairs, sums, weights
from jacchain.model.primitives.but_two import but_two_calls, running_calls
from jacchain.model.primitives.unit_pattern import ones
from jacchain.planning.link import Link

Axes = tuple[int, ...] | None
"""The axes that a reduction is over, in any order, counted from the end where negative; None for all."""


def reduced_groups(primitive: Primitive, shapes: tuple[Shape, ...], axes: Axes, /) -> Groups:
    """Return the groups of the only input, or raise a SizeError."""
    return grouped(sole(primitive.name, shapes), axes, primitive.name)


def reduced_link(primitive: Primitive, groups: Groups, structure: Structure, /) -> Link:
    """Return the link from an array to one number for each group."""
    return Link(prod(groups.shape), groups.count, structure=structure, name=primitive.name)


def _sum_facts(primitive: Primitive, shapes: tuple[Shape, ...], axes: Axes, *, keepdims: bool) -> OperationFacts:
    groups = reduced_groups(primitive, shapes, axes)
    link = reduced_link(primitive, groups, sums(groups))
    return OperationFacts(output=groups.output(keepdims), locals=(LocalFacts(link=link, is_uniform=True),))


@final
@dataclass(frozen=True, slots=True)
class Sum(Primitive):
    """The sum along axes; its local Jacobian is constant (see `axes.sums`).

    Parameters
    ----------
    axes : tuple of int or None
        The axes summed over; None for all.
    keepdims : bool
        They stay, with length one.

    Examples
    --------
    >>> print(Sum((0,)).local(0, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    kronecker (1x3)⊗I(2)
    """

    axes: Axes = None
    keepdims: bool = False

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the local Jacobian does not depend on the point."""
        return _sum_facts(self, shapes, self.axes, keepdims=self.keepdims)

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that sums."""
        groups = grouped(xs[0].shape, self.axes, self.name)
        return ((kernels.xp.add.reduce, (xs[0], groups.reduced, None, y, self.keepdims)),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the call that writes the ones."""
        return ones(kernels, out)


@final
@dataclass(frozen=True, slots=True)
class Mean(Primitive):
    """The mean along axes; its local Jacobian is constant (see `axes.sums`).

    Parameters
    ----------
    axes : tuple of int or None
        The axes averaged over; None for all.
    keepdims : bool
        They stay, with length one.

    Examples
    --------
    >>> Mean().local(0, [1.0, 2.0, 3.0, 4.0]).todense()
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    axes: Axes = None
    keepdims: bool = False

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the local Jacobian does not depend on the point."""
        return _sum_facts(self, shapes, self.axes, keepdims=self.keepdims)

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the calls that sum and divide."""
        groups, xp = grouped(xs[0].shape, self.axes, self.name), kernels.xp
        return (
            (xp.add.reduce, (xs[0], groups.reduced, None, y, self.keepdims)),
            (xp.divide, (y, constant(kernels, groups.each, y), y)),
        )

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the call that writes the shares."""
        share = out.structure.rows / out.structure.columns
        return tuple((kernels.fill, (share, array)) for array in out.arrays)


@final
@dataclass(frozen=True, slots=True)
class Prod(Primitive):
    """The product along axes; the derivative is the product of the others, and is right where some are zero.

    Parameters
    ----------
    axes : tuple of int or None
        The axes multiplied over; None for all.
    keepdims : bool
        They stay, with length one.

    Examples
    --------
    >>> Prod().local(0, [2.0, 0.0, 5.0]).todense()
    array([[ 0., 10.,  0.]])
    """

    axes: Axes = None
    keepdims: bool = False

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the derivative needs two running products."""
        groups = reduced_groups(self, shapes, self.axes)
        link = reduced_link(self, groups, weights(groups))
        output = groups.output(self.keepdims)
        if isinstance(link.local, Identity):
            return OperationFacts(output=output, locals=(LocalFacts(link=link),))
        scratch = link.inputs * (3 + groups.each)
        curvature = CurvatureFacts(first=0, second=0, structure=pairs(groups), reads=(0,), scratch=scratch)
        local = LocalFacts(link=link, reads=(0,), scratch=2 * link.inputs)
        return OperationFacts(output=output, locals=(local,), curvatures=(curvature,))

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that multiplies."""
        groups = grouped(xs[0].shape, self.axes, self.name)
        return ((kernels.xp.multiply.reduce, (xs[0], groups.reduced, None, y, self.keepdims)),)

    def local_calls(self, kernels: Kernels, _k: int, xs: Arrays, _y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that multiply those before by those behind."""
        if not out.arrays:
            return ()
        xp, groups = kernels.xp, grouped(xs[0].shape, self.axes, self.name)
        others = out.arrays[0].reshape(-1, groups.each)
        before, behind = scratch[: 2 * others.size].reshape(2, *others.shape)
        return (
            (kernels.copyto, (others.reshape(groups.grouped), groups.aside(xs[0]))),
            (xp.cumprod, (others, 1, None, before)),
            (xp.cumprod, (others[:, ::-1], 1, None, behind[:, ::-1])),
            (kernels.copyto, (others[:, 0], behind[:, 1])),
            (kernels.copyto, (others[:, -1], before[:, -2])),
            (xp.multiply, (before[:, :-2], behind[:, 2:], others[:, 1:-1])),
        )

    def curvature_calls(
        self, kernels: Kernels, _pair: tuple[int, int], xs: Arrays, _y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that write the products of all numbers but two."""
        groups = grouped(xs[0].shape, self.axes, self.name)
        size, each = xs[0].size, groups.each
        x, before, behind = scratch[: 3 * size].reshape(3, -1, each)
        found = scratch[3 * size : size * (3 + each)].reshape(-1, each, each)
        target = groups.pairwise(out.arrays[0])
        return (
            (kernels.copyto, (x.reshape(groups.grouped), groups.aside(xs[0]))),
            *running_calls(kernels, x, before),
            *running_calls(kernels, x[:, ::-1], behind[:, ::-1]),
            *but_two_calls(kernels, x, before, behind, found),
            (kernels.xp.multiply, (found, u.reshape(-1, 1, 1), found)),
            (kernels.copyto, (target, found.reshape(target.shape))),
        )


@dataclass(frozen=True, slots=True)
class Extreme(Primitive):
    """The largest or the smallest along axes: see `Max` and `Min`.

    Parameters
    ----------
    axes : tuple of int or None
        The axes; None for all.
    keepdims : bool
        They stay, with length one.
    ties : {"even", "first"}
        The derivative where several are extreme: an equal share for each, or all of it for the first in memory order.
    """

    axes: Axes = None
    keepdims: bool = False
    ties: Literal["even", "first"] = "even"

    def __post_init__(self) -> None:
        if self.ties not in ("even", "first"):
            raise OptionError(f"ties {self.ties!r} is no choice of a derivative", "give even or first")

    @property
    @abstractmethod
    def name(self) -> str:
        """That of the function in NumPy, which is called by it."""

    @final
    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the derivative compares the numbers with the value."""
        groups = reduced_groups(self, shapes, self.axes)
        link = reduced_link(self, groups, weights(groups))
        local = LocalFacts(link=link)
        if not isinstance(link.local, Identity):
            scratch = groups.count if self.ties == "even" else link.inputs
            local = LocalFacts(link=link, reads=(VALUE, 0), scratch=scratch)
        return OperationFacts(output=groups.output(self.keepdims), locals=(local,))

    @final
    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that finds the extremes."""
        groups = grouped(xs[0].shape, self.axes, self.name)
        return ((getattr(kernels.xp, self.name), (xs[0], groups.reduced, y, self.keepdims)),)

    @final
    def local_calls(self, kernels: Kernels, _k: int, xs: Arrays, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that mark the extremes and share among them."""
        if not out.arrays:
            return ()
        xp, groups = kernels.xp, grouped(xs[0].shape, self.axes, self.name)
        marks = out.arrays[0].reshape(-1, groups.each)
        marked = (xp.equal, (xs[0], y.reshape(groups.thin), groups.together(marks.reshape(groups.grouped))))
        if self.ties == "even":
            total = scratch[: groups.count].reshape(-1, 1)
            return (marked, (xp.add.reduce, (marks, 1, None, total, True)), (xp.divide, (marks, total, marks)))
        seen = scratch[: marks.size].reshape(marks.shape)
        return (
            marked,
            (xp.cumsum, (marks, 1, None, seen)),
            (xp.equal, (seen, constant(kernels, 1, marks), seen)),
            (xp.multiply, (marks, seen, marks)),
        )


@final
@dataclass(frozen=True, slots=True)
class Max(Extreme):
    """The largest along axes; see `Extreme`.

    Examples
    --------
    >>> Max().local(0, [3.0, 1.0, 3.0]).todense()
    array([[0.5, 0. , 0.5]])
    >>> Max(ties="first").local(0, [3.0, 1.0, 3.0]).todense()
    array([[1., 0., 0.]])
    """

    @property
    def name(self) -> str:
        """The function's name."""
        return "max"


@final
@dataclass(frozen=True, slots=True)
class Min(Extreme):
    """The smallest along axes; see `Extreme`.

    Examples
    --------
    >>> print(Min((1,)).local(0, [[3.0, 1.0], [2.0, 5.0]]))
    block-diagonal 2x(1x2)
    """

    @property
    def name(self) -> str:
        """The function's name."""
        return "min"
