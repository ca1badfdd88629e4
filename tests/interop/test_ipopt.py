"""Ipopt's callbacks: their signs and structures, and pounce reaching the known optima through them."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import jacchain as jc
from jacchain.errors import DtypeError, MissingExtraError, NonFiniteError, OptionError, SizeError
from jacchain.interop.ipopt import QUIET, Problem, solve
from jacchain.interop.solving import by_ipopt
from jacchain.lagrangian.lagrangian import Lagrangian
from jacchain.workloads.nonlinear.figures import points
from jacchain.workloads.nonlinear.programs import nonlinear_program

PROGRAMS = (("hs071", None), ("rosenbrock", 1000), ("cartpole", 100))


def made(name, n=None):
    program = nonlinear_program(name, n)
    return program, Lagrangian(program.objective, program.constraints, program.x0)


HS071 = made("hs071")


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda pair: pair[0])
def pair(request):
    return made(*request.param)


def bounds(program):
    return {name: getattr(program, name) for name in ("lower", "upper", "constraint_lower", "constraint_upper")}


def test_pounce_reaches_the_known_optimum_by_exact_second_derivatives(pair):
    pytest.importorskip("pounce")
    program, lagrangian = pair
    exact, estimated = (by_ipopt(program, lagrangian, curvature=word) for word in ("exact", "L-BFGS"))
    assert exact.optimal
    assert abs(exact.objective - program.optima[0]) <= 1e-7 * program.optima[0]
    assert estimated.optimal
    # HS071 is so small that an estimate is exact after a few iterations
    fewer = int.__le__ if program.name == "hs071" else int.__lt__
    assert fewer(exact.iterations, estimated.iterations)


def test_a_solution_is_stationary_with_the_multipliers_in_the_signs_of_jacchain(pair):
    pytest.importorskip("pounce")
    program, lagrangian = pair
    found = solve(lagrangian, program.x0, **bounds(program))
    assert found.success
    assert found.message
    inside = (found.x > program.lower + 1e-4) & (found.x < program.upper - 1e-4)
    assert inside.any()
    assert_allclose(lagrangian.gradient(found.x, found.multipliers)[inside], 0, atol=1e-5)


def test_callbacks_have_the_signs_of_ipopt():
    program, lagrangian = made("cartpole", 20)
    x, multipliers = points(program, 1)[0]
    problem, step, units = Problem(lagrangian), 1e-6, np.eye(program.n)
    jacobian, hessian = np.zeros((program.m, program.n)), np.zeros((program.n, program.n))

    def slope(z):  # of σ f + Σ λ_i g_i
        rows, columns = problem.jacobianstructure()
        jacobian[rows, columns] = problem.jacobian(z)
        return 0.3 * problem.gradient(z) + multipliers @ jacobian

    wanted = np.stack([(slope(x + step * unit) - slope(x - step * unit)) / (2 * step) for unit in units])
    rows, columns = problem.hessianstructure()
    hessian[rows, columns] = problem.hessian(x, multipliers, 0.3)
    assert (rows >= columns).all()
    assert_allclose(hessian, np.tril(wanted), atol=1e-8)
    assert problem.objective(x) == lagrangian.objective(x)
    assert_allclose(problem.constraints(x), program.constraints(x), atol=1e-14)


def test_the_values_of_one_call_are_not_overwritten_by_the_next():
    program, lagrangian = made("hs071")
    problem, (x, multipliers) = Problem(lagrangian), points(program, 1)[0]
    first = problem.hessian(x, multipliers, 1.0)
    kept = first.copy()
    problem.hessian(x + 1.0, multipliers, 1.0)
    assert_allclose(first, kept, rtol=0)


@pytest.mark.parametrize("with_objective", [True, False])
def test_a_problem_without_constraints_or_without_an_objective_is_solved(with_objective):
    pytest.importorskip("pounce")
    if with_objective:
        lagrangian = Lagrangian(lambda x: np.sum((x - 3.0) ** 4), None, np.zeros(2))
        found = solve(lagrangian, np.zeros(2), upper=2.5)
        wanted = [2.5, 2.5]
    else:
        lagrangian = Lagrangian(None, lambda x: np.stack([x[0] ** 2 - x[1], x[1] - 4.0]), np.ones(2))
        found = solve(lagrangian, np.ones(2), constraint_lower=0.0, constraint_upper=0.0)
        wanted = [2.0, 4.0]
    assert found.success
    assert_allclose(found.x, wanted, atol=1e-5)


def test_a_watch_sees_every_iteration_and_may_stop_the_solver():
    pounce = pytest.importorskip("pounce")
    program, lagrangian = made("hs071")
    seen = []

    def watch(iterate):
        seen.append(iterate.iteration)
        return iterate.iteration < 2

    problem = pounce.Problem(
        n=4,
        m=2,
        problem_obj=Problem(lagrangian, watch=watch),
        lb=program.lower,
        ub=program.upper,
        cl=program.constraint_lower,
        cu=program.constraint_upper,
    )
    for name, value in QUIET.items():
        problem.add_option(name, value)
    _, info = problem.solve(x0=program.x0)
    assert seen == [0, 1, 2]
    assert info["status"] != 0


def test_options_reach_the_solver():
    pytest.importorskip("pounce")
    program, lagrangian = made("rosenbrock", 20)
    found = solve(lagrangian, program.x0, **bounds(program), options={**QUIET, "max_iter": 1})
    assert not found.success
    assert found.iterations == 1


def test_cyipopt_is_called_as_it_documents(monkeypatch):
    """The wheel of pounce in the clothes of cyipopt, whose messages are bytes and whose info counts no iterations."""
    pounce = pytest.importorskip("pounce")
    program, lagrangian = made("hs071")

    class Stand:
        def __init__(self, **given):
            assert list(given) == ["n", "m", "problem_obj", "lb", "ub", "cl", "cu"]
            self._problem = pounce.Problem(**given)
            self.add_option = self._problem.add_option

        def solve(self, x):
            x, info = self._problem.solve(x)
            kept = ("x", "g", "obj_val", "mult_g", "mult_x_L", "mult_x_U", "status")
            return x, {"status_msg": b"solved"} | {name: value for name, value in info.items() if name in kept}

    monkeypatch.setitem(sys.modules, "cyipopt", SimpleNamespace(Problem=Stand))
    found = solve(lagrangian, program.x0, **bounds(program), solver="cyipopt")
    assert (found.message, found.success, found.iterations) == ("solved", True, 8)
    assert program.is_optimum(found.objective)


numbers = st.floats(-3, 3)


@given(st.lists(numbers, min_size=4, max_size=4), numbers, numbers, numbers)
def test_the_hessian_adds_what_multipliers_weigh(x, first, second, factor):
    _, lagrangian = HS071
    a, b, c, d = x
    of_product = [0, c * d, 0, b * d, a * d, 0, b * c, a * c, a * b, 0]
    of_objective = [2 * d, d, 0, d, 0, 0, 2 * a + b + c, a, a, 0]
    of_squares = [2, 0, 2, 0, 0, 2, 0, 0, 0, 2]
    wanted = factor * np.array(of_objective) + first * np.array(of_product) + second * np.array(of_squares)
    found = Problem(lagrangian).hessian(np.array(x), np.array([first, second]), factor)
    assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("solver", ["pounce", "cyipopt"])
def test_a_solver_that_is_missing_is_named_with_the_way_to_install_it(monkeypatch, solver):
    program, lagrangian = made("hs071")
    monkeypatch.setitem(sys.modules, solver, None)
    with pytest.raises(
        MissingExtraError, match=f"{solver} is not installed\n.*{'nlp' if solver == 'pounce' else 'conda'}"
    ):
        solve(lagrangian, program.x0, **bounds(program), solver=solver)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_itre": 1}, "'max_itre': 1: Unknown option \"max_itre\""),
        ({"tol": "small"}, "'tol': 'small': .*not a string option"),
        ({"tol": -1.0}, "'tol': -1.0: .*out of range"),
    ],
)
def test_options_that_ipopt_does_not_take_are_named(options, message):
    pytest.importorskip("pounce")
    program, lagrangian = made("hs071")
    with pytest.raises(OptionError, match=f"Ipopt does not take {message}.*\nsee Ipopt's list"):
        solve(lagrangian, program.x0, **bounds(program), options={**QUIET, **options})


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_start_that_is_not_finite_is_refused(number):
    program, lagrangian = made("hs071")
    with pytest.raises(NonFiniteError, match=rf"x0\[2\] is {number}\nstart at finite numbers"):
        solve(lagrangian, [1.0, 1.0, number, 1.0], **bounds(program))


def test_wrong_bounds_starts_and_solvers_are_refused():
    pytest.importorskip("pounce")
    program, lagrangian = made("hs071")
    limits = bounds(program)
    with pytest.raises(SizeError, match=r"lower has shape \(3,\), but it is of 4 numbers"):
        solve(lagrangian, program.x0, **{**limits, "lower": np.ones(3)})
    with pytest.raises(SizeError, match=r"constraint_lower has shape \(0,\), but it is of 2 numbers"):
        solve(lagrangian, program.x0)
    with pytest.raises(SizeError, match=r"x0 has shape \(5,\)"):
        solve(lagrangian, np.ones(5), **limits)
    with pytest.raises(OptionError, match="unknown solver 'ipopt'"):
        solve(lagrangian, program.x0, **limits, solver="ipopt")


def test_float32_is_refused_since_ipopt_computes_with_float64():
    lagrangian = Lagrangian(lambda x: np.sum(x**2), None, np.ones(2, np.float32))
    with pytest.raises(DtypeError, match="float32, but Ipopt computes with float64"):
        Problem(lagrangian)


def test_layers_are_solved_too():
    pytest.importorskip("pounce")
    layers = jc.Sequential([jc.layers.LeftMultiply(np.array([[1.0, 2.0], [0.5, -1.0]])), jc.layers.Tanh()])
    lagrangian = Lagrangian(lambda x: np.sum((x - 1.0) ** 2), lambda x: layers(x[:, None]), np.zeros(2))
    found = solve(lagrangian, np.zeros(2), constraint_lower=-0.5, constraint_upper=0.5)
    assert found.success
    assert np.abs(np.tanh([[1.0, 2.0], [0.5, -1.0]] @ found.x)).max() <= 0.5 + 1e-6
