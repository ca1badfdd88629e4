"""What every layer states: its value, its local Jacobian as a structured matrix, and its curvature."""

from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, NoReturn, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike

from jacchain.algebra.kernels import Array, Call, Calls, Kernels, run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import array_shapes
from jacchain.errors import DtypeError, OptionError, SizeError, TraceError
from jacchain.execution.source import Bent, Borrowed, Computed, Facts, MatrixFree, Shape, SourceCurvature
from jacchain.model.array_protocol import Overloaded
from jacchain.model.local_curvature import local_curvature

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
        point = as_point(x)
        layer, calls = converted(self, point.dtype)
        run(calls)
        facts = _facts(layer, point)
        y = np.empty(facts.outputs, point.dtype)
        scratch = np.empty(facts.value_scratch, point.dtype)
        run(layer.value_calls(NUMPY, np.asarray(point, order="C"), y, scratch))
        return y

    @final
    def __call__(self, x: Any, /) -> Any:
        """Return the value at x, or in a function that is traced the layer applied to its value x."""
        from jacchain.model.layer_operation import applied

        return applied(self, x)

    @final
    def jacobian(self, x: ArrayLike, /) -> Matrix:
        """Return the local Jacobian at x: a structured matrix of outputs × inputs."""
        point = np.asarray(as_point(x), order="C")
        layer, calls = converted(self, point.dtype)
        run(calls)
        facts = _facts(layer, point)
        structure = facts.link.local
        if facts.borrowed and isinstance(layer, Borrowed):
            return Matrix(structure, layer.borrowed_arrays(facts.inputs))
        arrays = tuple(np.empty(shape, point.dtype) for shape in array_shapes(structure))
        if facts.link.is_explicit and isinstance(layer, Computed):
            y = layer.value(point) if "y" in facts.reads else None
            scratch = np.empty(facts.local_scratch, point.dtype)
            run(layer.local_calls(NUMPY, point, y, Operand(structure, arrays), scratch))
        elif isinstance(layer, MatrixFree):
            by_tangents = facts.link.tangent_cost is not None
            apply = layer.tangent_calls if by_tangents else layer.adjoint_calls
            size = structure.columns if by_tangents else structure.rows
            run(apply(NUMPY, point, np.eye(size, dtype=point.dtype), arrays[0]))
        return Matrix(structure, arrays)

    @final
    def tangent(self, x: ArrayLike, v: ArrayLike, /) -> Array:
        """Return J v for a tangent v of x's shape."""
        j = self.jacobian(x)
        return j.matmat(np.asarray(v).reshape(-1, 1)).reshape(self.facts(np.shape(x)).outputs)

    @final
    def adjoint(self, x: ArrayLike, u: ArrayLike, /) -> Array:
        """Return uᵀ J for an adjoint u of the value's shape."""
        return self.jacobian(x).rmatmat(np.asarray(u).reshape(-1, 1)).reshape(np.shape(x))

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

        point = np.asarray(as_point(x), order="C")
        layer, found = _curved(self, point)
        if found is None:
            return None
        operation = LayerOperation(layer, point.shape)
        (facts,) = operation.facts((point.shape,)).curvatures or ()
        y = layer.value(point) if "y" in found.reads else None
        return local_curvature(operation, facts, (point,), y, _adjoint(layer, point, u))

    @final
    def bend(self, x: ArrayLike, u: ArrayLike, v: ArrayLike, /) -> Array:
        """Return (u·∂²f) v of x's shape, for an adjoint u of the value's shape and a tangent v of x's shape.

        It is the change of the gradient uᵀ J along v.
        """
        point = np.asarray(as_point(x), order="C")
        layer, found = _curved(self, point)
        tangent = _flat(v, point, point.shape, f"v has shape {{}}, but the input of {layer.name} has {{}}")
        if found is not None and found.applies and isinstance(layer, Bent):
            out = np.empty(point.size, point.dtype)
            y = layer.value(point) if "y" in found.reads else None
            run(layer.bend_calls(NUMPY, point, y, _adjoint(layer, point, u), tangent, out))
            return out.reshape(point.shape)
        matrix = self.curvature(x, u)
        if matrix is None:
            return np.zeros(point.shape, point.dtype)
        return matrix.matmat(tangent[:, None]).reshape(point.shape)


def _facts(layer: Layer, point: Array) -> Facts:
    try:
        return layer.facts(point.shape)
    except SizeError as error:
        raise SizeError(f"{layer.name} {error.what}, but is given {described(point.shape)}", error.cure) from None


def _curved(layer: L, point: Array) -> tuple[L, SourceCurvature | None]:
    """Return the layer with parameters of the point's dtype, and what it states of its curvature."""
    found, calls = converted(layer, point.dtype)
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
    found = np.asarray(values)
    if found.dtype.kind not in "fiub":
        name, _, _ = problem.partition(" ")
        raise DtypeError(f"{name} is {found.dtype}, not real numbers", "give floats")
    if found.shape != shape:
        raise SizeError(problem.format(found.shape, shape), "give an array of that shape")
    return np.asarray(found, like.dtype, order="C").reshape(-1)


def refuse(expected: str, /) -> NoReturn:
    """Raise the SizeError of a layer that takes something else; `Sequential` names the layers around it."""
    raise SizeError(f"takes {expected}", "make the sizes equal, or put a Reshape in between")


def described(shape: Shape, /) -> str:
    """Return how messages speak of a shape."""
    return counted(shape[0], "input") if len(shape) == 1 else f"shape {shape}"


def counted(count: int, noun: str, /) -> str:
    """Return a number with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def as_point(values: ArrayLike, /, what: str = "the input") -> Array:
    """Return a float32 or float64 array that is not empty, or raise an error that says what to do.

    Examples
    --------
    >>> as_point([1, 2])
    Traceback (most recent call last):
    jacchain.errors.DtypeError: the input is int64, which has no derivative
    convert it first, for example with numpy.asarray(x, dtype=float)
    """
    if isinstance(values, Overloaded):
        cure = "call the layer or function itself, and differentiate outside"
        raise TraceError(f"{what} is a traced value, where numbers are needed", cure)
    if isinstance(values, np.ma.MaskedArray):
        raise DtypeError(f"{what} is a masked array", "fill it first, for example with x.filled(0.0)")
    try:
        array = values if type(values) is np.ndarray else np.asarray(values)
    except ValueError as error:
        raise SizeError(f"{what} is no array: {error}", "give rows of equal length") from None
    if array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        if array.size == 0:
            raise SizeError(f"{what} is empty: its shape is {array.shape}", "give at least one number")
        return array
    if array.dtype.kind in "iub":
        cure = "convert it first, for example with numpy.asarray(x, dtype=float)"
    elif array.dtype.kind == "c":
        cure = "give real and imaginary parts as separate real numbers"
    else:
        cure = "give an array of dtype float32 or float64"
    raise DtypeError(f"{what} is {array.dtype}, which has no derivative", cure)


def as_parameter(values: ArrayLike, ndim: int | None, what: str, /) -> Array:
    """Return a floating-point array of a number of axes, not copied where it already is one."""
    array = as_point(values, what)
    if ndim is not None and array.ndim != ndim:
        raise SizeError(f"{what} has {array.ndim} axes, not {ndim}", f"give an array of {ndim} axes")
    return array


def converted(layer: L, dtype: "np.dtype[Any]", /) -> tuple[L, Calls]:
    """Return the layer with its parameters contiguous and of a dtype, and the calls that refresh those copied.

    Parameters that already are contiguous and of the dtype are shared, not copied.
    """
    if not is_dataclass(layer):
        return layer, ()
    copies: dict[str, Array] = {}
    calls: list[Call] = []
    for field in fields(layer):
        array = getattr(layer, field.name)
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            continue
        if array.dtype != dtype or not array.flags.c_contiguous:
            copies[field.name] = np.empty(array.shape, dtype)
            calls.append((NUMPY.copyto, (copies[field.name], array)))
    return (replace(layer, **copies), tuple(calls)) if copies else (layer, ())


def constant(kernels: Kernels, value: float, like: Array, /) -> Array:
    """Return a number as an array without axes, which NumPy takes in half the time of a Python number."""
    return kernels.xp.asarray(value, like.dtype)


def readonly(array: Array, /) -> Array:
    """Return a view that a user's function cannot write through."""
    view = array.view()
    view.flags.writeable = False
    return view


def store(out: Array, made: ArrayLike, what: str, /) -> None:
    """Write what a user's function made into a buffer, or raise an error that names the function."""
    array = np.asarray(made)
    if array.shape != out.shape:
        raise SizeError(f"{what} gives shape {array.shape}, not {out.shape}", "correct the function")
    if array.dtype.kind not in "fiu":
        raise DtypeError(f"{what} gives {array.dtype}", "return real floating-point numbers")
    np.copyto(out, array, casting="unsafe")
