"""A Jacobian kept as factors, for when it is only multiplied by vectors."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array, run
from jacchain.algebra.matrix import Matrix, dense
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.errors import InfeasibleError, OptionError, SizeError
from jacchain.execution.lower import Wanted
from jacchain.execution.program import Program
from jacchain.execution.results import results
from jacchain.execution.run import Counted, Executable
from jacchain.execution.source import Facts, MatrixFree, Source
from jacchain.model.layer import Layer, as_host_point
from jacchain.model.sequential import Sequential
from jacchain.planning.limits import as_limit
from jacchain.planning.several.factored import Factor, FactoredPlan, plan_factored
from jacchain.prepared import Prepared, composition, prepared
from jacchain.products.compiling import Remembered, executable

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator


class Formed(NamedTuple):
    """A factor that is a matrix."""

    matrix: Matrix

    def tangents(self, v: Array, /) -> Array:
        """Return the factor times columns."""
        return (self.matrix @ dense(v)).todense()

    def adjoints(self, u: Array, /) -> Array:
        """Return rows times the factor."""
        return (dense(u) @ self.matrix).todense()


class Kept(NamedTuple):
    """A factor that is a layer at a point, applied by its jvp and vjp."""

    source: Source
    facts: Facts
    x: Array
    planned: Factor

    def tangents(self, v: Array, /) -> Array:
        """Return the layer's Jacobian times columns."""
        if self.planned.tangent_flops is None:
            raise InfeasibleError(f"{self.source.name} is kept and has no jvp", "ask for products=1 or more")
        return self._applied(v, (self.facts.link.outputs, v.shape[1]), forward=True)

    def adjoints(self, u: Array, /) -> Array:
        """Return rows times the layer's Jacobian."""
        if self.planned.adjoint_flops is None:
            raise InfeasibleError(
                f"{self.source.name} is kept and has no vjp within the tape limit", "ask for adjoint_products=1 or more"
            )
        return self._applied(u, (u.shape[0], self.facts.link.inputs), forward=False)

    def _applied(self, seeds: Array, shape: tuple[int, int], *, forward: bool) -> Array:
        assert isinstance(self.source, MatrixFree)
        out = np.empty(shape, self.x.dtype)
        apply = self.source.tangent_calls if forward else self.source.adjoint_calls
        run(apply(NUMPY, self.x, seeds, out))
        return out


@final
@dataclass(frozen=True, eq=False, slots=True)
class Factored:
    """The Jacobian at one point as a product of factors. Made by calling what `factored` returns.

    Inputs and outputs are counted as vectors: J is a matrix of `shape`, whatever the shapes of x and f(x).

    Attributes
    ----------
    plan : FactoredPlan
    factors : tuple of Formed or Kept
        In order of evaluation; they do not change when parameters of the layers do, except in functions of the user.
    dtype : dtype
    """

    plan: FactoredPlan
    factors: tuple[Formed | Kept, ...]
    dtype: "np.dtype[Any]"

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        sizes = self.plan.chain.sizes
        return sizes[-1], sizes[0]

    @property
    def flops(self) -> int:
        """Multiplications of forming the factors."""
        return self.plan.forming_flops

    def matvec(self, v: ArrayLike, /) -> Array:
        """Return J v for a vector of as many numbers as x."""
        return self.matmat(_vector(v, self.shape[1])[:, None])[:, 0]

    def rmatvec(self, u: ArrayLike, /) -> Array:
        """Return Jᵀu for a vector of as many numbers as f(x)."""
        return self.rmatmat(_vector(u, self.shape[0])[:, None])[:, 0]

    def matmat(self, v: ArrayLike, /) -> Array:
        """Return J V for tangents in the columns of V."""
        found = self._columns(v, self.shape[1])
        for factor in self.factors:
            found = factor.tangents(found)
        return found

    def rmatmat(self, u: ArrayLike, /) -> Array:
        """Return Jᵀ U for adjoints in the columns of U."""
        found = np.ascontiguousarray(self._columns(u, self.shape[0]).T)
        for factor in reversed(self.factors):
            found = factor.adjoints(found)
        return found.T

    def todense(self) -> Array:
        """Return J as a 2-D array, by products with unit vectors: tangents or adjoints, whichever cost less."""
        tangents, adjoints = self.plan.tangent_flops, self.plan.adjoint_flops
        rows, columns = self.shape
        if adjoints is None or (tangents is not None and tangents * columns <= adjoints * rows):
            return self.matmat(np.eye(columns, dtype=self.dtype))
        return self.rmatmat(np.eye(rows, dtype=self.dtype)).T

    def linear_operator(self) -> "LinearOperator":
        """Return J as a SciPy LinearOperator, whose matvec, rmatvec, matmat and rmatmat are those of the factors."""
        from scipy.sparse.linalg import LinearOperator

        return LinearOperator(
            self.shape,
            matvec=self.matvec,
            rmatvec=self.rmatvec,
            matmat=self.matmat,
            rmatmat=self.rmatmat,
            dtype=self.dtype,
        )

    def __str__(self) -> str:
        return f"{self.plan.bracketing}, {self.shape[0]:,} x {self.shape[1]:,}"

    def _columns(self, values: ArrayLike, size: int) -> Array:
        array = np.asarray(values)
        if array.ndim != 2 or array.shape[0] != size:
            rows, columns = self.shape
            raise SizeError(
                f"the array has shape {array.shape}, but J is {rows:,} x {columns:,}",
                f"give {size:,} numbers, or {size:,} rows",
            )
        if array.dtype.kind not in "fiu":
            raise OptionError(f"the array is {array.dtype}", "give real numbers")
        return np.ascontiguousarray(array, self.dtype)


def _vector(values: ArrayLike, size: int) -> Array:
    """Return a vector, also where it comes as a matrix of one column."""
    array = np.asarray(values)
    if array.shape not in ((size,), (size, 1)):
        raise SizeError(f"the vector has shape {array.shape}, not ({size:,},)", f"give {size:,} numbers")
    return array.reshape(-1)


class _Ready(NamedTuple):
    """A plan, the layers, and what forms the factors and the states that kept layers are taken at."""

    plan: FactoredPlan
    layers: Prepared
    run: Executable


@final
class Factorization:
    """The Jacobian of a composition as factors, as a function of the point. Made by `factored`."""

    __slots__ = ("_ready", "check", "composition", "counts", "tape_limit")

    def __init__(self, f: Sequential, counts: tuple[int, int], tape_limit: int | None, /, *, check: bool) -> None:
        self.composition = f
        self.counts = counts
        self.tape_limit = tape_limit
        self.check = check
        self._ready: Remembered[_Ready] = Remembered()

    def __call__(self, x: ArrayLike, /) -> Factored:
        """Return the factors at x.

        Raises
        ------
        DtypeError, SizeError, NonFiniteError
            As a Jacobian does.
        """
        point = as_host_point(x, "x", "factored Jacobians are made")
        plan, layers, execute = self._ready.at(point, self._compiled)
        flat = execute(point, check=self.check)
        operands = iter(results(execute, flat))
        formed = {root: next(operands) for root in plan.roots}
        factors: list[Formed | Kept] = []
        for factor in plan.factors:
            if factor.node is None:
                source, facts = layers.sources[factor.first], layers.facts[factor.first]
                state = next(operands).arrays[0].reshape(facts.inputs)
                factors.append(Kept(source, facts, state, factor))
            else:
                found = formed[factor.node]
                # what a layer lends is its own parameter, which may change
                arrays = tuple(a if np.may_share_memory(a, flat) else a.copy() for a in found.arrays)
                factors.append(Formed(Matrix(found.structure, arrays)))
        return Factored(plan, tuple(factors), point.dtype)

    def plan(self, x: ArrayLike, /) -> FactoredPlan:
        """Return the plan for points of x's shape and dtype."""
        return self._ready.at(as_host_point(x, "x", "factored Jacobians are made"), self._compiled).plan

    def program(self, x: ArrayLike, /) -> Program:
        """Return the program that forms the factors, for points of x's shape and dtype."""
        return self._ready.at(as_host_point(x, "x", "factored Jacobians are made"), self._compiled).run.program

    def count(self, x: ArrayLike, /) -> Counted:
        """Form the factors at x once and return the multiplications and bytes that it really took."""
        point = as_host_point(x, "x", "factored Jacobians are made")
        return self._ready.at(point, self._compiled).run.count(point)

    def release(self) -> None:
        """Drop the plans, programs and buffers; the next call makes them anew."""
        self._ready.clear()

    def __repr__(self) -> str:
        return f"factored({self.composition!r}, products={self.counts[0]}, adjoint_products={self.counts[1]})"

    def __reduce__(self) -> tuple[object, ...]:
        # buffers and the calls that hold views of them are not copied but made anew
        return _restored, (self.composition, self.counts, self.tape_limit, self.check)

    def _compiled(self, point: Array) -> _Ready:
        layers = prepared(self.composition.layers, point)
        products, adjoint_products = self.counts
        found = plan_factored(
            layers.chain,
            products=products,
            adjoint_products=adjoint_products,
            tape_limit=self.tape_limit,
            itemsize=point.dtype.itemsize,
        )
        kept = tuple(factor.first for factor in found.factors if factor.node is None)
        execute = executable(layers, found.chain, found.nodes, Wanted(found.roots, kept, is_dense=False))
        return _Ready(replace(found, peak=execute.program.peak), layers, execute)


def _restored(f: Sequential, counts: tuple[int, int], tape_limit: int | None, check: bool) -> Factorization:
    return Factorization(f, counts, tape_limit, check=check)


def factored(
    f: "Sequential | Layer",
    /,
    *,
    products: int = 1,
    adjoint_products: int = 0,
    tape_limit: int | None = None,
    check: bool = False,
) -> Factorization:
    """Return the Jacobian of f as a function of the point, kept as the factors that make products with it cheapest.

    Parameters
    ----------
    f : Sequential or Layer
    products, adjoint_products : int
        How many J·v and uᵀ·J are going to be made at each point; at least one of them is positive.
    tape_limit : int, optional
        No adjoint of a layer whose tape is larger.
    check : bool
        Look for NaN and infinity in the value of every layer and after every step.

    Returns
    -------
    Factorization
        A callable that gives a `Factored` with ``matvec``, ``rmatvec``, ``matmat``, ``rmatmat``, ``todense`` and
        ``linear_operator``.

    Raises
    ------
    OptionError
        Numbers of products that are negative or both 0.

    Examples
    --------
    >>> from jacchain.layers import Linear, Square
    >>> f = Sequential([Linear([[1.0, 2.0], [0.0, 1.0]]), Square()])
    >>> jacobian = factored(f, products=1)([1.0, 1.0])
    >>> print(jacobian, jacobian.matvec([1.0, 0.0]))
    J2 · J1, 2 x 2 [6. 0.]
    """
    counts = as_limit(products, "products"), as_limit(adjoint_products, "adjoint_products")
    if sum(counts) < 1:
        raise OptionError(f"products is {products} and adjoint_products is {adjoint_products}", "ask for at least one")
    limit = None if tape_limit is None else as_limit(tape_limit, "tape_limit")
    return Factorization(composition(f), counts, limit, check=check)
