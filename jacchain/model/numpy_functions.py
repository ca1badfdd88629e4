"""The table of supported NumPy functions: what each is composed of."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from jacchain.model.numpy_algebra import ALGEBRA
from jacchain.model.numpy_elementwise import ELEMENTWISE
from jacchain.model.numpy_joining import JOINING
from jacchain.model.numpy_reductions import REDUCTIONS
from jacchain.model.numpy_shapes import SHAPES
from jacchain.model.supported import Supported

SECTIONS: Final[Mapping[str, Mapping[Callable[..., Any], Supported]]] = {
    "Number by number": ELEMENTWISE,
    "Over axes": REDUCTIONS,
    "Shapes and places": SHAPES,
    "Joining and neighbours": JOINING,
    "Linear algebra": ALGEBRA,
}
"""The sections of the table, as the page of supported functions has them."""

FUNCTIONS: Final[Mapping[Callable[..., Any], Supported]] = {
    function: row for section in SECTIONS.values() for function, row in section.items()
}
"""All rows, by the NumPy function."""
