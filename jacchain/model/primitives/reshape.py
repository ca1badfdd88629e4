"""The same numbers in another shape or order of axes."""

from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Identity
from jacchain.execution.operation import OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes, sole
from jacchain.model.primitives.unit_pattern import chosen, ones, unit_facts


@final
@dataclass(frozen=True, slots=True)
class Reshape(Primitive):
    """The same numbers, row by row, in another shape; the local Jacobian is the identity.

    Parameters
    ----------
    shape : tuple of int
        All of it: no size is -1.

    Examples
    --------
    >>> Reshape((2, 2)).value([1.0, 2.0, 3.0, 4.0])
    array([[1., 2.],
           [3., 4.]])
    """

    shape: Shape

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a view, for as many numbers."""
        size = prod(sole(self.name, shapes))
        if size != prod(self.shape):
            refuse_shapes(f"reshape to {self.shape}", shapes, f"give a shape of {size} numbers")
        return OperationFacts(output=self.shape, locals=(unit_facts(Identity(size), self.name),), view="reshape")

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that copies the numbers."""
        return ((kernels.copyto, (y.reshape(xs[0].shape), xs[0])),)

    def value_view(self, x: Array, /) -> Array:
        """Return the numbers in the other shape."""
        return x.reshape(self.shape)


@final
@dataclass(frozen=True, slots=True)
class Transpose(Primitive):
    """The axes in another order; the local Jacobian is a permutation, or the identity where the numbers keep theirs.

    Parameters
    ----------
    axes : tuple of int
        Axis k of the value is axis axes[k] of the input.

    Examples
    --------
    >>> print(Transpose((1, 0)).local(0, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    sparse 6x6, 6 nonzeros
    """

    axes: tuple[int, ...]

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a view with other strides."""
        shape = sole(self.name, shapes)
        if sorted(self.axes) != list(range(len(shape))):
            refuse_shapes(f"transpose to axes {self.axes}", shapes, f"name each of the {len(shape)} axes once")
        size = prod(shape)
        structure = chosen(size, np.arange(size).reshape(shape).transpose(self.axes).reshape(-1))
        return OperationFacts(
            output=tuple(shape[k] for k in self.axes),
            locals=(unit_facts(structure, self.name),),
            view="reshape" if isinstance(structure, Identity) else "strided",
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that copies the numbers in the new order."""
        return ((kernels.copyto, (y, self.value_view(xs[0]))),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _s: Array, /) -> Calls:
        """Return the call that writes ones."""
        return ones(kernels, out)

    def value_view(self, x: Array, /) -> Array:
        """Return the input with its axes in the other order."""
        return x.transpose(self.axes)
