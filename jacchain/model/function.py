"""A user's own function as a layer, with its Jacobian or with tangents and adjoints only."""

from collections.abc import Callable
from math import prod
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls, Kernels
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Diagonal, Structure, array_shapes
from jacchain.errors import OptionError, SizeError
from jacchain.execution.source import Facts, Shape
from jacchain.model.layer import Layer, readonly, store
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
    name : str, optional
        What messages and plans call the layer.

    Raises
    ------
    OptionError
        None of jacobian, jvp and vjp is given, or a structure or cost without what it belongs to.

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
        name: str | None = None,
    ) -> None:
        self.label = name or getattr(function, "__name__", "Function")
        if jacobian is None and jvp is None and vjp is None:
            raise OptionError(f"{self.label} has no derivative", "give jacobian=, or jvp= and vjp=, or one of these")
        needs = (
            ("structure", structure, jacobian),
            ("tangent_cost", tangent_cost, jvp),
            ("adjoint_cost", adjoint_cost, vjp),
        )
        for option, value, owner in needs:
            if value is not None and owner is None:
                cure = {"structure": "jacobian", "tangent_cost": "jvp", "adjoint_cost": "vjp"}[option]
                raise OptionError(f"{self.label} has a {option} without {cure}=", f"give {cure}= too")
        self.function, self.full, self.jvp, self.vjp = function, jacobian, jvp, vjp
        self.structure, self.tangent_cost, self.adjoint_cost = structure, tangent_cost, adjoint_cost
        self.vectorized, self.tape = vectorized, tape
        self.outputs: Shape | None = None
        if outputs is not None:
            sizes = outputs if isinstance(outputs, tuple | list) else (outputs,)
            self.outputs = tuple(as_size(size, f"outputs of {self.label}") for size in sizes)

    def at(self, x: Array, /) -> "Function":
        """Return the function with the shape of its output known, calling it once at x where it is not given."""
        if self.outputs is not None:
            return self
        return Function(
            self.function,
            jacobian=self.full,
            jvp=self.jvp,
            vjp=self.vjp,
            outputs=np.shape(self.function(readonly(x))),
            structure=self.structure,
            vectorized=self.vectorized,
            tangent_cost=self.tangent_cost,
            adjoint_cost=self.adjoint_cost,
            tape=self.tape,
            name=self.label,
        )

    def facts(self, shape: Shape, /) -> Facts:
        """Return facts: a dense or stated local Jacobian, tangents and adjoints as given."""
        if self.outputs is None:
            raise SizeError(
                f"gives an unknown number of outputs ({self.label})", "give outputs=, the shape of its value"
            )
        n, m = prod(shape), prod(self.outputs)
        link = Link(
            n,
            m,
            structure=None if self.full is None else (self.structure or Dense(m, n)),
            tangent_cost=None if self.jvp is None else m * n if self.tangent_cost is None else self.tangent_cost,
            adjoint_cost=None if self.vjp is None else m * n if self.adjoint_cost is None else self.adjoint_cost,
            tape=self.tape,
            name=self.label,
        )
        return Facts(inputs=shape, outputs=self.outputs, link=link, reads="x")

    def value_calls(self, _kernels: Kernels, x: Array, y: Array, _scratch: Array, /) -> Calls:
        """Return the call of the function."""
        return ((_store_value, (y, self.function, readonly(x), self.label)),)

    def local_calls(self, _kernels: Kernels, x: Array, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the call of the Jacobian."""
        return ((_store_jacobian, (out, self.full, readonly(x), self.facts(x.shape).outputs, self.label)),)

    def tangent_calls(self, _kernels: Kernels, x: Array, v: Array, out: Array, /) -> Calls:
        """Return the call of the jvp for all columns."""
        shape, what = self.facts(x.shape).outputs, f"jvp of {self.label}"
        if self.vectorized:
            count = v.shape[1]
            return (
                (_store_product, (out, self.jvp, readonly(x), readonly(v), (*x.shape, count), (*shape, count), what)),
            )
        # a transposed view has the columns as its rows
        return ((_store_products, (out.T, self.jvp, readonly(x), readonly(v.T), x.shape, shape, what)),)

    def adjoint_calls(self, _kernels: Kernels, x: Array, u: Array, out: Array, /) -> Calls:
        """Return the call of the vjp for all rows."""
        shape, what = self.facts(x.shape).outputs, f"vjp of {self.label}"
        if self.vectorized:
            count = u.shape[0]
            return (
                (_store_product, (out, self.vjp, readonly(x), readonly(u), (count, *shape), (count, *x.shape), what)),
            )
        return ((_store_products, (out, self.vjp, readonly(x), readonly(u), shape, x.shape, what)),)


def _store_products(
    out: Array, apply: Callable[[Array, Array], Any], x: Array, seeds: Array, taken: Shape, given: Shape, what: str
) -> None:
    """Apply a function to every row of the seeds."""
    for target, seed in zip(out, seeds, strict=True):
        _store_product(target, apply, x, seed, taken, given, what)


def _store_value(y: Array, function: Callable[[Array], Any], x: Array, name: str) -> None:
    store(y, function(x), name)


def _store_product(
    out: Array, apply: Callable[[Array, Array], Any], x: Array, seed: Array, taken: Shape, given: Shape, what: str
) -> None:
    made = np.asarray(apply(x, seed.reshape(taken)))
    if made.shape != given:
        raise SizeError(f"the {what} gives shape {made.shape}, not {given}", "correct the function")
    store(out, made.reshape(out.shape), what)


def _store_jacobian(out: Operand, jacobian: Callable[[Array], Any], x: Array, outputs: Shape, name: str) -> None:
    for target, array in zip(out.arrays, _arrays(jacobian(x), out.structure, name), strict=True):
        found = np.asarray(array)
        match out.structure:  # a shape that follows the input's and output's own is as good
            case Dense() if found.shape == outputs + x.shape:
                found = found.reshape(target.shape)
            case Diagonal() if found.shape == x.shape:
                found = found.reshape(target.shape)
        store(target, found, f"the jacobian of {name}")


def _arrays(made: Any, structure: Structure, name: str) -> tuple[Any, ...]:
    if isinstance(made, Matrix):
        if made.structure != structure:
            raise SizeError(f"the jacobian of {name} is {made.structure}, not {structure}", "state its structure=")
        return made.arrays
    found = made if isinstance(made, tuple) else (made,)
    if len(found) != len(array_shapes(structure)):
        wanted = len(array_shapes(structure))
        raise SizeError(
            f"the jacobian of {name} gives {len(found)} arrays, not {wanted}", "return a Matrix, or its arrays"
        )
    return found
