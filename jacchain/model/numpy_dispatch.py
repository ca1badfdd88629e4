"""From a call of NumPy's protocols to the row of the table of supported functions."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from inspect import Parameter, Signature, signature
from typing import Any, Final, NoReturn

import numpy as np

from jacchain.errors import TraceError
from jacchain.model.supported import Supported

UFUNC_REDUCTIONS: Final[Mapping[np.ufunc, Callable[..., Any]]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logaddexp: lambda a, axis=0, **options: _logsumexp(a, axis=axis, **options),
    np.logical_and: np.all,
    np.logical_or: np.any,
}
"""What ``ufunc.reduce`` is."""

ACCUMULATIONS: Final[Mapping[np.ufunc, Callable[..., Any]]] = {np.add: np.cumsum, np.multiply: np.cumprod}
"""What ``ufunc.accumulate`` is."""

MEANINGLESS: Final = frozenset({"order", "casting", "subok", "like", "device", "copy", "optimize", "dtype", "out"})
"""Options that change nothing here; a dtype other than the values' own and an `out` are refused before."""

NEUTRAL: Final = {"where": True, "keepdims": False}
"""Options with a value that changes nothing."""

OF_SEQUENCES: Final = frozenset(
    {*("concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "block", "select", "multi_dot")}
)
"""Functions of a list of arrays; to others, a list is an array."""

IN_PLACE: Final = frozenset({"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis"})
"""Functions that write into an array."""


@cache
def table() -> Mapping[Callable[..., Any], Supported]:
    """Return the table of supported functions; it is written in terms of this module."""
    from jacchain.model.numpy_functions import FUNCTIONS

    return FUNCTIONS


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: Mapping[str, Any], /) -> Any:
    """Return the value of a ufunc, or of one of its methods, on operands of which one at least is overloaded."""
    given = dict(options)
    if any(out is not None for out in _tuple(given.pop("out", None))):
        _refuse_in_place(f"numpy.{ufunc.__name__} is told to write a traced value into an array (out=, or += on it)")
    if method == "__call__":
        refuse_options(ufunc, given, dtype_of(inputs))
        return _row(ufunc).build(*map(_stacked, inputs))
    if method == "reduce" and ufunc in UFUNC_REDUCTIONS:
        a, *rest = inputs
        return UFUNC_REDUCTIONS[ufunc](a, *(rest or [given.pop("axis", 0)]), **given)
    if method == "accumulate" and ufunc in ACCUMULATIONS:
        a, *rest = inputs
        return ACCUMULATIONS[ufunc](a, *(rest or [given.pop("axis", 0)]), **given)
    if method == "outer" and not given:
        a, b = inputs
        return ufunc(np.reshape(a, (*np.shape(a), *(1,) * np.ndim(b))), b)
    if method == "at":
        _refuse_in_place(f"numpy.{ufunc.__name__}.at writes in place")
    return _refuse(f"{_qualified(ufunc)}.{method}")


def call_function(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any], /) -> Any:
    """Return the value of a NumPy function some of whose arguments are overloaded."""
    if getattr(function, "__name__", "") in IN_PLACE:
        _refuse_in_place(f"{_qualified(function)} writes in place")
    build = _row(function).build
    bound = _signature(function, build).bind(*args, **options)
    parameters = bound.signature.parameters
    is_variadic = any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters.values())
    positional = bound.args if is_variadic else ()
    named: dict[str, Any] = {}
    for name, value in (bound.kwargs if is_variadic else bound.arguments).items():
        parameter = parameters.get(name)
        if parameter is not None and parameter.kind is Parameter.VAR_KEYWORD:
            named |= value
        elif parameter is None or not _is_default(parameter, value):
            named[name] = value
    if named.get("out") is not None:
        _refuse_in_place(f"{_qualified(function)} is told to write a traced value into an array (out=)")
    accepted = _accepted(build)
    kept = {name: value for name, value in named.items() if name in accepted}
    rest = {name: value for name, value in named.items() if name not in accepted}
    # where the dtype of the values matters: looking for it takes time
    refuse_options(function, rest, dtype_of((*args, *options.values())) if rest.get("dtype") is not None else None)
    if function.__name__ not in OF_SEQUENCES:
        positional = tuple(map(_stacked, positional))
        kept = {name: _stacked(value) for name, value in kept.items()}
    return build(*positional, **kept)


def dtype_of(values: Any, /) -> "np.dtype[Any] | None":
    """Return the dtype of the first overloaded value in nested lists, or None."""
    if not isinstance(values, list | tuple):
        return values.dtype if hasattr(values, "_is_mask") else None
    return next((found for value in values if (found := dtype_of(value)) is not None), None)


def refuse_dtype(what: str, own: "np.dtype[Any]", wanted: "np.dtype[Any]", /) -> None:
    """Refuse a dtype other than that of the values."""
    if wanted != own:
        cure = (
            f"leave the dtype out, or give {wanted} arguments" if wanted.itemsize in (4, 8) else "leave the dtype out"
        )
        raise TraceError(f"{what} to {wanted}, but all values here are {own}", f"{cure}: there is one dtype throughout")


def refuse_options(
    function: Callable[..., Any], options: Mapping[str, Any], own: "np.dtype[Any] | None" = None, /
) -> None:
    """Refuse options that would change the value: a dtype or an order that cannot be had, and all others unknown.

    Parameters
    ----------
    function : callable
        What messages name.
    options : mapping
    own : dtype, optional
        Of the values that the function is called with.
    """
    dtype = options.get("dtype")
    if dtype is not None and np.dtype(dtype).kind != "f":
        cure = "leave dtype out: an expression has one floating-point dtype throughout"
        raise TraceError(f"{_qualified(function)} of a traced value is asked for dtype {np.dtype(dtype)}", cure)
    if dtype is not None and own is not None:
        refuse_dtype(f"{_qualified(function)} converts a traced value", own, np.dtype(dtype))
    if options.get("order") == "F":
        raise TraceError(
            f"{_qualified(function)} of a traced value is asked for order 'F'", "transpose, and leave order out"
        )
    for name, value in options.items():
        if name not in MEANINGLESS and value is not None and value is not NEUTRAL.get(name):
            raise TraceError(
                f"{_qualified(function)} with {name}= is not supported on a traced value",
                "leave the option out, or compose it of supported functions",
            )


def _is_default(parameter: Parameter, value: object) -> bool:
    return value is np._NoValue or (parameter.default is not Parameter.empty and value is parameter.default)


@lru_cache(maxsize=1 << 10)
def _signature(function: Callable[..., Any], build: Callable[..., Any]) -> Signature:
    try:
        return signature(function)
    except ValueError:  # functions written in C have none before NumPy 2.4
        return signature(build)


@lru_cache(maxsize=1 << 10)
def _accepted(build: Callable[..., Any]) -> frozenset[str]:
    return frozenset(signature(build).parameters)


def _row(function: Callable[..., Any]) -> Supported:
    found = table().get(function)
    if found is None and isinstance(function, np.ufunc) and not _is_numpys(function):
        from jacchain.model.scipy_functions import SCIPY_FUNCTIONS

        found = SCIPY_FUNCTIONS.get(function.__name__)
    if found is None:
        _refuse(_qualified(function))
    return found


def _is_numpys(ufunc: np.ufunc) -> bool:
    return getattr(np, ufunc.__name__, None) is ufunc  # NumPy has functions of the name of some ufuncs of SciPy


def _qualified(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", str(function))
    if isinstance(function, np.ufunc):
        return f"numpy.{name}" if _is_numpys(function) else f"scipy.special.{name}"
    return f"{getattr(function, '__module__', None) or 'numpy'}.{name}"


def _refuse(name: str) -> NoReturn:
    raise TraceError(
        f"{name} is not supported on a traced value",
        "compose it of supported functions, or give its derivative as jacchain.Function and call that",
    )


def _refuse_in_place(what: str) -> NoReturn:
    raise TraceError(what, "make a new array: numpy.where, numpy.concatenate or numpy.stack; x = x + y for x += y")


def _stacked(value: Any) -> Any:
    """Return a list with overloaded values in it as one value."""
    if not isinstance(value, list | tuple):
        return value
    from jacchain.model.array_protocol import is_overloaded, stacked

    return stacked(value) if is_overloaded(value) else value


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _logsumexp(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    from jacchain.model.scipy_functions import logsumexp

    return logsumexp(a, axis=axis, keepdims=keepdims)
