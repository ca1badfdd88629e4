"""Every stock layer and every primitive on a device that is not the host: what NumPy gives, they give, in its dtype."""

import inspect
from contextlib import nullcontext

import numpy as np
import pytest
import strict_arrays
import test_primitives
import test_shape_primitives
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Cube, samples
from numpy.testing import assert_allclose
from strict_arrays import StrictArray, running
from strict_device import KERNELS, NAMESPACE, SPECIAL_NAMES, fetch, install, place

from jacchain import layers as jl
from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import array_shapes
from jacchain.errors import DeviceError, OptionError
from jacchain.execution.backend import home_of
from jacchain.execution.fusion import in_place
from jacchain.execution.operation import VALUE, FreeOperation
from jacchain.layers import Function
from jacchain.model.primitives.formula import LARGE_CHOICE
from jacchain.model.primitives.ordered import Ordered
from jacchain.model.primitives.unary import UNARY

install()
EXAMPLES = [*test_primitives.EXAMPLES, *test_shape_primitives.EXAMPLES]
HOST_ONLY = ("dawsn", "jv", "iv")
"""SciPy's functions that CUDA does not have."""


class Place:
    """Where a primitive is taken through all that it states, with numbers of one dtype."""

    def __init__(self, kernels, to, guard):
        self.kernels, self.to, self.guard, self.found = kernels, to, guard, []

    def empty(self, shape, dtype):
        return self.kernels.xp.empty(shape, dtype)

    def matrix(self, structure, dtype):
        return Operand(structure, tuple(self.empty(shape, dtype) for shape in array_shapes(structure)))

    def run(self, calls, *arrays):
        backend = home_of([self.empty(0, float)])
        with self.guard():
            run(in_place(backend, calls))
        self.found += arrays

    def all_of(self, primitive, numbers, dtype):
        xs = tuple(map(self.to, numbers))
        facts = primitive.facts(tuple(x.shape for x in xs))
        y = self.empty(facts.output, dtype)
        self.run(primitive.value_calls(self.kernels, xs, y, self.empty(facts.scratch, dtype)), y)
        for k, local in enumerate(facts.locals):
            if local is not None:
                self.local(primitive, k, local, xs, y)
        for curvature in facts.curvatures or ():
            self.curvature(primitive, curvature, xs, y)
        return self.found

    def seen(self, reads, xs, y):
        return tuple(x if i in reads else None for i, x in enumerate(xs)), y if VALUE in reads else None

    def local(self, primitive, k, facts, xs, y):
        given, seen = self.seen(facts.reads, xs, y)
        if facts.link.is_explicit and array_shapes(facts.link.local):
            out = self.matrix(facts.link.local, y.dtype)
            scratch = self.empty(facts.scratch, y.dtype)
            self.run(primitive.local_calls(self.kernels, k, given, seen, out, scratch), *out.arrays)
            if facts.view:
                self.found += primitive.local_views(k, given, seen)
        if facts.link.tangent_cost is not None and isinstance(primitive, FreeOperation):
            tangents, adjoints = (self.to(values.astype(y.dtype)) for values in _seeds(facts.link))
            out = self.empty((facts.link.outputs, 2), y.dtype)
            self.run(primitive.tangent_calls(self.kernels, k, given, tangents, out), out)
            out = self.empty((2, facts.link.inputs), y.dtype)
            self.run(primitive.adjoint_calls(self.kernels, k, given, adjoints, out), out)

    def curvature(self, primitive, facts, xs, y):
        given, seen = self.seen(facts.reads, xs, y)
        pair = facts.first, facts.second
        u = self.to(np.linspace(0.5, 1.5, y.size).astype(y.dtype))
        if facts.view:
            self.found += primitive.curvature_views(pair, u)
        else:
            out, scratch = self.matrix(facts.structure, y.dtype), self.empty(facts.scratch, y.dtype)
            self.run(primitive.curvature_calls(self.kernels, pair, given, seen, u, out, scratch), *out.arrays)
        if facts.applies:
            both = [(facts.first, facts.second)] + ([pair[::-1]] if pair[0] != pair[1] else [])
            for one, other in both:
                v = self.to(np.linspace(-1, 1, xs[other].size).astype(y.dtype))
                out = self.empty(xs[one].size, y.dtype)
                self.run(primitive.bend_calls(self.kernels, (one, other), given, seen, u, v, out), out)


def _seeds(link):
    return np.linspace(-1, 1, 2 * link.inputs).reshape(-1, 2), np.linspace(-1, 1, 2 * link.outputs).reshape(2, -1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("part", range(4))
def test_every_primitive_is_evaluated_and_differentiated_on_the_device_without_a_transfer(part, dtype):
    for example in EXAMPLES[part::4]:
        primitive, numbers = example.primitive, example.point(3, dtype)
        if any(f"{name}(" in repr(getattr(primitive, "formulas", "")) for name in HOST_ONLY):
            continue
        wanted = Place(NUMPY, np.asarray, nullcontext).all_of(primitive, numbers, dtype)
        found = Place(KERNELS, place, running).all_of(primitive, numbers, dtype)
        assert len(wanted) == len(found)
        for mine, theirs in zip(found, wanted, strict=True):
            assert isinstance(mine, StrictArray), primitive
            assert mine.dtype == dtype, primitive
            rounding = {"rtol": 1e-3, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-12}
            assert_allclose(fetch(mine), theirs, **rounding, err_msg=repr(primitive))


@pytest.mark.parametrize("primitive", [UNARY["dawsn"], Ordered("jv", 2.0), Ordered("iv", 1.0)])
def test_functions_that_cuda_lacks_are_refused_by_name(primitive):
    with pytest.raises(OptionError, match="has no counterpart on a CUDA device"):
        primitive.value(place([0.5]))


def test_large_choices_are_made_by_bits_on_the_device_too():
    where, rng = test_primitives.Where(), np.random.default_rng(0)
    mask, a, b = (rng.integers(0, 2, LARGE_CHOICE + 1) * 1.0, *rng.normal(size=(2, LARGE_CHOICE + 1)))
    assert_allclose(fetch(where.value(*map(place, (mask, a, b)))), where.value(mask, a, b))


@pytest.mark.parametrize("name", [name for name in jl.__all__ if name != "Function"])
@settings(max_examples=6)
@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_every_layer_is_evaluated_and_differentiated_on_the_device(name, data, dtype):
    layer, x = data.draw(samples(name))
    x = x.astype(dtype)
    rounding = {"rtol": 1e-3, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-12}
    point, y = place(x), layer.value(x)
    u, v = np.linspace(0.5, 1.5, y.size).reshape(y.shape).astype(dtype), np.linspace(-1, 1, x.size).reshape(x.shape)
    v = v.astype(dtype)
    pairs = [
        (layer.value(point), y),
        *((array, layer.jacobian(x).arrays[k]) for k, array in enumerate(layer.jacobian(point).arrays)),
        (layer.tangent(point, place(v)), layer.tangent(x, v)),
        (layer.adjoint(point, place(u)), layer.adjoint(x, u)),
        (layer.bend(point, place(u), place(v)), layer.bend(x, u, v)),
    ]
    curvature = layer.curvature(x, u)
    if curvature is not None:
        pairs.append((layer.curvature(point, place(u)).todense(), curvature.todense()))
    for found, wanted in pairs:
        assert isinstance(found, StrictArray)
        assert found.dtype == dtype
        assert_allclose(fetch(found), wanted, **rounding)


def test_functions_of_a_user_are_given_arrays_of_the_device():
    x, u = np.array([1.0, -2.0, 3.0]), np.array([0.5, 1.0, 2.0])
    for stated in (
        Cube(),
        Function(np.cumsum, jacobian=lambda x: np.tril(x[:, None] * 0 + x * 0 + 1), is_linear=True),
        Function(np.cumsum, vjp=lambda _, u: np.cumsum(u[::-1])[::-1], jvp=lambda _, v: np.cumsum(v), is_linear=True),
        Function(
            lambda x: x * x,
            jacobian=lambda x: 2 * x,
            structure="diagonal",
            hessian=lambda _, u: 2 * u,
            curvature_structure="diagonal",
        ),
        Function(lambda x: x**3, jvp=lambda x, v: 3 * x**2 * v, pattern=np.eye(3), hvp=lambda x, u, v: 6 * x * u * v),
    ):
        layer = stated.at(x) if isinstance(stated, Function) else stated
        assert_allclose(fetch(layer.value(place(x))), layer.value(x))
        assert_allclose(fetch(layer.jacobian(place(x)).todense()), layer.jacobian(x).todense())
        wanted = layer.curvature(x, u)
        if wanted is not None:
            assert_allclose(fetch(layer.curvature(place(x), place(u)).todense()), wanted.todense())


def test_a_function_that_leaves_the_device_is_refused():
    with pytest.raises(DeviceError, match="gives an array of the host"):
        Function(lambda x: np.ones(3), jacobian=lambda x: x, structure="diagonal", outputs=3).value(place(np.ones(3)))


def test_the_device_keeps_its_numbers_to_itself():
    x = place([1.0, 2.0])
    with pytest.raises(TypeError, match="implicit conversion"):
        np.asarray(x)
    for wrong in (
        lambda: x + np.ones(2),
        lambda: np.ones(2) * x,
        lambda: np.add(x, np.ones(2)),
        lambda: x[np.arange(2)],
    ):
        with pytest.raises(TypeError):
            wrong()
    for name in ("tolist", "item", "get", "flat"):
        with pytest.raises(AttributeError):
            getattr(x, name)
    with pytest.raises(AttributeError, match="has no lexsort"):
        NAMESPACE.lexsort  # noqa: B018  (asking for it is the test)
    with running(), pytest.raises(TypeError, match="while calls run"):
        float(x[0])


def _parameters(function):
    """The names of a function's parameters, where it tells them."""
    try:
        return getattr(function, "parameters", None) or list(inspect.signature(function).parameters)
    except ValueError:
        return None


def test_the_device_has_nothing_that_cupy_lacks():
    cupy = pytest.importorskip("cupy", reason="the stand-in is not compared with CuPy, which is not installed")
    special, sparse = pytest.importorskip("cupyx.scipy.special"), pytest.importorskip("cupyx.scipy.sparse")
    for name in strict_arrays.UFUNCS:
        assert isinstance(getattr(cupy, name), cupy.ufunc), name
    for name in SPECIAL_NAMES:
        assert isinstance(getattr(special, name), cupy.ufunc), name
    for name, function in strict_arrays.FUNCTIONS.items():
        own, theirs = (_parameters(one) for one in (function, getattr(cupy, name)))
        if theirs and own != ["operands"]:
            assert set(own) <= set(theirs), name
            assert own == theirs[: len(own)] or name in ("matmul", "outer"), name
    for name in strict_arrays.LINALG:
        assert hasattr(cupy.linalg, name)
    assert hasattr(sparse, "csr_matrix")
    assert hasattr(cupy, "ElementwiseKernel")
    for name in vars(StrictArray):
        assert name in ("held", "__module__", "__final__") or hasattr(cupy.ndarray, name), name
