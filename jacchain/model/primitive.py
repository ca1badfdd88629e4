"""What every primitive states: its value, and a structured local Jacobian for each of its inputs."""

from abc import ABC, abstractmethod
from typing import Any, NoReturn, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.homes import kernels_for
from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels, run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import array_shapes
from jacchain.errors import SizeError
from jacchain.execution.operation import VALUE, OperationFacts, Shape
from jacchain.model.local_curvature import local_curvature


class Primitive(ABC):
    """A map of several arrays with an explicit structured local Jacobian for each; a frozen dataclass.

    Arrays are taken row by row: vec(x) is ``x.reshape(-1)``, and the local Jacobian of a value of shape t with respect
    to an input of shape s is a matrix of prod(t) × prod(s).
    """

    @property
    def name(self) -> str:
        """What listings and messages call it."""
        return type(self).__name__.lower()

    @abstractmethod
    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts for inputs of given shapes."""

    @abstractmethod
    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls that write the value into y."""

    def local_calls(
        self, _kernels: Kernels, k: int, _xs: Arrays, _y: Array, _out: Operand, _scratch: Array, /
    ) -> Calls:
        """Return the calls that write the local Jacobian with respect to input k."""
        raise AssertionError(f"{self.name} has no local Jacobian to compute for input {k}")

    def curvature_calls(
        self,
        _kernels: Kernels,
        pair: tuple[int, int],
        _xs: Arrays,
        _y: Array,
        _u: Array,
        _out: Operand,
        _scratch: Array,
        /,
    ) -> Calls:
        """Return the calls that write u·∂²f with respect to a pair of inputs."""
        raise AssertionError(f"{self.name} has no curvature to compute for inputs {pair}")

    def curvature_views(self, pair: tuple[int, int], _u: Array, /) -> Arrays:
        """Return views of u as the arrays of u·∂²f with respect to a pair of inputs."""
        raise AssertionError(f"{self.name} has no view as its curvature for inputs {pair}")

    def bend_calls(
        self, _kernels: Kernels, pair: tuple[int, int], _xs: Arrays, _y: Array, _u: Array, _v: Array, _out: Array, /
    ) -> Calls:
        """Return the calls that write (u·∂²f) v with respect to a pair of inputs, without the matrix."""
        raise AssertionError(f"{self.name} does not apply its curvature for inputs {pair} without forming it")

    @final
    def value(self, *xs: ArrayLike) -> Array:
        """Return the value at floating-point arrays."""
        kernels, arrays, dtype = _placed(xs)
        facts = self.facts(tuple(x.shape for x in arrays))
        y, scratch = kernels.xp.empty(facts.output, dtype), kernels.xp.empty(facts.scratch, dtype)
        run(self.value_calls(kernels, arrays, y, scratch))
        return y

    @final
    def local(self, k: int, /, *xs: ArrayLike) -> Matrix | None:
        """Return the local Jacobian with respect to input k, or None where it is zero everywhere."""
        kernels, arrays, dtype = _placed(xs)
        facts = self.facts(tuple(x.shape for x in arrays)).locals[k]
        if facts is None:
            return None
        structure, empty = facts.link.local, kernels.xp.empty
        out = Operand(structure, tuple(empty(shape, dtype) for shape in array_shapes(structure)))
        if out.arrays:
            given = tuple(x if i in facts.reads else None for i, x in enumerate(arrays))
            y = self.value(*arrays) if VALUE in facts.reads else None
            run(self.local_calls(kernels, k, given, y, out, empty(facts.scratch, dtype)))
        return Matrix(structure, out.arrays)

    @final
    def curvature(self, pair: tuple[int, int], u: ArrayLike, /, *xs: ArrayLike) -> Matrix | None:
        """Return u·∂²f with respect to a pair of inputs, the first not after the second; None where it is zero."""
        kernels, arrays, dtype = _placed(xs)
        adjoint = kernels.xp.ascontiguousarray(u, dtype).reshape(-1)
        stated = self.facts(tuple(x.shape for x in arrays)).curvatures
        assert stated is not None, f"{self.name} states no curvature"
        facts = next((one for one in stated if (one.first, one.second) == pair), None)
        if facts is None:
            return None
        y = self.value(*arrays) if VALUE in facts.reads else None
        return local_curvature(self, facts, arrays, y, adjoint)


def _placed(xs: tuple[ArrayLike, ...]) -> tuple[Kernels, Arrays, "np.dtype[Any]"]:
    """Return arrays, the kernels of where they lie, and the dtype of what is made of them."""
    kernels = kernels_for(xs)
    arrays = tuple(map(kernels.xp.asarray, xs))
    return kernels, arrays, np.result_type(*(x.dtype for x in arrays))


def sole(name: str, shapes: tuple[Shape, ...], /) -> Shape:
    """Return the shape of an operation's only input, or raise a SizeError."""
    if len(shapes) != 1:
        refuse_shapes(name, shapes, "give one input")
    return shapes[0]


def refuse_shapes(name: str, shapes: tuple[Shape, ...], cure: str, /) -> NoReturn:
    """Raise the SizeError of an operation on shapes that it does not take."""
    raise SizeError(f"{name} of shapes {' and '.join(map(str, shapes))}", cure)
