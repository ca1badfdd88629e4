"""Arrays of array-api-strict on its second device, behind the methods and functions that NumPy and CuPy both have.

They never turn into NumPy arrays by themselves, do not mix with them, and know nothing that is not listed here.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, final

import array_api_strict as standard
import numpy as np
from strict_names import ARITHMETIC, BEYOND, COMPARISONS, LINALG, PLAIN, REDUCTIONS, STANDARD_NAMES, UFUNCS

ELSEWHERE = standard.Device("device1")

_state = {"transfers": 0, "is running": False}


@contextmanager
def running() -> Iterator[None]:
    """Refuse every transfer to or from the host inside: what calls do when they run."""
    _state["is running"] = True
    try:
        yield
    finally:
        _state["is running"] = False


def transfers() -> int:
    """Return how often numbers have come from the host or gone to it."""
    return _state["transfers"]


def transferred() -> None:
    _state["transfers"] += 1
    if _state["is running"]:
        raise TypeError("numbers go between the host and the device while calls run")


def raw(value: Any) -> Any:
    """Return what NumPy computes with: the numbers of a strict array, or a plain number."""
    if isinstance(value, StrictArray):
        return value.held._array
    if value is None or value is Ellipsis or isinstance(value, (bool, int, float, np.generic, slice)):
        return value
    raise TypeError(f"an array of the host, or something else, meets the device: {type(value)}")


def wrap(array: Any) -> "StrictArray":
    return StrictArray(standard.asarray(0.0, device=ELSEWHERE)._new(np.asarray(array), device=ELSEWHERE))


def write(out: "StrictArray | None", made: Any) -> "StrictArray":
    """Return what was made, or write it into `out` as CuPy would: of its very shape, and of the same kind."""
    found = made if isinstance(made, StrictArray) else wrap(made)
    if out is None:
        return found
    if not isinstance(out, StrictArray):
        raise TypeError(f"out is {type(out)}, not an array of the device")
    if out.shape != found.shape:
        raise ValueError(f"out has shape {out.shape}, not {found.shape}")
    if not np.can_cast(found.dtype, out.dtype, "same_kind"):
        raise TypeError(f"out is {out.dtype}, not {found.dtype}")
    raw(out)[...] = raw(found)
    return out


def _is_same_view(a: Any, b: Any) -> bool:
    if not (isinstance(a, StrictArray) and isinstance(b, StrictArray)):
        return False
    return (a.data, a.shape, a.strides) == (b.data, b.shape, b.strides) and a.size > 0


@final
class Ufunc:
    """A universal function: the standard's own, where it has one."""

    def __init__(self, name: str) -> None:
        self.name, self.reference = name, getattr(np, name)
        self.own = getattr(standard, STANDARD_NAMES.get(name, name), None)

    def __call__(self, *arguments: Any, out: "StrictArray | None" = None) -> "StrictArray":
        count = self.reference.nin
        given, rest = arguments[:count], arguments[count:]
        if len(given) < count or len(rest) > (out is None):
            raise TypeError(f"{self.name} of {len(arguments)} arguments")
        target = rest[0] if rest else out
        if any(value is not target and _is_same_view(value, target) for value in given):
            raise TypeError(f"{self.name} would copy what it reads: it is written to by another object")
        with np.errstate(all="ignore"):  # a device does not warn
            return write(target, self._made(given))

    def _made(self, given: tuple[Any, ...]) -> Any:
        numbers = [raw(value) for value in given]
        arrays = [value for value in given if isinstance(value, StrictArray)]
        if not arrays:
            raise TypeError(f"{self.name} of no array of the device")
        is_mixed = len({array.dtype for array in arrays}) > 1 or any(isinstance(v, np.generic) for v in given)
        if self.own is None or is_mixed:
            return self.reference(*numbers)
        try:
            return StrictArray(self.own(*(v.held if isinstance(v, StrictArray) else v for v in given)))
        except TypeError:
            if self.name in BEYOND:
                return self.reference(*numbers)
            raise

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False) -> Any:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"{self.name}.reduce")  # as CuPy has it
        return FUNCTIONS["sum" if self.name == "add" else "prod"](array, axis, dtype, out, keepdims)


@final
class Plain:
    """One of NumPy's functions with some of its parameters; `out` is written as CuPy would."""

    def __init__(self, name: str, parameters: str) -> None:
        self.name, self.reference, self.parameters = name, getattr(np, name), parameters.split()

    def __call__(self, *args: Any, **kwargs: Any) -> "StrictArray":
        given = {**dict(zip(self.parameters, args, strict=False)), **kwargs}
        if len(args) > len(self.parameters) or not set(given) <= set(self.parameters):
            raise TypeError(f"{self.name} takes {self.parameters}")
        if not isinstance(given.get("shape", ()), tuple) or given.pop("dtype", None) is not None:
            raise TypeError("shapes are tuples, and dtypes are not asked for")
        out, keepdims = given.pop("out", None), given.pop("keepdims", None)
        values = [v if isinstance(v, (str, tuple, list)) else raw(v) for v in given.values()]
        with np.errstate(all="ignore"):
            return write(out, self.reference(*values, **({"keepdims": True} if keepdims else {})))


def dot(a: Any, b: Any, out: Any = None) -> "StrictArray":
    made = np.dot(raw(a), raw(b))
    if out is not None and (not raw(out).flags.c_contiguous or made.dtype != out.dtype):
        raise ValueError("dot writes into contiguous arrays of its result's dtype only")
    return write(out, made)


def matmul(*args: Any, out: Any = None) -> "StrictArray":
    a, b = args  # CuPy takes `out` by its name only
    is_standard = all(isinstance(x, StrictArray) and x.ndim > 1 for x in args)
    return write(out, StrictArray(standard.matmul(a.held, b.held)) if is_standard else np.matmul(raw(a), raw(b)))


def take(a: Any, indices: Any, axis: Any = None, out: Any = None) -> "StrictArray":
    if not isinstance(indices, StrictArray):
        raise TypeError("places of the host would be copied at every call")
    if out is not None and out.dtype != a.dtype:
        raise TypeError("take does not convert")
    return write(out, np.take(raw(a), raw(indices), axis=axis))


def concatenate(tup: Any, axis: Any = 0, out: Any = None) -> "StrictArray":
    return write(out, np.concatenate(tuple(map(raw, tup)), axis))


def stack(tup: Any, axis: int = 0, out: Any = None) -> "StrictArray":
    return write(out, np.stack(tuple(map(raw, tup)), axis))


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    assert isinstance(dst, StrictArray)
    np.copyto(raw(dst), raw(src), casting=casting, where=True if where is None else raw(where))


def einsum(*operands: Any) -> "StrictArray":
    return wrap(np.einsum(*(raw(value) if isinstance(value, StrictArray) else value for value in operands)))


def may_share_memory(a: Any, b: Any, max_work: None = None) -> bool:
    return np.may_share_memory(raw(a), raw(b), max_work)


def eye(N: int, M: Any = None, k: int = 0, dtype: Any = float) -> "StrictArray":  # noqa: N803  (NumPy's names)
    return wrap(np.eye(N, M, k, dtype))


def arange(start: int, stop: Any = None, step: int = 1, dtype: Any = None) -> "StrictArray":
    return wrap(np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype))


def empty(shape: Any, dtype: Any = float) -> "StrictArray":
    found = np.empty(shape, dtype)
    if found.dtype.kind == "f":
        found.fill(np.nan)  # what is read before it is written is seen
    return wrap(found)


def zeros(shape: Any, dtype: Any = float) -> "StrictArray":
    return wrap(np.zeros(shape, dtype))


def ones(shape: Any, dtype: Any = float) -> "StrictArray":
    return wrap(np.ones(shape, dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> "StrictArray":
    return wrap(np.full(shape, raw(fill_value), dtype))


def asarray(a: Any, dtype: Any = None, order: Any = None) -> "StrictArray":
    if isinstance(a, StrictArray):
        return wrap(np.asarray(raw(a), dtype, order))
    transferred()
    return wrap(np.array(a, dtype, order=order))


def ascontiguousarray(a: Any, dtype: Any = None) -> "StrictArray":
    return asarray(a, dtype, "C")


def shape(a: Any) -> tuple[int, ...]:
    return a.shape if isinstance(a, StrictArray) else np.shape(a)


def ndim(a: Any) -> int:
    return len(shape(a))


OWN = (
    *(dot, matmul, take, concatenate, stack, copyto, einsum, may_share_memory, eye, arange, empty, zeros, ones, full),
    *(asarray, ascontiguousarray, shape, ndim),
)
FUNCTIONS = {
    **{name: Plain(name, parameters) for name, parameters in {**REDUCTIONS, **PLAIN}.items()},
    **{function.__name__: function for function in OWN},
}
"""By their names in NumPy and CuPy."""

NAMESPACE_UFUNCS = {name: Ufunc(name) for name in UFUNCS}


def solved(name: str) -> Any:
    """Return one of the functions of linear algebra; of what has no inverse it makes NaN, as CuPy does not wait."""

    def applied(*arrays: Any) -> Any:
        given = [raw(array) for array in arrays]
        with np.errstate(all="ignore"):
            try:
                found = getattr(np.linalg, name)(*given)
            except np.linalg.LinAlgError:
                found = np.full_like(given[-1], np.nan)
        return tuple(map(wrap, found)) if isinstance(found, tuple) else wrap(found)

    return applied


SOLVED = {name: solved(name) for name in LINALG}


class Flags(NamedTuple):
    """The layout of an array; whether it may be written is nothing that CuPy knows."""

    c_contiguous: bool
    f_contiguous: bool


def _is_foreign(kind: type) -> bool:
    """Return whether a type has ufuncs of its own: CuPy leaves these alone, and raises for NumPy's arrays."""
    return not issubclass(kind, (StrictArray, np.ndarray, np.generic)) and hasattr(kind, "__array_ufunc__")


class Pointer(NamedTuple):
    """Where an array's memory begins."""

    ptr: int


@final
class StrictArray:
    """An array of the other device."""

    __slots__ = ("held",)
    __array_priority__ = 100

    def __init__(self, held: Any) -> None:
        assert held.device == ELSEWHERE
        self.held = held

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed")  # as CuPy has it

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        if any(_is_foreign(type(value)) for value in inputs):
            return NotImplemented
        own = NAMESPACE_UFUNCS.get(ufunc.__name__)
        target = {"out": out[0]} if out else {}
        if ufunc is np.matmul and method == "__call__":
            return matmul(*inputs, **target)
        if own is None or method not in ("__call__", "reduce"):
            return NotImplemented
        return (own if method == "__call__" else own.reduce)(*inputs, **target, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(map(_is_foreign, types)):
            return NotImplemented
        owner = SOLVED if function.__module__ == "numpy.linalg" else FUNCTIONS
        own = owner.get(function.__name__)
        return NotImplemented if own is None else own(*args, **kwargs)

    # what is known without the numbers
    shape = property(lambda self: self.held.shape)
    ndim = property(lambda self: self.held.ndim)
    size = property(lambda self: math.prod(self.held.shape))
    dtype = property(lambda self: raw(self).dtype)
    itemsize = property(lambda self: raw(self).itemsize)
    nbytes = property(lambda self: raw(self).nbytes)
    strides = property(lambda self: raw(self).strides)
    flags = property(lambda self: Flags(raw(self).flags.c_contiguous, raw(self).flags.f_contiguous))
    data = property(lambda self: Pointer(raw(self).ctypes.data))
    device = property(lambda _: ELSEWHERE)
    T = property(lambda self: wrap(raw(self).T))

    def __len__(self) -> int:
        return len(raw(self))

    def __repr__(self) -> str:
        return f"StrictArray({self.shape}, {self.dtype})"

    # views, copies and changes
    def reshape(self, *shape: Any) -> "StrictArray":
        return wrap(raw(self).reshape(*shape))

    def transpose(self, *axes: Any) -> "StrictArray":
        return wrap(raw(self).transpose(*axes))

    def view(self, dtype: Any = None) -> "StrictArray":
        return wrap(raw(self).view() if dtype is None else raw(self).view(dtype))

    def copy(self) -> "StrictArray":
        return wrap(raw(self).copy())

    def astype(self, dtype: Any, copy: bool = True) -> "StrictArray":
        return wrap(raw(self).astype(dtype, copy=copy))

    def fill(self, value: Any) -> None:
        raw(self).fill(raw(value))

    def __getitem__(self, key: Any) -> "StrictArray":
        return wrap(raw(self)[_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        raw(self)[_key(key)] = raw(value)

    def __iter__(self) -> "Iterator[StrictArray]":
        return (self[k] for k in range(len(self)))

    # one number comes to the host, and everything waits for it
    def __bool__(self) -> bool:
        transferred()
        return bool(raw(self))

    def __float__(self) -> float:
        transferred()
        return float(raw(self))

    def __int__(self) -> int:
        transferred()
        return int(raw(self))

    __hash__ = None


def _key(key: Any) -> Any:
    return tuple(map(raw, key)) if isinstance(key, tuple) else raw(key)


def _operator(function: Any, *, is_reflected: bool = False, in_place: bool = False) -> Any:
    def applied(self: StrictArray, *others: Any) -> Any:
        if others and not isinstance(others[0], (StrictArray, bool, int, float, np.generic, np.ndarray)):
            return NotImplemented
        given = (*others, self) if is_reflected else (self, *others)
        return function(*given, out=self) if in_place else function(*given)

    return applied


def _method(name: str) -> Any:
    def applied(self: StrictArray, *args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[name](self, *args, **kwargs)

    return applied


for _name, _function in ARITHMETIC.items():
    _own = matmul if _name == "matmul" else NAMESPACE_UFUNCS[_function]
    setattr(StrictArray, f"__{_name}__", _operator(_own))
    setattr(StrictArray, f"__r{_name}__", _operator(_own, is_reflected=True))
    if _name != "matmul":
        setattr(StrictArray, f"__i{_name}__", _operator(_own, in_place=True))
for _name, _function in COMPARISONS.items():
    setattr(StrictArray, f"__{_name}__", _operator(NAMESPACE_UFUNCS[_function]))
for _name in (*REDUCTIONS, "swapaxes", "ravel", "squeeze", "dot", "take"):
    setattr(StrictArray, _name, _method(_name))
