"""An operation at many points, one after the other: for those that have no form of their own for all points at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import final

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.algebra.lifted import keeps_arrays, lift_point_calls, lift_shared_calls, lifted, point_operand
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Structure, array_shapes, stored
from jacchain.execution.operation import (
    VALUE,
    CurvatureFacts,
    CurvedOperation,
    FreeOperation,
    LocalFacts,
    Operation,
    OperationFacts,
    Shape,
)
from jacchain.model.expression import facts_of
from jacchain.model.primitive import refuse_shapes
from jacchain.planning.link import Link, accumulation_cost


@final
@dataclass(frozen=True, slots=True)
class MappedOperation:
    """F(X) = (f(x_1), …, f(x_B)): the calls of f for every point in turn, on its part of each array.

    The local Jacobian is block-diagonal, with a block for every point. Workspace is shared by all points.

    Parameters
    ----------
    operation : Operation
        f.
    count : int
        B.
    shapes : tuple of tuple of int
        Of the inputs at one point.
    is_mapped : tuple of bool
        For each input, whether it has a first axis that counts the points; if not, all points share it, and it is
        never differentiated.

    Examples
    --------
    >>> from jacchain.model.primitives.solve import Determinant
    >>> found = MappedOperation(Determinant("value"), 5, ((3, 3),), (True,)).facts(((5, 3, 3),))
    >>> print(found.output, found.locals[0].link.local)
    (5,) block-diagonal 5x(1x9)
    """

    operation: Operation
    count: int
    shapes: tuple[Shape, ...]
    is_mapped: tuple[bool, ...]

    @property
    def name(self) -> str:
        """That of the operation."""
        return self.operation.name

    def facts(self, shapes: tuple[Shape, ...], /) -> OperationFacts:
        """Return the facts: those of one point, for as many of them."""
        wanted = [
            (self.count, *s) if is_mapped else s for s, is_mapped in zip(self.shapes, self.is_mapped, strict=True)
        ]
        if list(shapes) != wanted:
            refuse_shapes(self.name, shapes, f"give shapes {' and '.join(map(str, wanted))}")
        found, curvatures = self._own, self._own.curvatures
        if curvatures is not None:
            mapped = [one for one in curvatures if self.is_mapped[one.first] and self.is_mapped[one.second]]
            curvatures = tuple(map(self._curvature, mapped))
        return OperationFacts(
            output=(self.count, *found.output),
            locals=tuple(
                None if one is None or not is_mapped else self._local(one)
                for one, is_mapped in zip(found.locals, self.is_mapped, strict=True)
            ),
            in_place=tuple(k for k in found.in_place if self.is_mapped[k]),
            scratch=found.scratch,
            curvatures=curvatures,
        )

    def value_calls(self, kernels: Kernels, xs: Arrays, y: Array, scratch: Array, /) -> Calls:
        """Return the calls that write the values."""
        return _together(
            self.operation.value_calls(kernels, self._at(point, xs), y[point, ...], scratch)
            for point in range(self.count)
        )

    def local_calls(self, kernels: Kernels, k: int, xs: Arrays, y: Array, out: Operand, scratch: Array, /) -> Calls:
        """Return the calls that write the blocks."""
        facts = self._own.locals[k]
        assert facts is not None, f"the derivative of {self.name} with respect to input {k} is zero"
        structure, is_shared = facts.link.local, self._is_shared(facts)
        held, rest = _held(structure, scratch)
        if not out.arrays:
            return ()
        if is_shared:
            calls = self._point_calls(kernels, k, facts, self._at(0, xs), None, held, rest)
            return (*calls, *lift_shared_calls(kernels, structure, self.count, held.arrays, out))
        found: list[Call] = []
        for point in range(self.count):
            place = point_operand(structure, self.count, out, point, is_shared=False)
            value = None if y is None else y[point, ...]
            found += self._point_calls(kernels, k, facts, self._at(point, xs), value, place or held, rest)
            if place is None:
                found += lift_point_calls(kernels, structure, self.count, held.arrays, out, point)
        return tuple(found)

    def tangent_calls(self, kernels: Kernels, k: int, xs: Arrays, v: Array, out: Array, /) -> Calls:
        """Return the calls that write J v, point by point."""
        assert isinstance(self.operation, FreeOperation)
        v, out = (array.reshape(self.count, -1, array.shape[1]) for array in (v, out))
        apply = self.operation.tangent_calls
        return _together(apply(kernels, k, self._at(point, xs), v[point], out[point]) for point in range(self.count))

    def adjoint_calls(self, kernels: Kernels, k: int, xs: Arrays, u: Array, out: Array, /) -> Calls:
        """Return the calls that write u J, point by point, on contiguous copies."""
        assert isinstance(self.operation, FreeOperation)
        u, out = (array.reshape(array.shape[0], self.count, -1) for array in (u, out))
        row = kernels.xp.empty((u.shape[0], u.shape[2]), u.dtype)
        made = kernels.xp.empty((out.shape[0], out.shape[2]), out.dtype)
        calls: list[Call] = []
        for point in range(self.count):
            calls.append((kernels.copyto, (row, u[:, point])))
            calls += self.operation.adjoint_calls(kernels, k, self._at(point, xs), row, made)
            calls.append((kernels.copyto, (out[:, point], made)))
        return tuple(calls)

    def curvature_calls(
        self, kernels: Kernels, pair: tuple[int, int], xs: Arrays, y: Array, u: Array, out: Operand, scratch: Array, /
    ) -> Calls:
        """Return the calls that write the blocks of u·∂²f."""
        operation, u = self.operation, u.reshape(self.count, -1)
        assert isinstance(operation, CurvedOperation)
        facts = next(one for one in self._own.curvatures or () if (one.first, one.second) == pair)
        keeps = facts.view or keeps_arrays(facts.structure, self.count, is_shared=False)
        held, rest = (Operand(facts.structure, ()), scratch) if keeps else _held(facts.structure, scratch)
        calls: list[Call] = []
        for point in range(self.count):
            if facts.view:
                shapes = array_shapes(facts.structure)
                views = zip(operation.curvature_views(pair, u[point]), shapes, strict=True)
                arrays = tuple(view.reshape(shape) for view, shape in views)
                calls += lift_point_calls(kernels, facts.structure, self.count, arrays, out, point)
                continue
            place = point_operand(facts.structure, self.count, out, point, is_shared=False)
            value = None if y is None else y[point, ...]
            xs_here = self._at(point, xs)
            calls += operation.curvature_calls(kernels, pair, xs_here, value, u[point], place or held, rest)
            if place is None:
                calls += lift_point_calls(kernels, facts.structure, self.count, held.arrays, out, point)
        return tuple(calls)

    def curvature_views(self, pair: tuple[int, int], _u: Array, /) -> Arrays:
        """Return nothing, which is never asked for: curvatures at many points are written."""
        raise AssertionError(f"{self.name} at many points has no view as its curvature for inputs {pair}")

    def bend_calls(
        self, kernels: Kernels, pair: tuple[int, int], xs: Arrays, y: Array, u: Array, v: Array, out: Array, /
    ) -> Calls:
        """Return the calls that write (u·∂²f) v, point by point."""
        assert isinstance(self.operation, CurvedOperation)
        u, v, out = (array.reshape(self.count, -1) for array in (u, v, out))
        bend = self.operation.bend_calls
        return _together(
            bend(
                kernels,
                pair,
                self._at(point, xs),
                None if y is None else y[point, ...],
                u[point],
                v[point],
                out[point],
            )
            for point in range(self.count)
        )

    @property
    def _own(self) -> OperationFacts:
        """The facts at one point."""
        return facts_of(self.operation, self.shapes)

    def _at(self, point: int, xs: Arrays) -> Arrays:
        """Return the inputs at one point; None stays None."""
        given = zip(xs, self.is_mapped, strict=True)
        return tuple(x[point, ...] if is_mapped and x is not None else x for x, is_mapped in given)

    def _is_shared(self, facts: LocalFacts) -> bool:
        """Whether the local Jacobian reads nothing that depends on the point."""
        return all(k != VALUE and not self.is_mapped[k] for k in facts.reads)

    def _local(self, facts: LocalFacts) -> LocalFacts:
        link, is_shared, count = facts.link, self._is_shared(facts), self.count
        once = 1 if is_shared else count
        costs = [accumulation_cost(link, mode) for mode in ("given", "tangent", "adjoint")]
        known = [cost for cost in costs if cost is not None]
        many = Link(
            count * link.inputs,
            count * link.outputs,
            structure=lifted(link.local, count, is_shared=is_shared),
            accumulate_cost=once * min(known[:1] if link.is_explicit else known),
            tangent_cost=None if link.tangent_cost is None else count * link.tangent_cost,
            adjoint_cost=None if link.adjoint_cost is None else count * link.adjoint_cost,
            tape=count * link.tape,
            linear=link.linear,
            name=link.name,
        )
        return LocalFacts(
            link=many, reads=facts.reads, scratch=facts.scratch + stored(link.local), is_uniform=facts.is_uniform
        )

    def _curvature(self, facts: CurvatureFacts) -> CurvatureFacts:
        structure = lifted(facts.structure, self.count, is_shared=False)
        room = 0 if keeps_arrays(facts.structure, self.count, is_shared=False) else stored(facts.structure)
        return CurvatureFacts(
            first=facts.first,
            second=facts.second,
            structure=structure,
            reads=facts.reads,
            applies=facts.applies,
            scratch=facts.scratch + room,
            is_uniform=facts.is_uniform,
        )

    def _point_calls(
        self, kernels: Kernels, k: int, facts: LocalFacts, xs: Arrays, y: Array, out: Operand, scratch: Array
    ) -> Calls:
        """Return the calls that write the local Jacobian at one point: by unit tangents or adjoints where not given."""
        operation, link = self.operation, facts.link
        if link.is_explicit:
            return operation.local_calls(kernels, k, xs, y, out, scratch)
        assert isinstance(operation, FreeOperation)
        (target,) = out.arrays
        tangents, adjoints = accumulation_cost(link, "tangent"), accumulation_cost(link, "adjoint")
        if adjoints is None or (tangents is not None and tangents <= adjoints):
            seed = kernels.xp.eye(link.inputs, dtype=target.dtype)
            return operation.tangent_calls(kernels, k, xs, seed, target)
        return operation.adjoint_calls(kernels, k, xs, kernels.xp.eye(link.outputs, dtype=target.dtype), target)


def _held(structure: Structure, scratch: Array) -> tuple[Operand, Array]:
    """Return a matrix in the workspace, and the workspace behind it."""
    arrays, first = list[Array](), 0
    for shape in array_shapes(structure):
        last = first + prod(shape)
        arrays.append(scratch[first:last].reshape(shape))
        first = last
    return Operand(structure, tuple(arrays)), scratch[first:]


def _together(parts: Iterable[Calls]) -> Calls:
    return tuple(call for calls in parts for call in calls)
