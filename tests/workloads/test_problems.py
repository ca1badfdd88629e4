"""The nonlinear programs: their formulas, their structure, and the Hessians that were written by hand for them."""

from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks.lagrangian import TWINS, products
from benchmarks.lagrangian_formulas import FORMULAS, Words
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from jacchain.errors import OptionError, SizeError
from jacchain.lagrangian.lagrangian import Lagrangian
from jacchain.workloads.nonlinear.cartpole import CART, GRAVITY, LENGTH, POLE, CartPole, accelerations, cartpole
from jacchain.workloads.nonlinear.figures import DIRECTIONS, checks, figures, points
from jacchain.workloads.nonlinear.hs071 import hs071
from jacchain.workloads.nonlinear.programs import NONLINEAR_PROGRAMS, nonlinear_program
from jacchain.workloads.nonlinear.rosenbrock import rosenbrock

SMALL = {"hs071": None, "rosenbrock": 9, "cartpole": 5}
"""Sizes whose dense matrices are quickly made."""

WORDS = Words(np.sin, np.cos, np.exp, np.sum, lambda parts: np.concatenate([np.atleast_1d(part) for part in parts]))


@pytest.fixture(scope="module", params=NONLINEAR_PROGRAMS)
def program(request):
    return nonlinear_program(request.param, SMALL[request.param])


@pytest.fixture(scope="module")
def lagrangian(program):
    return Lagrangian(program.objective, program.constraints, program.x0)


def dense_hessian(program, x, multipliers, factor):
    """Second differences of the function itself in complex numbers: exact to about nine digits."""
    n, step = x.size, 1e-5
    units = np.eye(n)

    def slope(z):
        values = [
            factor * np.reshape(program.objective(z + 1e-30j * unit), ())
            - multipliers @ program.constraints(z + 1e-30j * unit)
            for unit in units
        ]
        return np.imag(values) / 1e-30

    return np.stack([(slope(x + step * unit) - slope(x - step * unit)) / (2 * step) for unit in units])


def test_every_program_is_consistent(program):
    assert program.lower.shape == program.upper.shape == program.x0.shape == (program.n,)
    assert program.constraint_lower.shape == program.constraint_upper.shape == (program.m,)
    assert program.constraints(program.x0).shape == (program.m,)
    assert np.ndim(program.objective(program.x0)) == 0
    assert (program.lower <= program.x0).all()
    assert (program.x0 <= program.upper).all()
    assert (program.constraint_lower <= program.constraint_upper).all()


def test_the_defaults_have_the_published_sizes():
    sizes = {name: nonlinear_program(name) for name in NONLINEAR_PROGRAMS}
    assert {name: (found.n, found.m) for name, found in sizes.items()} == {
        "hs071": (4, 2),
        "rosenbrock": (1000, 998),
        "cartpole": (505, 400),
    }
    assert all(found.optima for found in sizes.values())


@pytest.mark.parametrize(
    ("name", "n", "error", "message"),
    [
        ("rosenbrok", None, OptionError, "did you mean 'rosenbrock'"),
        ("hs071", 5, OptionError, "hs071 has four variables, not 5"),
        ("rosenbrock", 2, SizeError, "n = 2 leaves no constraint"),
        ("rosenbrock", 0, SizeError, "n is 0"),
        ("cartpole", 1, SizeError, "1 interval cannot swing up"),
    ],
)
def test_sizes_and_names_that_do_not_exist_are_refused(name, n, error, message):
    with pytest.raises(error, match=message):
        nonlinear_program(name, n)


def test_an_optimum_is_known_to_the_digits_that_are_recorded():
    assert hs071().is_optimum(17.0140173)
    assert not hs071().is_optimum(17.0141)
    assert rosenbrock(50).is_optimum(0.0)
    assert rosenbrock(50).is_optimum(6.23245863)
    assert not rosenbrock(3).is_optimum(0.0), "nothing is recorded for three variables"


def test_ones_solve_the_chained_rosenbrock_problem():
    found = rosenbrock(20)
    assert found.objective(np.ones(20)) == 0
    assert_array_equal(found.constraints(np.ones(20)), 0)


states = st.floats(-4, 4)


@given(states, states, states, states)
def test_the_force_changes_the_energy_of_cart_and_pole(angle, speed, spin, force):
    # dE/dt = u v, with E = ½ (m1 + m2) v² + m2 l v ω cos q + ½ m2 l² ω² − m2 g l cos q
    cart, pole = accelerations(np.array(angle), np.array(spin), np.array(force))
    cosine, sine = np.cos(angle), np.sin(angle)
    by_speed = (CART + POLE) * speed + POLE * LENGTH * spin * cosine
    by_spin = POLE * LENGTH * speed * cosine + POLE * LENGTH**2 * spin
    by_angle = -POLE * LENGTH * speed * spin * sine + POLE * GRAVITY * LENGTH * sine
    assert_allclose(by_speed * cart + by_spin * pole + by_angle * spin, force * speed, rtol=1e-9, atol=1e-9)


def test_a_trajectory_at_rest_has_no_defects():
    found = cartpole(4)
    rest = np.zeros(found.n)
    rest[CartPole(4).trajectory(np.arange(found.n)).place] = 0.7
    assert_allclose(found.constraints(rest), 0, atol=1e-15)
    assert found.objective(rest) == 0


def test_the_objective_is_the_trapezoidal_rule():
    found = cartpole(3)
    x = np.zeros(found.n)
    x[-4:] = [1.0, 2.0, 3.0, 4.0]
    assert_allclose(found.objective(x), 2 / 3 * (1 / 2 + 4 + 9 + 16 / 2))


def test_derivatives_agree_with_central_differences(program, lagrangian):
    found = checks(lagrangian, points(program, 1, seed=3)[0])
    assert list(found) == ["∇f", "∇g", "∇²L"]
    assert all(one.agrees and one.columns == program.n for one in found.values())


def test_many_variables_are_checked_along_random_directions():
    found = rosenbrock(DIRECTIONS + 1)
    lagrangian = Lagrangian(found.objective, found.constraints, found.x0)
    assert all(one.agrees and one.columns < found.n for one in checks(lagrangian, points(found, 1)[0]).values())


@pytest.mark.parametrize("wrong", ["gradient", "jacobian", "hessian"])
def test_a_wrong_derivative_does_not_pass_the_check(program, lagrangian, wrong):
    names = ("objective", "gradient", "constraints", "jacobian", "hessian", "number_of_constraints")
    parts = {name: getattr(lagrangian, name) for name in names}
    right = parts[wrong]
    parts[wrong] = lambda *arguments: 1.001 * right(*arguments)
    found = checks(SimpleNamespace(**parts), points(program, 1)[0])
    assert not all(one.agrees for one in found.values())


@pytest.mark.parametrize("seed", range(3))
def test_hessians_by_hand_are_second_derivatives(program, seed):
    (x, multipliers), twin = points(program, 1, seed=seed)[0], TWINS[program.name](program)
    wanted = dense_hessian(program, x, multipliers, 0.7)
    found = np.zeros_like(wanted)
    found[twin.rows, twin.columns] = twin.hessian(x, multipliers, 0.7)
    assert_allclose(found, np.tril(wanted), rtol=1e-6, atol=1e-7 * np.abs(wanted).max())


def test_the_structure_is_the_union_of_the_true_patterns(program, lagrangian):
    hessian = np.zeros((program.n, program.n), bool)
    jacobian = np.zeros((program.m, program.n), bool)
    for seed in range(3):
        x, multipliers = points(program, 1, seed=seed)[0]
        hessian |= np.abs(np.tril(dense_hessian(program, x, multipliers, 0.7))) > 1e-6
        jacobian |= np.stack([np.imag(program.constraints(x + 1e-30j * e)) for e in np.eye(program.n)], -1) != 0
    for pattern, wanted in ((lagrangian.structure, hessian), (lagrangian.jacobian_structure, jacobian)):
        assert_array_equal(np.stack([pattern.rows, pattern.columns]), np.stack(np.nonzero(wanted)))


@pytest.mark.parametrize("name", NONLINEAR_PROGRAMS)
def test_at_full_size_the_hessian_is_the_one_by_hand(name):
    found = nonlinear_program(name)
    lagrangian = Lagrangian(found.objective, found.constraints, found.x0)
    twin, answer = TWINS[name](found), products(found.n)
    pattern = lagrangian.structure
    assert_array_equal(np.stack([pattern.rows, pattern.columns]), np.stack([twin.rows, twin.columns]))
    for x, multipliers in points(found, 2):
        wanted = answer(twin.hessian(x, multipliers, 0.7), twin.rows, twin.columns)
        given_out = lagrangian.hessian_values(x, multipliers, 0.7)
        assert_allclose(answer(given_out, pattern.rows, pattern.columns), wanted, rtol=1e-9, atol=1e-11)


def test_the_formulas_for_other_libraries_are_those_of_the_programs(program):
    x, _ = points(program, 1)[0]
    f, g = FORMULAS[program.name](x, WORDS)
    assert_allclose(f, program.objective(x), rtol=1e-13)
    assert_allclose(np.reshape(g, -1), program.constraints(x), rtol=1e-12, atol=1e-13)


def test_figures_name_every_result_and_its_size(program, lagrangian):
    found = {one.name: one for one in figures(lagrangian, points(program, 2), seconds=0.01)}
    assert list(found) == ["f", "∇f", "g", "∇g", "∇²L", "together"]
    assert found["∇g"].shape == (program.m, program.n)
    assert found["∇²L"].nonzeros == lagrangian.structure.nonzeros
    assert all(one.seconds > 0 for one in found.values())
