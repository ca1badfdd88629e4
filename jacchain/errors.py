"""Every exception that jacchain raises on purpose: one line of what is wrong, one line of how to mend it."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar, NoReturn


class JacchainError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    what : str
        One line that names the offending values.
    cure : str
        One line that says how to mend it.

    Examples
    --------
    >>> print(SizeError("size 0 is not positive", "give positive sizes"))
    size 0 is not positive
    give positive sizes
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}\n{cure}")
        self.what = what
        self.cure = cure

    def __reduce__(self) -> tuple[type["JacchainError"], tuple[str, str]]:
        return type(self), (self.what, self.cure)


class SizeError(JacchainError, ValueError):
    """Sizes or shapes that are not positive integers or do not meet."""


class OptionError(JacchainError, ValueError):
    """An option, name or value outside what is accepted."""


class NameUnknownError(OptionError, AttributeError):
    """A name that a module does not have, with the names that it has."""


class DtypeError(JacchainError, TypeError):
    """An array whose dtype has no derivative here: integer, complex, boolean, object."""


class TraceError(JacchainError, TypeError):
    """A function that cannot be recorded: an unsupported operation, a branch on numbers, a write in place."""


class NonFiniteError(JacchainError, ArithmeticError):
    """NaN or infinity met while checking was on."""


class SingularMatrixError(JacchainError, ArithmeticError):
    """A matrix without an inverse where one is needed."""


class FileError(JacchainError, ValueError):
    """A file that is missing, cannot be read, or is wrong at a stated place."""


class InfeasibleError(JacchainError):
    """No order exists under the given conditions; `least` is the smallest limit in bytes known to do, if one is."""

    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, cure: str, least: int | None = None) -> None:
        super().__init__(what, cure)
        self.least = least


class CheckError(JacchainError):
    """A numerical check failed: the values are not what an independent computation gives."""

    exit_code: ClassVar[int] = 4


class DeviceError(JacchainError, RuntimeError):
    """A device that does not exist or cannot be used, arrays on different devices, or a device's memory exhausted."""


class ProfileWarning(UserWarning):
    """A machine profile that was measured on another machine, with other threads, or by another version."""


class MissingExtraError(JacchainError, ImportError):
    """An optional dependency that is not installed."""

    exit_code: ClassVar[int] = 5


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> NoReturn:
    """Raise an OptionError that lists the valid names and suggests the nearest.

    Examples
    --------
    >>> unknown_name("planner", "forwards", ["forward", "reverse"])
    Traceback (most recent call last):
    jacchain.errors.OptionError: unknown planner 'forwards'
    did you mean 'forward'? valid: forward, reverse
    """
    raise OptionError(f"unknown {kind} {name!r}", _valid(name, list(valid)))


def unknown_attribute(kind: str, name: str, valid: Iterable[str]) -> NoReturn:
    """Raise the like for an attribute of a module."""
    raise NameUnknownError(f"unknown {kind} {name!r}", _valid(name, list(valid)))


def _valid(name: object, names: list[str]) -> str:
    near = get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}valid: {', '.join(names)}"
