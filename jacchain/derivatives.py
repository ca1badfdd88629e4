"""The front door for people with a model: Jacobian, gradient, Jacobian-vector and vector-Jacobian products."""

from collections import deque
from typing import Any, NamedTuple, final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array, Call
from jacchain.errors import OptionError, SizeError, unknown_name
from jacchain.execution.lower import lower
from jacchain.execution.program import Program
from jacchain.execution.run import Counted, Executable
from jacchain.execution.source import Shape
from jacchain.model.layer import Layer, as_point, converted
from jacchain.model.sequential import Sequential, facts_at, resolved
from jacchain.planning.graph import Chain
from jacchain.planning.plan import Plan
from jacchain.planning.planner import PLANNERS, plan


class _Key(NamedTuple):
    """All that a compiled derivative depends on, besides the layers."""

    shape: Shape
    dtype: "np.dtype[Any]"
    planner: str
    tangents: int | None
    adjoints: int | None
    is_gradient: bool


class _Compiled(NamedTuple):
    """A plan and its program, and the shape of the function's value."""

    plan: Plan
    run: Executable
    outputs: Shape


class _Ready(NamedTuple):
    """What the last call used: most calls come with the same shape and dtype."""

    shape: Shape
    dtype: "np.dtype[Any]"
    run: Executable


KEPT = 32
"""Compiled derivatives kept for one composition; the oldest goes first."""


_COMPILED: WeakKeyDictionary[Sequential, dict[_Key, _Compiled]] = WeakKeyDictionary()
"""What was compiled for each composition; it goes when the composition goes."""


@final
class Jacobian:
    """The Jacobian of a composition, as a function of the point. Made by `jacobian` and `gradient`.

    Planned and compiled once per shape and dtype of the point; after that a call does arithmetic only.
    """

    __slots__ = ("_compiled", "_ready", "check", "composition", "is_gradient", "planner")

    def __init__(self, f: "Sequential | Layer", planner: str, *, check: bool, is_gradient: bool) -> None:
        composition = _composition(f)
        if planner not in tuple(PLANNERS):
            unknown_name("planner", planner, PLANNERS)
        self.composition = composition
        self.planner = planner
        self.check = check
        self.is_gradient = is_gradient
        self._compiled = _COMPILED.setdefault(composition, {})
        self._ready: _Ready | None = None

    def __call__(self, x: ArrayLike, /, *, out: Array | None = None) -> Array:
        """Return the Jacobian at x, of the output's shape followed by x's; a gradient has x's shape.

        Parameters
        ----------
        x : array of float32 or float64
        out : array, optional
            Receives the result and is returned.

        Raises
        ------
        DtypeError
            x is of integers, complex or otherwise without a derivative.
        SizeError
            x or `out` does not have the right shape.
        NonFiniteError
            With ``check=True``: NaN or infinity, with the layer's name.
        """
        point = as_point(x)
        ready = self._ready
        if ready is None or ready.shape != point.shape or ready.dtype != point.dtype:
            ready = self._ready = _Ready(point.shape, point.dtype, self._at(point).run)
        return ready.run(point, out=out, check=self.check)

    def plan(self, x: ArrayLike, /) -> Plan:
        """Return the plan for points of x's shape and dtype."""
        return self._at(as_point(x)).plan

    def program(self, x: ArrayLike, /) -> Program:
        """Return the program for points of x's shape and dtype."""
        return self._at(as_point(x)).run.program

    def count(self, x: ArrayLike, /) -> Counted:
        """Run once at x and return the multiplications and bytes that it really took."""
        point = as_point(x)
        return self._at(point).run.count(point)

    def release(self) -> None:
        """Drop the plans, programs and buffers kept for this composition; the next call makes them anew."""
        for found in self._compiled.values():
            found.run.idle.clear()
        self._compiled.clear()
        self._ready = None

    def __repr__(self) -> str:
        wanted = "gradient" if self.is_gradient else "jacobian"
        return f"{wanted}({self.composition!r}, planner={self.planner!r})"

    def _at(self, point: Array) -> _Compiled:
        key = _Key(point.shape, point.dtype, self.planner, None, None, self.is_gradient)
        return _remembered(self.composition.layers, self._compiled, point, key)

    def __reduce__(self) -> tuple[object, ...]:
        # buffers and the calls that hold views of them are not copied but made anew
        return _restored, (self.composition, self.planner, self.check, self.is_gradient)


def _restored(f: Sequential, planner: str, check: bool, is_gradient: bool) -> Jacobian:
    return Jacobian(f, planner, check=check, is_gradient=is_gradient)


def jacobian(f: "Sequential | Layer", /, *, planner: str = "optimal", check: bool = False) -> Jacobian:
    """Return the Jacobian of f as a function of the point.

    Parameters
    ----------
    f : Sequential or Layer
    planner : str
        One of the planners: optimal, forward, reverse, meet, inward, waist, exhaustive.
    check : bool
        Look for NaN and infinity in the value of every layer and after every step.

    Returns
    -------
    Jacobian
        A callable with ``.plan(x)``, ``.program(x)`` and ``.count(x)``.

    Examples
    --------
    >>> from jacchain.layers import Linear, Tanh
    >>> f = Sequential([Linear([[1.0, 2.0], [0.0, 1.0]]), Tanh()])
    >>> jacobian(f)([0.0, 0.0])
    array([[1., 2.],
           [0., 1.]])
    >>> print(jacobian(f).plan([0.0, 0.0]).bracketing)
    (J2 J1)
    """
    return Jacobian(f, planner, check=check, is_gradient=False)


def gradient(f: "Sequential | Layer", /, *, planner: str = "optimal", check: bool = False) -> Jacobian:
    """Return the gradient of a scalar f as a function of the point; it has the point's shape.

    Raises
    ------
    SizeError
        When called: f does not give one number.

    Examples
    --------
    >>> from jacchain.layers import Square, Sum
    >>> gradient(Sequential([Square(), Sum()]))([[1.0, 2.0], [3.0, 4.0]])
    array([[2., 4.],
           [6., 8.]])
    """
    return Jacobian(f, planner, check=check, is_gradient=True)


def jvp(
    f: "Sequential | Layer", x: ArrayLike, v: ArrayLike, /, *, planner: str = "optimal", check: bool = False
) -> Array:
    """Return J v, planned as a longer chain J_n…J_1·V.

    Parameters
    ----------
    f : Sequential or Layer
    x : array of shape s
    v : array of shape s, or of shape s + (p,) for p tangents at once

    Returns
    -------
    array
        Of f(x)'s shape t, or of shape t + (p,).

    Examples
    --------
    >>> from jacchain.layers import Square
    >>> jvp(Square(), [1.0, 2.0], [1.0, 1.0])
    array([2., 4.])
    """
    point = as_point(x)
    seed = as_point(v, "the tangent v")
    if seed.shape != point.shape and seed.shape[:-1] != point.shape:
        raise SizeError(
            f"the tangent v has shape {seed.shape}, but x has shape {point.shape}",
            f"give shape {point.shape}, or {(*point.shape, 'p')} for p tangents",
        )
    count = 1 if seed.shape == point.shape else seed.shape[-1]
    compiled = _seeded(f, point, planner, tangents=count)
    result = compiled.run(point, seeds={"tangents": seed.reshape(-1, count)}, check=check)
    return result.reshape(result.shape[:-1]) if seed.shape == point.shape else result


def vjp(
    f: "Sequential | Layer", x: ArrayLike, u: ArrayLike, /, *, planner: str = "optimal", check: bool = False
) -> Array:
    """Return uᵀ J, planned as a longer chain U·J_n…J_1.

    Parameters
    ----------
    f : Sequential or Layer
    x : array of shape s
    u : array of f(x)'s shape t, or of shape (q,) + t for q adjoints at once

    Returns
    -------
    array
        Of shape s, or of shape (q,) + s.

    Examples
    --------
    >>> from jacchain.layers import Square
    >>> vjp(Square(), [1.0, 2.0], [1.0, 1.0])
    array([2., 4.])
    """
    point = as_point(x)
    seed = as_point(u, "the adjoint u")
    outputs = _seeded(f, point, planner, adjoints=1).outputs
    if seed.shape != outputs and seed.shape[1:] != outputs:
        raise SizeError(
            f"the adjoint u has shape {seed.shape}, but f(x) has shape {outputs}",
            f"give shape {outputs}, or {('q', *outputs)} for q adjoints",
        )
    count = 1 if seed.shape == outputs else seed.shape[0]
    compiled = _seeded(f, point, planner, adjoints=count)
    result = compiled.run(point, seeds={"adjoints": seed.reshape(count, -1)}, check=check)
    return result.reshape(result.shape[1:]) if seed.shape == outputs else result


_ALONE: deque[Sequential] = deque(maxlen=16)
"""Compositions of the single layers that were differentiated last, so that these are not planned anew every time."""


def _composition(f: object) -> Sequential:
    match f:
        case Sequential():
            return f
        case Layer():
            for known in tuple(_ALONE):
                if known.layers[0] is f:
                    return known
            _ALONE.append(Sequential([f]))
            return _ALONE[-1]
        case _:
            raise OptionError(
                f"cannot differentiate {f!r}",
                "give a jacchain.Sequential or a layer; wrap your own function in jacchain.Function",
            )


def _seeded(
    f: "Sequential | Layer", point: Array, planner: str, *, tangents: int | None = None, adjoints: int | None = None
) -> _Compiled:
    composition = _composition(f)
    compiled = _COMPILED.setdefault(composition, {})
    key = _Key(point.shape, point.dtype, planner, tangents, adjoints, is_gradient=False)
    return _remembered(composition.layers, compiled, point, key)


def _remembered(layers: tuple[Layer, ...], compiled: dict[_Key, _Compiled], point: Array, key: _Key) -> _Compiled:
    found = compiled.get(key)
    if found is None:
        found = _compile(layers, point, key)
        while len(compiled) >= KEPT:
            compiled.pop(next(iter(compiled)), None)
        compiled[key] = found
    return found


def _compile(layers: tuple[Layer, ...], point: Array, key: _Key) -> _Compiled:
    """Plan, lower and bind."""
    dtype = point.dtype
    known = resolved(layers, point)
    facts = facts_at(known, point.shape)
    if key.is_gradient and facts[-1].link.outputs != 1:
        raise SizeError(
            f"a gradient needs one output, but {known[-1].name} gives {facts[-1].link.outputs}",
            "end in a loss or a Sum, or use jacobian",
        )
    found = plan(
        Chain(fact.link for fact in facts),
        planner=key.planner,
        tangents=key.tangents,
        adjoints=key.adjoints,
        itemsize=dtype.itemsize,
    )
    sources: list[Layer] = []
    prologue: list[Call] = []
    extra = 0
    for layer in known:
        source, calls = converted(layer, dtype)
        sources.append(source)
        prologue += calls
        extra += sum(copy.nbytes for _, (copy, _) in calls)
    # the same layer for the same inputs has the same local Jacobian, if that is constant
    uses = [(id(layer), fact.inputs) for layer, fact in zip(known, facts, strict=True)]
    first = {use: k for k, use in reversed(list(enumerate(uses)))}
    program = lower(
        found,
        facts,
        [layer.name for layer in known],
        same=[first[use] for use in uses],
        tangents=key.tangents is not None,
        itemsize=dtype.itemsize,
        extra=extra,
    )
    outputs = facts[-1].outputs if key.adjoints is None else (key.adjoints,)
    inputs = point.shape if key.tangents is None else (key.tangents,)
    shape = point.shape if key.is_gradient else outputs + inputs
    run = Executable(program, sources, facts, dtype, shape, prologue=tuple(prologue))
    return _Compiled(found, run, facts[-1].outputs)
