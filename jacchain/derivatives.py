"""The front door: Jacobians and gradients, of plain functions and of compositions of layers."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

from jacchain.compiled import Options
from jacchain.compositions import Jacobian, options_of
from jacchain.errors import OptionError
from jacchain.functions.derivative import FunctionDerivative
from jacchain.functions.options import function_options
from jacchain.model.layer import Layer
from jacchain.model.sequential import Sequential
from jacchain.planning.cost import Cost, ProfileLike
from jacchain.planning.plan import Plan
from jacchain.products.factored import Factorization
from jacchain.products.factored import factored as as_factors

Function = Callable[..., Any]


@overload
def jacobian(  # type: ignore[overload-overlap]  # layers can be called too; the first that fits is meant
    f: Sequential | Layer,
    /,
    *,
    planner: str | None = None,
    check: bool = False,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    plan: Plan | None = None,
    factored: Literal[False] = False,
) -> Jacobian: ...


@overload
def jacobian(
    f: Sequential | Layer,
    /,
    *,
    check: bool = False,
    tape_limit: int | None = None,
    factored: Literal[True],
    products: int = 1,
    adjoint_products: int = 0,
) -> Factorization: ...


@overload
def jacobian(
    f: Function,
    /,
    *,
    argnums: int | Sequence[int] = 0,
    planner: str | None = None,
    seconds: float | None = None,
    seed: int = 0,
    check: bool = False,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    structured: bool = False,
) -> FunctionDerivative: ...


def jacobian(
    f: Sequential | Layer | Function,
    /,
    *,
    argnums: int | Sequence[int] = 0,
    planner: str | None = None,
    seconds: float | None = None,
    seed: int = 0,
    check: bool = False,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    plan: Plan | None = None,
    structured: bool = False,
    factored: bool = False,
    products: int = 1,
    adjoint_products: int = 0,
) -> Jacobian | FunctionDerivative | Factorization:
    """Return the Jacobian of f as a function of the point, or of f's arguments.

    A plain function is called once for every nesting, shapes and dtypes of its arguments, on values that record what
    it does; see `jacchain.trace`. Its Jacobian has, for every array of the result, nested like the arguments that are
    differentiated, an array of the result's shape followed by the argument's.

    Parameters
    ----------
    f : Sequential or Layer, or callable
        A composition of layers, or a plain function made of NumPy's functions.
    argnums : int or sequence of int
        Which arguments of a plain function to differentiate by, counted from 0; several in a tuple.
    planner : str, optional
        For compositions one of optimal (the default), forward, reverse, meet, inward, waist, preaccumulate,
        exhaustive; for plain functions one of auto (the default), optimal, search, forward, reverse, markowitz.
    seconds, seed : float, int
        What a search for the order of a plain function may take (0.2 unless given), and where it starts.
    check : bool
        Look for NaN and infinity in the value of every layer and after every step, and hold the tangents and adjoints
        of every layer that has both against each other.
    tape_limit : int, optional
        No adjoint of a layer whose tape is larger.
    memory : int or str, optional
        Bytes that a call may hold, such as ``"512MiB"``, the layers' own parameters and what their functions make
        inside not counted. Where no order of a composition fits, the Jacobian is made in slices and written into
        ``out=``; for a plain function the cheapest order that fits is taken.
    device : str
        Where the arithmetic is done: "cpu", "cuda" or "cuda:1"; with "auto" (the default) where the point lies, if that
        is a CuPy array. The result lies where the point does: a NumPy array and its result are copied once each.
        Parameters of layers are taken as they lie on the device, or copied there at every call.
    cost : {"multiplications", "seconds"}
        What the plan is to be the cheapest in: with "seconds", the order of fewest multiplications gives way to one
        that is predicted to take at least 3 % less time.
    profile : Profile, path or mapping, optional
        What predicts seconds, and knows the best ways of products, in which they are then made; with cost="seconds"
        that of this machine unless stated, which ``jacchain calibrate`` measures.
    workers : int, optional
        Threads that share the steps of the plan of least makespan, each with one thread of BLAS; states are computed
        first, by the caller's. Handing steps over costs about a tenth of a millisecond a call, so that this pays for
        plans of many millions of multiplications. Functions of the user's own may run in any of the threads.
    chunk_size : int, optional
        Make the Jacobian in slices of so many columns or rows.
    plan : Plan, optional
        Run this plan, made for links like those of f; the other options are those it was made with.
    structured : bool
        Give each Jacobian of a plain function as a `Matrix` of its structure rather than as an array.
    factored : bool
        Keep the Jacobian as factors: the same as `jacchain.factored`, with the `products` and `adjoint_products` that
        are going to be made at each point; of the other options, `tape_limit` and `check` are taken.
    products, adjoint_products : int

    Returns
    -------
    Jacobian, FunctionDerivative or Factorization
        A callable with ``.plan(x)``, ``.program(x)`` and ``.count(x)``, and ``.batched(X)`` for many points at once.

    Raises
    ------
    OptionError
        Unknown planners, and options of compositions for a plain function or the other way round.

    Examples
    --------
    >>> import numpy as np
    >>> jacobian(lambda x: np.stack([x[0] * x[1], np.sin(x[1])]))(np.array([2.0, 0.0]))
    array([[0., 2.],
           [0., 1.]])
    >>> from jacchain.layers import Linear, Tanh
    >>> f = Sequential([Linear([[1.0, 2.0], [0.0, 1.0]]), Tanh()])
    >>> jacobian(f)([0.0, 0.0])
    array([[1., 2.],
           [0., 1.]])
    >>> print(jacobian(f).plan([0.0, 0.0]).bracketing)
    (J2 J1)
    """
    if not isinstance(f, Sequential | Layer):
        if (workers, chunk_size, plan, factored, products, adjoint_products) != (None, None, None, False, 1, 0):
            _refuse("workers, chunk_size, plan and factored are for compositions of layers", f)
        options = function_options(
            argnums=argnums,
            planner=planner,
            seconds=seconds,
            seed=seed,
            tape_limit=tape_limit,
            memory=memory,
            device=device,
            cost=cost,
            profile=profile,
            check=check,
            structured=structured,
        )
        return FunctionDerivative(as_function(f), options, "jacobian", with_value=False)
    _expect_layers_options(argnums, seconds, seed, structured=structured)
    chosen = options_of(planner or "optimal", tape_limit, memory, workers, chunk_size, plan, device, cost, profile)
    if not factored:
        if (products, adjoint_products) != (1, 0):
            raise OptionError("products are for a Jacobian as factors", "give factored=True too")
        return Jacobian(f, chosen, check=check, is_gradient=False)
    if chosen != Options(tape_limit=chosen.tape_limit):
        raise OptionError("factored=True and options of a Jacobian that is formed", "give tape_limit and check only")
    return as_factors(f, products=products, adjoint_products=adjoint_products, tape_limit=tape_limit, check=check)


def as_function(f: object, /) -> Function:
    """Return a callable, or raise the error of what is none."""
    if not callable(f):
        raise OptionError(f"{f!r} is no function", "give a callable, a Sequential or a layer")
    return f


def _refuse(what: str, f: object) -> None:
    raise OptionError(f"{what}; {getattr(f, '__name__', type(f).__name__)} is a plain function", "leave them out")


def _expect_layers_options(argnums: object, seconds: object, seed: object, *, structured: bool) -> None:
    """Refuse the options of plain functions."""
    if (argnums, seconds, seed, structured) != (0, None, 0, False):
        cure = "leave them out, or give a plain function"
        raise OptionError("argnums, seconds, seed and structured are for plain functions", cure)


@overload
def gradient(  # type: ignore[overload-overlap]  # as above
    f: Sequential | Layer,
    /,
    *,
    planner: str | None = None,
    check: bool = False,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    plan: Plan | None = None,
) -> Jacobian: ...


@overload
def gradient(
    f: Function,
    /,
    *,
    argnums: int | Sequence[int] = 0,
    planner: str | None = None,
    seconds: float | None = None,
    seed: int = 0,
    check: bool = False,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
) -> FunctionDerivative: ...


def gradient(
    f: Sequential | Layer | Function,
    /,
    *,
    argnums: int | Sequence[int] = 0,
    planner: str | None = None,
    seconds: float | None = None,
    seed: int = 0,
    check: bool = False,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    plan: Plan | None = None,
) -> Jacobian | FunctionDerivative:
    """Return the gradient of a scalar f: of the point's shape, or nested like f's arguments. Options: `jacobian`.

    Raises
    ------
    SizeError
        When called: f does not give one number.

    Examples
    --------
    >>> import numpy as np
    >>> gradient(lambda p: np.sum(p["w"] ** 2) + p["b"])({"w": np.array([1.0, 2.0]), "b": 3.0})
    {'w': array([2., 4.]), 'b': array(1.)}
    >>> from jacchain.layers import Square, Sum
    >>> gradient(Sequential([Square(), Sum()]))([[1.0, 2.0], [3.0, 4.0]])
    array([[2., 4.],
           [6., 8.]])
    """
    if not isinstance(f, Sequential | Layer):
        if (workers, chunk_size, plan) != (None, None, None):
            _refuse("workers, chunk_size and plan are for compositions of layers", f)
        options = function_options(
            argnums=argnums,
            planner=planner,
            seconds=seconds,
            seed=seed,
            tape_limit=tape_limit,
            memory=memory,
            device=device,
            cost=cost,
            profile=profile,
            check=check,
        )
        return FunctionDerivative(as_function(f), options, "gradient", with_value=False)
    _expect_layers_options(argnums, seconds, seed, structured=False)
    chosen = options_of(planner or "optimal", tape_limit, memory, workers, chunk_size, plan, device, cost, profile)
    return Jacobian(f, chosen, check=check, is_gradient=True)


def value_and_jacobian(
    f: Function,
    /,
    *,
    argnums: int | Sequence[int] = 0,
    planner: str | None = None,
    seconds: float | None = None,
    seed: int = 0,
    check: bool = False,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    structured: bool = False,
) -> FunctionDerivative:
    """Return the value of a plain function and its Jacobian, which share what both need. Options: `jacobian`.

    The Jacobian of a function of one number has the shapes of its arguments, as a gradient has.

    Examples
    --------
    >>> import numpy as np
    >>> value_and_jacobian(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """
    options = function_options(
        argnums=argnums,
        planner=planner,
        seconds=seconds,
        seed=seed,
        tape_limit=tape_limit,
        memory=memory,
        device=device,
        cost=cost,
        profile=profile,
        check=check,
        structured=structured,
    )
    return FunctionDerivative(as_function(f), options, "jacobian", with_value=True)
