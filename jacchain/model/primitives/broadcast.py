"""Broadcasting: an array seen in a larger shape."""

from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.execution.operation import LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive, refuse_shapes, sole
from jacchain.model.primitives.axes import Groups, repeats
from jacchain.model.primitives.unit_pattern import ones
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, slots=True)
class Broadcast(Primitive):
    """An array repeated along axes of length one and along new leading ones, by NumPy's rules; a view.

    The local Jacobian is constant: 1⊗I where leading axes are new, I⊗1 where trailing ones are, a column of ones for a
    single number, a sparse selection otherwise.

    Parameters
    ----------
    shape : tuple of int
        Of the value.

    Examples
    --------
    >>> print(Broadcast((4, 3)).local(0, [1.0, 2.0, 3.0]))
    kronecker (4x1)⊗I(3)
    """

    shape: Shape

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: a strided view."""
        shape = sole(self.name, shapes)
        new = len(self.shape) - len(shape)
        if new < 0 or any(size not in (1, wide) for size, wide in zip(shape, self.shape[new:], strict=True)):
            refuse_shapes(self.name, shapes, f"give a shape whose axes, from the last, are 1 or those of {self.shape}")
        wide = tuple(k for k in range(len(self.shape)) if k < new or shape[k - new] != self.shape[k])
        kept = tuple(k for k in range(len(self.shape)) if k not in wide)
        structure = repeats(Groups(self.shape, kept, wide))
        link = Link(prod(shape), prod(self.shape), structure=structure, name=self.name)
        return OperationFacts(output=self.shape, locals=(LocalFacts(link=link),), view="strided")

    def value_view(self, x: Array, /) -> Array:
        """Return the view, which is read-only."""
        return np.broadcast_to(x, self.shape)  # dispatched to the array's own namespace

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the call that copies."""
        return ((kernels.copyto, (y, xs[0])),)

    def local_calls(self, kernels: Kernels, _k: int, _xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the call that writes the ones."""
        return ones(kernels, out)
