"""Counting what a program really does, from the shapes of the arrays that its products are given."""

from collections.abc import Callable
from typing import Any, final

from jacchain.algebra.kernels import Array, Calls, Kernels, run
from jacchain.algebra.structure import Dense
from jacchain.algebra.symmetric import half_cost


@final
class CountingKernels:
    """Kernels that count scalar multiplications of products; everything else is passed on."""

    def __init__(self, kernels: Kernels, /) -> None:
        self.kernels = kernels
        self.multiplications = 0

    @property
    def xp(self) -> Any:
        """The array namespace."""
        return self.kernels.xp

    @property
    def panel(self) -> int:
        """Numbers of a sparse product that are made at once."""
        return self.kernels.panel

    def gemm(self, a: Array, b: Array, out: Array) -> Callable[..., object]:
        """Count when called, and pass on."""
        multiply = self.kernels.gemm(a, b, out)

        def counted(a: Array, b: Array, out: Array) -> object:
            self.multiplications += a.shape[0] * a.shape[1] * b.shape[1]
            return multiply(a, b, out)

        return counted

    def joins(self, a: Array, b: Array) -> bool:
        """Pass on."""
        return self.kernels.joins(a, b)

    def stack(self, a: Array, b: Array, out: Array) -> Callable[..., object]:
        """Count when called, and pass on."""
        multiply = self.kernels.stack(a, b, out)

        def counted(a: Array, b: Array, out: Array) -> object:
            self.multiplications += out.size * a.shape[-1]
            return multiply(a, b, out)

        return counted

    def matmul(self, a: Array, b: Array, out: Array) -> object:
        """Count and pass on."""
        self.multiplications += out.size * a.shape[-1]
        return self.kernels.matmul(a, b, out)

    def gram(self, a: Array, out: Array) -> object:
        """Count one half and the diagonal, and pass on."""
        self.multiplications += a.shape[0] * a.shape[1] * (a.shape[1] + 1) // 2
        return self.kernels.gram(a, out)

    def half(self, a: Array, b: Array, out: Array) -> Calls:
        """Count the panels of one half when called, and pass on."""
        calls = self.kernels.half(a, b, out)

        def counted() -> None:
            self.multiplications += half_cost(Dense(*a.shape))
            run(calls)

        return ((counted, ()),)

    def multiply(self, a: Array, b: Array, out: Array) -> object:
        """Count and pass on."""
        self.multiplications += out.size
        return self.kernels.multiply(a, b, out)

    def outer(self, subscripts: str, a: Array, b: Array, out: Array) -> object:
        """Count and pass on."""
        self.multiplications += out.size
        return self.kernels.outer(subscripts, a, b, out)

    def add(self, a: Array, b: Array, out: Array) -> object:
        """Pass on."""
        return self.kernels.add(a, b, out)

    def negative(self, a: Array, out: Array) -> object:
        """Pass on."""
        return self.kernels.negative(a, out)

    def csr(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
        """Pass on."""
        return self.kernels.csr(data, indices, indptr, shape)

    def csr_transposed(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
        """Pass on."""
        return self.kernels.csr_transposed(data, indices, indptr, shape)

    def csr_dot(self, csr: Any, x: Array, out: Array) -> object:
        """Count and pass on."""
        self.multiplications += csr.nnz * x.shape[1]
        return self.kernels.csr_dot(csr, x, out)

    def dot_csr(self, x: Array, transposed: Any, out: Array) -> object:
        """Count and pass on."""
        self.multiplications += transposed.nnz * x.shape[0]
        return self.kernels.dot_csr(x, transposed, out)

    def index(self, places: Array) -> Array:
        """Pass on."""
        return self.kernels.index(places)

    def take(self, a: Array, index: Array, out: Array) -> object:
        """Pass on."""
        return self.kernels.take(a, index, out)

    def segments(self, starts: Array, count: int) -> Any:
        """Pass on."""
        return self.kernels.segments(starts, count)

    def segment_sum(self, a: Array, segments: Any, out: Array) -> object:
        """Pass on."""
        return self.kernels.segment_sum(a, segments, out)

    def copyto(self, out: Array, a: Array) -> object:
        """Pass on."""
        return self.kernels.copyto(out, a)

    def fill(self, value: float, out: Array) -> object:
        """Pass on."""
        return self.kernels.fill(value, out)

    def scatter(self, a: Array, index: Array, out: Array) -> object:
        """Pass on."""
        return self.kernels.scatter(a, index, out)

    def xlogy(self, a: Array, b: Array, out: Array) -> object:
        """Pass on."""
        return self.kernels.xlogy(a, b, out)

    def expit(self, a: Array, out: Array) -> object:
        """Pass on."""
        return self.kernels.expit(a, out)

    def special(self, name: str) -> Callable[..., object]:
        """Pass on."""
        return self.kernels.special(name)
