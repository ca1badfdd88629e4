"""What a card is predicted to take, and when it is taken."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jacchain.derivatives import jacobian
from jacchain.execution import backend, launches
from jacchain.execution.backend import CPU
from jacchain.execution.device import Device
from jacchain.execution.launches import calls_of, forecast, kernel_launches
from jacchain.planning.pricing.store import shipped
from jacchain.workloads.networks import autoencoder
from jacchain.workloads.wine import wine


@pytest.fixture
def shipped_profiles(monkeypatch):
    monkeypatch.setattr(launches, "dependable", lambda device, _: shipped(device))
    monkeypatch.setattr(launches, "is_cuda_installed", lambda: True)


def predicted(problem):
    derivative = problem.derivative("optimal", device="cpu")
    run = derivative.compiled(problem.point).run
    count = kernel_launches(calls_of(run))
    return forecast(run.program, count, *(shipped(device).rates_of(run.program.itemsize) for device in ("cuda", "cpu")))


def test_a_small_network_is_all_launches_and_a_large_one_none():
    small, large = predicted(wine(16)), predicted(wine(1 << 12))
    assert small.launches == large.launches > 5
    assert small.arithmetic < small.launching / 50
    assert large.arithmetic > small.arithmetic * 200
    assert small.device > small.host
    assert large.device < large.host / 3
    assert not small.is_worth
    assert large.is_worth


def test_a_device_never_takes_less_than_its_launches_its_copies_and_the_arithmetic():
    for problem in (wine(16), wine(4096), autoencoder((60, 20, 60)), autoencoder()):
        found = predicted(problem)
        assert found.device >= found.copying + max(found.launching, found.arithmetic / 2)
        assert min(found) > 0


def test_auto_takes_a_card_where_it_is_predicted_to_be_worth_it_and_the_host_without_one(monkeypatch, shipped_profiles):
    monkeypatch.setattr(backend, "AUTOMATIC", [Device("cpu")])
    asked = []

    monkeypatch.setattr(launches, "_usable", lambda: asked.append(True))
    small, large = wine(16), wine(4096)
    wanted = large.derivative("optimal", device="cpu")(large.point)
    small.derivative("optimal")(small.point)
    assert not asked  # it is not even looked for
    assert_allclose(large.derivative("optimal")(large.point), wanted)
    assert asked
    other = CPU.with_kernels(CPU.kernels, CPU.kernels)
    monkeypatch.setattr(launches, "_usable", lambda: other)
    large = wine(4096)
    assert large.derivative("optimal").compiled(large.point).run.backend is other
    assert_allclose(large.derivative("optimal")(large.point), wanted)
    assert small.derivative("optimal").compiled(small.point).run.backend is not other


@pytest.mark.host(reason="the host is what is chosen")
def test_auto_looks_for_nothing_where_no_library_for_devices_is_installed(monkeypatch):
    monkeypatch.setattr(launches, "is_cuda_installed", lambda: False)
    monkeypatch.setattr(launches, "dependable", lambda *_: pytest.fail("no profile is read"))
    large = wine(4096)
    assert large.derivative("optimal").compiled(large.point).run.backend is CPU


def test_what_is_done_in_slices_stays_where_it_is(monkeypatch, shipped_profiles):
    monkeypatch.setattr(launches, "_usable", lambda: pytest.fail("no card is looked for"))
    problem = autoencoder((300, 200, 300))
    found = jacobian(problem.function, chunk_size=100)(problem.point)
    assert_allclose(found, jacobian(problem.function, device="cpu")(problem.point), atol=1e-12)


def test_calls_that_join_launch_once_for_each_part():
    a = np.ones(2)
    assert kernel_launches([(np.concatenate, ((a, a, a), 0, np.ones(6))), (np.add, (a, a, a))]) == 4
