"""The front door of second order: Hessians, and their products with vectors."""

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Final, NamedTuple, final
from weakref import WeakKeyDictionary, ref

from jacchain.errors import OptionError, unknown_name
from jacchain.execution.backend import as_device
from jacchain.functions.options import FunctionOptions, as_argnums
from jacchain.functions.second.hessian import Hessian
from jacchain.functions.surroundings import Surroundings, surroundings
from jacchain.model.layer import Layer
from jacchain.model.sequential import Sequential
from jacchain.planning.elimination.planner import as_seconds, as_seed
from jacchain.planning.second.planners import SECOND_PLANNERS

Function = Callable[..., Any]


def hessian(
    f: Sequential | Layer | Function,
    /,
    *,
    argnums: int | Sequence[int] = 0,
    planner: str = "optimal",
    seconds: float | None = None,
    seed: int = 0,
    check: bool = False,
    structured: bool = False,
    device: str = "auto",
) -> Hessian:
    """Return the Hessian of f as a function of its arguments, in the cheapest order that is found.

    The Hessian is Σ_v (∂v)ᵀ (r_v·∂²v) (∂v) over everything that f computes on its way, with r_v the derivative of the
    result with respect to it. In which order these products are formed, the planner decides; what is symmetric is
    computed once.

    Parameters
    ----------
    f : callable, Sequential or Layer
        Of NumPy functions, or of layers that state their curvature.
    argnums : int or sequence of int
        The arguments to differentiate with respect to; for several the result nests like a tuple of them, twice.
    planner : str
        One of "optimal", "forward_over_reverse", "reverse_over_reverse", "reverse_over_forward", "edge_pushing" and
        the others of ``SECOND_PLANNERS``.
    seconds : float, optional
        What a search for the order may take.
    seed : int
        Of that search.
    check : bool
        Look for NaN and infinity after every step and name the node.
    structured : bool
        Return sparse matrices (`jacchain.algebra.matrix.Matrix`), with a pattern that does not depend on the point.
    device : str
        Where the arithmetic is done; see `jacchain.jacobian`.

    Returns
    -------
    Hessian
        ``hess(x, weights=None)``; see `Hessian`. ``hess.plan(x)`` tells what is multiplied, and why.

    Raises
    ------
    OptionError
        f cannot be called, or an unknown planner.

    Examples
    --------
    >>> import numpy as np
    >>> hess = hessian(lambda x: x[0] ** 2 * x[1] + x[1] ** 3)
    >>> print(hess(np.array([1.0, 0.0])))
    [[0. 2.]
     [2. 0.]]
    >>> hessian(lambda x: x * x)(np.array([1.0, 2.0]), weights=np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    if not callable(f):
        raise OptionError(f"cannot differentiate {f!r}", "give a function, a layer or a Sequential")
    if planner not in tuple(SECOND_PLANNERS):
        unknown_name("planner", planner, SECOND_PLANNERS)
    options = FunctionOptions(
        argnums=as_argnums(argnums),
        planner=planner,
        seconds=FunctionOptions().seconds if seconds is None else as_seconds(seconds),
        seed=as_seed(seed),
        check=check,
        structured=structured,
        device=as_device(device),
    )
    return Hessian(f, options)


def hvp(f: Sequential | Layer | Function, x: Any, v: Any, /, weights: Any = None, *, device: str = "auto") -> Any:
    """Return the product of f's Hessian at x with v, at the price of a few evaluations of f, without the Hessian.

    Parameters
    ----------
    f : callable, Sequential or Layer
        A composition of layers, or a function that reads nothing but its arguments, functions and numbers, is recorded
        once; one that closes over something, or reads arrays of its module, with every call. For many calls keep
        ``hess = jacchain.hessian(f)`` and call ``hess.times(x, v)``.
    x : array, or nested
        The argument; a tuple stands for several arguments, of which all are differentiated.
    v : array, or nested
        Like x.
    weights : array, or nested, optional
        Like f(x), where that is not one number: the Hessian is that of the weighted sum.
    device : str
        Where the arithmetic is done; see `jacchain.jacobian`.

    Returns
    -------
    array, or nested like x

    Raises
    ------
    SizeError
        v is not shaped like x; f does not give one number and there are no weights.
    OptionError
        An operation states no curvature.

    Notes
    -----
    Forward over reverse with one tangent (Pearlmutter, *Fast exact multiplication by the Hessian*, 1994).

    Examples
    --------
    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    count = len(x) if isinstance(x, tuple) else 1
    argnums = tuple(range(count)) if isinstance(x, tuple) else 0
    return _kept(f, FunctionOptions(argnums=argnums, device=as_device(device))).times(x, v, weights)


@final
class _Held:
    """A function, held weakly, so that what was made for it goes with it."""

    def __init__(self, function: Function, /) -> None:
        self.function = ref(function)
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, *arguments: Any) -> Any:
        function = self.function()
        assert function is not None, "who calls holds the function"
        return function(*arguments)


class _Made(NamedTuple):
    """What was made for a function, and what it read then besides its arguments."""

    surroundings: Surroundings
    hessians: dict[FunctionOptions, Hessian]


_KEPT: Final[WeakKeyDictionary[Function, _Made]] = WeakKeyDictionary()


def _kept(f: Function, options: FunctionOptions) -> Hessian:
    """Return the Hessian of a function, made before if it closes over nothing that may change meanwhile."""
    if not callable(f):
        raise OptionError(f"cannot differentiate {f!r}", "give a function, a layer or a Sequential")
    known = _KEPT.get(f) if isinstance(f, Sequential | FunctionType) else None
    if known is None or not known.surroundings.holds():
        around = Surroundings(()) if isinstance(f, Sequential) else surroundings(f)
        if around is None:
            return Hessian(f, options)
        known = _KEPT[f] = _Made(around, {})
    if options not in known.hessians:
        known.hessians[options] = Hessian(_Held(f), options)
    return known.hessians[options]
