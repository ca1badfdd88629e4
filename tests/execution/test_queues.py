"""Queues of a device's work, its memory when that is exhausted, and the host in its place."""

from contextlib import contextmanager
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
import strict_arrays
import strict_device
from numpy.testing import assert_allclose, assert_array_equal
from strict_device import STRICT, Scarce, fetch, place, replaced

import jacchain as jc
from jacchain.errors import DeviceError
from jacchain.execution import backend, launches
from jacchain.execution.backend import CudaBackend
from jacchain.execution.queues import QUEUES
from jacchain.layers import Function, Linear, Tanh
from jacchain.planning.pricing.store import shipped

strict_device.install()

RANDOM = np.random.default_rng(1)
X = RANDOM.standard_normal(4)
W = RANDOM.standard_normal((5, 4))


class Card(Scarce):
    """The stand-in, with a current queue and memory that may be exhausted."""

    current, free, is_full = 1, 1 << 30, False

    def queue(self):
        return self.current

    def fetch(self, array, out=None):
        if self.is_full:  # stands for whatever a call asks for
            raise MemoryError(4096)
        return STRICT.fetch(array, out)


@pytest.fixture
def card(monkeypatch):
    return replaced(monkeypatch, Card())


def net():
    return jc.Sequential([Linear(W.copy()), Tanh()])


def test_every_queue_refreshes_converted_weights_of_its_own(card):
    derivative, point = jc.jacobian(net()), place(X)
    many = jc.jacobian(net())
    wanted = jc.jacobian(net(), device="cpu")(X)
    for card.current in (1, 2):
        assert_allclose(fetch(derivative(point)), wanted, rtol=1e-12)
        assert_allclose(fetch(many.batched(place(np.stack([X, X]))))[1], wanted, rtol=1e-12)
    one = [run.prologue for run in derivative.compiled(point).run.queues.runs.values()]
    several = [held.ready.refresh for held in many._many.run.queues.runs.values()]
    for calls in (one, several):
        first, second = ([copy.data.ptr for _, (copy, *_) in refresh] for refresh in calls)
        assert first
        assert not {*first} & {*second}


def test_the_queue_that_was_used_least_recently_goes_first(card):
    derivative, point = jc.jacobian(net()), place(X)
    for card.current in (*range(QUEUES), 0, QUEUES):
        derivative(point)
    assert list(derivative.compiled(point).run.queues.runs) == [*range(2, QUEUES), 0, QUEUES]


def test_the_default_stream_of_each_thread_is_a_queue_of_its_own():
    stream = SimpleNamespace(ptr=2)
    card = CudaBackend(
        0, SimpleNamespace(xp=SimpleNamespace(cuda=SimpleNamespace(get_current_stream=lambda: stream))), 0
    )
    found = [card.queue(), card.queue()]
    for _ in range(2):
        thread = Thread(target=lambda: found.append(card.queue()))
        thread.start()
        thread.join()
    assert found[0] == found[1]
    assert len({*found}) == 3
    stream.ptr = 512
    assert card.queue() == 512


def held(run):
    runs = getattr(run, "run", run).queues.runs.values()
    return sum(workspace.binding.nbytes for one in runs for workspace in one.idle)


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_exhausted_memory_gives_back_what_was_held_also_by_slices(card, chunk_size):
    derivative = jc.jacobian(net(), device="strict", chunk_size=chunk_size)
    wanted = derivative(X)
    run = derivative.compiled(X).run
    assert held(run)
    card.is_full, card.free = True, 0
    with pytest.raises(
        DeviceError, match="4,096 bytes were asked for on strict:0, where 0 are free\nfree arrays of yours"
    ):
        derivative(X)
    assert not held(run)
    card.is_full = False
    assert_array_equal(derivative(X), wanted)


def test_slices_bring_the_point_once():
    derivative = jc.jacobian(jc.Sequential([Linear(place(W)), Tanh()]), device="strict", chunk_size=1)
    derivative(X)
    before = strict_arrays.transfers()
    derivative(X)
    assert strict_arrays.transfers() == before + 1 + 4


def test_what_the_libraries_of_cuda_say_of_memory_is_the_same_error_and_all_else_is_passed_on():
    runtime = SimpleNamespace(memGetInfo=lambda: (1000, 5000))
    memory = SimpleNamespace(OutOfMemoryError=MemoryError)

    @contextmanager
    def device(_):
        yield

    xp = SimpleNamespace(
        cuda=SimpleNamespace(runtime=runtime, memory=memory, Device=device),
        get_default_memory_pool=lambda: SimpleNamespace(free_bytes=lambda: 24),
    )
    card = CudaBackend(0, SimpleNamespace(xp=xp), None)
    with pytest.raises(DeviceError, match="more memory was asked for on cuda:0, where 1,024 are free"), card.active():
        raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")
    with pytest.raises(RuntimeError, match="EXECUTION_FAILED"), card.active():
        raise RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED")


def large(activation):
    weights = RANDOM.standard_normal((2, 600, 600)) / 25
    return jc.Sequential([Linear(weights[0]), activation, Linear(weights[1])])


@pytest.fixture
def chosen(card, monkeypatch):
    monkeypatch.setattr(backend, "AUTOMATIC", [backend.Device("cpu")])
    monkeypatch.setattr(launches, "is_cuda_installed", lambda: True)
    monkeypatch.setattr(launches, "dependable", lambda device, _: shipped(device))
    monkeypatch.setattr(launches, "_usable", lambda: card)
    monkeypatch.setattr(launches.Forecast, "is_worth", True)
    return card


def test_auto_goes_back_to_the_host_where_a_card_lacks_memory(chosen):
    f, x = large(Tanh()), np.ones(600)
    derivative = jc.jacobian(f)
    wanted = derivative(x)
    assert derivative.compiled(x).run.backend is chosen
    chosen.is_full = True
    assert_allclose(derivative(x), wanted, rtol=1e-9, atol=1e-12)
    assert_allclose(derivative(x, out=np.empty((600, 600))), wanted, rtol=1e-9, atol=1e-12)
    assert not held(derivative.compiled(x).run)
    chosen.free = derivative.compiled(x).run.program.peak - 1  # with the weights, which are copied there
    other = jc.jacobian(jc.Sequential(f.layers))
    assert other.compiled(x).run.backend is backend.CPU


def test_auto_goes_back_to_the_host_with_functions_that_a_card_refuses(chosen):
    f = large(Function(lambda x: np.ones(600) * (x.size > 0), jvp=lambda x, v: 0 * v, vjp=lambda x, u: 0 * u))
    found = jc.jacobian(f)(np.ones(600))
    assert_allclose(found, jc.jacobian(f, device="cpu")(np.ones(600)), rtol=1e-12)


def test_constants_of_a_device_may_stand_in_lists_and_be_indices_and_conditions():
    shift, order, mask = place(X), place(np.array([2, 0])), place(X > 0)
    for f, g in (
        (lambda x: np.concatenate([x, shift]), lambda x: np.concatenate([x, X])),
        (lambda x: np.where(mask, x**2, shift), lambda x: np.where(X > 0, x**2, X)),
        (lambda x: x[order] ** 2, lambda x: x[[2, 0]] ** 2),
    ):
        assert_allclose(jc.jacobian(f)(X), jc.jacobian(g)(X))


def test_lists_of_arrays_of_a_device_are_to_be_stacked_there_first():
    for call in (jc.jacobian(net()), jc.jacobian(net()).batched):
        with pytest.raises(DeviceError, match="a list of arrays of strict:0\nstack them on the device first"):
            call([place(np.array(1.0))] * 4)


def test_seconds_on_a_card_are_those_of_its_profile():
    found = jc.jacobian(net(), cost="seconds")
    assert found.plan(place(X)).profile.startswith(shipped("cuda").name)
    here = jc.jacobian(net(), cost="seconds", device="cpu")
    assert not here.plan(X).profile.startswith(shipped("cuda").name)


def test_a_gradient_that_is_constant_is_written_from_a_number_on_a_device_too():
    _, gradient, found = jc.hessian(lambda x: x[0], device="strict").taylor(X)
    assert_array_equal(gradient, [1, 0, 0, 0])
    assert not found.any()
