"""The Jacobian of a composition of layers as a function of the point, and its products with tangents and adjoints."""

from typing import Any, NamedTuple, final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array
from jacchain.batches.batch import Batch, Batches, as_points
from jacchain.batches.chunks import Chunks
from jacchain.batches.one_by_one import OneByOne
from jacchain.compiled import Compiled, Key, Options, compiled
from jacchain.errors import OptionError, SizeError, unknown_name
from jacchain.execution.backend import Backend, as_device, home_of
from jacchain.execution.on_device import OnDevice
from jacchain.execution.program import Program
from jacchain.execution.remembered import remembered
from jacchain.execution.run import Counted, Executable
from jacchain.execution.sliced import Sliced
from jacchain.execution.source import Shape
from jacchain.execution.tuned import as_pricing
from jacchain.model.layer import Layer, as_point, as_point_beside
from jacchain.model.sequential import Sequential
from jacchain.planning.cost import Cost, ProfileLike
from jacchain.planning.limits import as_bytes, as_limit
from jacchain.planning.link import as_size
from jacchain.planning.plan import Plan
from jacchain.planning.planners import PLANNERS
from jacchain.planning.scheduling.scheduled import as_workers
from jacchain.prepared import composition


class _Ready(NamedTuple):
    """What the last call used: most calls come with the same shape and dtype."""

    shape: Shape
    dtype: "np.dtype[Any]"
    home: Backend
    run: Executable | OnDevice | Sliced


class _Many(NamedTuple):
    """The same for many points."""

    shape: Shape
    dtype: "np.dtype[Any]"
    home: Backend
    run: Chunks | OneByOne


KEPT = 32
"""Compiled derivatives kept for one composition; the oldest goes first."""


_COMPILED: WeakKeyDictionary[Sequential, dict[Key, Compiled]] = WeakKeyDictionary()
"""What was compiled for each composition; it goes when the composition goes."""


class _Known:
    """How derivatives at many points are made, by key and by whether they are checked, and what made the last ones."""

    def __init__(self) -> None:
        self.found: dict[tuple[Key, bool], Batches] = {}
        self.last: Chunks | OneByOne | None = None

    def turn_to(self, run: Chunks | OneByOne, /) -> None:
        """Drop the results that are kept by what made the last ones, if that is something else."""
        last, self.last = self.last, run
        if last is not None and last is not run:
            last.forget()


_BATCHES: WeakKeyDictionary[Sequential, _Known] = WeakKeyDictionary()
"""The same for many points."""


@final
class Jacobian:
    """The Jacobian of a composition, as a function of the point. Made by `jacobian` and `gradient`.

    Planned and compiled once per shape and dtype of the point; after that a call does arithmetic only.
    """

    __slots__ = ("_batches", "_compiled", "_many", "_ready", "check", "composition", "is_gradient", "options")

    def __init__(self, f: "Sequential | Layer", options: Options, *, check: bool, is_gradient: bool) -> None:
        self.composition = composition(f)
        self.options = options
        self.check = check
        self.is_gradient = is_gradient
        self._compiled = _COMPILED.setdefault(self.composition, {})
        self._batches = _BATCHES.setdefault(self.composition, _Known())
        self._ready: _Ready | None = None
        self._many: _Many | None = None

    def __call__(self, x: ArrayLike, /, *, out: Array | None = None) -> Array:
        """Return the Jacobian at x, of the output's shape followed by x's; a gradient has x's shape.

        Parameters
        ----------
        x : array of float32 or float64
            The result lies where x does, on the host or on a CUDA device.
        out : array, optional
            Receives the result and is returned: of the host, or of the device that the arithmetic is done on.

        Raises
        ------
        DtypeError
            x is of integers, complex or otherwise without a derivative.
        SizeError
            x or `out` does not have the right shape.
        NonFiniteError
            With ``check=True``: NaN or infinity, with the layer's name.
        DeviceError
            x, the parameters and the device that was asked for do not go together, or its memory is exhausted.
        """
        point = as_point(x)
        ready = self._ready
        if ready is None or ready.shape != point.shape or ready.dtype != point.dtype or not ready.home.owns(point):
            ready = self._ready = _Ready(point.shape, point.dtype, home_of([point]), self._at(point).run)
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

    def batched(self, points: ArrayLike, /, *, out: Array | None = None) -> Array:
        """Return the Jacobians at many points, of shape ``(count, *output, *x)``; gradients are of the points' shape.

        What depends on the point is made for many at once, and products of local Jacobians that do not are formed once.
        Compiled once per shape and dtype of a point; other numbers of points use the same programs again, but for that
        of a smaller last chunk. Under a limit of ``memory`` the whole result counts. A large result that you no longer
        hold may be used again by the next call for as many points: at most two are held for that, and only what the
        limit of ``memory`` leaves room for.

        Parameters
        ----------
        points : array of float32 or float64
            Its first axis counts the points. User's `Elementwise` functions are given many at once if that gives the
            same as one by one for three of them: the first, the last, and that of the largest number. This is tried
            once for every number of points. One that is not elementwise elsewhere is not found out.
        out : array, optional
            Receives the result and is returned.

        Raises
        ------
        SizeError
            No first axis, or points that the first layer does not take.
        InfeasibleError
            The memory does not suffice; the message says which limit would do.
        NonFiniteError
            With ``check=True``, which takes one point after the other: NaN or infinity, with the layer and the point.

        Examples
        --------
        >>> from jacchain.layers import Linear, Square
        >>> jacobian = Jacobian(Sequential([Square(), Linear([[1.0, 2.0]])]), Options(), check=False, is_gradient=False)
        >>> jacobian.batched([[1.0, 1.0], [3.0, 0.0]])
        array([[[2., 4.]],
        <BLANKLINE>
               [[6., 0.]]])
        """
        stack = as_points(points)
        ready = self._many
        if ready is None or ready.shape != stack.shape or ready.dtype != stack.dtype or not ready.home.owns(stack):
            ready = self._many = _Many(stack.shape, stack.dtype, home_of([stack]), self._batch(stack).run)
        if self._batches.last is not ready.run:
            self._batches.turn_to(ready.run)
        return ready.run(stack, out, check=self.check)

    def plan_batched(self, points: ArrayLike, /) -> Plan:
        """Return the plan for so many points, whose reason says what they share and how many are taken at a time."""
        stack = as_points(points)
        return self._many_of(stack).plan(stack)

    def count_batched(self, points: ArrayLike, /) -> Counted:
        """Run once at all points and return the multiplications and bytes that it really took."""
        stack = as_points(points)
        return self._batch(stack).run.tally(stack)

    def release(self) -> None:
        """Drop the plans, programs and buffers kept for this composition; the next call makes them anew."""
        for found in self._compiled.values():
            found.run.release()
        self._compiled.clear()
        for many in self._batches.found.values():
            many.release()
        self._batches.found.clear()
        self._batches.last = None
        self._ready = self._many = None

    def __repr__(self) -> str:
        wanted = "gradient" if self.is_gradient else "jacobian"
        return f"{wanted}({self.composition!r}, planner={self.options.planner!r})"

    def _batch(self, points: Array) -> Batch:
        return self._many_of(points).at(points)

    def _many_of(self, points: Array) -> Batches:
        one = Key(points.shape[1:], points.dtype, self.options, None, None, self.is_gradient, home_of([points]).device)
        key, known = (one, self.check), self._batches.found
        found = known.get(key)
        if found is None:
            made = Batches(self.composition.layers, points, one, check=self.check)
            found = remembered(known, key, made, KEPT)
        return found

    def compiled(self, x: ArrayLike, /) -> Compiled:
        """Return the plan and the program for points like x, bound to where they are run."""
        return self._at(as_point(x))

    def _at(self, point: Array) -> Compiled:
        key = Key(point.shape, point.dtype, self.options, None, None, self.is_gradient, home_of([point]).device)
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
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
) -> Options:
    """Return checked options; those that depend on sizes are checked with the first point."""
    if planner not in tuple(PLANNERS):
        unknown_name("planner", planner, PLANNERS)
    if plan is not None and not isinstance(plan, Plan):
        raise OptionError(f"plan is {plan!r}", "give a jacchain.Plan, such as one of jacchain.plan")
    given = planner, cost, tape_limit, memory, workers, chunk_size
    if plan is not None and given != ("optimal", "multiplications", *[None] * 4):
        raise OptionError("a plan and options of another plan", "give either plan=, or options to make one")
    place = as_device(device)
    return Options(
        planner,
        None if tape_limit is None else as_limit(tape_limit, "tape_limit"),
        None if memory is None else as_bytes(memory),
        None if workers is None else as_workers(workers),
        None if chunk_size is None else as_size(chunk_size, "chunk_size"),
        plan,
        place,
        as_pricing(cost, profile, place),
    )


def composition_jvp(
    f: "Sequential | Layer",
    x: ArrayLike,
    v: ArrayLike,
    /,
    *,
    planner: str = "optimal",
    check: bool = False,
    device: str = "auto",
) -> Array:
    """Return J v, planned as a longer chain J_n…J_1·V."""
    point = as_point(x)
    seed = as_point_beside(v, home_of([point]), "the tangent v")
    if seed.shape != point.shape and seed.shape[:-1] != point.shape:
        raise SizeError(
            f"the tangent v has shape {seed.shape}, but x has shape {point.shape}",
            f"give shape {point.shape}, or {(*point.shape, 'p')} for p tangents",
        )
    count = 1 if seed.shape == point.shape else seed.shape[-1]
    run = _seeded(f, point, planner, device, tangents=count).run
    assert not isinstance(run, Sliced)
    result = run(point, seeds={"tangents": seed.reshape(-1, count)}, check=check)
    return result.reshape(result.shape[:-1]) if seed.shape == point.shape else result


def composition_vjp(
    f: "Sequential | Layer",
    x: ArrayLike,
    u: ArrayLike,
    /,
    *,
    planner: str = "optimal",
    check: bool = False,
    device: str = "auto",
) -> Array:
    """Return uᵀ J, planned as a longer chain U·J_n…J_1."""
    point = as_point(x)
    seed = as_point_beside(u, home_of([point]), "the adjoint u")
    outputs = _seeded(f, point, planner, device, adjoints=1).outputs
    if seed.shape != outputs and seed.shape[1:] != outputs:
        raise SizeError(
            f"the adjoint u has shape {seed.shape}, but f(x) has shape {outputs}",
            f"give shape {outputs}, or {('q', *outputs)} for q adjoints",
        )
    count = 1 if seed.shape == outputs else seed.shape[0]
    run = _seeded(f, point, planner, device, adjoints=count).run
    assert not isinstance(run, Sliced)
    result = run(point, seeds={"adjoints": seed.reshape(count, -1)}, check=check)
    return result.reshape(result.shape[1:]) if seed.shape == outputs else result


def _seeded(
    f: "Sequential | Layer",
    point: Array,
    planner: str,
    device: str,
    *,
    tangents: int | None = None,
    adjoints: int | None = None,
) -> Compiled:
    whole = composition(f)
    known = _COMPILED.setdefault(whole, {})
    options = options_of(planner, None, None, None, None, None, device)
    key = Key(point.shape, point.dtype, options, tangents, adjoints, is_gradient=False, home=home_of([point]).device)
    return _remembered(whole.layers, known, point, key)


def _remembered(layers: tuple[Layer, ...], known: dict[Key, Compiled], point: Array, key: Key) -> Compiled:
    found = known.get(key)
    if found is None:
        found = remembered(known, key, compiled(layers, point, key), KEPT)
    return found
