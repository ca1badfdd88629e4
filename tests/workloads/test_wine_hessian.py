"""The wine network's Hessian: by hand, by every planner, and at work in Newton steps."""

import numpy as np
import pytest
from benchmarks import wine_hessian as by_hand
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

import jacchain as jc
from jacchain.errors import DtypeError, InfeasibleError, NonFiniteError, OptionError, SizeError
from jacchain.model.four_modes import MODES, hessian_by
from jacchain.planning.second.planners import SECOND_PLANNERS
from jacchain.workloads.newton import METHODS, best_descent, by_descent, by_newton
from jacchain.workloads.wine import wine
from jacchain.workloads.wine_hessian import WineNetwork, wine_hessian, wine_network


def hessians(network):
    """Return the Hessian by every planner that has an order."""
    for name in SECOND_PLANNERS:
        try:
            yield name, jc.hessian(network.loss, planner=name)(network.point)
        except InfeasibleError:
            assert name in ("forward_over_forward", "exhaustive")


def test_the_network_is_that_of_the_gradient_with_its_weights_turned():
    network, problem = wine_network(), wine(dtype="float64")
    first, second = network.parts(network.point)
    assert network.point.shape == (224,)
    assert_array_equal(first, problem.point.T)
    assert_allclose(network.loss(network.point), problem.function(problem.point), rtol=1e-14)
    assert_allclose(
        jc.gradient(network.loss)(network.point)[:208].reshape(13, 16).T, jc.gradient(problem.function)(problem.point)
    )
    assert second.shape == (16,)
    assert wine_network(3, dtype="float32").point.dtype == np.float32


@pytest.mark.parametrize("hidden", [1, 4])
def test_every_planner_gives_the_hessian_by_hand_symmetric_to_the_last_bit(hidden):
    network = wine_network(hidden)
    wanted = by_hand.plain(network)(network.point)
    scale = np.abs(wanted).max()
    for name, found in hessians(network):
        assert_allclose(found, wanted, rtol=1e-11, atol=1e-12 * scale, err_msg=name)
        assert_array_equal(found, found.T, err_msg=name)


def test_two_arguments_have_the_same_blocks_as_one_and_hand_written_buffers_agree():
    network = wine_network()
    wanted = by_hand.plain(network)(network.point)
    parts = network.parts(network.point)
    blocks = jc.hessian(network.loss_of, argnums=(0, 1))(*parts)
    assert_allclose(by_hand.joined(blocks), wanted, rtol=1e-11, atol=1e-13)
    run = by_hand.buffered(network)
    for _ in range(2):
        assert_allclose(run(network.point), wanted, rtol=1e-11, atol=1e-13)
    assert_array_equal(run(network.point), run(network.point).T)


@pytest.mark.parametrize("mode", MODES)
def test_the_modes_as_they_are_defined_give_the_same(mode):
    full = wine_network(1)
    network = WineNetwork(full.features[:5, :2], full.targets[:5], full.point[:3])
    found = hessian_by(network.loss, network.point, mode)
    assert_allclose(found.hessian, jc.hessian(network.loss)(network.point), rtol=1e-10, atol=1e-12)
    assert found.multiplications > jc.hessian(network.loss).plan(network.point).flops


def test_the_plan_of_the_whole_network_forms_the_slopes_of_the_outputs_first():
    network = wine_network()
    derivative = jc.hessian(network.loss)
    plan = derivative.plan(network.point)
    counted = derivative.count(network.point).multiplications
    assert counted == derivative.program(network.point).flops <= plan.flops  # what lowering saves is not planned
    assert plan.flops <= 5_700_000  # 178 x 208 x 209 / 2 and what goes with it, rather than twice that
    for name, baseline in plan.baselines.items():
        assert baseline.flops is None or plan.flops <= 0.62 * baseline.flops, name


def test_a_run_compares_planners_and_checks():
    found = wine_hessian(wine_network(2), "edge_pushing", check=True, seconds=0)
    assert [lap.planner for lap in found.laps] == ["edge_pushing", *MODES]
    assert found.laps[1].flops is None or found.laps[1].milliseconds is not None
    assert found.counted <= found.plan.flops == found.laps[0].flops
    assert found.is_symmetric
    assert found.difference.agrees
    assert_allclose(found.eigenvalues, np.sort(found.eigenvalues))


def test_bad_settings_are_refused():
    with pytest.raises(SizeError, match="hidden is 0"):
        wine_network(0)
    with pytest.raises(OptionError, match="unknown dtype 'float16'"):
        wine_network(dtype="float16")
    with pytest.raises(OptionError, match="seed -1 is negative"):
        wine_network(seed=-1)
    with pytest.raises(OptionError, match="unknown planner 'newton'"):
        wine_hessian(wine_network(1), "newton")


@pytest.mark.parametrize("method", METHODS)
def test_newton_steps_solve_rosenbrocks_problem(method):
    def rosenbrock(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    start = np.linspace(-1, 1, 8)
    assert_allclose(rosenbrock(start), rosen(start))
    found = by_newton(rosenbrock, start, method=method, steps=200)
    assert_allclose(found.weights, np.ones(8), rtol=1e-6)
    assert np.linalg.norm(rosen_der(found.weights)) < 1e-5
    assert found.products > 0
    assert len(found.losses) == len(found.seconds) == found.steps + 1
    assert_array_equal(start, np.linspace(-1, 1, 8))


def test_thirty_newton_steps_get_lower_than_a_thousand_of_gradient_descent():
    network = wine_network()
    newton = by_newton(network.loss, network.point, steps=30)
    descent = by_descent(network.loss, network.point, steps=1000)
    assert newton.losses[0] == descent.losses[0]
    assert newton.losses[-1] < 0.002
    assert descent.losses[-1] > 0.01
    assert newton.steps == 30
    assert newton.gradients <= 40
    assert newton.products < 600
    assert list(newton.losses) == sorted(newton.losses, reverse=True)
    assert_allclose(newton.losses[-1], float(network.loss(newton.weights)))


def test_descent_that_diverges_is_an_error_or_another_rate_is_taken():
    network = wine_network(2)
    with pytest.raises(NonFiniteError, match="smaller rate"):
        by_descent(network.loss, network.point, rate=1e6, steps=1000)
    assert best_descent(network.loss, network.point, seconds=0.02, rates=[0.1, 1e200]).method == "descent at rate 0.1"
    with pytest.raises(NonFiniteError, match="diverges at rates"):
        best_descent(network.loss, network.point, seconds=0.5, rates=[1e200])
    with pytest.raises(OptionError, match="unknown method 'BFGS'"):
        by_newton(network.loss, network.point, method="BFGS")
    with pytest.raises(SizeError, match="steps is 0"):
        by_newton(network.loss, network.point, steps=0)


@pytest.mark.parametrize("minimise", [by_newton, by_descent])
def test_losses_starts_and_steps_that_make_no_sense_are_refused(minimise):
    def squares(x):
        return np.sum(x**2)

    with pytest.raises(SizeError, match="steps is 0"):
        minimise(squares, np.ones(2), steps=0)
    with pytest.raises(SizeError, match=r"the loss has shape \(2,\)"):
        minimise(lambda x: x**2, np.ones(2), steps=2)
    with pytest.raises(SizeError, match=r"the start has shape \(2, 2\)"):
        minimise(squares, np.ones((2, 2)), steps=2)
    with pytest.raises(DtypeError, match="the start is int64"):
        minimise(squares, np.array([1, 2]), steps=2)
    with pytest.raises(NonFiniteError, match="the loss is nan at the start"):
        minimise(lambda x: np.sum(np.log(x)), np.array([-1.0]), steps=2)
    with pytest.raises(NonFiniteError, match="the loss is inf at the start"):
        minimise(lambda x: np.sum(1 / x), np.array([0.0]), steps=2)
    with pytest.raises(NonFiniteError, match=r"the loss is (nan|-inf) after \d+ (steps|evaluations)"):
        minimise(lambda x: np.sum(np.log(x)), np.ones(2), steps=200)
    for option in ({"tolerance": -1}, {"tolerance": np.nan}) if minimise is by_newton else ({"rate": np.nan},):
        with pytest.raises(OptionError, match="give a positive number"):
            minimise(squares, np.ones(2), steps=2, **option)
    assert minimise(squares, [1.0, 2.0], steps=2).losses[0] == 5
