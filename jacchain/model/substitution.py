"""Functions that ask for plain arrays before NumPy's protocols are heard: replaced while a function is recorded.

``numpy.array`` and ``numpy.asarray`` offer no protocol for a list of values or for a value that stands for an array,
and SciPy's softmax and logsumexp call them. While at least one trace runs, these functions first look whether they are
given such a value, and are what they always were if not; so other threads notice nothing.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from inspect import unwrap
from threading import Lock
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

import numpy as np

from jacchain.errors import TraceError
from jacchain.model.array_protocol import is_overloaded, stacked

ARRAY_MAKERS: Final = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite")

SCIPY_HOME: Final = "scipy.special._logsumexp"
"""Where SciPy keeps the functions below, all of them written in Python."""


def _softmax(*args: Any, **options: Any) -> Any:
    from jacchain.model.substitution import dispatched

    return dispatched("softmax", args, options)


def _log_softmax(*args: Any, **options: Any) -> Any:
    from jacchain.model.substitution import dispatched

    return dispatched("log_softmax", args, options)


def _logsumexp(*args: Any, **options: Any) -> Any:
    from jacchain.model.substitution import dispatched

    return dispatched("logsumexp", args, options)


REPLACED: Final[Mapping[str, FunctionType]] = {
    "softmax": _softmax,  # type: ignore[dict-item]  # a def statement makes a FunctionType
    "log_softmax": _log_softmax,  # type: ignore[dict-item]  # a def statement makes a FunctionType
    "logsumexp": _logsumexp,  # type: ignore[dict-item]  # a def statement makes a FunctionType
}
"""Their code, which takes the place of SciPy's, so that it does not matter under which name a user imported them."""


class _State:
    """How many traces run, and what was there before the first."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.running = 0
        self.makers: dict[str, Callable[..., Any]] = {}
        self.codes: dict[FunctionType, CodeType] = {}
        self.originals: dict[str, Callable[..., Any]] = {}


_STATE: Final = _State()


@contextmanager
def substituted() -> Iterator[None]:
    """Let array makers and SciPy's softmax, log_softmax and logsumexp take overloaded values, in all threads."""
    with _STATE.lock:
        if _STATE.running == 0:
            _replace_makers()
        _replace_codes()
        _STATE.running += 1
    try:
        yield
    finally:
        with _STATE.lock:
            _STATE.running -= 1
            if _STATE.running == 0:
                _restore()


def _replace_makers() -> None:
    for name in ARRAY_MAKERS:
        maker = getattr(np, name)
        _STATE.makers[name] = maker
        setattr(np, name, _listening(maker))


def _replace_codes() -> None:
    """Replace the code of SciPy's functions, where they are loaded and are what they are expected to be."""
    home = sys.modules.get(SCIPY_HOME)
    for name, replacement in REPLACED.items():
        function = unwrap(getattr(home, name, np.array))
        if not isinstance(function, FunctionType) or function in _STATE.codes or function.__closure__:
            continue
        code = function.__code__
        original = FunctionType(code, function.__globals__, name, function.__defaults__)
        original.__kwdefaults__ = function.__kwdefaults__
        _STATE.originals[name] = original
        _STATE.codes[function] = code
        function.__code__ = replacement.__code__


def _restore() -> None:
    for name, maker in _STATE.makers.items():
        setattr(np, name, maker)
    for function, code in _STATE.codes.items():
        function.__code__ = code
    _STATE.makers.clear()
    _STATE.codes.clear()  # the originals stay: another thread may be about to call one


def dispatched(name: str, args: tuple[Any, ...], options: Mapping[str, Any], /) -> Any:
    """Return what a SciPy function gives, by the table of supported functions where a value is overloaded."""
    if not any(map(is_overloaded, args)) and not any(map(is_overloaded, options.values())):
        return _STATE.originals[name](*args, **options)
    from jacchain.model.scipy_functions import SCIPY_FUNCTIONS

    try:
        return SCIPY_FUNCTIONS[name].build(*args, **options)
    except TypeError as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(
            f"scipy.special.{name} takes other arguments on a traced value: {error}", "leave these options out"
        ) from None


def _listening(maker: Callable[..., Any]) -> Callable[..., Any]:
    """Return an array maker that stacks lists of overloaded values and returns single ones as they are."""

    @wraps(maker)
    def listening(*args: Any, **options: Any) -> Any:
        if args and is_overloaded(args[0]) and _is_sparse(sys._getframe(1)):
            return _unread(args[0])
        if args and is_overloaded(args[0]) and not _is_scipy(sys._getframe(1)):
            from jacchain.model.numpy_dispatch import refuse_options

            given = {"dtype": args[1] if len(args) > 1 else None, **options}
            refuse_options(maker, given)
            found = stacked(args[0])
            return found if given["dtype"] is None else found.astype(given["dtype"])
        return maker(*args, **options)

    return listening


def _is_sparse(frame: FrameType) -> bool:
    """Return whether a sparse matrix asks there for the numbers of what it is multiplied by."""
    return str(frame.f_globals.get("__name__", "")).startswith("scipy.sparse.")


def _unread(value: Any) -> Any:
    """Return what NumPy makes of something that is no array, so that SciPy leaves the product to the value itself."""
    found = np.empty((), object)
    found[()] = value
    return found


def _is_scipy(frame: FrameType) -> bool:
    """Return whether SciPy is at work there, which would go on with the numbers."""
    return str(frame.f_globals.get("__name__", "")).split(".")[0] == "scipy"


def caller_in_scipy() -> str:
    """Return the SciPy function nearest in the call stack, if what calls NumPy is SciPy."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in ("numpy", "jacchain"):
        frame = frame.f_back
    module, found = str(frame.f_globals.get("__name__", "")), ""
    while _is_scipy(frame) and frame.f_back:
        public = ".".join(part for part in module.split(".") if not part.startswith("_"))
        name = frame.f_code.co_name
        found = f"{public}.{name}" if hasattr(sys.modules.get(public), name) else found or public
        frame = frame.f_back
        module = str(frame.f_globals.get("__name__", ""))
    return found
