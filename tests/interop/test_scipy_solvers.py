"""SciPy's solvers: signs, sparse derivatives, and trust-constr reaching the known optima."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import least_squares, minimize
from scipy.sparse import issparse

from jacchain.errors import OptionError, SizeError
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


def test_least_squares_takes_the_constraints_as_residuals():
    times = np.linspace(0.0, 2.0, 30)
    data = 2.5 * np.exp(-1.3 * times)
    lagrangian = Lagrangian(None, lambda x: x[0] * np.exp(x[1] * times) - data, np.ones(2))
    arguments = least_squares_arguments(lagrangian)
    assert issparse(arguments["jac"](np.ones(2)))
    found = least_squares(x0=[1.0, -1.0], **arguments)
    assert_allclose(found.x, [2.5, -1.3], rtol=1e-6)
    with pytest.raises(OptionError, match="there are no residuals"):
        least_squares_arguments(Lagrangian(lambda x: np.sum(x**2), None, np.ones(3)))
