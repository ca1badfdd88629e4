"""What every primitive states: its value, and a structured local Jacobian for each of its inputs."""

from abc import ABC, abstractmethod
from typing import NoReturn, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels, run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.numpy_kernels import NUMPY
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
        arrays = tuple(np.asarray(x) for x in xs)
        facts = self.facts(tuple(x.shape for x in arrays))
        dtype = np.result_type(*arrays)
        y, scratch = np.empty(facts.output, dtype), np.empty(facts.scratch, dtype)
        run(self.value_calls(NUMPY, arrays, y, scratch))
        return y

    @final
    def local(self, k: int, /, *xs: ArrayLike) -> Matrix | None:
        """Return the local Jacobian with respect to input k, or None where it is zero everywhere."""
        arrays = tuple(np.asarray(x) for x in xs)
        facts = self.facts(tuple(x.shape for x in arrays)).locals[k]
        if facts is None:
            return None
        dtype, structure = np.result_type(*arrays), facts.link.local
        out = Operand(structure, tuple(np.empty(shape, dtype) for shape in array_shapes(structure)))
        if out.arrays:
            given = tuple(x if i in facts.reads else None for i, x in enumerate(arrays))
            y = self.value(*arrays) if VALUE in facts.reads else None
            run(self.local_calls(NUMPY, k, given, y, out, np.empty(facts.scratch, dtype)))
        return Matrix(structure, out.arrays)

    @final
    def curvature(self, pair: tuple[int, int], u: ArrayLike, /, *xs: ArrayLike) -> Matrix | None:
        """Return u·∂²f with respect to a pair of inputs, the first not after the second; None where it is zero."""
        arrays = tuple(np.asarray(x) for x in xs)
        dtype = np.result_type(*arrays)
        adjoint = np.ascontiguousarray(u, dtype).reshape(-1)
        stated = self.facts(tuple(x.shape for x in arrays)).curvatures
        assert stated is not None, f"{self.name} states no curvature"
        facts = next((one for one in stated if (one.first, one.second) == pair), None)
        if facts is None:
            return None
        y = self.value(*arrays) if VALUE in facts.reads else None
        return local_curvature(self, facts, arrays, y, adjoint)


def sole(name: str, shapes: tuple[Shape, ...], /) -> Shape:
    """Return the shape of an operation's only input, or raise a SizeError."""
    if len(shapes) != 1:
        refuse_shapes(name, shapes, "give one input")
    return shapes[0]


def refuse_shapes(name: str, shapes: tuple[Shape, ...], cure: str, /) -> NoReturn:
    """Raise the SizeError of an operation on shapes that it does not take."""
    raise SizeError(f"{name} of shapes {' and '.join(map(str, shapes))}", cure)
