"""What every layer states: its value, its local Jacobian as a structured matrix, and its curvature."""

from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, NoReturn, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array, Call, Calls, Kernels, run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import array_shapes
from jacchain.errors import DeviceError, DtypeError, OptionError, SizeError, TraceError
from jacchain.execution.backend import CPU, backend_of, home_of
from jacchain.execution.device import Backend
from jacchain.execution.source import Bent, Borrowed, Computed, Facts, MatrixFree, Shape, SourceCurvature
from jacchain.model.array_protocol import Overloaded
from jacchain.model.local_curvature import local_curvature
from jacchain.model.nested_numbers import gathered

L = TypeVar("L", bound="Layer")

CURVATURE_CURE: Final = "write second_derivative in an Elementwise layer, or give a Function hessian= or hvp="


class Layer(ABC):
    """An elementary map with an explicit or matrix-free local Jacobian.

    Arrays are taken row by row: vec(x) is ``x.reshape(-1)``, and the local Jacobian of a layer with input shape s and
    output shape t is a matrix of prod(t) × prod(s).
    """

    @property
    def name(self) -> str:
        """What messages and plans call the layer."""
        return getattr(self, "label", None) or type(self).__name__

    @abstractmethod
    def facts(self, shape: Shape, /) -> Facts:
        """Return what is known of the layer for inputs of a shape; raise SizeError for a shape it does not take."""

    @abstractmethod
    def value_calls(self, kernels: Kernels, x: Array, y: Array, scratch: Array, /) -> Calls:
        """Return the calls that write the value of x into y."""

    @final
    def value(self, x: ArrayLike, /) -> Array:
        """Return the value at x."""
        point, backend = _placed(x)
        xp = backend.kernels.xp
        with backend.active():
            layer, calls = converted(self, point.dtype, backend)
            run(calls)
            facts = _facts(layer, point)
            y = xp.empty(facts.outputs, point.dtype)
            scratch = xp.empty(facts.value_scratch, point.dtype)
            run(layer.value_calls(backend.kernels, point, y, scratch))
        return y

    @final
    def __call__(self, x: Any, /) -> Any:
        """Return the value at x, or in a function that is traced the layer applied to its value x."""
        from jacchain.model.layer_operation import applied

        return applied(self, x)

    @final
    def jacobian(self, x: ArrayLike, /) -> Matrix:
        """Return the local Jacobian at x: a structured matrix of outputs × inputs."""
        point, backend = _placed(x)
        with backend.active():
            layer, calls = converted(self, point.dtype, backend)
            run(calls)
            facts = _facts(layer, point)
            structure = facts.link.local
            if facts.borrowed and isinstance(layer, Borrowed):
                return Matrix(structure, layer.borrowed_arrays(facts.inputs))
            arrays = tuple(backend.kernels.xp.empty(shape, point.dtype) for shape in array_shapes(structure))
            _local(layer, facts, point, backend, Operand(structure, arrays))
        return Matrix(structure, arrays)

    @final
    def tangent(self, x: ArrayLike, v: ArrayLike, /) -> Array:
        """Return J v for a tangent v of x's shape."""
        j, backend = self.jacobian(x), home_of((x, v))
        return j.matmat(_array(v, backend).reshape(-1, 1)).reshape(self.facts(np.shape(x)).outputs)

    @final
    def adjoint(self, x: ArrayLike, u: ArrayLike, /) -> Array:
        """Return uᵀ J for an adjoint u of the value's shape."""
        j, backend = self.jacobian(x), home_of((x, u))
        return j.rmatmat(_array(u, backend).reshape(-1, 1)).reshape(np.shape(x))

    @final
    def curvature(self, x: ArrayLike, u: ArrayLike, /) -> Matrix | None:
        """Return u·∂²f at x, a symmetric matrix of inputs × inputs, for an adjoint u of the value's shape.

        At a kink it is that of the pieces beside it.

        Returns
        -------
        Matrix or None
            None where the second derivative is zero everywhere.

        Raises
        ------
        OptionError
            The layer does not state it.
        SizeError, DtypeError
            u is of another shape than the value, or not of real numbers.
        """
        from jacchain.model.layer_operation import LayerOperation

        point, backend = _placed(x)
        layer, found = _curved(self, point, backend)
        if found is None:
            return None
        operation = LayerOperation(layer, point.shape)
        (facts,) = operation.facts((point.shape,)).curvatures or ()
        y = layer.value(point) if "y" in found.reads else None
        with backend.active():
            return local_curvature(operation, facts, (point,), y, _adjoint(layer, point, u))

    @final
    def bend(self, x: ArrayLike, u: ArrayLike, v: ArrayLike, /) -> Array:
        """Return (u·∂²f) v of x's shape, for an adjoint u of the value's shape and a tangent v of x's shape.

        It is the change of the gradient uᵀ J along v.
        """
        point, backend = _placed(x)
        layer, found = _curved(self, point, backend)
        tangent = _flat(v, point, point.shape, f"v has shape {{}}, but the input of {layer.name} has {{}}")
        if found is not None and found.applies and isinstance(layer, Bent):
            y = layer.value(point) if "y" in found.reads else None
            with backend.active():
                out = backend.kernels.xp.empty(point.size, point.dtype)
                run(layer.bend_calls(backend.kernels, point, y, _adjoint(layer, point, u), tangent, out))
            return out.reshape(point.shape)
        matrix = self.curvature(x, u)
        if matrix is None:
            with backend.active():
                return backend.kernels.xp.zeros(point.shape, point.dtype)
        return matrix.matmat(tangent[:, None]).reshape(point.shape)


def _placed(x: ArrayLike) -> tuple[Array, Backend]:
    """Return a contiguous point, and the backend of the device that it lies on."""
    point = as_point(x)
    backend = backend_of(point) or CPU
    with backend.active():
        return backend.kernels.xp.ascontiguousarray(point).reshape(point.shape), backend


def _array(values: ArrayLike, backend: Backend) -> Array:
    """Return an array of a device, or a list and the like as one there."""
    with backend.active():
        return values if backend.owns(values) else backend.place(np.asarray(values))


def _local(layer: Layer, facts: Facts, point: Array, backend: Backend, out: Operand) -> None:
    """Write the local Jacobian of a layer at a point."""
    kernels, dtype = backend.kernels, point.dtype
    if facts.link.is_explicit and isinstance(layer, Computed):
        y = layer.value(point) if "y" in facts.reads else None
        run(layer.local_calls(kernels, point, y, out, kernels.xp.empty(facts.local_scratch, dtype)))
    elif isinstance(layer, MatrixFree):
        by_tangents = facts.link.tangent_cost is not None
        apply = layer.tangent_calls if by_tangents else layer.adjoint_calls
        size = out.structure.columns if by_tangents else out.structure.rows
        run(apply(kernels, point, kernels.xp.eye(size, dtype=dtype), out.arrays[0]))


def _facts(layer: Layer, point: Array) -> Facts:
    try:
        return layer.facts(point.shape)
    except SizeError as error:
        raise SizeError(f"{layer.name} {error.what}, but is given {described(point.shape)}", error.cure) from None


def _curved(layer: L, point: Array, backend: Backend) -> tuple[L, SourceCurvature | None]:
    """Return the layer with parameters of the point's dtype, and what it states of its curvature."""
    with backend.active():
        found, calls = converted(layer, point.dtype, backend)
        run(calls)
    stated = _facts(found, point).curvature
    if stated is None:
        raise OptionError(f"{layer.name} states no curvature", CURVATURE_CURE)
    return found, stated[0] if stated else None


def _adjoint(layer: Layer, point: Array, u: ArrayLike) -> Array:
    """Return an adjoint of the value, flat and of the point's dtype."""
    return _flat(
        u, point, layer.facts(point.shape).outputs, f"u has shape {{}}, but the value of {layer.name} has {{}}"
    )


def _flat(values: ArrayLike, like: Array, shape: Shape, problem: str) -> Array:
    found = _array(values, home_of((like, values)))
    if found.dtype.kind not in "fiub":
        name, _, _ = problem.partition(" ")
        raise DtypeError(f"{name} is {found.dtype}, not real numbers", "give floats")
    if found.shape != shape:
        raise SizeError(problem.format(found.shape, shape), "give an array of that shape")
    return found.astype(like.dtype, copy=False).reshape(-1)


def refuse(expected: str, /) -> NoReturn:
    """Raise the SizeError of a layer that takes something else; `Sequential` names the layers around it."""
    raise SizeError(f"takes {expected}", "make the sizes equal, or put a Reshape in between")


def described(shape: Shape, /) -> str:
    """Return how messages speak of a shape."""
    return counted(shape[0], "input") if len(shape) == 1 else f"shape {shape}"


def counted(count: int, noun: str, /) -> str:
    """Return a number with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _is_elsewhere(values: object) -> bool:
    """Return whether it is an array of a device other than the host."""
    return not isinstance(values, np.ndarray) and backend_of(values) is not None


def expect_host(values: object, what: str, why: str, /) -> None:
    """Refuse an array of a device for what works on the host only; `why` says what that is.

    Raises
    ------
    DeviceError
    """
    found = None if isinstance(values, np.ndarray) else backend_of(values)
    if found is not None:
        raise DeviceError(f"{what} lies on {found.device}, but {why} on the host only", "give a NumPy array")


def as_host_point(values: ArrayLike, /, what: str, why: str) -> Array:
    """Return the like of `as_point` for what works on the host only; see `expect_host`."""
    expect_host(values, what, why)
    return as_point(values, what)


def as_point_beside(values: ArrayLike, home: Backend, what: str, /) -> Array:
    """Return the like of `as_point` on the device where the point lies; what is no array yet is brought there.

    Raises
    ------
    DeviceError
        An array of another device.
    """
    found = backend_of(values)
    if found is not None and found.device != home.device:
        raise DeviceError(
            f"{what} and x lie on different devices, {found.device} and {home.device}",
            "move one of them; the result lies where x does",
        )
    with home.active():
        return home.place(as_point(values, what))


PLURAL: Final = {"the points": ("are", "their"), "the weights": ("are", "their")}
"""How messages go on where they are about several arrays."""

NATIVE: Final = np.dtype(np.float32), np.dtype(np.float64)
"""What numbers with a derivative are: of these types, with their bytes in the processor's order."""


def as_point(values: ArrayLike, /, what: str = "the input") -> Array:
    """Return a float32 or float64 array that is not empty, or raise an error that says what to do.

    An array of a device stays there.

    Examples
    --------
    >>> as_point([1, 2])
    Traceback (most recent call last):
    jacchain.errors.DtypeError: the input is int64, which has no derivative
    convert it first, for example with numpy.asarray(x, dtype=float)
    """
    if type(values) is np.ndarray and values.dtype in NATIVE and values.size:
        return values  # the questions below would take three times as long as this one
    verb, whose = PLURAL.get(what, ("is", "its"))
    if isinstance(values, Overloaded):
        cure = "call the layer or function itself, and differentiate outside"
        raise TraceError(f"{what} is a traced value, where numbers are needed", cure)
    if isinstance(values, np.ma.MaskedArray):
        raise DtypeError(f"{what} {verb} a masked array", "fill it first, for example with x.filled(0.0)")
    try:
        array: Array = values if type(values) is np.ndarray or _is_elsewhere(values) else gathered(values, what)
    except ValueError as error:
        raise SizeError(f"{what} {verb} no array: {error}", "give rows of equal length") from None
    if array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        if array.size == 0:
            raise SizeError(f"{what} {verb} empty: {whose} shape is {array.shape}", "give at least one number")
        return array
    if array.dtype.kind in "iub":
        cure = "convert it first, for example with numpy.asarray(x, dtype=float)"
    elif array.dtype.kind == "c":
        cure = "give real and imaginary parts as separate real numbers"
    else:
        cure = "give an array of dtype float32 or float64"
    raise DtypeError(f"{what} {verb} {array.dtype}, which has no derivative", cure)


def as_parameter(values: ArrayLike, ndim: int | None, what: str, /) -> Array:
    """Return a floating-point array of a number of axes, not copied where it already is one."""
    array = as_point(values, what)
    if ndim is not None and array.ndim != ndim:
        raise SizeError(f"{what} has {array.ndim} axes, not {ndim}", f"give an array of {ndim} axes")
    return array


def converted(layer: L, dtype: "np.dtype[Any]", backend: Backend = CPU, /) -> tuple[L, Calls]:
    """Return the layer with its parameters contiguous, of a dtype and on a device, and the calls that refresh copies.

    Parameters that already are all that are shared, not copied.

    Raises
    ------
    DeviceError
        A parameter lies on a device other than the host and this one.
    """
    if not is_dataclass(layer):
        return layer, ()
    copies: dict[str, Array] = {}
    calls: list[Call] = []
    for field in fields(layer):
        array = getattr(layer, field.name)
        home = CPU if isinstance(array, np.ndarray) else backend_of(array)
        if home is None or array.dtype.kind != "f":
            continue
        is_here = home is CPU if backend is CPU else backend.owns(array)
        if is_here and array.dtype == dtype and array.flags.c_contiguous:
            continue
        if not is_here and home is not CPU:
            raise DeviceError(
                f"the {field.name} of {layer.name} lies on {home.device}, but the arithmetic is done on "
                f"{backend.device}",
                f"give the point on {home.device}, or ask for device={str(home.device)!r}",
            )
        copies[field.name] = copy = backend.kernels.xp.empty(array.shape, dtype)
        calls.append((backend.kernels.copyto, (copy, array)) if is_here else (_refresh, (copy, array, backend)))
    return (replace(layer, **copies), tuple(calls)) if copies else (layer, ())


def _refresh(copy: Array, array: Array, backend: Backend) -> None:
    """Copy a parameter of the host to a device."""
    backend.place(array, copy)


def constant(kernels: Kernels, value: float, like: Array, /) -> Array:
    """Return a number as an array without axes, which NumPy takes in half the time of a Python number."""
    return kernels.xp.asarray(value, like.dtype)


def readonly(array: Array, /) -> Array:
    """Return a view that a user's function cannot write through."""
    view = array.view()
    if isinstance(view, np.ndarray):  # arrays of a device can always be written
        view.flags.writeable = False
    return view


def store(out: Array, made: ArrayLike, what: str, /) -> None:
    """Write what a user's function made into a buffer, or raise an error that names the function."""
    array = as_made(made, out, what)
    if array.shape != out.shape:
        raise SizeError(f"{what} gives shape {array.shape}, not {out.shape}", "correct the function")
    if array.dtype.kind not in "fiu":
        raise DtypeError(f"{what} gives {array.dtype}", "return real floating-point numbers")
    if isinstance(out, np.ndarray):
        np.copyto(out, array, casting="unsafe")
    else:
        out[...] = array


def as_made(made: Any, like: Array, what: str, /) -> Array:
    """Return what a user's function made as an array, which lies where the buffer does that it is for.

    Raises
    ------
    DeviceError
        An array of the host, where the function was given arrays of a device: it would be copied at every call.
    """
    if isinstance(like, np.ndarray):
        return np.asarray(made)
    if type(made) is type(like):
        return made
    if np.ndim(made) == 0:
        return like.dtype.type(made)
    raise DeviceError(
        f"{what} gives an array of the host, but is given arrays of a device",
        "compute with their own functions and operators, or use device='cpu'",
    )
