"""The simulations of many steps: what their physics says of their Jacobians."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jacchain as jc
from jacchain.errors import OptionError, SizeError
from jacchain.workloads.burgers import burgers, observations
from jacchain.workloads.differences import compare
from jacchain.workloads.lorenz96 import final_state, lorenz96, spun_up, tendency


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("problem", [partial(lorenz96, 7, 30), partial(burgers, 50, 20)], ids=["lorenz96", "burgers"])
def test_every_order_agrees_with_central_differences(problem, dtype):
    found = problem(dtype=dtype)
    for planner in ("auto", "forward", "reverse"):
        jacobian = found.derivative(planner)(found.point)
        assert jacobian.dtype == dtype
        assert compare(found.function, found.point, jacobian, step=found.step).agrees
    assert not compare(found.function, found.point, 1.01 * jacobian, step=found.step).agrees


def test_the_jacobian_of_all_steps_is_that_of_the_second_half_times_that_of_the_first():
    x = spun_up(9, seed=2)
    half = partial(final_state, steps=25)
    whole = jc.jacobian(partial(final_state, steps=50))(x)
    assert_allclose(whole, jc.jacobian(half)(half(x)) @ jc.jacobian(half)(x), rtol=1e-12, atol=1e-12)


def test_turning_the_circle_turns_the_jacobian():
    x, jacobian = spun_up(8), jc.jacobian(partial(final_state, steps=10))
    turned = np.roll(jacobian(x), (3, 3), axis=(0, 1))
    assert_allclose(jacobian(np.roll(x, 3)), turned, rtol=1e-12, atol=1e-14)


def test_forcing_moves_the_tendency_one_to_one_and_advection_keeps_the_energy():
    x = spun_up(6, seed=1)
    assert_allclose(jc.jacobian(tendency, argnums=1)(x, np.full(6, 8.0)), np.eye(6))
    assert_allclose(x @ tendency(x, 0.0), -x @ x)


def test_a_wave_of_no_height_only_rises_by_the_force():
    found = jc.jacobian(partial(observations, cells=40, steps=10))(np.array([0.0, 0.3, 0.5, 0.0]))
    rise = 0.4 / 40 * 10  # dt times the steps; in so few, that the ends are held is not felt here
    fading = (1 - 4 * 0.2 * np.sin(np.pi / 40) ** 2) ** 10  # what the viscosity leaves of a sine, with ν dt/dx² = 0.2
    assert_allclose(found[2], [fading * np.sin(2 * np.pi * 13.5 / 40 + 0.3), 0, 0, rise], atol=1e-12)
    assert_allclose(found[0], 0, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(lorenz96, 3), "3 states on the circle"),
        (partial(burgers, 2), "2 cells, of which the ends are held"),
        (partial(lorenz96, 5, 0), "the number of steps"),
    ],
)
def test_what_cannot_be_simulated_is_refused(make, message):
    with pytest.raises(SizeError, match=message):
        make()


def test_the_plan_of_a_chain_is_no_order_of_a_simulation():
    with pytest.raises(OptionError, match="burgers, which is no chain"):
        burgers(5, 1).derivative("auto", jc.plan([3, 2]))
