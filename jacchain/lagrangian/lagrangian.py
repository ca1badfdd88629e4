"""The Lagrangian of a constrained problem, as solvers ask for it."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array
from jacchain.errors import InfeasibleError, OptionError
from jacchain.lagrangian.checked import Checked
from jacchain.lagrangian.choice import chosen_engine
from jacchain.lagrangian.csr_form import CsrForm
from jacchain.lagrangian.engine import Engine, Result
from jacchain.lagrangian.many_points import ManyPoints
from jacchain.lagrangian.recorded import Function, as_functions, recorded
from jacchain.lagrangian.sparsity import SparsityPattern
from jacchain.lagrangian.symmetric_form import SymmetricForm
from jacchain.lagrangian.vectors import (
    as_factor,
    as_many_multipliers,
    as_multipliers,
    as_points,
    as_start,
    as_vector,
    copied,
)
from jacchain.model.expression import Expression


@final
class Lagrangian:
    """L(x, λ, σ) = σ f(x) − λ·g(x), with sparse first and second derivatives of fixed structure.

    Every function is called once, here, on a value that records what it does; see `jacchain.trace`. The structure
    follows from what was recorded, never from numbers, and all symbolic work is done once. At each x every operation of
    f and g is then done at most once, whatever is asked for and in whatever order. What is returned is the caller's
    own. Threads may share a Lagrangian; they take turns.

    Parameters
    ----------
    objective : callable, or None
        f: a function of one flat array, made of NumPy's functions and of layers, or a layer, that gives one number.
        None for 0.
    constraints : callable, sequence of these, or None
        g: functions or layers that give numbers or arrays of any shape, one after the other the m constraints.
    x0 : array of shape (n,)
        Any point: only its length and dtype, float64 or float32, count.
    planner : str, optional
        Of second order: see `jacchain.hessian`.
    engine : {"auto", "rows", "numbers", "matrices"}
        How the arithmetic is done: over rows of numbers, or in Python's own floats where they are few, both for
        functions that combine numbers one by one; or by products of structured matrices. The one that should take the
        least time, unless given.
    check : bool
        At every new point, call the functions with numbers and compare, and look for NaN and infinity.

    Attributes
    ----------
    variables, number_of_constraints : int
        n and m.
    structure : SparsityPattern
        Of the lower triangle of ∇²L: n × n. Made when it or a Hessian is first asked for, where L is computed by
        products of matrices.
    jacobian_structure : SparsityPattern
        Of ∇g: m × n.
    expression : Expression
        What was recorded.

    Raises
    ------
    SizeError
        An objective of more than one number, x0 with other than one axis; calls with x or multipliers of other lengths.
    DtypeError
        x0 of integers.
    TraceError
        A function that cannot be recorded, such as one whose shapes depend on numbers.
    OptionError
        An objective_factor that is not one finite number; an unknown planner or engine.
    InfeasibleError
        A Hessian with more nonzeros than memory can hold, when it is first asked for; `hessian_operator` does without.
    NonFiniteError
        With ``check=True``: NaN or infinity, with the name of the node.
    CheckError
        With ``check=True``: a function gives other numbers, or another number of them, than when it was recorded.

    Notes
    -----
    With g(x) = 0 or bounds on g, a stationary point has ∇f = Σ λ_i ∇g_i. Ipopt adds λ·g instead: there, give −λ.

    Where a function overflows or is not defined, results hold NaN or infinity, and NumPy's warnings are not given,
    whatever the engine and `numpy.errstate`: solvers try such points and step back. Use ``check=True`` to find out.

    Examples
    --------
    Problem 71 of Hock and Schittkowski:

    >>> import numpy as np
    >>> def objective(x):
    ...     return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]
    >>> def constraints(x):
    ...     return np.stack([np.prod(x), np.sum(x**2)])
    >>> lagrangian = Lagrangian(objective, constraints, np.array([1.0, 5.0, 5.0, 1.0]))
    >>> print(lagrangian.structure)
    4 x 4 with 10 nonzeros
    >>> x = np.array([1.0, 5.0, 5.0, 1.0])
    >>> lagrangian.objective(x), lagrangian.constraints(x)
    (16.0, array([25., 52.]))
    >>> print(lagrangian.hessian(x, [1.0, 0.5]).toarray())
    [[  1.  -4.  -4. -13.]
     [ -4.  -1.  -1.  -4.]
     [ -4.  -1.  -1.  -4.]
     [-13.  -4.  -4.  -1.]]
    """

    __slots__ = (
        "_checked",
        "_engine",
        "_lock",
        "_made_of",
        "_many",
        "_point",
        "_sparse_hessian",
        "_sparse_jacobian",
        "_weights",
        "dtype",
        "expression",
        "has_objective",
        "jacobian_structure",
        "number_of_constraints",
        "variables",
    )

    def __init__(
        self,
        objective: Function | None,
        constraints: Function | Sequence[Function] | None,
        x0: ArrayLike,
        /,
        *,
        planner: str | None = None,
        engine: str = "auto",
        check: bool = False,
    ) -> None:
        if objective is not None and not callable(objective):
            raise OptionError(f"the objective {objective!r} is no function", "give a function, a layer, or None for 0")
        start, functions = as_start(x0), as_functions(constraints)
        if objective is None and not functions:
            raise OptionError("there is neither an objective nor a constraint", "give one of them")
        found = recorded(objective, functions, start)
        self._made_of = objective, constraints, np.zeros(start.shape, start.dtype), planner, engine, check
        self._engine: Engine = chosen_engine(found, engine=engine, planner=planner)
        self._many = ManyPoints(found, self._engine, planner)
        self._checked = Checked(objective, functions, found) if check else None
        self.expression: Expression = found.expression
        self.variables, self.number_of_constraints = found.variables, found.constraints
        self.has_objective, self.dtype = found.has_objective, found.expression.dtype
        self.jacobian_structure: SparsityPattern = self._engine.jacobian_pattern
        self._sparse_hessian: SymmetricForm | None = None
        self._sparse_jacobian = CsrForm(self.jacobian_structure, self.dtype)
        self._lock = Lock()
        self._point: bytes | None = None
        self._weights: tuple[bytes, float] | None = None

    @property
    def structure(self) -> SparsityPattern:
        """Where the lower triangle of ∇²L may differ from zero."""
        with self._lock:
            return self._engine.hessian_pattern

    def value(self, x: ArrayLike, /, multipliers: ArrayLike = (), objective_factor: float = 1.0) -> float:
        """Return L(x, λ, σ) = σ f(x) − λ·g(x)."""
        factor = as_factor(objective_factor)
        weights = as_multipliers(multipliers, self.number_of_constraints, self.dtype)
        total = factor * self.objective(x)
        with np.errstate(all="ignore"):
            return total - float(weights @ self.constraints(x)) if weights.size else total

    def objective(self, x: ArrayLike, /) -> float:
        """Return f(x), or 0 where there is no objective."""
        return float(self._result("objective", x)[0]) if self.has_objective else 0.0

    def constraints(self, x: ArrayLike, /) -> Array:
        """Return g(x): one axis of m numbers."""
        if not self.number_of_constraints:
            return np.zeros(0, self.dtype)
        return self._result("constraints", x)

    def gradient(self, x: ArrayLike, /, multipliers: ArrayLike | None = None, objective_factor: float = 1.0) -> Array:
        """Return ∇L(x, λ, σ), or without multipliers σ ∇f(x): n numbers."""
        factor = as_factor(objective_factor)
        if multipliers is not None:
            return self._result("lagrangian_gradient", x, multipliers, factor)
        if not self.has_objective:
            return np.zeros(self.variables, self.dtype)
        found = self._result("gradient", x)
        if factor == 1.0:
            return found
        with np.errstate(all="ignore"):
            return factor * found

    def jacobian(self, x: ArrayLike, /) -> Any:
        """Return ∇g(x) as a `scipy.sparse.csr_array` of m × n, with the places of `jacobian_structure`.

        All share their indices, which are read-only: copy before changing one in place.
        """
        return self._sparse_jacobian.of(self.jacobian_values(x))

    def jacobian_values(self, x: ArrayLike, /, *, out: Array | None = None) -> Array:
        """Return the values of ∇g(x) at the places of `jacobian_structure`, written into `out` if that is given."""
        if not self.number_of_constraints:
            return copied(np.zeros(0, self.dtype), out)
        return self._result("jacobian", x, out=out)

    def hessian(self, x: ArrayLike, /, multipliers: ArrayLike = (), objective_factor: float = 1.0) -> Any:
        """Return ∇²L(x, λ, σ) as a `scipy.sparse.csr_array` of n × n: both triangles, symmetric to the last bit.

        All share their indices, which are read-only: copy before changing one in place.
        """
        return self._result("hessian", x, _none_as_empty(multipliers), as_factor(objective_factor), form=self._whole)

    def hessian_values(
        self,
        x: ArrayLike,
        /,
        multipliers: ArrayLike = (),
        objective_factor: float = 1.0,
        *,
        out: Array | None = None,
    ) -> Array:
        """Return the values of ∇²L(x, λ, σ) at the places of `structure`, written into `out` if that is given."""
        return self._result("hessian", x, _none_as_empty(multipliers), as_factor(objective_factor), out=out)

    def hessian_operator(self, x: ArrayLike, /, multipliers: ArrayLike = (), objective_factor: float = 1.0) -> Any:
        """Return ∇²L(x, λ, σ) as a `scipy.sparse.linalg.LinearOperator`, for solvers that only multiply by it.

        By rows and by numbers it holds the sparse Hessian. By matrices it holds a copy of x, λ and σ, forms no Hessian,
        and evaluates f and g anew for each product.
        """
        from scipy.sparse.linalg import LinearOperator, aslinearoperator

        point = as_vector(x, self.variables, self.dtype)
        weights = as_multipliers(_none_as_empty(multipliers), self.number_of_constraints, self.dtype)
        factor = as_factor(objective_factor)
        with self._lock:
            if self._checked is not None:
                self._checked.values(point, weights, factor)
            times = self._engine.times(point, weights, factor)
        if times is None:
            return aslinearoperator(self.hessian(point, weights, factor))

        def matvec(direction: Array) -> Array:
            with np.errstate(all="ignore"):
                return times(np.ascontiguousarray(direction, self.dtype).reshape(-1))

        # SciPy's stubs take all but shape for callables of any kind
        operator: Any = LinearOperator
        return operator((self.variables,) * 2, matvec=matvec, rmatvec=matvec, dtype=self.dtype)

    def gradients(
        self, points: ArrayLike, /, multipliers: ArrayLike | None = None, objective_factor: float = 1.0
    ) -> Array:
        """Return ∇L, or without multipliers σ ∇f, at points of shape (N, n): an array of that shape.

        Multipliers are (m,), for all points, or (N, m), here and for `hessians`. Points are done many at once, but with
        ``check=True`` and for large sparse matrices by products of matrices one after the other.
        """
        if multipliers is not None:
            return self._results("lagrangian_gradient", points, multipliers, objective_factor)
        if not self.has_objective:
            return np.zeros(as_points(points, self.variables, self.dtype).shape, self.dtype)
        found = self._results("gradient", points)
        with np.errstate(all="ignore"):
            return found if (factor := as_factor(objective_factor)) == 1.0 else factor * found

    def jacobians(self, points: ArrayLike, /) -> Array:
        """Return the values of ∇g at points of shape (N, n): (N, nonzeros), at the places of `jacobian_structure`."""
        if not self.number_of_constraints:
            return np.zeros((len(as_points(points, self.variables, self.dtype)), 0), self.dtype)
        return self._results("jacobian", points)

    def hessians(self, points: ArrayLike, /, multipliers: ArrayLike = (), objective_factor: float = 1.0) -> Array:
        """Return the values of ∇²L at points of shape (N, n), of (N, nonzeros), at the places of `structure`.

        Examples
        --------
        >>> lagrangian = Lagrangian(lambda x: x[0] * x[1] ** 2, lambda x: x[0] ** 3, np.ones(2))
        >>> lagrangian.hessians([[1.0, 2.0], [3.0, 4.0]], [1.0])
        array([[ -6.,   4.,   2.],
               [-18.,   8.,   6.]])
        """
        return self._results("hessian", points, _none_as_empty(multipliers), objective_factor)

    def explain(self) -> str:
        """Return all that is done, step by step."""
        with self._lock:
            try:
                listing = str(self._engine)
            except InfeasibleError as error:
                listing = str(error)
        return f"{self}\n\n{listing}"

    def __str__(self) -> str:
        """Return the sizes, and how the arithmetic is done and why."""
        try:
            hessian = f"{self.structure} in its lower triangle"
        except InfeasibleError as error:
            hessian = error.what
        return "\n".join(
            [
                f"Lagrangian of {self.variables:,} variables and {self.number_of_constraints:,} constraints",
                f"  Jacobian  {self.jacobian_structure}",
                f"  Hessian   {hessian}",
                f"  engine    {self._engine.name}: {self._engine.reason}",
            ]
        )

    def __repr__(self) -> str:
        return f"Lagrangian({self.variables} variables, {self.number_of_constraints} constraints)"

    def __reduce__(self) -> tuple[object, ...]:
        # buffers and the calls that hold views of them are not copied but made anew
        return _restored, self._made_of

    def _result(
        self,
        name: Result,
        x: ArrayLike,
        multipliers: ArrayLike | None = None,
        factor: float = 1.0,
        *,
        out: Array | None = None,
        form: Callable[[Array], Any] | None = None,
    ) -> Any:
        """Return a copy of a result, or what is made of it; multipliers are for what depends on them."""
        point = as_vector(x, self.variables, self.dtype)
        weights = None
        if multipliers is not None:
            weights = as_multipliers(multipliers, self.number_of_constraints, self.dtype)
        with self._lock:
            try:
                self._move(point, weights, factor)
                found = self._engine.result(name)
                if self._checked is not None:
                    self._checked.result(name, found, point, self._or_zeros(weights), factor)
            except BaseException:
                self._point = self._weights = None  # what was done so far may be half of something
                raise
            return copied(found, out) if form is None else form(found)

    def _results(
        self, name: Result, points: ArrayLike, multipliers: ArrayLike | None = None, factor: float = 1.0
    ) -> Array:
        """Return a result at many points."""
        many, sigma = as_points(points, self.variables, self.dtype), as_factor(factor)
        given = np.zeros(self.number_of_constraints, self.dtype) if multipliers is None else multipliers
        weights = as_many_multipliers(given, len(many), self.number_of_constraints, self.dtype)
        with self._lock:
            found = None if self._checked is not None else self._many.result(name, many, weights, sigma)
        if found is None:
            found = np.empty((len(many), self._many.length(name)), self.dtype)
            for x, w, row in zip(many, weights, found, strict=True):
                self._result(name, x, None if multipliers is None else w, sigma, out=row)
        return found

    def _whole(self, values: Array) -> Any:
        """Return the sparse Hessian, given the values of its lower triangle."""
        if self._sparse_hessian is None:
            self._sparse_hessian = SymmetricForm(self._engine.hessian_pattern, self.dtype)
        return self._sparse_hessian.of(values)

    def _move(self, point: Array, weights: Array | None, factor: float) -> None:
        """Tell the engine of a new point and of new multipliers."""
        contents = point.tobytes()
        if contents != self._point:
            if self._checked is not None:
                self._checked.values(point, self._or_zeros(weights), factor)
            self._engine.move(point)
            self._point = contents
        if weights is not None:
            given = weights.tobytes(), factor
            if given != self._weights:
                self._engine.weigh(weights, factor)
                self._weights = given

    def _or_zeros(self, weights: Array | None) -> Array:
        return np.zeros(self.number_of_constraints, self.dtype) if weights is None else weights


def _none_as_empty(multipliers: ArrayLike | None) -> ArrayLike:
    return () if multipliers is None else multipliers


def _restored(
    objective: Function | None, constraints: Any, x0: Array, planner: str | None, engine: str, check: bool
) -> Lagrangian:
    return Lagrangian(objective, constraints, x0, planner=planner, engine=engine, check=check)
