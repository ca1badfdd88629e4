"""Devices: the result lies where the point lies, numbers travel once, and what goes wrong is named with its cure."""

import pickle
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import strict_arrays
import strict_device
from hypothesis import given, settings
from networks import compositions
from numpy.testing import assert_allclose, assert_array_equal
from strict_arrays import StrictArray
from strict_device import Scarce, fetch, place, replaced

import jacchain as jc
from jacchain.errors import DeviceError, DtypeError, MissingExtraError, NonFiniteError
from jacchain.execution import backend
from jacchain.execution.backend import CPU, CudaBackend, Device, as_device, backend_at, chosen_backend
from jacchain.layers import Bias, Linear, Sigmoid, Sum, Tanh

strict_device.install()

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal(4)
W = RANDOM.standard_normal((5, 4))
V = RANDOM.standard_normal((3, 5))


def net(first=W, second=V):
    return jc.Sequential([Linear(first), Tanh(), Linear(second), Sigmoid()])


def tall(x):
    return np.stack([x[0] * x[1], np.sin(x[1]) * np.exp(x[0]), np.sum(x**2)])


def scalar(x):
    return np.sum(np.tanh(W @ x) ** 3)


FRONT_DOORS = {
    "jacobian": lambda x, **device: jc.jacobian(net(), **device)(x),
    "slices": lambda x, **device: jc.jacobian(net(), chunk_size=2, **device)(x),
    "checked": lambda x, **device: jc.jacobian(net(), check=True, **device)(x),
    "gradient": lambda x, **device: jc.gradient(jc.Sequential([*net().layers, Sum()]), **device)(x),
    "tangent": lambda x, **device: jc.jvp(net(), x, x, **device),
    "tangent in a list": lambda x, **device: jc.jvp(net(), x, [1.0, 2.0, 3.0, 4.0], **device),
    "function": lambda x, **device: jc.jacobian(tall, **device)(x),
    "function, checked": lambda x, **device: jc.jacobian(tall, check=True, **device)(x),
    "function, zero": lambda x, **device: jc.jacobian(lambda x: np.ones(2) + 0 * x[:2], **device)(x),
    "function, itself": lambda x, **device: jc.jacobian(lambda x: x, **device)(x),
    "value": lambda x, **device: jc.value_and_jacobian(tall, **device)(x)[0],
    "a number beside": lambda x, **device: jc.gradient(lambda x, s: s * np.sum(x**3), **device)(x, 2.0),
    "function, tangent": lambda x, **device: jc.jvp(tall, x, x, **device),
    "function, adjoint": lambda x, **device: jc.vjp(scalar, x, 2.0, **device),
    "hessian": lambda x, **device: jc.hessian(scalar, **device)(x),
    "hessian of several": lambda x, **device: jc.hessian(tall, **device)(x),
    "hessian of a sum": lambda x, **device: jc.hessian(tall, **device)(x, weights=[1.0, 2.0, 3.0]),
    "hessian of layers": lambda x, **device: jc.hessian(jc.Sequential([*net().layers, Sum()]), **device)(x),
    "taylor": lambda x, **device: jc.hessian(scalar, **device).taylor(x)[1],
    "hvp": lambda x, **device: jc.hvp(scalar, x, x, **device),
    "matrix": lambda x, **device: jc.jacobian(np.tanh, structured=True, **device)(x).todense(),
}


@pytest.mark.parametrize("call", FRONT_DOORS.values(), ids=FRONT_DOORS)
def test_the_result_lies_where_the_point_lies(call):
    wanted = call(X, device="cpu")
    brought = call(X, device="strict")
    there = call(place(X))
    assert type(brought) is np.ndarray
    assert type(there) is StrictArray
    for found in (brought, fetch(there)):
        assert found.dtype == np.float64
        assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


@given(compositions())
@settings(max_examples=10)
def test_every_composition_has_the_jacobian_it_has_on_the_host(sample):
    wanted = jc.jacobian(sample.layer, device="cpu")(sample.point)
    assert_allclose(jc.jacobian(sample.layer, device="strict")(sample.point), wanted, rtol=1e-10, atol=1e-12)


def test_out_may_lie_on_either_side_and_be_a_memory_map(tmp_path):
    wanted = jc.jacobian(net(), device="cpu")(X)
    for point, device in ((X, "strict"), (place(X), "auto")):
        for chunk_size in (None, 2):
            found = jc.jacobian(net(), device=device, chunk_size=chunk_size)
            host, there = np.zeros((3, 4)), place(np.zeros((3, 4)))
            assert found(point, out=host) is host
            assert found(point, out=there) is there
            assert_array_equal(host, fetch(there))
            assert_allclose(host, wanted, rtol=1e-12)
    file = np.memmap(tmp_path / "jacobian", float, "w+", shape=(3, 4))
    jc.jacobian(net(), device="strict", chunk_size=1)(X, out=file)
    assert_allclose(np.array(file), wanted, rtol=1e-12)


def test_numbers_travel_once_each_way_and_not_at_all_between_arrays_of_the_device():
    functions = [(jc.jacobian(net(place(W), place(V))), jc.jacobian(net(place(W), place(V)), device="strict"))]
    functions += [(jc.jacobian(tall), jc.jacobian(tall, device="strict"))]
    functions += [(jc.hessian(scalar), jc.hessian(scalar, device="strict"))]
    for there, brought in functions:
        point = place(X)
        for _ in range(2):
            there(point)
            brought(X)
        with strict_arrays.running():  # refuses every transfer
            there(point)
        before = strict_arrays.transfers()
        brought(X)
        assert strict_arrays.transfers() == before + 2


def test_python_numbers_may_stand_beside_arrays_of_a_device():
    found, x = jc.gradient(lambda x, s: s * np.sum(x**3)), place(X)
    for scale in (2.0, 3.0, 4.0):
        assert_allclose(fetch(found(x, scale)), scale * 3 * X**2, rtol=1e-12)
        assert_allclose(found(X, scale), scale * 3 * X**2, rtol=1e-12)


def test_weights_of_the_host_that_change_in_place_are_seen_by_the_next_call():
    weight = W.copy()
    f = net(weight)
    for call in (jc.jacobian(f), jc.jacobian(lambda x: np.exp(f(x)))):
        point = place(X)
        before = fetch(call(point))
        weight *= 2
        assert_allclose(fetch(call(point)), call(X), rtol=1e-12)
        assert not np.allclose(before, fetch(call(point)))


def test_results_are_the_callers_own():
    found = jc.jacobian(Linear(np.ones((3000, 2))))
    first = found(place(np.ones(2)))
    second = found(place(np.ones(2)))
    second[...] = 5.0
    found(place(np.ones(2)))
    assert_array_equal(fetch(first), 1)
    assert_array_equal(fetch(second), 5)


def test_arrays_of_a_device_that_a_function_closes_over_are_constants():
    weight = place(W)
    for f in (lambda x: np.tanh(weight @ x), lambda x: np.tanh(x @ weight.T)):
        assert_allclose(fetch(jc.jacobian(f)(place(X))), jc.jacobian(lambda x: np.tanh(W @ x))(X), rtol=1e-12)


def test_layers_and_expressions_are_evaluated_where_the_point_lies():
    f, x = net(), place(X)
    assert_allclose(fetch(f(x)), f(X), rtol=1e-12)
    layer = Tanh()
    assert_allclose(fetch(layer.jacobian(x).todense()), layer.jacobian(X).todense())
    assert_allclose(fetch(layer.tangent(x, x)), layer.tangent(X, X))
    assert_allclose(fetch(layer.adjoint(x, x)), layer.adjoint(X, X))
    assert_allclose(fetch(layer.curvature(x, x).todense()), layer.curvature(X, X).todense())
    assert_allclose(fetch(layer.bend(x, x, x)), layer.bend(X, X, X))
    assert_allclose(fetch(jc.trace(scalar, x)(x)), scalar(X))


def test_float32_stays_float32_on_a_device():
    found = jc.jacobian(net())(place(X.astype(np.float32)))
    assert found.dtype == np.float32
    assert jc.jacobian(tall, device="strict")(X.astype(np.float32)).dtype == np.float32


def test_a_derivative_for_a_device_can_be_pickled_and_released():
    found = pickle.loads(pickle.dumps(jc.jacobian(net(), device="strict")))
    wanted = jc.jacobian(net())(X)
    assert_allclose(found(X), wanted, rtol=1e-12)
    found.release()
    assert_allclose(found(X), wanted, rtol=1e-12)
    assert found.count(X).multiplications == jc.jacobian(net()).count(X).multiplications


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jc.jacobian(net(), device="gpu"), "unknown device 'gpu'"),
        (lambda: jc.jacobian(tall, device="cpu:1"), "unknown device 'cpu:1'"),
        (lambda: jc.hessian(tall, device=None), "unknown device None"),
        (lambda: jc.jacobian(net(), device="cpu")(place(X)), "arrays lie on strict:0, but device='cpu'"),
        (lambda: jc.jacobian(tall, device="cpu")(place(X)), "arrays lie on strict:0, but device='cpu'"),
        (lambda: jc.jvp(net(), place(X), X), "the tangent v and x lie on different devices, cpu and strict:0"),
        (lambda: jc.vjp(tall, X, place(np.ones(3))), "the adjoint u and x lie on different devices, strict:0 and cpu"),
        (lambda: jc.hvp(scalar, place(X), X), "the vector v and x lie on different devices"),
        (lambda: jc.jacobian(lambda a, b: a * b)(X, place(X)), "one array lies on cpu and another on strict:0"),
        (lambda: jc.jacobian(net(), device="cpu")(X, out=place(np.zeros((3, 4)))), "out lies on strict:0"),
        (lambda: jc.jacobian(net(place(W)), device="cpu")(X), "the weight of Linear lies on strict:0"),
        (lambda: jc.jacobian(net(), device="strict", workers=2)(X), "workers share the steps on the host"),
        (lambda: jc.Dual(place(X), place(X)), "the value of a Dual lies on strict:0, but duals work on the host only"),
        (lambda: jc.Lagrangian(scalar, tall, place(X)), "x0 lies on strict:0, but Lagrangians work on the host only"),
        (lambda: jc.jacobian(net(), factored=True)(place(X)), "x lies on strict:0"),
        (lambda: jc.gauss_newton(net())(place(X)), "x lies on strict:0"),
    ],
)
def test_devices_that_do_not_go_together_are_named_with_the_cure(call, message):
    with pytest.raises(DeviceError) as info:
        call()
    assert message in info.value.what
    assert info.value.cure


def test_points_that_have_no_derivative_are_refused_on_devices_too():
    with pytest.raises(DtypeError, match="the input is int64"):
        jc.jacobian(net())(place(np.arange(4)))
    with pytest.raises(NonFiniteError, match="layer 1 \\(Bias\\)"):
        jc.jacobian(jc.Sequential([Bias(np.array([np.inf, 0.0])), Tanh()]), check=True)(place(np.ones(2)))


class Small(Scarce):
    """The other device, with little memory or few dtypes."""

    dtypes = ("float32", "float64")

    def supports(self, dtype):
        return dtype.name in self.dtypes

    def workspace(self, nbytes, dtype):
        if self.free is not None and nbytes > self.free:
            raise MemoryError(nbytes)
        return strict_device.STRICT.workspace(nbytes, dtype)


@pytest.fixture
def small(monkeypatch):
    return replaced(monkeypatch, Small())


def test_exhausted_memory_offers_a_limit_and_the_next_call_works(small):
    f = jc.Sequential([Linear(np.ones((200, 100))), Tanh(), Linear(np.ones((300, 200))), Tanh()])
    x = np.ones(100)
    small.free = 100_000
    found = jc.jacobian(f, device="strict")
    with pytest.raises(DeviceError, match=r"asked for on strict:0, where 100,000 are free\ngive memory=100000 or less"):
        found(x)
    limited = jc.jacobian(f, device="strict", memory=900_000)
    small.free = 900_000
    wanted = jc.jacobian(f, device="cpu")(x)
    assert_allclose(limited(x), wanted, atol=1e-12)
    assert_allclose(found(x), wanted, atol=1e-12)


def test_a_device_without_float64_says_so(small):
    small.dtypes = ("float32",)
    for call in (jc.jacobian(net(), device="strict"), jc.jacobian(tall, device="strict"), jc.hessian(scalar)):
        with pytest.raises(DeviceError, match="strict:0 has no float64\nconvert the arrays to float32"):
            call(place(X))
    assert jc.jacobian(net())(place(X.astype(np.float32))).dtype == np.float32


class CudaError(RuntimeError):
    """What CUDA says."""


class NoMemoryError(MemoryError):
    """What CuPy raises."""

    _size = 4096


def library(count):
    """A stand-in for CuPy with so many devices, or an error."""

    def devices():
        if isinstance(count, Exception):
            raise count
        return count

    runtime = SimpleNamespace(getDeviceCount=devices, CUDARuntimeError=CudaError, memGetInfo=lambda: (1000, 5000))
    memory = SimpleNamespace(OutOfMemoryError=NoMemoryError)
    cuda = SimpleNamespace(runtime=runtime, memory=memory, Device=lambda _: nullcontext())
    return SimpleNamespace(cuda=cuda, get_default_memory_pool=lambda: SimpleNamespace(free_bytes=lambda: 24))


@pytest.fixture
def forget():
    backend._cuda.cache_clear()
    yield
    backend._cuda.cache_clear()


@pytest.mark.usefixtures("forget")
def test_not_installed_no_device_and_too_few_devices_are_different_errors(monkeypatch):
    device = as_device("cuda:7")
    with monkeypatch.context() as patch:
        patch.setattr(backend, "find_spec", lambda _: None)
        with pytest.raises(MissingExtraError, match=r"jacchain\[gpu12\].*jacchain\[gpu13\]") as info:
            backend_at(device)
        assert info.value.exit_code == 5
    with monkeypatch.context() as patch:
        patch.setattr(backend, "find_spec", lambda _: True)
        patch.setattr(backend, "import_module", lambda _: (_ for _ in ()).throw(ImportError("=====\nno libcudart.so")))
        with pytest.raises(DeviceError, match=r"is installed, but cannot be loaded: no libcudart\.so"):
            backend_at(device)
    for count, message in (
        (CudaError("cudaErrorNoDevice: no CUDA-capable device is detected"), "cudaErrorNoDevice"),
        (1, "there is no cuda:7: the only CUDA device is cuda:0"),
        (4, "there is no cuda:7: the CUDA devices are cuda:0 to cuda:3"),
    ):
        monkeypatch.setattr(backend, "_cupy", lambda count=count: library(count))
        with pytest.raises(DeviceError, match=message):
            backend_at(device)


def test_what_the_library_says_of_exhausted_memory_becomes_an_error_with_numbers():
    found = CudaBackend(1, SimpleNamespace(xp=library(2)), None)
    with pytest.raises(DeviceError, match="4,096 bytes were asked for on cuda:1, where 1,024 are free"), found.active():
        raise NoMemoryError


@pytest.mark.usefixtures("forget")
def test_without_a_card_cuda_is_an_error_that_says_so():
    library = pytest.importorskip("cupy", reason="CuPy is not installed")
    if library.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(DeviceError, match="CuPy is installed, but no CUDA device can be used: cuda"):
        jc.jacobian(net(), device="cuda")(X)


def test_every_view_of_an_array_of_the_library_is_seen_in_its_references():
    library = pytest.importorskip("cupy", reason="CuPy is not installed")
    numbers = np.zeros(100)  # memory of the host will do for looking at references
    memory = library.cuda.UnownedMemory(numbers.ctypes.data, numbers.nbytes, numbers, 0)
    array = library.ndarray((10, 10), float, library.cuda.MemoryPointer(memory, 0))
    del memory
    strided = library.lib.stride_tricks.as_strided
    count = CudaBackend(0, None, None).references
    idle = count(array)
    ways = [
        lambda: array,
        lambda: array.view(),  # noqa: PLW0108  (the bound method would hold the array)
        lambda: array.T,
        lambda: array.reshape(-1)[3:5],
        lambda: array[2:4],
        lambda: array[2:4][1],
        lambda: strided(array, (5,), (8,)),
        lambda: strided(array[1:], (5,), (8,)),
    ]
    for make in ways:
        view = make()
        assert count(array) > idle
        del view
        assert count(array) == idle


def test_auto_is_the_host_for_arrays_of_the_host_and_their_device_for_others():
    strict = backend_at(Device("strict"))
    assert chosen_backend(CPU, "auto", np.dtype(float)) is backend_at(backend.AUTOMATIC[0])
    assert chosen_backend(strict, "auto", np.dtype(float)) is strict
    assert chosen_backend(strict, Device("strict"), np.dtype(float)) is strict
