"""What a NumPy or SciPy function becomes on values that are recorded or differentiated."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Supported(NamedTuple):
    """A row of the table of supported functions.

    Attributes
    ----------
    build : callable
        Takes the function's arguments by the function's own names, as far as they are supported, and makes the value
        of primitives. Where it is written with NumPy, its calls are dispatched in turn.
    note : str
        One line for the page of supported functions.
    """

    build: Callable[..., Any]
    note: str = ""
