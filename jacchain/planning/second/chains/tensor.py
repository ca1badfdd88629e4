"""What second derivatives look like: sizes, which entries can be other than zero, and which half is computed."""

from math import prod
from typing import Final, NamedTuple, final

DENSE: Final = "abc"
"""The axes of a tensor all of whose entries may be other than zero."""

ZERO: Final = ""
"""The axes of a tensor that is zero."""


@final
class TensorStructure(NamedTuple):
    """A tensor of second derivatives: d_j rows by the sizes of its two arms.

    Attributes
    ----------
    rows, first, second : int
        Sizes of the output and of the vertices at which the two arms end.
    axes : str
        A letter for each axis, in that order; only entries whose indices are equal on axes of one letter may be other
        than zero, and only these are stored: ``"abc"`` is dense, ``"aaa"`` what an elementwise map has, ``"abb"`` what
        that becomes under a dense map, ``"aab"`` and ``"aba"`` what it becomes on one arm, ``""`` zero.
    is_symmetric : bool
        One half is computed, the other half is its mirror image.

    Examples
    --------
    >>> TensorStructure(2, 3, 3, "abc", True).computed, TensorStructure(2, 3, 3, "abb").computed
    (12, 6)
    >>> print(TensorStructure(2, 3, 3, "abc", True))
    symmetric 2×3×3
    """

    rows: int
    first: int
    second: int
    axes: str = DENSE
    is_symmetric: bool = False

    @property
    def stored(self) -> int:
        """Numbers that are stored: mirrored halves are written out."""
        if self.axes == ZERO:
            return 0
        return prod(dict(zip(self.axes, self[:3], strict=True)).values())

    @property
    def computed(self) -> int:
        """Entries that are computed: of a symmetric tensor those on and above the diagonals."""
        if self.is_symmetric and self.axes == DENSE:
            return self.rows * (self.first * (self.first + 1) // 2)
        return self.stored

    def __str__(self) -> str:
        kinds = {DENSE: "symmetric" if self.is_symmetric else "dense", "aaa": "diagonal", ZERO: "zero"}
        return f"{kinds.get(self.axes, self.axes)} {self.rows}×{self.first}×{self.second}"
