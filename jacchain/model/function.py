"""A user's own function as a layer, with its derivatives as matrices or as products only."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls, Kernels, run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Structure, stored
from jacchain.errors import OptionError, SizeError
from jacchain.execution.backend import home_of
from jacchain.execution.bind import cut
from jacchain.execution.source import Facts, Shape, SourceCurvature
from jacchain.model.coloured import (
    Compression,
    Pattern,
    as_pattern,
    by_columns,
    by_rows,
    by_symmetry,
    check_image,
    check_symmetric,
    is_symmetric,
)
from jacchain.model.layer import Layer, readonly
from jacchain.model.stored import (
    Product,
    mirrored_order,
    store_hessian,
    store_jacobian,
    store_matrix,
    store_product,
    store_products,
    store_symmetric,
    store_value,
)
from jacchain.planning.link import Link, as_size


@final
class Function(Layer):
    """f with its Jacobian, or with J·v and uᵀ·J only.

    Parameters
    ----------
    function : callable
        x ↦ f(x).
    jacobian : callable, optional
        x ↦ the local Jacobian: an array of outputs × inputs (or of the output's shape followed by the input's), the
        array of a structured one, or a `Matrix`.
    jvp, vjp : callable, optional
        (x, v) ↦ J v with v of x's shape, and (x, u) ↦ uᵀ J with u of f(x)'s shape. One of them is enough.
    outputs : int or tuple of int, optional
        Shape of f(x); found by calling f once where not given.
    structure : Structure or str, optional
        Of the local Jacobian that `jacobian` returns; dense by default.
    vectorized : bool
        jvp takes v of x's shape + (p,) and gives f(x)'s shape + (p,), p tangents at once, and vjp takes u of
        (q,) + f(x)'s shape and gives (q,) + x's shape; else they are called once for every column or row.
    tangent_cost, adjoint_cost : int, optional
        Multiplications of one jvp and one vjp; by default those of a product with a dense matrix.
    tape : int
        Numbers that a vjp remembers while it runs, for a tape limit and for the peak.
    pattern : sparse array, 2-D array or structure, optional
        Where the local Jacobian of a function with jvp or vjp only can be other than zero. It is then sparse, and
        evaluated by few products: one jvp for columns that meet in no row, or one vjp for rows that meet in no column,
        whichever is cheaper. What is missing in the pattern makes other entries wrong: see `check_pattern`. The extra
        ``coloring`` finds these groups.
    hessian : callable, optional
        (x, u) ↦ u·∂²f with u of f(x)'s shape: a symmetric array of inputs × inputs (or of the input's shape twice), the
        array of a structured one, or a `Matrix`.
    hvp : callable, optional
        (x, u, v) ↦ (u·∂²f) v of x's shape, with v of x's shape. Enough without a `hessian`. Where `vectorized`, v has
        x's shape + (p,), and so has the result.
    curvature_structure : Structure or str, optional
        Of what `hessian` returns; dense by default.
    curvature_pattern : sparse array, 2-D array or structure, optional
        Where u·∂²f of a function with hvp only can be other than zero, as for `pattern`; symmetric.
    is_linear : bool
        The second derivative is zero everywhere.
    name : str, optional
        What messages and plans call the layer.

    Raises
    ------
    OptionError
        None of jacobian, jvp and vjp is given, or a structure, pattern or cost without what it belongs to.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Function(np.cumsum, vjp=lambda x, u: np.cumsum(u[::-1])[::-1], outputs=3)
    >>> print(layer.jacobian(np.ones(3)).todense())
    [[1. 0. 0.]
     [1. 1. 0.]
     [1. 1. 1.]]
    """

    def __init__(
        self,
        function: Callable[[Array], Any],
        /,
        *,
        jacobian: Callable[[Array], Any] | None = None,
        jvp: Callable[[Array, Array], Any] | None = None,
        vjp: Callable[[Array, Array], Any] | None = None,
        outputs: int | Shape | None = None,
        structure: Structure | str | None = None,
        vectorized: bool = False,
        tangent_cost: int | None = None,
        adjoint_cost: int | None = None,
        tape: int = 0,
        pattern: Any = None,
        hessian: Product | None = None,
        hvp: Callable[[Array, Array, Array], Any] | None = None,
        curvature_structure: Structure | str | None = None,
        curvature_pattern: Any = None,
        is_linear: bool = False,
        name: str | None = None,
    ) -> None:
        self.label = str(name or getattr(function, "__name__", "Function"))
        if jacobian is None and jvp is None and vjp is None:
            raise OptionError(f"{self.label} has no derivative", "give jacobian=, or jvp= and vjp=, or one of these")
        _check_callables(self.label, function=function, jacobian=jacobian, jvp=jvp, vjp=vjp, hessian=hessian, hvp=hvp)
        _check_owners(
            self.label,
            _Owned("structure", structure, {"jacobian": jacobian}, {}),
            _Owned("tangent_cost", tangent_cost, {"jvp": jvp}, {}),
            _Owned("adjoint_cost", adjoint_cost, {"vjp": vjp}, {}),
            _Owned("pattern", pattern, {"jvp": jvp, "vjp": vjp}, {"jacobian": jacobian}),
            _Owned("curvature_structure", curvature_structure, {"hessian": hessian}, {}),
            _Owned("curvature_pattern", curvature_pattern, {"hvp": hvp}, {"hessian": hessian}),
            _Owned("is_linear", is_linear or None, {}, {"hessian": hessian, "hvp": hvp}),
        )
        self.function, self.full, self.jvp, self.vjp = function, jacobian, jvp, vjp
        self.structure, self.tangent_cost, self.adjoint_cost = structure, tangent_cost, adjoint_cost
        self.vectorized, self.tape, self.is_linear = vectorized, tape, is_linear
        self.hessian, self.hvp, self.curvature_structure = hessian, hvp, curvature_structure
        self.pattern = None if pattern is None else as_pattern(pattern, f"the pattern of {self.label}")
        self.curvature_pattern = None if curvature_pattern is None else _symmetric(curvature_pattern, self.label)
        self.outputs: Shape | None = None
        if outputs is not None:
            sizes = outputs if isinstance(outputs, tuple | list) else (outputs,)
            self.outputs = tuple(as_size(size, f"outputs of {self.label}") for size in sizes)

    def at(self, x: Array, /) -> "Function":
        """Return the function with the shape of its output known, calling it once at x where it is not given."""
        if self.outputs is not None:
            return self
        found = copy(self)
        found.outputs = np.shape(self.function(readonly(x)))
        return found

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: a dense or stated local Jacobian, tangents and adjoints as given."""
        if self.outputs is None:
            raise SizeError(
                f"gives an unknown number of outputs ({self.label})", "give outputs=, the shape of its value"
            )
        n, m = prod(shape), prod(self.outputs)
        structure = None if self.full is None else (self.structure or Dense(m, n))
        entries = m * n
        if self.pattern is not None:
            _check_size("pattern", self.pattern, (m, n), f"{m} outputs and {n} inputs")
            structure, entries = self.pattern, stored(self.pattern)
        link = Link(
            n,
            m,
            structure=structure,
            tangent_cost=None if self.jvp is None else entries if self.tangent_cost is None else self.tangent_cost,
            adjoint_cost=None if self.vjp is None else entries if self.adjoint_cost is None else self.adjoint_cost,
            tape=self.tape,
            name=self.label,
        )
        scratch = 0
        if self.pattern is not None:
            way = _way(self.pattern, link)
            scratch = way.compression.products * (m if way.is_forward else n)
            link = replace(link, accumulate_cost=way.cost)
        return Facts(
            inputs=shape,
            outputs=self.outputs,
            link=link,
            reads="x",
            local_scratch=scratch,
            curvature=self._curvature(n),
        )

    def _curvature(self, n: int) -> tuple[SourceCurvature, ...] | None:
        """Return what is stated of the curvature, for n inputs."""
        if self.hessian is None and self.hvp is None:
            return () if self.is_linear else None
        structure: Structure | str | None = self.curvature_structure or self.curvature_pattern
        if isinstance(structure, str):
            structure = Link(n, n, structure=structure, name=self.label).local
        if structure is None:
            structure = Dense(n, n)
        _check_size("curvature_structure" if self.hessian else "curvature_pattern", structure, (n, n), f"{n} inputs")
        scratch = stored(structure)  # for the numbers as they come
        if self.hessian is None and self.curvature_pattern is not None:
            scratch = by_symmetry(self.curvature_pattern).products * n
        return (SourceCurvature(structure=structure, applies=self.hvp is not None, scratch=scratch),)

    def value_calls(self, _kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the call of the function."""
        return ((store_value, (y, self.function, readonly(x), self.label)),)

    def local_calls(self, kernels: Kernels, x: Array, _y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the call of the Jacobian, or those of as many jvps or vjps as the pattern takes."""
        facts = self.facts(x.shape)
        if self.pattern is None:
            what = f"the jacobian of {self.label}"
            return ((store_jacobian, (out, self.full, readonly(x), (facts.outputs, x.shape), what)),)
        (target,) = out.arrays
        if not target.size:
            return ()
        way = _way(self.pattern, facts.link)
        seeds = kernels.xp.asarray(way.compression.seeds(target.dtype))
        work = scratch[: facts.local_scratch].reshape(len(seeds), facts.link.outputs if way.is_forward else x.size)
        if way.is_forward:
            products = self.tangent_calls(kernels, x, seeds.T, work.T)
        else:
            products = self.adjoint_calls(kernels, x, seeds, work)
        source = kernels.index(way.compression.source)
        return (*products, (kernels.take, (work.reshape(-1), source, target.reshape(-1))))

    def tangent_calls(self, _kernels: Kernels, x: Array, v: Array, out: Array, /) -> Calls:
        """Return the call of the jvp for all columns."""
        assert self.jvp is not None, f"{self.label} has no jvp"
        return self._columns(self.jvp, x, v, out, self.facts(x.shape).outputs, f"jvp of {self.label}")

    def adjoint_calls(self, _kernels: Kernels, x: Array, u: Array, out: Array, /) -> Calls:
        """Return the call of the vjp for all rows."""
        shape, what = self.facts(x.shape).outputs, f"vjp of {self.label}"
        if self.vectorized:
            count = u.shape[0]
            return (
                (store_product, (out, self.vjp, readonly(x), readonly(u), (count, *shape), (count, *x.shape), what)),
            )
        return ((store_products, (out, self.vjp, readonly(x), readonly(u), shape, x.shape, what)),)

    def curvature_calls(
        self, kernels: Kernels, x: Array, _y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the call of the hessian, or those of as many hvps as there are columns or colours."""
        outputs = self.facts(x.shape).outputs
        order = mirrored_order(kernels, out.structure)
        if self.hessian is not None:
            work, adjoint = cut(out.structure, scratch), readonly(u.reshape(outputs))
            what = f"the hessian of {self.label}"
            return ((store_hessian, (out, self.hessian, readonly(x), adjoint, work, order, what)),)
        (target,) = out.arrays
        if self.curvature_pattern is None:
            work = scratch[: target.size].reshape(target.shape)
            units = kernels.xp.eye(len(target), dtype=target.dtype)
            made = Operand(out.structure, (work,))
            return (*self._bends(x, u, units, work), (store_symmetric, (out, made, order)))
        found = by_symmetry(self.curvature_pattern)
        if not target.size:
            return ()
        work = scratch[: found.products * x.size].reshape(found.products, x.size)
        products = self._bends(x, u, kernels.xp.asarray(found.seeds(target.dtype)).T, work.T)
        return (*products, (kernels.take, (work.reshape(-1), kernels.index(found.source), target.reshape(-1))))

    def bend_calls(self, _kernels: Kernels, x: Array, _y: Array, u: Array, v: Array, out: Array, /) -> Calls:
        """Return the call of the hvp."""
        return self._bends(x, u, v.reshape(-1, 1), out.reshape(-1, 1))

    def _bends(self, x: Array, u: Array, v: Array, out: Array) -> Calls:
        """Return the call of the hvp for all columns."""
        adjoint = readonly(u.reshape(self.facts(x.shape).outputs))
        hvp = self.hvp
        assert hvp is not None, f"{self.label} has no hvp"

        def bend(x: Array, v: Array) -> Any:
            return hvp(x, adjoint, v)

        return self._columns(bend, x, v, out, x.shape, f"hvp of {self.label}")

    def _columns(self, apply: Product, x: Array, v: Array, out: Array, shape: Shape, what: str) -> Calls:
        """Return the call of products with all columns, each product of a shape."""
        if self.vectorized:
            count = v.shape[1]
            return ((store_product, (out, apply, readonly(x), readonly(v), (*x.shape, count), (*shape, count), what)),)
        # a transposed view has the columns as its rows
        return ((store_products, (out.T, apply, readonly(x), readonly(v.T), x.shape, shape, what)),)

    def check_pattern(self, x: Array, /) -> None:
        """Hold what is evaluated by a pattern against a product with one random vector, and a Hessian to its mirror.

        A missing entry is found for the price of one jvp or vjp, and of one hvp, besides the matrices themselves.
        ``jacobian(…, check=True)`` and ``hessian(…, check=True)`` do this too.

        Raises
        ------
        CheckError
            Naming a row or column in which an entry is missing, or an entry of a Hessian that is not symmetric.
        """
        home = home_of([x])
        point = home.kernels.xp.ascontiguousarray(x).reshape(x.shape)
        layer = self.at(point)
        facts = layer.facts(point.shape)
        random = np.random.default_rng(0)
        if self.pattern is not None:
            layer._check_jacobian(point, facts.link, random)
        shapes = facts.outputs, point.shape
        u, v = (home.place(random.standard_normal(shape).astype(point.dtype)) for shape in shapes)
        if self.hessian is not None and facts.curvature:
            work = cut(facts.curvature[0].structure, home.kernels.xp.empty(facts.curvature[0].scratch, point.dtype))
            what = f"the hessian of {self.label}"
            store_matrix(work, self.hessian(readonly(point), readonly(u)), (point.shape, point.shape), what)
            check_symmetric(Matrix(*work), what)
        if self.curvature_pattern is not None:
            matrix = layer.curvature(point, u)
            assert matrix is not None, "a pattern belongs to a matrix"
            what = f"the second derivative of {self.label}"
            check_image(matrix, v.reshape(-1), layer.bend(point, u, v).reshape(-1), what, "row")

    def _check_jacobian(self, x: Array, link: Link, random: np.random.Generator) -> None:
        assert self.pattern is not None, "there is nothing to check"
        matrix, is_forward = self.jacobian(x), _way(self.pattern, link).is_forward
        home = home_of([x])
        v = home.place(random.standard_normal(link.inputs if is_forward else link.outputs).astype(x.dtype))
        image = home.kernels.xp.empty(link.outputs if is_forward else link.inputs, x.dtype)
        if is_forward:
            run(self.tangent_calls(home.kernels, x, v[:, None], image[:, None]))
            check_image(matrix, v, image, self.label, "row")
        else:
            run(self.adjoint_calls(home.kernels, x, v[None, :], image[None, :]))
            check_image(matrix.T, v, image, self.label, "column")


def _symmetric(values: Any, label: str) -> Pattern:
    found = as_pattern(values, f"the curvature_pattern of {label}")
    if not is_symmetric(found):
        cure = "a second derivative is symmetric: add the transpose"
        raise OptionError(f"the curvature_pattern of {label} is not symmetric", cure)
    return found


class _Way(NamedTuple):
    """How a local Jacobian of a known pattern is evaluated, and what that costs."""

    compression: Compression
    is_forward: bool
    cost: int


def _way(pattern: Pattern, link: Link) -> _Way:
    """Return the cheaper way; of two that cost the same that of fewer products, and then tangents."""
    found = []
    if link.tangent_cost is not None:
        columns = by_columns(pattern)
        found.append(_Way(columns, True, columns.products * link.tangent_cost))
    if link.adjoint_cost is not None:
        rows = by_rows(pattern)
        found.append(_Way(rows, False, rows.products * link.adjoint_cost))
    return min(found, key=lambda way: (way.cost, way.compression.products))


class _Owned(NamedTuple):
    """An option with what it needs, of which one must be given, and what excludes it."""

    option: str
    value: Any
    owners: dict[str, Any]
    rivals: dict[str, Any]


def _check_callables(label: str, *, function: Any, jacobian: Any, jvp: Any, vjp: Any, hessian: Any, hvp: Any) -> None:
    given = {"jacobian": jacobian, "jvp": jvp, "vjp": vjp, "hessian": hessian, "hvp": hvp}
    for name, value in {"function": function, **given}.items():
        if not callable(value) and (value is not None or name == "function"):
            kind = type(value).__name__
            raise OptionError(
                f"the {name} of {label} is no function, but {kind}", "give what can be called with x, such as a lambda"
            )


def _check_owners(label: str, *found: _Owned) -> None:
    for option, value, owners, rivals in found:
        if value is None:
            continue
        for name, rival in rivals.items():
            if rival is not None:
                raise OptionError(f"{label} has both {option}= and {name}=", "give one of them")
        if owners and all(owner is None for owner in owners.values()):
            names = " or ".join(f"{name}=" for name in owners)
            raise OptionError(f"{label} has a {option} without {names}", f"give {names} too")


def _check_size(what: str, structure: Structure, shape: tuple[int, int], wanted: str) -> None:
    if (structure.rows, structure.columns) != shape:
        cure = "give one of outputs x inputs, or of inputs x inputs for a curvature"
        raise SizeError(f"has a {what} of {structure.rows}x{structure.columns} for {wanted}", cure)
