"""The kernels on NumPy arrays; SciPy is loaded with the first sparse matrix or logistic function."""

from collections.abc import Callable
from typing import Any, Final, final

import numpy as np

from jacchain.algebra.gemm_ways import Choose, GemmWay, gemm_call, gemm_function
from jacchain.algebra.kernels import Array, Call, Calls, Kernels, joins_on_host, panels, run

SMALL: Final = 1 << 15
"""Bytes of a result up to which the call costs more than the memory."""

CACHE: Final = 1 << 21
"""Bytes of a result that fit in a second-level cache."""

LONGEST: Final = 1 << 13
"""Panels of a stack up to which it is made in panels: each is known by three arrays."""

PANEL: Final = 1 << 17
"""Sparse products make a result of their own before it is copied; panels of at most so many numbers keep it small."""


def _csr(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    found = csr_array((data, indices, indptr), shape=shape)
    found.data = data  # the constructor copies what is a view of a much larger array
    return found


def _csr_transposed(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
    found = _csr(data, indices, indptr, shape).T
    found.data = data
    return found


def _csr_dot(csr: Any, x: Array, out: Array) -> None:
    out[...] = csr @ x


def _dot_csr(x: Array, transposed: Any, out: Array) -> None:
    out.T[...] = transposed @ x.T


def _take(a: Array, index: Array, out: Array) -> None:
    np.take(a, index, out=out, mode="clip")  # the default mode would buffer the result


def _index(places: Array) -> Array:
    return places


def _segments(starts: Array, _count: int) -> Array:
    return starts


def _segment_sum(a: Array, starts: Array, out: Array) -> None:
    np.add.reduceat(a, starts, out=out)


def _gram(a: Array, out: Array) -> None:
    np.matmul(a.T, a, out=out)  # NumPy sees that it is one array twice: BLAS updates one half, NumPy mirrors it


def _outer(subscripts: str, a: Array, b: Array, out: Array) -> None:
    np.einsum(subscripts, a, b, out=out)  # its loops take half the time of a broadcast product with short rows


def _fill(value: float, out: Array) -> None:
    out[...] = value


def _scatter(a: Array, index: Array, out: Array) -> None:
    out[index] = a


def _expit(a: Array, out: Array) -> None:
    from scipy.special import expit

    expit(a, out)


def _xlogy(a: Array, b: Array, out: Array) -> None:
    from scipy.special import xlogy

    xlogy(a, b, out)


def _special(name: str) -> Callable[..., object]:
    import scipy.special

    found: Callable[..., object] = getattr(scipy.special, name)
    return found


def _in_turn(calls: list[Call]) -> Callable[[Array, Array, Array], None]:
    """Return the function that runs calls, whatever it is given."""
    kept = tuple(calls)

    def multiply(_a: Array, _b: Array, _out: Array) -> None:
        run(kept)

    return multiply


@final
class NumpyKernels:
    """The operations on NumPy arrays.

    Parameters
    ----------
    is_cold : bool
        The arrays written to are not in the processor's cache, as a result is that has just been handed out.
    choose : callable, optional
        What a machine's profile says of a product's m, k, n and the bytes of a number: how to make it, or None.
    """

    def __init__(self, *, is_cold: bool, choose: Choose | None = None) -> None:
        self.is_cold = is_cold
        self.choose = choose

    def gemm(self, a: Array, b: Array, out: Array) -> Callable[..., object]:
        """Return the way that the profile chooses; without one np.dot or np.matmul, by what is usually the faster.

        np.dot starts faster and is better with vectors, but writes zeros over the whole result before BLAS does. That
        is a pass over memory which matmul saves, except for a cold result: there it serves as a prefetch, as long as
        the result fits in the cache.
        """
        if self.is_cold and SMALL < out.nbytes <= CACHE:
            return np.dot  # panels would meet the result before it is in the cache
        way = self._chosen(a, b, out)
        if way is not None:
            return gemm_function(way, a, b, out)
        return np.dot if out.nbytes <= SMALL or 1 in (*a.shape, *b.shape) else np.matmul

    def _chosen(self, a: Array, b: Array, out: Array) -> GemmWay | None:
        """Return what the profile says of the shapes; nothing of operands that are not stored row by row."""
        (m, k), n, itemsize = a.shape[-2:], b.shape[-1], out.itemsize
        if self.choose is None or not a.strides[-1] == b.strides[-1] == itemsize:
            return None
        way = self.choose(m, k, n, itemsize)
        return None if way is None or way.kind in ("dot", "matmul") else way

    def half(self, a: Array, b: Array, out: Array) -> Calls:
        """Return one product for each panel of rows, from its diagonal block on."""
        return tuple(
            (np.matmul, (a[:, start:end].T, b[:, start:], out[start:end, start:])) for start, end in panels(a.shape[1])
        )

    def stack(self, a: Array, b: Array, out: Array) -> Callable[..., object]:
        """Return np.matmul, or the products one by one in the way that the profile chooses."""
        way = self._chosen(a, b, out) if out.ndim == 3 else None
        if way is None or len(out) * max(out.shape) > LONGEST * max(way.width, 1):
            return np.matmul
        lefts, rights = np.broadcast_to(a, (len(out), *a.shape[-2:])), np.broadcast_to(b, (len(out), *b.shape[-2:]))
        return _in_turn([gemm_call(way, *operands) for operands in zip(lefts, rights, out, strict=True)])

    xp = np
    panel = PANEL
    joins = staticmethod(joins_on_host)
    matmul = staticmethod(np.matmul)
    gram = staticmethod(_gram)
    multiply = staticmethod(np.multiply)
    outer = staticmethod(_outer)
    add = staticmethod(np.add)
    negative = staticmethod(np.negative)
    csr = staticmethod(_csr)
    csr_transposed = staticmethod(_csr_transposed)
    csr_dot = staticmethod(_csr_dot)
    dot_csr = staticmethod(_dot_csr)
    index = staticmethod(_index)
    take = staticmethod(_take)
    segments = staticmethod(_segments)
    segment_sum = staticmethod(_segment_sum)
    copyto = staticmethod(np.copyto)
    fill = staticmethod(_fill)
    scatter = staticmethod(_scatter)
    xlogy = staticmethod(_xlogy)
    expit = staticmethod(_expit)
    special = staticmethod(_special)


NUMPY: Final[Kernels] = NumpyKernels(is_cold=False)
NUMPY_COLD: Final[Kernels] = NumpyKernels(is_cold=True)
