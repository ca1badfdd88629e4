"""Chains whose local Jacobians are given as arrays: what predictions are held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Arrays, Calls, Kernels
from jacchain.algebra.structure import Structure, array_shapes
from jacchain.execution.backend import Backend
from jacchain.execution.lower import lower
from jacchain.execution.program import Program
from jacchain.execution.run import Executable
from jacchain.execution.source import Facts, Shape
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.plan import Plan


@final
@dataclass(frozen=True, eq=False)
class GivenLayer:
    """A layer that nobody evaluates: only its local Jacobian is known."""

    structure: Structure
    arrays: Arrays

    @property
    def name(self) -> str:
        """What listings call it."""
        return f"Given({self.structure})"

    def facts(self, _shape: Shape, /) -> Facts:
        """Return facts: the local Jacobian does not depend on the point."""
        found = self.structure
        link = Link(found.columns, found.rows, structure=found, borrowed=True)
        return Facts(inputs=(found.columns,), outputs=(found.rows,), link=link, reads="", borrowed=True)

    def value_calls(self, _kernels: Kernels, _x: Any, _y: Any, _scratch: Any, /) -> Calls:
        """Return nothing: there is no value."""
        return ()

    def borrowed_arrays(self, _shape: Shape, /) -> Arrays:
        """Return the arrays of the local Jacobian."""
        return self.arrays


def given_layers(structures: Sequence[Structure], dtype: "np.dtype[Any]", backend: Backend, /) -> list[GivenLayer]:
    """Return layers with seeded random numbers; products of them neither grow nor shrink much."""
    random = np.random.default_rng(0)
    found = []
    for structure in structures:
        scale = 1 / np.sqrt(structure.columns)
        shapes = array_shapes(structure)
        arrays = [(scale * random.standard_normal(prod(shape))).astype(dtype).reshape(shape) for shape in shapes]
        found.append(GivenLayer(structure, tuple(backend.place(array) for array in arrays)))
    return found


def chain_of_layers(layers: Sequence[GivenLayer], /) -> Chain:
    """Return the chain of layers."""
    return Chain(layer.facts(()).link for layer in layers)


def executable(plan: Plan, layers: Sequence[GivenLayer], dtype: "np.dtype[Any]", backend: Backend, /) -> Executable:
    """Return the program of a plan of layers, ready to run."""
    facts = [layer.facts(()) for layer in layers]
    program: Program = lower(plan, facts, [layer.name for layer in layers], itemsize=dtype.itemsize)
    shape = (plan.chain.sizes[-1], plan.chain.sizes[0])
    return Executable(program, layers, facts, dtype, shape, backend=backend)
