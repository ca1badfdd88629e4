"""Products of stacks that have to be broadcast, and Einstein sums, composed of primitives."""

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from jacchain.errors import OptionError, SizeError
from jacchain.execution.operation import Shape
from jacchain.model.primitive import refuse_shapes
from jacchain.model.primitives.broadcast import Broadcast
from jacchain.model.primitives.matmul import MatMul
from jacchain.model.primitives.reduction import Sum
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.selection import rearranged

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Shaped(Protocol):
    """Anything with a shape."""

    @property
    def shape(self) -> Shape:
        """Sizes of its axes."""


T = TypeVar("T", bound=Shaped)
Apply = Callable[..., T]
"""Applies an operation to operands: ``apply(operation, *operands)``."""


def multiplied(apply: Apply[T], left: T, right: T, /) -> T:
    """Return ``numpy.matmul(left, right)``, with stacks broadcast, of as few and as structured products as possible.

    A stack times one matrix is one taller product, and one matrix times a stack is one wider product.

    Parameters
    ----------
    apply : callable
        Applies a primitive to operands.
    left, right : of one type with a shape
        Of one axis or more.

    Examples
    --------
    >>> found = multiplied(lambda operation, *xs: operation.value(*xs), np.ones((2, 1, 3, 4)), np.ones((5, 4, 6)))
    >>> found.shape
    (2, 5, 3, 6)
    """
    a, b = left.shape, right.shape
    if len(a) <= 2 and len(b) <= 2:
        return apply(MatMul(), left, right)
    if not a or not b or a[-1] != b[max(len(b) - 2, 0)]:
        refuse_shapes("matmul", (a, b), "make the left operand's columns as many as the right operand's rows")
    if prod(b[:-2]) == 1 and len(b) <= len(a):
        tall = reshaped(apply, left, (prod(a[:-1]), a[-1]))
        return reshaped(apply, apply(MatMul(), tall, reshaped(apply, right, b[-2:])), (*a[:-1], *b[1:][-1:]))
    if len(a) == 1:
        found = multiplied(apply, reshaped(apply, left, (1, *a)), right)
        return reshaped(apply, found, (*b[:-2], b[-1]))
    if len(a) == 2:
        return _wide(apply, left, right)
    stack = _stack(a, b)
    operands = (broadcast(apply, left, (*stack, *a[-2:])), broadcast(apply, right, (*stack, *b[-2:])))
    return apply(MatMul(), *operands)


def _wide(apply: Apply[T], left: T, right: T) -> T:
    """Return one matrix times a stack: the columns of all of them side by side."""
    *stack, k, n = right.shape
    last = len(stack)
    aside = transposed(apply, right, (last, *range(last), last + 1))
    found = apply(MatMul(), left, reshaped(apply, aside, (k, prod(stack) * n)))
    apart = reshaped(apply, found, (left.shape[0], *stack, n))
    return transposed(apply, apart, (*range(1, last + 1), 0, last + 1))


def _stack(a: Shape, b: Shape) -> Shape:
    try:
        return np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        refuse_shapes("matmul", (a, b), "make the stacks' sizes equal or 1")


def reshaped(apply: Apply[T], x: T, shape: Shape, /) -> T:
    """Return x in another shape: itself where it has that shape."""
    return x if x.shape == shape else apply(Reshape(shape), x)


def transposed(apply: Apply[T], x: T, axes: Sequence[int], /) -> T:
    """Return x with its axes in another order: itself where they keep theirs."""
    return x if list(axes) == list(range(len(x.shape))) else apply(Transpose(tuple(axes)), x)


def broadcast(apply: Apply[T], x: T, shape: Shape, /) -> T:
    """Return x broadcast to a shape: itself where it has that shape."""
    return x if x.shape == shape else apply(Broadcast(shape), x)


class Term(NamedTuple):
    """The subscripts of an Einstein sum: those of each operand, and those of the value."""

    operands: tuple[str, ...]
    value: str


def contracted(apply: Apply[T], subscripts: str, operands: Sequence[T], /) -> T:
    """Return ``numpy.einsum(subscripts, *operands)`` composed of reshapes, transposes, sums and one matmul per pair.

    Of two operands, axes of both that the value lacks are summed by the product, axes of both that it keeps are its
    stack, and axes of one that the value lacks are summed before. More operands are taken from left to right.

    Parameters
    ----------
    apply : callable
        Applies a primitive to operands.
    subscripts : str
        With or without "->"; an ellipsis stands for as many last letters as needed.
    operands : sequence
        Of one type with a shape.

    Raises
    ------
    OptionError, SizeError
        Subscripts that are none, or do not fit the shapes.

    Examples
    --------
    >>> a, b = np.ones((2, 3, 4)), np.ones((5, 4, 2))
    >>> contracted(lambda operation, *xs: operation.value(*xs), "bij,kjb->kbi", [a, b]).shape
    (5, 2, 3)
    """
    term = parsed(subscripts, [x.shape for x in operands])
    given = list(zip(operands, term.operands, strict=True))
    wide = {letter for x, letters in given for letter, size in zip(letters, x.shape, strict=True) if size > 1}
    waiting = [_on_diagonals(apply, *_without_ones(apply, x, letters, wide)) for x, letters in given]
    found, letters = waiting.pop(0)
    while waiting:
        x, others = waiting.pop(0)
        needed = set(term.value).union(*(later for _, later in waiting))
        found, letters = _pair(apply, (found, letters), (x, others), needed)
    found, letters = _summed(apply, found, letters, set(term.value))
    return transposed(apply, found, [letters.index(letter) for letter in term.value])


def parsed(subscripts: str, shapes: Sequence[Shape], /) -> Term:
    """Return the subscripts written out: an ellipsis as letters, the value's where it is not stated.

    Examples
    --------
    >>> parsed("...ij,jk", [(7, 2, 3), (3, 4)])
    Term(operands=('aij', 'jk'), value='aik')
    """
    if not isinstance(subscripts, str):
        raise OptionError(f"einsum is given {subscripts!r}", 'give subscripts as text, such as "ij,jk->ik"')
    text = subscripts.replace(" ", "")
    given, arrow, value = text.partition("->")
    terms = given.split(",")
    if len(terms) != len(shapes):
        raise OptionError(f"einsum {subscripts!r} has {len(terms)} terms for {len(shapes)} operands", "give one each")
    free = [letter for letter in LETTERS if letter not in text]
    counts = [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True)]
    most = max([count for count, term in zip(counts, terms, strict=True) if "..." in term], default=0)
    dots = free[:most]
    if any(count < 0 or (count > 0 and "..." not in term) for count, term in zip(counts, terms, strict=True)):
        raise SizeError(f"einsum {subscripts!r} of shapes {' and '.join(map(str, shapes))}", "give one letter per axis")
    written = tuple(
        term.replace("...", "".join(dots[most - count :])) for term, count in zip(terms, counts, strict=True)
    )
    if not arrow:
        once = sorted(letter for letter, count in Counter(given.replace(".", "")).items() if count == 1)
        value = "..." + "".join(letter for letter in once if letter != ",")
    value = value.replace("...", "".join(dots))
    known = set("".join(written))
    if not known <= set(LETTERS) or not set(value) <= known or len(set(value)) < len(value):
        raise OptionError(f"einsum {subscripts!r} is not understood", 'give subscripts such as "ij,jk->ik"')
    _refuse_unequal(subscripts, written, shapes)
    return Term(written, value)


def _refuse_unequal(subscripts: str, terms: Sequence[str], shapes: Sequence[Shape]) -> None:
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            is_repeated = term.count(letter) > 1
            if sizes.get(letter, size) not in (size, 1) and (size > 1 or is_repeated):
                raise SizeError(
                    f"einsum {subscripts!r}: axis {letter} has {sizes[letter]} and {size} numbers",
                    "make the two sizes equal, or one of them 1",
                )
            sizes[letter] = max(size, sizes.get(letter, 1))


def _without_ones(apply: Apply[T], x: T, letters: str, wide: set[str]) -> tuple[T, str]:
    """Return the operand without the axes of length one that are longer in another: these are broadcast."""
    kept = [k for k, letter in enumerate(letters) if x.shape[k] > 1 or letter not in wide]
    return reshaped(apply, x, tuple(x.shape[k] for k in kept)), "".join(letters[k] for k in kept)


def _on_diagonals(apply: Apply[T], x: T, letters: str) -> tuple[T, str]:
    """Return the operand with each letter once: a repeated one is a diagonal."""
    once = "".join(dict.fromkeys(letters))
    if once == letters:
        return x, letters
    numbers = [LETTERS.index(letter) for letter in letters]
    kept = [LETTERS.index(letter) for letter in once]
    return apply(rearranged(lambda index: np.einsum(index, numbers, kept), x.shape), x), once


def _summed(apply: Apply[T], x: T, letters: str, needed: set[str]) -> tuple[T, str]:
    """Return the operand summed over the letters that nothing else needs."""
    axes = tuple(k for k, letter in enumerate(letters) if letter not in needed)
    return (apply(Sum(axes), x), "".join(letter for letter in letters if letter in needed)) if axes else (x, letters)


def _pair(apply: Apply[T], first: tuple[T, str], second: tuple[T, str], needed: set[str]) -> tuple[T, str]:
    """Return the product of two operands, summed over the letters of both that nothing else needs."""
    x, a = _summed(apply, *first, needed | set(second[1]))
    y, b = _summed(apply, *second, needed | set(a))
    stack = [letter for letter in a if letter in b and letter in needed]
    met = [letter for letter in a if letter in b and letter not in needed]
    rows = [letter for letter in a if letter not in b]
    columns = [letter for letter in b if letter not in a]
    sizes = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))

    def size(letters: list[str]) -> int:
        return prod(sizes[letter] for letter in letters)

    stacked = (size(stack),) if stack else ()
    left = transposed(apply, x, [a.index(letter) for letter in (*stack, *rows, *met)])
    right = transposed(apply, y, [b.index(letter) for letter in (*stack, *met, *columns)])
    m, k, n = size(rows), size(met), size(columns)
    found = apply(MatMul(), reshaped(apply, left, (*stacked, m, k)), reshaped(apply, right, (*stacked, k, n)))
    letters = [*stack, *rows, *columns]
    return reshaped(apply, found, tuple(sizes[letter] for letter in letters)), "".join(letters)
