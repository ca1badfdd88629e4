"""What a function reads besides its arguments: whether what was made for it still holds at its next call."""

from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple, final

import numpy as np

Function = Callable[..., Any]

FIXED: Final = (ModuleType, BuiltinFunctionType, type, np.ufunc, int, float, complex, str, bytes, bool, type(None))
"""What cannot change behind its name."""

DEEPEST: Final = 64
"""Functions that one may call in turn before it is taken for one that cannot be overseen."""


class _Name(NamedTuple):
    """A global name that a function reads, and what stood there."""

    module: dict[str, Any]
    name: str
    value: object


@final
class Surroundings(NamedTuple):
    """The global names that a function and those it calls read, and what stood there."""

    names: tuple[_Name, ...]

    def holds(self) -> bool:
        """Return whether the same things stand there still."""
        return all(module.get(name) is value for module, name, value in self.names)


def surroundings(function: Function, /) -> Surroundings | None:
    """Return what a function reads besides its arguments, or None if that may change where it is.

    That is so for arrays, lists and objects: they may be written into, and what was recorded would not show it. A
    number or a function may only be replaced by another, which is noticed.

    Examples
    --------
    >>> surroundings(lambda x: np.sin(x)) is None, surroundings(len) is None
    (False, True)
    """
    if not isinstance(function, FunctionType):
        return None
    found: list[_Name] = []
    seen: set[FunctionType] = set()
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if one in seen or _is_of_a_library(one):
            continue
        seen.add(one)
        if one.__closure__ or one.__defaults__ or one.__kwdefaults__ or len(seen) > DEEPEST:
            return None
        for name in _global_names(one.__code__):
            if name not in one.__globals__:
                continue  # a built-in function, or an attribute
            value = one.__globals__[name]
            if isinstance(value, FunctionType):
                waiting.append(value)
            elif not isinstance(value, FIXED):
                return None
            found.append(_Name(one.__globals__, name, value))
    return Surroundings(tuple(found))


def _global_names(code: CodeType) -> Iterator[str]:
    """Yield the names that code may read from its module, those in inner functions too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def _is_of_a_library(function: FunctionType) -> bool:
    return (function.__module__ or "").partition(".")[0] in ("numpy", "scipy", "jacchain")
