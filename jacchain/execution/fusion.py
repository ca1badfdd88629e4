"""Fusion: elementwise calls that follow each other become one kernel, where every launch takes time."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, final

from jacchain.algebra.kernels import Array, Call, Calls, Kernels
from jacchain.execution.device import Backend

EXPRESSIONS: Final = {
    "add": "({0} + {1})",
    "subtract": "({0} - {1})",
    "multiply": "({0} * {1})",
    "divide": "({0} / {1})",
    "negative": "(-{0})",
    "square": "({0} * {0})",
    "reciprocal": "(1 / {0})",
    "sqrt": "sqrt({0})",
    "exp": "exp({0})",
    "expm1": "expm1({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "tan": "tan({0})",
    "arctan": "atan({0})",
    "sinh": "sinh({0})",
    "cosh": "cosh({0})",
    "tanh": "tanh({0})",
    "copy": "{0}",
}
"""Universal functions in C++, which is Python too, but for the types: NaN and infinity come out of both alike.

Comparisons, extrema and choices are not among them: they differ in what they make of NaN.
"""

MOST: Final = 16
"""Arrays that one kernel is given."""


class Piece(NamedTuple):
    """Some memory: its address, and how many numbers from there on."""

    address: int
    size: int
    itemsize: int

    def meets(self, other: "Piece", /) -> bool:
        """Whether it shares memory with another, but is not the same."""
        ends = self.address + self.size * self.itemsize, other.address + other.size * other.itemsize
        return self != other and self.address < ends[1] and other.address < ends[0]


class Step(NamedTuple):
    """An elementwise call."""

    expression: str
    reads: tuple[Array, ...]
    out: Array


@final
class Fusing:
    """Elementwise calls one after the other on arrays of one size, as long as none of them reads another's neighbours.

    An array is the same as before where its memory is; one of a single number goes with every other.
    """

    def __init__(self, first: Step) -> None:
        self.size = int(first.out.size)
        self.dtype = first.out.dtype
        self.steps: list[Step] = []
        self.pieces: dict[Piece, Array] = {}
        self.inputs: list[Piece] = []
        self.outputs: list[Piece] = []

    def takes(self, step: Step, /) -> bool:
        """Add a step where that is possible, and tell whether it was."""
        arrays = (*step.reads, step.out)
        fits = step.out.size == self.size and all(
            array.dtype == self.dtype and array.size in (1, self.size) and array.flags.c_contiguous for array in arrays
        )
        if not fits:
            return False
        found = [_piece(array) for array in arrays]
        known = {**self.pieces, **dict(zip(found, arrays, strict=True))}
        written = {*self.outputs, found[-1]}
        if len(known) > MOST or any(one.meets(other) for one in written for other in known):
            return False
        self.pieces = known
        self.inputs += [piece for piece in dict.fromkeys(found[:-1]) if piece not in {*self.inputs, *self.outputs}]
        self.outputs += [piece for piece in found[-1:] if piece not in self.outputs]
        self.steps.append(step)
        return True

    def call(self, kernels: Any, /) -> Call:
        """Return the call of the one kernel."""
        names = {piece: f"x{k}" for k, piece in enumerate(self.inputs)}
        lines = []
        for k, (expression, reads, out) in enumerate(self.steps):
            lines.append(f"T t{k} = {expression.format(*(names[_piece(array)] for array in reads))}")
            names[_piece(out)] = f"t{k}"
        lines += [f"y{k} = {names[piece]}" for k, piece in enumerate(self.outputs)]
        given = ", ".join(f"T x{k}" for k in range(len(self.inputs)))
        made = ", ".join(f"T y{k}" for k in range(len(self.outputs)))
        arrays = [self._flat(piece) for piece in (*self.inputs, *self.outputs)]
        return kernels.elementwise(given, made, "; ".join(lines)), tuple(arrays)

    def _flat(self, piece: Piece) -> Array:
        return self.pieces[piece].reshape((-1,) if piece.size == self.size else ())


def _piece(array: Array) -> Piece:
    return Piece(_address(array), int(array.size), int(array.itemsize))


def _address(array: Array) -> int:
    address = getattr(array.data, "ptr", None)
    return int(array.ctypes.data if address is None else address)


def parts(calls: Iterable[Call], kernels: Kernels, /) -> Iterator[Fusing | Call]:
    """Yield calls in order, those that can be one kernel together."""
    names = _names(kernels)
    current: Fusing | None = None
    held: list[Call] = []
    for call in calls:
        step = _step(call, names, kernels)
        if step is not None and current is not None and current.takes(step):
            held.append(call)
            continue
        yield from _finished(current, held)
        current, held = None, [call]
        if step is not None:
            fresh = Fusing(step)
            current = fresh if fresh.takes(step) else None
    yield from _finished(current, held)


def _finished(current: Fusing | None, held: list[Call]) -> Iterator[Fusing | Call]:
    if current is not None and len(held) > 1:
        yield current
    else:
        yield from held


def fused(kernels: Kernels, calls: Calls, /) -> Calls:
    """Return calls with fewer of them, where launches count; those of the host as they are.

    Parameters
    ----------
    kernels : Kernels
        Those with a method `elementwise` make kernels of C++.
    calls : Calls
        Whose arrays stay where they are.
    """
    if not hasattr(kernels, "elementwise"):
        return calls
    return tuple(part.call(kernels) if isinstance(part, Fusing) else part for part in parts(calls, kernels))


def in_place(backend: Backend, calls: Calls, /) -> Calls:
    """Return calls that are given the same object twice where they work in place on one view; the host's as they are.

    CuPy copies what an elementwise call reads where it may lie on what is written, unless it is the very same object.
    """
    return calls if backend.device.kind == "cpu" else tuple(map(_in_place, calls))


def _in_place(call: Call) -> Call:
    function, arguments = call
    out = arguments[-1] if arguments else None
    if isinstance(function, partial):  # of ufuncs whose third positional argument NumPy deprecates
        out = function.keywords.get("out", out)
    if not hasattr(out, "strides"):
        return call
    view = _view(out)
    return function, tuple(out if hasattr(one, "strides") and _view(one) == view else one for one in arguments)


def _view(array: Array) -> tuple[object, ...]:
    return _address(array), array.shape, array.strides, array.dtype


def _names(kernels: Kernels) -> dict[Callable[..., object], str]:
    found = {getattr(kernels.xp, name): name for name in EXPRESSIONS if name != "copy"}
    return {**found, kernels.multiply: "multiply", kernels.add: "add", kernels.negative: "negative"}


def _step(call: Call, names: dict[Callable[..., object], str], kernels: Kernels) -> Step | None:
    """Return what a call does, or None where it is not elementwise or not known."""
    function, arguments = call
    if isinstance(function, partial):
        return None
    if function == kernels.copyto:
        out, a = arguments
        return Step(EXPRESSIONS["copy"], (a,), out) if out.shape == getattr(a, "shape", None) else None
    name = names.get(function)
    if name is None or not all(hasattr(array, "flags") for array in arguments):
        return None
    expression = EXPRESSIONS[name]
    count = 2 if "{1}" in expression else 1
    if len(arguments) != count + 1:
        return None
    *reads, out = arguments
    is_plain = all(array.shape == out.shape or array.size == 1 for array in reads)
    return Step(expression, tuple(reads), out) if is_plain else None
