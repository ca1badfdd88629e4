"""Several Jacobians of one composition at once: those of its states, or any (output, input) pairs."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple, final

from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array
from jacchain.errors import OptionError, unknown_name
from jacchain.execution.lower import Wanted
from jacchain.execution.program import Program
from jacchain.execution.results import results
from jacchain.execution.run import Counted, Executable
from jacchain.execution.source import Shape
from jacchain.model.layer import Layer, as_host_point
from jacchain.model.sequential import Sequential
from jacchain.planning.limits import as_limit
from jacchain.planning.several.requests import Requests
from jacchain.planning.several.several import SHARED, SeveralPlan, plan_several
from jacchain.prepared import composition, prepared
from jacchain.products.compiling import Remembered, executable


class _Ready(NamedTuple):
    """A plan, what runs it, and the shapes of the results."""

    plan: SeveralPlan
    run: Executable
    shapes: tuple[Shape, ...]


@final
class Jacobians:
    """Several Jacobians of a composition, as a function of the point. Made by `jacobians`.

    Planned and compiled once per shape and dtype of the point; after that a call does arithmetic only.
    """

    __slots__ = ("_ready", "check", "composition", "planner", "requests", "tape_limit")

    def __init__(
        self, f: Sequential, requests: Requests, planner: str, tape_limit: int | None, /, *, check: bool
    ) -> None:
        self.composition = f
        if not isinstance(requests, Iterable):
            raise OptionError(f"requests are {requests!r}", "give 'suffixes', 'prefixes' or (output, input) pairs")
        self.requests = requests if isinstance(requests, str) else tuple(requests)
        self.planner = planner
        self.tape_limit = tape_limit
        self.check = check
        self._ready: Remembered[_Ready] = Remembered()

    def __call__(self, x: ArrayLike, /) -> tuple[Array, ...]:
        """Return the Jacobians at x in the order of the requests, each of its output's shape followed by its input's.

        Raises
        ------
        DtypeError, SizeError, NonFiniteError
            As a Jacobian does.
        """
        point = as_host_point(x, "x", "several Jacobians are made")
        ready = self._ready.at(point, self._compiled)
        flat = ready.run(point, check=self.check)
        found: list[Array] = []
        taken: set[int] = set()
        for operand, shape, register in zip(
            results(ready.run, flat), ready.shapes, ready.run.program.results, strict=True
        ):
            array = operand.arrays[0].reshape(shape)
            found.append(array.copy() if register in taken else array)  # what is asked for twice is not one array
            taken.add(register)
        return tuple(found)

    def plan(self, x: ArrayLike, /) -> SeveralPlan:
        """Return the plan for points of x's shape and dtype."""
        return self._ready.at(as_host_point(x, "x", "several Jacobians are made"), self._compiled).plan

    def program(self, x: ArrayLike, /) -> Program:
        """Return the program for points of x's shape and dtype."""
        return self._ready.at(as_host_point(x, "x", "several Jacobians are made"), self._compiled).run.program

    def count(self, x: ArrayLike, /) -> Counted:
        """Run once at x and return the multiplications and bytes that it really took."""
        point = as_host_point(x, "x", "several Jacobians are made")
        return self._ready.at(point, self._compiled).run.count(point)

    def release(self) -> None:
        """Drop the plans, programs and buffers; the next call makes them anew."""
        self._ready.clear()

    def __repr__(self) -> str:
        return f"jacobians({self.composition!r}, {self.requests!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # buffers and the calls that hold views of them are not copied but made anew
        return _restored, (self.composition, self.requests, self.planner, self.tape_limit, self.check)

    def _compiled(self, point: Array) -> _Ready:
        layers = prepared(self.composition.layers, point)
        itemsize = point.dtype.itemsize
        chain = layers.chain
        found = plan_several(chain, self.requests, planner=self.planner, tape_limit=self.tape_limit, itemsize=itemsize)
        run = executable(layers, chain, found.nodes, Wanted(found.roots))
        shapes = tuple(layers.inputs(output) + layers.inputs(source) for output, source in found.requests)
        return _Ready(replace(found, peak=run.program.peak), run, shapes)


def _restored(f: Sequential, requests: Requests, planner: str, tape_limit: int | None, check: bool) -> Jacobians:
    return Jacobians(f, requests, planner, tape_limit, check=check)


def jacobians(
    f: "Sequential | Layer",
    requests: Requests,
    /,
    *,
    planner: str = "optimal",
    tape_limit: int | None = None,
    check: bool = False,
) -> Jacobians:
    """Return several Jacobians of f as one function of the point; what two of them need is made once.

    Parameters
    ----------
    f : Sequential or Layer
    requests : {"suffixes", "prefixes"} or iterable of (output, input)
        The Jacobian of f with respect to every state (the input is state 0), that of every state with respect to the
        input, or that of state `output` with respect to state `input` for pairs of them; state k is what layer k gives.
    planner : {"optimal", "merged", "forward", "reverse"}
    tape_limit : int, optional
        No adjoint of a layer whose tape is larger.
    check : bool
        Look for NaN and infinity in the value of every layer and after every step.

    Returns
    -------
    Jacobians
        A callable that gives a tuple of arrays, with ``.plan(x)``, ``.program(x)`` and ``.count(x)``.

    Examples
    --------
    >>> from jacchain.layers import Linear, Square
    >>> f = Sequential([Linear([[1.0, 2.0], [0.0, 1.0]]), Square()])
    >>> to_input, to_state = jacobians(f, "suffixes")([1.0, 1.0])
    >>> print(to_input)
    [[ 6. 12.]
     [ 0.  2.]]
    >>> print(to_state)
    [[6. 0.]
     [0. 2.]]
    """
    if planner not in tuple(SHARED):
        unknown_name("planner", planner, SHARED)
    limit = None if tape_limit is None else as_limit(tape_limit, "tape_limit")
    return Jacobians(composition(f), requests, planner, limit, check=check)
