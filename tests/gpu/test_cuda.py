"""The card and the processor held against each other: every rule, layer, primitive and front door.

These tests run where a CUDA device is, and are skipped where there is none. ``pytest --device cuda`` does more: it runs
the whole suite with the arithmetic of all NumPy points on the card.
"""

import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import samples
from numpy.testing import assert_allclose, assert_array_equal
from strategies import matching_structures, seeds, structure_pairs, twin_of

import jacchain as jc
from jacchain import layers as jl
from jacchain.algebra.addition import ADDITIONS
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.product import PRODUCTS
from jacchain.errors import DeviceError, JacchainError
from jacchain.execution.backend import Device, backend_at
from jacchain.layers import Linear, Sigmoid, Sum, Tanh

sys.path += [str(Path(__file__).parents[1] / room) for room in ("execution", "model")]
from test_device_model import EXAMPLES, HOST_ONLY, Place
from test_devices import FRONT_DOORS, X, net, scalar

pytestmark = pytest.mark.gpu
FEW = settings(max_examples=5)
DTYPES = st.sampled_from([np.float32, np.float64])


@pytest.fixture(scope="module", autouse=True)
def _card():
    try:
        backend_at(Device("cuda"))
    except JacchainError as error:
        pytest.skip(f"no CUDA device: {error.what}")


@pytest.fixture
def library():
    return backend_at(Device("cuda")).kernels.xp


def place(values):
    return backend_at(Device("cuda")).place(np.asarray(values))


def fetch(array):
    cuda = backend_at(Device("cuda"))
    assert cuda.owns(array)
    return cuda.fetch(array)


def there(matrix):
    return Matrix(matrix.structure, tuple(map(place, matrix.arrays)))


def dense(matrix):
    """All entries of a matrix of the card; one without numbers lies nowhere, and is written out by NumPy."""
    return fetch(matrix.todense()) if matrix.arrays else matrix.todense()


def rounding(dtype):
    return {"rtol": 1e-3, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-12}


def ids(pair):
    return f"{pair[0].__name__}-{pair[1].__name__}"


@pytest.mark.parametrize("pair", PRODUCTS, ids=ids)
@FEW
@given(data=st.data(), seed=seeds, dtype=DTYPES)
def test_every_product(pair, data, seed, dtype):
    x, y = (twin_of(s, seed + k, dtype) for k, s in enumerate(data.draw(structure_pairs(*pair))))
    assert_allclose(dense(there(x.matrix) @ there(y.matrix)), x.dense @ y.dense, **rounding(dtype))


@pytest.mark.parametrize("pair", ADDITIONS, ids=ids)
@FEW
@given(data=st.data(), seed=seeds, dtype=DTYPES)
def test_every_sum(pair, data, seed, dtype):
    x, y = (twin_of(s, seed + k, dtype) for k, s in enumerate(data.draw(matching_structures(*pair))))
    made = there(x.matrix) + there(y.matrix)
    if x.matrix.arrays or y.matrix.arrays:
        assert_allclose(dense(made), x.dense + y.dense, **rounding(dtype))


@pytest.mark.parametrize("name", [name for name in jl.__all__ if name != "Function"])
@FEW
@given(data=st.data(), dtype=DTYPES)
def test_every_layer(name, data, dtype):
    layer, x = data.draw(samples(name))
    x = x.astype(dtype)
    y = layer.value(x)
    u = np.linspace(0.5, 1.5, y.size).reshape(y.shape).astype(dtype)
    v = np.linspace(-1, 1, x.size).reshape(x.shape).astype(dtype)
    point = place(x)
    for found, wanted in (
        (layer.value(point), y),
        (layer.tangent(point, place(v)), layer.tangent(x, v)),
        (layer.adjoint(point, place(u)), layer.adjoint(x, u)),
        (layer.bend(point, place(u), place(v)), layer.bend(x, u, v)),
    ):
        assert found.dtype == dtype
        assert_allclose(fetch(found), wanted, **rounding(dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("part", range(4))
def test_every_primitive(part, dtype):
    kernels = backend_at(Device("cuda")).kernels
    for example in EXAMPLES[part::4]:
        primitive, numbers = example.primitive, example.point(3, dtype)
        if any(f"{name}(" in repr(getattr(primitive, "formulas", "")) for name in HOST_ONLY):
            continue
        wanted = Place(NUMPY, np.asarray, nullcontext).all_of(primitive, numbers, dtype)
        found = Place(kernels, place, nullcontext).all_of(primitive, numbers, dtype)
        for mine, theirs in zip(found, wanted, strict=True):
            assert mine.dtype == dtype
            assert_allclose(fetch(mine), theirs, **rounding(dtype), err_msg=repr(primitive))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("call", FRONT_DOORS.values(), ids=FRONT_DOORS)
def test_every_front_door(call, dtype):
    x = X.astype(dtype)
    wanted = call(x, device="cpu")
    brought, found = call(x, device="cuda"), call(place(x))
    assert type(brought) is np.ndarray
    assert brought.dtype == found.dtype == dtype
    assert_allclose(brought, wanted, **rounding(dtype))
    assert_allclose(fetch(found), wanted, **rounding(dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_large_network_and_its_gradient(dtype):
    random = np.random.default_rng(0)
    shapes = ((300, 500), (20, 300), (300, 20), (500, 300))
    weights = [(random.standard_normal(shape) / np.sqrt(shape[1])).astype(dtype) for shape in shapes]
    layers = [layer for weight in weights for layer in (Linear(weight), Tanh())]
    x = random.standard_normal(500).astype(dtype)
    for f in (jc.jacobian(jc.Sequential(layers)), jc.gradient(jc.Sequential([*layers, Sum()]))):
        assert_allclose(fetch(f(place(x))), f(x), **rounding(dtype))


def test_nothing_is_brought_to_the_host_in_the_steady_state(library, monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("numbers go to the host")

    point = place(X)
    weights = [place(layer.weight) for layer in net().layers if isinstance(layer, Linear)]
    for found in (jc.jacobian(net(*weights)), jc.gradient(scalar), jc.hessian(scalar)):
        found(point)
        with monkeypatch.context() as patch:
            patch.setattr(library, "asnumpy", refuse)
            patch.setattr(library.ndarray, "get", refuse)
            kept = found(point)
        assert isinstance(kept, library.ndarray)


def test_results_are_the_callers_own_and_their_memory_is_used_again():
    found = jc.jacobian(Linear(np.ones((3000, 50))))
    point = place(np.ones(50))
    first, second, third = (found(point) for _ in range(3))
    addresses = {first.data.ptr, second.data.ptr, third.data.ptr}
    assert len(addresses) == 3
    second[...] = 5.0
    found(point)
    assert_array_equal(fetch(first), 1)
    assert_array_equal(fetch(second), 5)
    del second, third
    assert found(point).data.ptr in addresses


def test_calls_on_two_streams_stay_apart(library):
    found, points = jc.jacobian(net()), [place(X), place(2 * X)]
    wanted = [jc.jacobian(net())(x) for x in (X, 2 * X)]
    library.cuda.Device().synchronize()
    streams = [library.cuda.Stream(non_blocking=True) for _ in points]
    results = []
    for stream, point in zip(streams, points, strict=True):
        with stream:
            results.append(found(point))
    for stream, result, one in zip(streams, results, wanted, strict=True):
        stream.synchronize()
        assert_allclose(fetch(result), one, rtol=1e-10)


def test_exhausted_memory_is_an_error_with_a_limit_that_does(library):
    f = jc.Sequential([Linear(np.ones((600, 400))), Tanh(), Linear(np.ones((800, 600))), Sigmoid()])
    x, found = np.linspace(0, 1, 400), jc.jacobian(f, device="cuda")
    pool = library.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + 1_000_000)
    try:
        with pytest.raises(DeviceError, match=r"asked for on cuda:0.*\ngive memory="):
            found(x)
    finally:
        pool.set_limit(size=0)
    assert_allclose(found(x), jc.jacobian(f, device="cpu")(x), rtol=1e-9, atol=1e-12)


def test_cards_that_do_not_exist_are_named(library):
    count = library.cuda.runtime.getDeviceCount()
    with pytest.raises(DeviceError, match=f"there is no cuda:{count}"):
        jc.jacobian(net(), device=f"cuda:{count}")(X)


def test_many_points_at_once():
    many = np.random.default_rng(1).standard_normal((7, 4))
    found = jc.jacobian(net())
    assert_allclose(fetch(found.batched(place(many))), np.stack([found(x) for x in many]), rtol=1e-9)
