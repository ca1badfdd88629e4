"""A device that is not the host, without one: what CUDA refuses is refused here.

The kernels that run on it are the CUDA kernels themselves, on the arrays of `strict_arrays`.
"""

import sys
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, final

import numpy as np
import scipy.sparse
import scipy.special
from strict_arrays import (
    FUNCTIONS,
    NAMESPACE_UFUNCS,
    SOLVED,
    StrictArray,
    copyto,
    empty,
    eye,
    raw,
    transferred,
    wrap,
    write,
)

from jacchain.execution import backend
from jacchain.execution.backend import Device, Kind
from jacchain.execution.cuda_kernels import CudaKernels
from jacchain.execution.exhaustion import exhausted


class Listed:
    """A module of the names listed, and no others."""

    def __init__(self, name: str, members: dict[str, Any]) -> None:
        self.__dict__.update(members)
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.__name__} has no {name}; if NumPy and CuPy both have it, list it")


class ElementwiseKernel:
    """A kernel in CUDA C++, for which a twin in NumPy stands here; CuPy compiles the source."""

    def __init__(self, in_params: str, out_params: str, operation: str, name: str) -> None:
        self.twin = KERNEL_TWINS[name] if name in KERNEL_TWINS else _fused(in_params, out_params, operation)

    def __call__(self, *args: Any) -> Any:
        return self.twin(*args)


def _segment_sum(a: Any, first: Any, last: Any, out: Any) -> Any:
    starts, ends, numbers = raw(first), raw(last), raw(a)
    return write(out, np.array([numbers[i:j].sum() for i, j in zip(starts, ends, strict=True)], numbers.dtype))


def _fused(given: str, made: str, source: str) -> Any:
    """Return what runs generated lines of C++ as Python: these are the same but for the types."""
    names, results = ([part.split()[1] for part in text.split(",")] for text in (given, made))
    functions = {name: getattr(np, name) for name in ("sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan")}
    functions |= {name: getattr(np, name) for name in ("sinh", "cosh", "tanh")} | {"atan": np.arctan}
    code = compile(";".join(line.strip().removeprefix("T ") for line in source.split(";")), "fused", "exec")

    def run(*arrays: Any) -> None:
        known = dict(zip(names, map(raw, arrays[: len(names)]), strict=True))
        with np.errstate(all="ignore"):
            exec(code, functions, known)
        for name, out in zip(results, arrays[len(names) :], strict=True):
            write(out, np.broadcast_to(known[name], raw(out).shape))

    return run


KERNEL_TWINS = {"jacchain_segment_sum": _segment_sum}


class _SpecialUfunc:
    def __init__(self, name: str) -> None:
        self.name, self.reference = name, getattr(scipy.special, name)

    def __call__(self, *arguments: Any, out: Any = None) -> StrictArray:
        count = getattr(self.reference, "nin", 2)  # SciPy's zeta is a plain function of two
        given, rest = arguments[:count], arguments[count:]
        with np.errstate(all="ignore"):
            return write(rest[0] if rest else out, self.reference(*map(raw, given)))


SPECIAL_NAMES = (
    *("expit", "logit", "log_expit", "erf", "erfc", "erfcx", "erfinv", "erfcinv", "ndtr", "ndtri", "log_ndtr"),
    *("gamma", "gammaln", "psi", "zeta", "betaln", "exp10", "exp1", "expi", "xlogy", "xlog1py"),
    *("entr", "rel_entr", "kl_div", "i0", "i1", "j0", "j1"),
)
"""What both scipy.special and cupyx.scipy.special have; jv, iv and dawsn are SciPy's only."""

SPECIAL_UFUNCS = {name: _SpecialUfunc(name) for name in SPECIAL_NAMES}


@final
class CsrMatrix:
    """A compressed sparse matrix of the device."""

    def __init__(self, arg1: Any, shape: Any = None) -> None:
        self.data, self.indices, self.indptr = arg1
        assert all(isinstance(array, StrictArray) for array in arg1)
        self.shape, self.has_canonical_format = tuple(shape), False

    nnz = property(lambda self: self.data.size)

    def __matmul__(self, x: StrictArray) -> StrictArray:
        if not self.has_canonical_format:
            transferred()  # CuPy looks first, and waits for what it finds
        found = scipy.sparse.csr_array((raw(self.data), raw(self.indices), raw(self.indptr)), shape=self.shape)
        return wrap(np.asfortranarray(found @ raw(x)))


NAMESPACE = Listed(
    "the strict namespace",
    {
        **NAMESPACE_UFUNCS,
        **FUNCTIONS,
        "linalg": Listed("linalg", SOLVED),
        "ElementwiseKernel": ElementwiseKernel,
        **{name: getattr(np, name) for name in ("float32", "float64", "int64", "bool_", "inf", "pi")},
    },
)
SPARSE = Listed("the strict sparse module", {"csr_matrix": CsrMatrix})
SPECIAL = Listed("the strict special functions", SPECIAL_UFUNCS)

KERNELS = CudaKernels(NAMESPACE, SPARSE, SPECIAL)


@final
class StrictBackend(NamedTuple):
    """The other device as a backend."""

    kernels: Any = KERNELS
    result_kernels: Any = KERNELS

    @property
    def device(self) -> Device:
        return Device("strict")

    def references(self, array: Any, /) -> int:
        return sys.getrefcount(array) + sys.getrefcount(array.held._array)

    def with_kernels(self, kernels: Any, result_kernels: Any, /) -> "StrictBackend":
        return StrictBackend(kernels, result_kernels)

    def workspace(self, nbytes: int, dtype: Any, /) -> StrictArray:
        return empty(nbytes // np.dtype(dtype).itemsize, dtype)

    def units(self, size: int, dtype: Any, /) -> StrictArray:
        return eye(size, dtype=dtype)

    def owns(self, value: object, /) -> bool:
        return isinstance(value, StrictArray)

    def place(self, array: Any, out: Any = None, /) -> StrictArray:
        if isinstance(array, StrictArray):
            return array if out is None else _copied(out, array)
        transferred()
        made = wrap(np.array(array))
        return made if out is None else _copied(out, made)

    def fetch(self, array: Any, out: Any = None, /) -> Any:
        transferred()
        if out is None:
            return raw(array).copy()
        np.copyto(out, raw(array))
        return out

    def active(self) -> Any:
        return nullcontext()

    def queue(self) -> int:
        return 0

    def synchronise(self) -> None:
        pass

    def supports(self, _dtype: Any, /) -> bool:
        return True

    def free_bytes(self) -> int:
        return 1 << 30


def _copied(out: StrictArray, array: StrictArray) -> StrictArray:
    copyto(out, array)
    return out


STRICT = StrictBackend()


def install() -> None:
    """Let the library know the device: `device="strict"`."""
    backend.KINDS["strict"] = Kind(lambda _: STRICT, lambda value: 0 if isinstance(value, StrictArray) else None)


def place(values: Any) -> StrictArray:
    """Return numbers of the host on the device."""
    return STRICT.place(np.asarray(values))


def fetch(array: StrictArray) -> Any:
    """Return numbers of the device on the host."""
    return STRICT.fetch(array)


class Scarce:
    """The stand-in with memory that may be exhausted: whatever raises MemoryError stands for that."""

    free: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(STRICT, name)

    def with_kernels(self, *kernels: Any) -> Any:
        return STRICT.with_kernels(*kernels)

    def free_bytes(self) -> int | None:
        return self.free

    @contextmanager
    def active(self) -> Any:
        try:
            yield
        except MemoryError as error:
            exhausted(self, error.args[0])


def replaced(monkeypatch: Any, found: Any) -> Any:
    """Let another backend stand for the device during a test, and return it."""
    monkeypatch.setitem(backend.KINDS, "strict", backend.KINDS["strict"]._replace(make=lambda _: found))
    return found
