"""The Jacobian of a composition of layers as a function of the point, and its products with tangents and adjoints."""

from typing import Any, NamedTuple, final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array
from jacchain.compiled import Compiled, Key, Options, compiled
from jacchain.errors import OptionError, SizeError, unknown_name
from jacchain.execution.program import Program
from jacchain.execution.run import Counted, Executable
from jacchain.execution.sliced import Sliced
from jacchain.execution.source import Shape
from jacchain.model.layer import Layer, as_point
from jacchain.model.sequential import Sequential
from jacchain.planning.limits import as_bytes, as_limit
from jacchain.planning.link import as_size
from jacchain.planning.plan import Plan
from jacchain.planning.planner import PLANNERS
from jacchain.planning.scheduling.scheduled import as_workers
from jacchain.prepared import composition


class _Ready(NamedTuple):
    """What the last call used: most calls come with the same shape and dtype."""

    shape: Shape
    dtype: "np.dtype[Any]"
    run: Executable | Sliced


KEPT = 32
"""Compiled derivatives kept for one composition; the oldest goes first."""


_COMPILED: WeakKeyDictionary[Sequential, dict[Key, Compiled]] = WeakKeyDictionary()
"""What was compiled for each composition; it goes when the composition goes."""


@final
class Jacobian:
    """The Jacobian of a composition, as a function of the point. Made by `jacobian` and `gradient`.

    Planned and compiled once per shape and dtype of the point; after that a call does arithmetic only.
    """

    __slots__ = ("_compiled", "_ready", "check", "composition", "is_gradient", "options")

    def __init__(self, f: "Sequential | Layer", options: Options, *, check: bool, is_gradient: bool) -> None:
        self.composition = composition(f)
        self.options = options
        self.check = check
        self.is_gradient = is_gradient
        self._compiled = _COMPILED.setdefault(self.composition, {})
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
            found.run.release()
        self._compiled.clear()
        self._ready = None

    def __repr__(self) -> str:
        wanted = "gradient" if self.is_gradient else "jacobian"
        return f"{wanted}({self.composition!r}, planner={self.options.planner!r})"

    def _at(self, point: Array) -> Compiled:
        key = Key(point.shape, point.dtype, self.options, None, None, self.is_gradient)
        return _remembered(self.composition.layers, self._compiled, point, key)

    def __reduce__(self) -> tuple[object, ...]:
        # buffers and the calls that hold views of them are not copied but made anew
        return _restored, (self.composition, self.options, self.check, self.is_gradient)


def _restored(f: Sequential, options: Options, check: bool, is_gradient: bool) -> Jacobian:
    return Jacobian(f, options, check=check, is_gradient=is_gradient)


def options_of(
    planner: str,
    tape_limit: int | None,
    memory: int | str | None,
    workers: int | None,
    chunk_size: int | None,
    plan: Plan | None,
) -> Options:
    """Return checked options; those that depend on sizes are checked with the first point."""
    if planner not in tuple(PLANNERS):
        unknown_name("planner", planner, PLANNERS)
    if plan is not None and not isinstance(plan, Plan):
        raise OptionError(f"plan is {plan!r}", "give a jacchain.Plan, such as one of jacchain.plan")
    if plan is not None and (planner, tape_limit, memory, workers, chunk_size) != ("optimal", *[None] * 4):
        raise OptionError("a plan and options of another plan", "give either plan=, or options to make one")
    return Options(
        planner,
        None if tape_limit is None else as_limit(tape_limit, "tape_limit"),
        None if memory is None else as_bytes(memory),
        None if workers is None else as_workers(workers),
        None if chunk_size is None else as_size(chunk_size, "chunk_size"),
        plan,
    )


def composition_jvp(
    f: "Sequential | Layer", x: ArrayLike, v: ArrayLike, /, *, planner: str = "optimal", check: bool = False
) -> Array:
    """Return J v, planned as a longer chain J_n…J_1·V."""
    point = as_point(x)
    seed = as_point(v, "the tangent v")
    if seed.shape != point.shape and seed.shape[:-1] != point.shape:
        raise SizeError(
            f"the tangent v has shape {seed.shape}, but x has shape {point.shape}",
            f"give shape {point.shape}, or {(*point.shape, 'p')} for p tangents",
        )
    count = 1 if seed.shape == point.shape else seed.shape[-1]
    run = _seeded(f, point, planner, tangents=count).run
    assert isinstance(run, Executable)
    result = run(point, seeds={"tangents": seed.reshape(-1, count)}, check=check)
    return result.reshape(result.shape[:-1]) if seed.shape == point.shape else result


def composition_vjp(
    f: "Sequential | Layer", x: ArrayLike, u: ArrayLike, /, *, planner: str = "optimal", check: bool = False
) -> Array:
    """Return uᵀ J, planned as a longer chain U·J_n…J_1."""
    point = as_point(x)
    seed = as_point(u, "the adjoint u")
    outputs = _seeded(f, point, planner, adjoints=1).outputs
    if seed.shape != outputs and seed.shape[1:] != outputs:
        raise SizeError(
            f"the adjoint u has shape {seed.shape}, but f(x) has shape {outputs}",
            f"give shape {outputs}, or {('q', *outputs)} for q adjoints",
        )
    count = 1 if seed.shape == outputs else seed.shape[0]
    run = _seeded(f, point, planner, adjoints=count).run
    assert isinstance(run, Executable)
    result = run(point, seeds={"adjoints": seed.reshape(count, -1)}, check=check)
    return result.reshape(result.shape[1:]) if seed.shape == outputs else result


def _seeded(
    f: "Sequential | Layer", point: Array, planner: str, *, tangents: int | None = None, adjoints: int | None = None
) -> Compiled:
    whole = composition(f)
    known = _COMPILED.setdefault(whole, {})
    options = options_of(planner, None, None, None, None, None)
    key = Key(point.shape, point.dtype, options, tangents, adjoints, is_gradient=False)
    return _remembered(whole.layers, known, point, key)


def _remembered(layers: tuple[Layer, ...], known: dict[Key, Compiled], point: Array, key: Key) -> Compiled:
    found = known.get(key)
    if found is None:
        found = compiled(layers, point, key)
        while len(known) >= KEPT:
            known.pop(next(iter(known)), None)
        known[key] = found
    return found
