"""An array without numbers: the shapes and strides that the rules of the product table ask about."""

from math import prod
from types import EllipsisType
from typing import NamedTuple, final

from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Structure, array_shapes

Index = slice | int | None | EllipsisType


class Layout(NamedTuple):
    """What is asked of the order of an array's numbers."""

    c_contiguous: bool


@final
class Phantom(NamedTuple):
    """The shape of an array and its strides, in numbers.

    Examples
    --------
    >>> phantom(2, 3).T[1:, None]
    Phantom(shape=(2, 1, 2), strides=(1, 0, 3))
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    @property
    def T(self) -> "Phantom":  # noqa: N802  (as arrays call it)
        """The axes in reverse order."""
        return Phantom(self.shape[::-1], self.strides[::-1])

    @property
    def is_contiguous(self) -> bool:
        """Whether the numbers lie one after the other."""
        return all(a == b or n == 1 for a, b, n in zip(self.strides, _steps(self.shape), self.shape, strict=True))

    @property
    def flags(self) -> Layout:
        """The same, as arrays tell it."""
        return Layout(self.is_contiguous)

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: int | tuple[int, ...]) -> "Phantom":
        """Return the same numbers in another shape; one of its sizes may be -1."""
        sizes = shape[0] if isinstance(shape[0], tuple) else tuple(int(n) for n in shape if isinstance(n, int))
        known = prod(n for n in sizes if n != -1)
        return phantom(*(self.size // max(known, 1) if n == -1 else n for n in sizes))

    def swapaxes(self, first: int, second: int, /) -> "Phantom":
        """Return the same with two axes exchanged."""
        axes = list(range(self.ndim))
        axes[first], axes[second] = axes[second], axes[first]
        return Phantom(tuple(self.shape[k] for k in axes), tuple(self.strides[k] for k in axes))

    def __getitem__(self, index: Index | tuple[Index, ...], /) -> "Phantom":  # type: ignore[override]  # an array's
        entries = list(index) if isinstance(index, tuple) else [index]
        shape, strides, axis = [], [], 0
        for entry in entries:
            match entry:
                case None:
                    shape.append(1)
                    strides.append(0)
                    continue
                case slice():
                    start, stop, step = entry.indices(self.shape[axis])
                    shape.append(len(range(start, stop, step)))
                    strides.append(self.strides[axis] * step)
                case _:
                    pass
            axis += 1
        return Phantom((*shape, *self.shape[axis:]), (*strides, *self.strides[axis:]))


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(prod(shape[k + 1 :]) for k in range(len(shape)))


def phantom(*shape: int) -> Phantom:
    """Return a contiguous array of a shape."""
    return Phantom(shape, _steps(shape))


def phantom_operand(structure: Structure, /) -> Operand:
    """Return a matrix of a structure, without numbers."""
    return Operand(structure, tuple(phantom(*shape) for shape in array_shapes(structure)))


def viewed(subscripts: str, array: Phantom, /) -> Phantom:
    """Return the view that ``einsum`` makes of one array, such as a diagonal.

    Examples
    --------
    >>> viewed("ii->i", phantom(3, 3))
    Phantom(shape=(3,), strides=(4,))
    """
    given, _, wanted = subscripts.partition("->")
    sizes = dict(zip(given, array.shape, strict=True))
    strides = dict.fromkeys(given, 0)
    for letter, stride in zip(given, array.strides, strict=True):
        strides[letter] += stride
    return Phantom(tuple(sizes[letter] for letter in wanted), tuple(strides[letter] for letter in wanted))
