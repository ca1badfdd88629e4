"""JᵀJ of a composition (Gauss-Newton): exactly symmetric, computed in one half, without J where that is cheaper."""

from dataclasses import replace
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.expand import expand_calls
from jacchain.algebra.kernels import Array, Calls, Kernels, run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense
from jacchain.algebra.symmetric import congruence_calls, gram_calls, mirror_calls
from jacchain.errors import NonFiniteError
from jacchain.execution.bind import Binding
from jacchain.execution.count import CountingKernels
from jacchain.execution.lower import Wanted
from jacchain.execution.program import Program
from jacchain.execution.results import results
from jacchain.execution.run import Counted, Executable
from jacchain.model.layer import Layer, as_host_point
from jacchain.model.sequential import Sequential
from jacchain.planning.limits import as_limit
from jacchain.planning.several.gram import GramPlan, plan_gram, symmetric_numbers
from jacchain.prepared import composition, prepared
from jacchain.products.compiling import Remembered, executable


class _Workspace(NamedTuple):
    """Buffers of the factors, the calls that form them and make JᵀJ of them, and the array that JᵀJ is left in."""

    binding: Binding
    formed: Calls
    squared: Calls
    result: Array


class _Ready(NamedTuple):
    """A plan, what forms its factors, and workspaces that no call uses now."""

    plan: GramPlan
    run: Executable
    idle: list[_Workspace]


@final
class GaussNewton:
    """JᵀJ of a composition, as a function of the point. Made by `gauss_newton`.

    Planned and compiled once per shape and dtype of the point; after that a call does arithmetic only.
    """

    __slots__ = ("_ready", "check", "composition", "tape_limit")

    def __init__(self, f: Sequential, tape_limit: int | None, /, *, check: bool) -> None:
        self.composition = f
        self.tape_limit = tape_limit
        self.check = check
        self._ready: Remembered[_Ready] = Remembered()

    def __call__(self, x: ArrayLike, /, *, out: Array | None = None) -> Array:
        """Return JᵀJ at x, of x's shape twice; it equals its transpose exactly.

        Parameters
        ----------
        x : array of float32 or float64
        out : array, optional
            Receives the result and is returned.

        Raises
        ------
        DtypeError, SizeError, NonFiniteError
            As a Jacobian does.
        """
        point = as_host_point(x, "x", "Gram matrices are made")
        plan, execute, idle = self._ready.at(point, self._compiled)
        shape = point.shape + point.shape
        if out is not None:
            execute.accept(out, shape)
        try:
            workspace = idle.pop()
        except IndexError:
            workspace = _workspace(plan, execute, NUMPY)
        try:
            if self.check:
                execute(point, check=True)
            _run(workspace, execute, point)
            if self.check and not np.isfinite(workspace.result).all():
                raise NonFiniteError("NaN or infinity in JᵀJ", "scale the function: the squares of J overflow")
            result = np.empty(shape, point.dtype) if out is None else out
            result[...] = workspace.result.reshape(shape)
            return result
        finally:
            idle.append(workspace)

    def plan(self, x: ArrayLike, /) -> GramPlan:
        """Return the plan for points of x's shape and dtype."""
        return self._ready.at(as_host_point(x, "x", "Gram matrices are made"), self._compiled).plan

    def program(self, x: ArrayLike, /) -> Program:
        """Return the program that forms the factors, for points of x's shape and dtype."""
        return self._ready.at(as_host_point(x, "x", "Gram matrices are made"), self._compiled).run.program

    def count(self, x: ArrayLike, /) -> Counted:
        """Run once at x and return the multiplications and bytes that it really took."""
        point = as_host_point(x, "x", "Gram matrices are made")
        plan, execute, _ = self._ready.at(point, self._compiled)
        formed = execute.count(point)
        counting = CountingKernels(NUMPY)  # of the symmetric products
        workspace = _workspace(plan, execute, counting)
        _run(workspace, execute, point)
        held = formed.nbytes + symmetric_numbers(plan.chain, plan.nodes, plan.steps) * point.dtype.itemsize
        return Counted(formed.multiplications + counting.multiplications, held)

    def release(self) -> None:
        """Drop the plans, programs and buffers; the next call makes them anew."""
        self._ready.clear()

    def __repr__(self) -> str:
        return f"gauss_newton({self.composition!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # buffers and the calls that hold views of them are not copied but made anew
        return _restored, (self.composition, self.tape_limit, self.check)

    def _compiled(self, point: Array) -> _Ready:
        layers = prepared(self.composition.layers, point)
        itemsize = point.dtype.itemsize
        found = plan_gram(layers.chain, tape_limit=self.tape_limit, itemsize=itemsize)
        execute = executable(layers, found.chain, found.nodes, Wanted(found.roots, is_dense=False))
        beside = symmetric_numbers(found.chain, found.nodes, found.steps) * itemsize
        return _Ready(replace(found, peak=execute.program.peak + beside), execute, [])


def _workspace(plan: GramPlan, execute: Executable, kernels: Kernels) -> _Workspace:
    """Bind everything to arrays of its own."""
    binding = Binding(execute.program, execute.sources, execute.facts, execute.dtype, execute.backend)
    flat = np.empty(execute.shape, execute.dtype)
    formed = binding.head + tuple(call for group in binding.tail(flat) for call in group.calls)
    calls: Calls = ()
    g: Operand | None = None
    for factor in results(execute, flat):
        bound = gram_calls(kernels, factor) if g is None else congruence_calls(kernels, g, factor)
        calls, g = calls + bound.calls, bound.result
    assert g is not None
    size = plan.chain.sizes[0]
    if isinstance(g.structure, Dense):
        return _Workspace(binding, formed, calls + mirror_calls(kernels, g.arrays[0]), g.arrays[0])
    whole = np.empty((size, size), execute.dtype)
    calls += expand_calls(kernels, g.structure, g.arrays, whole)
    return _Workspace(binding, formed, calls + mirror_calls(kernels, whole), whole)


def _run(workspace: _Workspace, execute: Executable, point: Array) -> None:
    """Leave JᵀJ at a point in the workspace."""
    execute.backend.kernels.copyto(workspace.binding.point, point)
    run(execute.prologue)
    run(workspace.formed)
    run(workspace.squared)


def _restored(f: Sequential, tape_limit: int | None, check: bool) -> GaussNewton:
    return GaussNewton(f, tape_limit, check=check)


def gauss_newton(f: "Sequential | Layer", /, *, tape_limit: int | None = None, check: bool = False) -> GaussNewton:
    """Return JᵀJ of f as a function of the point.

    The matrix of the Gauss-Newton method for least squares ½‖f‖². One half is computed and mirrored: a Gram matrix by
    BLAS's symmetric rank-k update, a congruence PᵀGP in panels from the diagonal on.

    Parameters
    ----------
    f : Sequential or Layer
    tape_limit : int, optional
        No adjoint of a layer whose tape is larger.
    check : bool
        Look for NaN and infinity in the value of every layer and after every step.

    Returns
    -------
    GaussNewton
        A callable with ``.plan(x)`` and ``.count(x)``.

    Examples
    --------
    >>> from jacchain.layers import Linear, Square
    >>> f = Sequential([Linear([[1.0, 2.0], [0.0, 1.0]]), Square()])
    >>> print(gauss_newton(f)([1.0, 1.0]))
    [[ 36.  72.]
     [ 72. 148.]]
    """
    limit = None if tape_limit is None else as_limit(tape_limit, "tape_limit")
    return GaussNewton(composition(f), limit, check=check)
