"""A step along tangents: what turns the Jacobian of a function into its products with tangents."""

from dataclasses import dataclass
from math import prod
from typing import final

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.algebra.rule import Operand
from jacchain.execution.operation import LocalFacts, OperationFacts, Shape
from jacchain.model.primitive import Primitive
from jacchain.planning.link import Link


@final
@dataclass(frozen=True, slots=True)
class Displace(Primitive):
    """x + V t at t = 0: the value is x, and V is the local Jacobian with respect to t.

    Inputs are x of shape s, t of shape (p,), and V of shape s + (p,), which is not differentiated.
    """

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: the value is x itself."""
        x, (count,), _ = shapes
        size = prod(x)
        along = LocalFacts(link=Link(count, size, name="tangents"), reads=(2,), view="contiguous")
        return OperationFacts(
            output=x, locals=(LocalFacts(link=Link(size, size, structure="identity")), along, None), view="reshape"
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, _scratch: Array, /) -> Calls:
        """Return the copy of x."""
        return ((kernels.copyto, (y, xs[0])),)

    def local_calls(self, kernels: Kernels, _k: int, xs: Arrays, _y: Array, out: Operand, _scratch: Array, /) -> Calls:
        """Return the copy of V."""
        (target,) = out.arrays
        return ((kernels.copyto, (target.reshape(xs[2].shape), xs[2])),)

    def local_views(self, _k: int, xs: Arrays, _y: Array, /) -> Arrays:
        """Return V as a matrix."""
        v = xs[2]
        return (v.reshape(-1, v.shape[-1]),)
