"""The ways to make the product of two 2-D arrays with a BLAS that is far from its best on thin operands."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from jacchain.algebra.kernels import Array, Call

GemmKind = Literal["dot", "matmul", "rows", "columns"]

Choose = Callable[[int, int, int, int], "GemmWay | None"]
"""The way for the product of an m×k and a k×n array of numbers of so many bytes; None leaves it to the kernels."""

WIDTHS: Final = (8, 16, 32, 64, 128, 256)
"""Rows or columns of a panel that are worth a try."""

LEAST: Final = 1 << 16
"""Multiplications of a panel below which starting BLAS anew costs more than any panel can win."""

MOST_UNEVEN: Final = 4
"""How many times as long the longest side may be as the one that is cut: a short one is not worth a cut."""

THIN: Final = 128
"""The smallest of the three sizes above which BLAS is at its best with a product that is whole."""


class GemmWay(NamedTuple):
    """How a product of 2-D arrays is handed to BLAS: whole, or in panels.

    All ways of a product sum over the same terms; a way is repeatable to the bit, two ways agree to rounding.

    Attributes
    ----------
    kind : {"dot", "matmul", "rows", "columns"}
        The first two by ``np.dot`` and ``np.matmul``: `dot` starts faster, but writes zeros over the result first.
        `rows` and `columns` are made by a ``np.matmul`` for each panel of the result: many a BLAS copies its operands
        before it multiplies, which a thin product never earns back, and does not where a product is small, or copies
        what still fits in the cache.
    width : int
        Rows or columns of a panel, the last one may be smaller; 0 where there are none.

    Examples
    --------
    >>> print(GemmWay("rows", 64), GemmWay("dot"))
    rows of 64 dot
    """

    kind: GemmKind
    width: int = 0

    def __str__(self) -> str:
        return f"{self.kind} of {self.width}" if self.width else self.kind


DOT: Final = GemmWay("dot")
MATMUL: Final = GemmWay("matmul")


def candidates(m: int, k: int, n: int, /) -> list[GemmWay]:
    """Return the ways that are worth measuring for an m×k times a k×n array, the plain ones first.

    Examples
    --------
    >>> print(*candidates(200, 20, 30), sep=", ")
    dot, matmul, rows of 128
    """
    if min(m, k, n) > THIN:
        return [DOT, MATMUL]
    lengths: dict[GemmKind, int] = {"rows": m, "columns": n}
    panels = [
        GemmWay(kind, width)
        for kind, length in lengths.items()
        for width in WIDTHS
        if width < length and MOST_UNEVEN * length >= max(m, k, n) and width * m * k * n >= LEAST * length
    ]
    return [DOT, MATMUL, *panels]


def gemm_function(way: GemmWay, a: Array, b: Array, out: Array, /) -> Callable[..., object]:
    """Return the function that writes the product into `out` when it is called with these very arrays.

    Panels are cut here, once; the function holds views of the arrays.

    Parameters
    ----------
    way : GemmWay
    a, b : array of shape (m, k) and (k, n)
        Of one dtype, with any strides.
    out : array of shape (m, n)
        Contiguous for `dot`; shares no memory with the others.
    """
    import numpy as np

    match way.kind:
        case "dot":
            return np.dot
        case "matmul":
            return np.matmul
        case "rows":
            cuts = [slice(start, start + way.width) for start in range(0, len(a), way.width)]
            return _each([(a[cut], b, out[cut]) for cut in cuts])
        case "columns":
            cuts = [slice(start, start + way.width) for start in range(0, b.shape[1], way.width)]
            return _each([(a, b[:, cut], out[:, cut]) for cut in cuts])


def gemm_call(way: GemmWay, a: Array, b: Array, out: Array, /) -> Call:
    """Return the call that writes the product of two arrays into the third in a way.

    Examples
    --------
    >>> import numpy as np
    >>> a, b, out = np.ones((5, 2)), np.ones((2, 3)), np.empty((5, 3))
    >>> function, arguments = gemm_call(GemmWay("rows", 2), a, b, out)
    >>> function(*arguments)
    >>> bool((out == 2).all())
    True
    """
    return gemm_function(way, a, b, out), (a, b, out)


def _each(panels: list[tuple[Array, Array, Array]]) -> Callable[[Array, Array, Array], None]:
    import numpy as np

    matmul = np.matmul

    def multiply(_a: Array, _b: Array, _out: Array) -> None:
        for left, right, target in panels:
            matmul(left, right, target)

    return multiply
