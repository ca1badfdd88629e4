"""SciPy's solvers: signs, sparse derivatives, and trust-constr reaching the known optima."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import least_squares, minimize
from scipy.sparse import issparse

from jacchain.errors import OptionError, SizeError
from jacchain.interop.ipopt import solve
from jacchain.interop.scipy import least_squares_arguments, minimize_arguments
from jacchain.interop.solving import by_trust_region
from jacchain.lagrangian.lagrangian import Lagrangian
from jacchain.workloads.nonlinear.figures import points
from jacchain.workloads.nonlinear.programs import nonlinear_program


def made(name, n=None):
    program = nonlinear_program(name, n)
    return program, Lagrangian(program.objective, program.constraints, program.x0)


@pytest.mark.parametrize(("name", "n"), [("hs071", None), ("rosenbrock", 100), ("cartpole", 20)])
def test_trust_constr_reaches_the_known_optimum_sooner_than_by_estimates(name, n):
    program, lagrangian = made(name, n)
    exact = by_trust_region(program, lagrangian)
    assert exact.optimal
    # the estimates are given as many iterations, and need more
    estimated = by_trust_region(program, lagrangian, curvature="BFGS", iterations=exact.iterations)
    assert not estimated.optimal


def test_the_full_rosenbrock_problem_is_solved():
    program, lagrangian = made("rosenbrock", 1000)
    assert by_trust_region(program, lagrangian).optimal


def test_second_derivatives_are_sparse_and_have_the_signs_of_scipy():
    program, lagrangian = made("cartpole", 20)
    (x, multipliers), units, step = points(program, 1)[0], np.eye(program.n), 1e-6
    found = minimize_arguments(lagrangian, constraint_lower=0.0, constraint_upper=0.0)
    constraint = found["constraints"]

    def differences(slope):
        return np.stack([(slope(x + step * unit) - slope(x - step * unit)) / (2 * step) for unit in units])

    for matrix, wanted in (
        (found["hess"](x), differences(found["jac"])),
        (constraint.hess(x, multipliers), differences(lambda z: multipliers @ constraint.jac(z))),
        (constraint.jac(x).T, differences(constraint.fun)),
    ):
        assert issparse(matrix)
        assert_allclose(matrix.toarray(), wanted, atol=1e-8)


def test_bounds_are_those_that_were_given():
    program, lagrangian = made("hs071")
    found = minimize_arguments(lagrangian, lower=1.0, constraint_lower=[25.0, 40.0], constraint_upper=[np.inf, 40.0])
    assert found["bounds"].lb.tolist() == [1.0] * 4
    assert found["bounds"].ub.tolist() == [np.inf] * 4
    assert found["constraints"].ub.tolist() == [np.inf, 40.0]
    assert "bounds" not in minimize_arguments(lagrangian, constraint_lower=0.0, constraint_upper=0.0)
    del program


def test_a_problem_without_constraints_is_solved():
    lagrangian = Lagrangian(lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2) + np.sum((1 - x) ** 2), None, np.zeros(4))
    arguments = minimize_arguments(lagrangian, lower=-2.0)
    assert_allclose(minimize(x0=np.zeros(4), method="trust-constr", **arguments).x, 1, atol=1e-4)
    newton = {name: value for name, value in minimize_arguments(lagrangian).items() if name != "hess"}
    hessian = {"hess": lambda x: lagrangian.hessian(x).toarray()}
    assert_allclose(minimize(x0=np.zeros(4), method="trust-exact", **newton, **hessian).x, 1, atol=1e-6)


def test_bounds_of_constraints_must_be_there_where_constraints_are():
    _, constrained = made("hs071")
    free = Lagrangian(lambda x: np.sum(x**2), None, np.ones(3))
    with pytest.raises(
        OptionError, match="2 constraints, but constraint_lower or constraint_upper is missing\ngive both"
    ):
        minimize_arguments(constrained, constraint_lower=0.0)
    with pytest.raises(
        OptionError, match="0 constraints, but constraint_lower or constraint_upper is given\nleave both"
    ):
        minimize_arguments(free, constraint_lower=0.0, constraint_upper=0.0)
    with pytest.raises(SizeError, match=r"constraint_upper has shape \(3,\), but it is of 2 numbers"):
        minimize_arguments(constrained, constraint_lower=0.0, constraint_upper=np.ones(3))
    with pytest.raises(SizeError, match=r"lower has shape \(4, 1\)"):
        minimize_arguments(free, lower=np.ones((4, 1)))


@pytest.mark.parametrize("method", ["trust-exact", "trust-ncg", "trust-krylov", "dogleg", "Newton-CG"])
def test_dense_matrices_suit_the_other_methods(method):
    lagrangian = Lagrangian(lambda x: np.sum(np.cosh(x - 1.0)) + np.sum(x * x), None, np.zeros(4))
    found = minimize(x0=np.zeros(4), method=method, **minimize_arguments(lagrangian, matrices="dense"))
    assert np.abs(lagrangian.gradient(found.x)).max() < 1e-4


@pytest.mark.parametrize("matrices", ["dense", "operators"])
def test_trust_constr_takes_every_kind_of_matrix(matrices):
    program, lagrangian = made("hs071")
    found = minimize_arguments(
        lagrangian,
        lower=program.lower,
        upper=program.upper,
        constraint_lower=program.constraint_lower,
        constraint_upper=program.constraint_upper,
        matrices=matrices,
    )
    assert program.is_optimum(minimize(x0=program.x0, method="trust-constr", **found).fun, relative=1e-5)


def test_an_unknown_kind_of_matrix_is_refused():
    _, lagrangian = made("hs071")
    with pytest.raises(OptionError, match=r"unknown matrices 'operator'\ndid you mean 'operators'"):
        minimize_arguments(lagrangian, constraint_lower=0.0, constraint_upper=0.0, matrices="operator")
    with pytest.raises(OptionError, match=r"unknown matrices 'operators'\n.*valid: sparse, dense"):
        least_squares_arguments(lagrangian, matrices="operators")


def test_a_hundred_thousand_variables_are_minimised_without_a_hessian():
    n = 100_000
    lagrangian = Lagrangian(lambda x: np.sum(x) ** 2 / n + np.sum((x - 1.0) ** 2), None, np.ones(n))
    arguments = minimize_arguments(lagrangian, matrices="operators")
    # a quadratic function that has its minimum at 1/2
    found = minimize(x0=np.zeros(n), method="trust-constr", options={"maxiter": 30}, **arguments)
    assert_allclose(found.x, 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("bounds", "error"),
    [
        ({"lower": np.nan}, r"lower\[0\] is NaN\ngive -inf or inf"),
        ({"upper": [1.0, np.nan, 1.0]}, r"upper\[1\] is NaN"),
        ({"lower": 1.0, "upper": [2.0, 0.5, 3.0]}, r"lower\[1\] = 1 is above upper\[1\] = 0\.5\ngive lower <= upper"),
        (
            {"constraint_lower": 2.0, "constraint_upper": -np.inf},
            r"constraint_lower\[0\] = 2 is above constraint_upper\[0\] = -inf",
        ),
    ],
)
def test_bounds_that_are_nan_or_cross_are_refused(bounds, error):
    lagrangian = Lagrangian(lambda x: np.sum(x**2), np.sum, np.ones(3))
    for function, first in ((minimize_arguments, ()), (solve, (np.ones(3),))):
        with pytest.raises(OptionError, match=error):
            function(lagrangian, *first, **{"constraint_lower": 0.0, "constraint_upper": 1.0, **bounds})


def test_least_squares_takes_the_constraints_as_residuals():
    times = np.linspace(0.0, 2.0, 30)
    data = 2.5 * np.exp(-1.3 * times)
    lagrangian = Lagrangian(None, lambda x: x[0] * np.exp(x[1] * times) - data, np.ones(2))
    arguments = least_squares_arguments(lagrangian)
    assert issparse(arguments["jac"](np.ones(2)))
    found = least_squares(x0=[1.0, -1.0], **arguments)
    assert_allclose(found.x, [2.5, -1.3], rtol=1e-6)
    dense = least_squares_arguments(lagrangian, matrices="dense")
    assert_allclose(least_squares(x0=[1.0, -1.0], method="lm", **dense).x, [2.5, -1.3], rtol=1e-6)
    with pytest.raises(OptionError, match="there are no residuals"):
        least_squares_arguments(Lagrangian(lambda x: np.sum(x**2), None, np.ones(3)))
